"""The conversation: OpenAI's message list as Anthropic's system and messages (rows b4).

Every step looks at a message and its neighbours, never at what comes later, so that
the translation of a longer conversation begins with the translation of the shorter
one. (Exempt, because they concern the end of a request: a system-only request, a
history that ends with an assistant turn, and a mid-conversation system message whose
assistant reply was blank.)
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct

from proxy import capabilities, errors
from proxy.schema import chat_request, messages_request
from proxy.translate import (
    assistant,
    cache,
    content,
    mid_system,
    names,
    tool_results,
    warn,
)

OPENING = messages_request.Message(
    role="user",
    content=[
        messages_request.Text(text="[The conversation begins with the assistant.]")
    ],
)
"""Precedes a history that the assistant begins: not every version of the API accepts
an assistant turn first."""

GO_ON = messages_request.Message(
    role="user", content=[messages_request.Text(text="Continue.")]
)
"""Follows a trailing assistant turn on models that reject a prefill."""

_System = chat_request.SystemMessage | chat_request.DeveloperMessage


class Conversation(Struct, frozen=True, kw_only=True):
    system: list[messages_request.Text]
    messages: list[messages_request.Message]
    replays_thinking: bool
    """Whether any thinking block of an earlier response is sent back."""


class Rules(Struct, frozen=True, kw_only=True):
    """What the translation of one conversation depends on besides its messages."""

    model: capabilities.Model
    keep_thinking: bool
    """Thinking is on, so blocks of earlier responses may be replayed."""
    prefill: bool
    """The model continues a trailing assistant turn of this request."""


def to_anthropic_messages(
    messages: Sequence[chat_request.Message], rules: Rules, warnings: warn.Warnings
) -> Conversation:
    """Translate a whole message list.

    Raises ``InvalidRequestError`` with ``param`` for tool calls without results,
    results without calls, content Claude cannot take, and a blank last turn.
    """
    leading = 0
    while leading < len(messages) and isinstance(messages[leading], _System):
        leading += 1
    if leading == len(messages):
        return _system_only(messages, warnings)
    system = [
        block
        for message in messages[:leading]
        if isinstance(message, _System)
        for block in _system_blocks(message)
    ]
    turns = _Turns(rules, warnings)
    turns.take(messages, leading)
    placed = mid_system.place(turns.out, rules.model)
    if not placed:
        raise _invalid("messages", "must not be blank")
    if placed[0].role == "assistant":
        warnings.add("opening_added")
        placed.insert(0, OPENING)
    return Conversation(
        system=system,
        messages=_end(placed, rules, warnings),
        replays_thinking=turns.replays_thinking,
    )


def _invalid(at: str, why: str) -> Exception:
    return errors.InvalidRequestError(f"{at}: {why}", param=at)


def _system_blocks(message: _System) -> list[messages_request.Text]:
    own = cache.control_of(message)
    return cache.set_on_last(content.text_blocks(message.content), own)


def _system_only(
    messages: Sequence[chat_request.Message], warnings: warn.Warnings
) -> Conversation:
    """A request of system messages alone: the last one is what the user says."""
    blocks = [
        _system_blocks(message) for message in messages if isinstance(message, _System)
    ]
    spoken = [one for one in blocks if one]
    if not spoken:
        raise _invalid("messages", "must not be blank")
    warnings.add("system_only_request")
    return Conversation(
        system=[block for one in spoken[:-1] for block in one],
        messages=[messages_request.Message(role="user", content=list(spoken[-1]))],
        replays_thinking=False,
    )


class _AssistantParts(Struct, frozen=True):
    """An assistant message's blocks, in the order in which a turn holds them."""

    thinking: Sequence[messages_request.Thinking | messages_request.RedactedThinking]
    texts: Sequence[messages_request.Block]
    uses: Sequence[messages_request.Block]


class _Turns:
    """Takes messages in order and builds the turns; system messages stay in place."""

    def __init__(self, rules: Rules, warnings: warn.Warnings) -> None:
        self.out: list[messages_request.Message] = []
        self.replays_thinking = False
        self._rules = rules
        self._warnings = warnings
        self._ids = names.UseIds()

    def take(self, messages: Sequence[chat_request.Message], start: int) -> None:
        """Take the messages from index ``start`` on."""
        i = start
        while i < len(messages):
            message = messages[i]
            at = f"messages[{i}]"
            match message:
                case chat_request.AssistantMessage():
                    i = self._assistant_run(messages, i)
                    continue
                case chat_request.UserMessage():
                    self._user(message, at, last=i == len(messages) - 1)
                case chat_request.SystemMessage() | chat_request.DeveloperMessage():
                    self._add("system", _system_blocks(message))
                case chat_request.ToolMessage() | chat_request.FunctionMessage():
                    raise _invalid(
                        at,
                        "messages with role 'tool' must be a response to a preceding "
                        "message with 'tool_calls'",
                    )
            i += 1

    def _add(
        self,
        role: Literal["user", "assistant", "system"],
        blocks: Iterable[messages_request.ContentBlock],
    ) -> None:
        if held := list(blocks):
            self.out.append(messages_request.Message(role=role, content=held))

    def _user(self, message: chat_request.UserMessage, at: str, *, last: bool) -> None:
        blocks = content.user_blocks(message.content, at=at)
        if not blocks and last:
            raise _invalid(f"{at}.content", "the last message must not be blank")
        self._add("user", cache.set_on_last(blocks, cache.control_of(message)))

    # -------------------------------------------------- assistant turns and results

    def _assistant_run(self, messages: Sequence[chat_request.Message], i: int) -> int:
        """Consecutive assistant messages and the results of their calls.

        System messages between the calls and their results go behind the results.
        Returns the index of the first message that was not taken.
        """
        calls = tool_results.Calls()
        first = i
        parts: list[_AssistantParts] = []
        while i < len(messages) and isinstance(
            message := messages[i], chat_request.AssistantMessage
        ):
            parts.append(self._assistant(message, i, calls))
            i += 1
        self._add_assistant(parts)
        late: list[list[messages_request.Text]] = []
        results: dict[str, messages_request.ToolResult] = {}
        while i < len(messages) and isinstance(
            message := messages[i], tool_results.Result | _System
        ):
            if isinstance(message, _System):
                late.append(_system_blocks(message))
            else:
                self._result(message, f"messages[{i}]", calls, results)
            i += 1
        self._check_complete(calls, results, first)
        self._add("user", (results[call.use_id] for call in calls.all))
        for blocks in late:
            self._add("system", blocks)
        return i

    def _assistant(
        self, message: chat_request.AssistantMessage, i: int, calls: tool_results.Calls
    ) -> "_AssistantParts":
        at = f"messages[{i}]"
        thinking = (
            list(assistant.thinking(message)) if self._rules.keep_thinking else []
        )
        texts = list(assistant.texts(message))
        if message.audio is not None:
            self._warnings.add("audio_ignored")
        uses: list[messages_request.ToolUse] = []
        ids: set[str] = set()
        for n, call in enumerate(message.tool_calls or ()):
            use, open_call = self._tool_call(call, f"{at}.tool_calls[{n}]", ids)
            uses.append(use)
            calls.add(open_call)
        if message.function_call is not None:
            if not message.function_call.name:
                raise _invalid(f"{at}.function_call.name", "must not be empty")
            use_id = self._ids.take(f"call_{i}")
            uses.append(self._use(message.function_call, use_id, None))
            calls.add(
                tool_results.Call(message.function_call.name, use_id, legacy=True)
            )
        spoken: list[messages_request.Block] = [*texts, *uses]
        spoken = cache.set_on_last(spoken, cache.control_of(message))
        return _AssistantParts(thinking, spoken[: len(texts)], spoken[len(texts) :])

    def _add_assistant(self, parts: Sequence["_AssistantParts"]) -> None:
        """Add a run of assistant messages: one turn where any of them calls a tool.

        Only the turn directly before the results may hold their calls.
        """
        if any(one.uses for one in parts):
            parts = [
                _AssistantParts(
                    [block for one in parts for block in one.thinking],
                    [block for one in parts for block in one.texts],
                    [block for one in parts for block in one.uses],
                )
            ]
        for one in parts:
            if one.texts or one.uses:
                self.replays_thinking = self.replays_thinking or bool(one.thinking)
                turn: list[Any] = [*one.thinking, *one.texts, *one.uses]
                self._add("assistant", turn)

    def _tool_call(
        self, call: chat_request.ToolCall, at: str, earlier: set[str]
    ) -> tuple[messages_request.ToolUse, tool_results.Call]:
        if call.type not in {"function", None} or call.function is None:
            raise errors.InvalidRequestError(
                f"{at}: only function tool calls can be translated",
                param=at,
                code="unsupported_value",
            )
        if not call.id:
            raise _invalid(f"{at}.id", "is required")
        if not call.function.name:
            raise _invalid(f"{at}.function.name", "must not be empty")
        if call.id in earlier:
            raise _invalid(f"{at}.id", "is used twice in this message")
        earlier.add(call.id)
        use_id = self._ids.take(call.id)
        control = cache.control_of(call)
        return self._use(call.function, use_id, control), tool_results.Call(
            call.id, use_id
        )

    def _use(
        self, function: chat_request.FunctionCall, use_id: str, control: cache.Control
    ) -> messages_request.ToolUse:
        return messages_request.ToolUse(
            id=use_id,
            name=names.tool_name(function.name),
            input=assistant.tool_input(function.arguments, self._warnings),
            cache_control=control,
        )

    def _result(
        self,
        message: tool_results.Result,
        at: str,
        calls: tool_results.Calls,
        results: dict[str, messages_request.ToolResult],
    ) -> None:
        call = calls.of_result(message)
        if call is None:
            where, what = (
                ("tool_call_id", "tool call of the preceding assistant message")
                if isinstance(message, chat_request.ToolMessage)
                else ("name", "function_call of the preceding assistant message")
            )
            raise _invalid(f"{at}.{where}", f"must name a {what}")
        if call.use_id in results:
            self._warnings.add("tool_result_duplicate")  # the last one wins
        results[call.use_id] = tool_results.tool_result(message, call, at)

    def _check_complete(
        self,
        calls: tool_results.Calls,
        results: dict[str, messages_request.ToolResult],
        first: int,
    ) -> None:
        missing = [call.id for call in calls.all if call.use_id not in results]
        if missing:
            raise _invalid(
                f"messages[{first}]",
                "An assistant message with 'tool_calls' must be followed by tool "
                "messages responding to each 'tool_call_id'. The following "
                f"tool_call_ids did not have response messages: {', '.join(missing[:10])}",
            )


# ------------------------------------------------------------------ the end


def _end(
    turns: list[messages_request.Message], rules: Rules, warnings: warn.Warnings
) -> list[messages_request.Message]:
    """A history that ends with an assistant turn: continued, or asked to go on."""
    if turns[-1].role != "assistant":
        return turns
    last = turns[-1].content[-1]
    if rules.prefill and isinstance(last, messages_request.Text):
        text = messages_request.Text(  # a prefill may not end with white space
            text=last.text.rstrip(), cache_control=last.cache_control
        )
        blocks = [*turns[-1].content[:-1], text]
        return [
            *turns[:-1],
            messages_request.Message(role="assistant", content=blocks),
        ]
    warnings.add_or_refuse("prefill_unsupported", param="messages")
    return [*turns, GO_ON]
