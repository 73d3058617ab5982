"""The conversation: OpenAI's message list as Anthropic's system and messages (b.4).

Every step looks at a message and its neighbours, never at what comes later, so that
the translation of a longer conversation begins with the translation of the shorter
one. (Exempt, because they answer for the end of a request: a system-only request, a
history that ends with an assistant turn, and a late system message whose assistant
reply was blank.)
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct

from proxy import capabilities, errors
from proxy.schema import anthropic, openai
from proxy.translate import (
    assistant,
    cache,
    content,
    late_system,
    names,
    tool_results,
    warn,
)

OPENING = anthropic.Message(
    role="user",
    content=[anthropic.Text(text="[The conversation begins with the assistant.]")],
)
"""What stands before a history that the assistant begins: not every version of the API
takes an assistant turn first."""

GO_ON = anthropic.Message(role="user", content=[anthropic.Text(text="Continue.")])
"""What follows a trailing assistant turn on models that refuse a prefill."""

_System = openai.SystemMessage | openai.DeveloperMessage


class Conversation(Struct, frozen=True, kw_only=True):
    system: list[anthropic.Text]
    messages: list[anthropic.Message]
    replays_thinking: bool
    """Whether any thinking block of an earlier answer is sent back."""


class Rules(Struct, frozen=True, kw_only=True):
    """What the translation of one conversation depends on beside its messages."""

    model: capabilities.Model
    keep_thinking: bool
    """Thinking is on, so blocks of earlier answers may be replayed."""
    prefill: bool
    """The model continues a trailing assistant turn of this request."""
    ttl: cache.Ttl


def to_anthropic_messages(
    messages: Sequence[openai.Message], rules: Rules, warnings: warn.Warnings
) -> Conversation:
    """Translate a whole message list.

    Raises ``InvalidRequestError`` with ``param`` for tool calls without results,
    results without calls, content Claude cannot be shown, and a blank last turn.
    """
    leading = 0
    while leading < len(messages) and isinstance(messages[leading], _System):
        leading += 1
    if leading == len(messages):
        return _system_only(messages, rules, warnings)
    system = [
        block
        for message in messages[:leading]
        if isinstance(message, _System)
        for block in _system_blocks(message, rules.ttl)
    ]
    turns = _Turns(rules, warnings)
    turns.take(messages, leading)
    placed = late_system.place(turns.out, rules.model)
    if not placed:
        raise _invalid("messages", "hold nothing but blank text")
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


def _system_blocks(message: _System, ttl: cache.Ttl) -> list[anthropic.Text]:
    own = cache.mark(message, ttl)
    return cache.mark_last(content.text_blocks(message.content, ttl), own)


def _system_only(
    messages: Sequence[openai.Message], rules: Rules, warnings: warn.Warnings
) -> Conversation:
    """A request of system messages alone: the last one is what the user says."""
    blocks = [
        _system_blocks(message, rules.ttl)
        for message in messages
        if isinstance(message, _System)
    ]
    spoken = [one for one in blocks if one]
    if not spoken:
        raise _invalid("messages", "hold nothing but blank text")
    warnings.add("system_only_request")
    return Conversation(
        system=[block for one in spoken[:-1] for block in one],
        messages=[anthropic.Message(role="user", content=list(spoken[-1]))],
        replays_thinking=False,
    )


class _Said(Struct, frozen=True):
    """An assistant message's blocks, in the order in which a turn holds them."""

    thinking: Sequence[anthropic.Thinking | anthropic.RedactedThinking]
    texts: Sequence[anthropic.Block]
    uses: Sequence[anthropic.Block]


class _Turns:
    """Takes messages in order and builds the turns; system messages stay in place."""

    def __init__(self, rules: Rules, warnings: warn.Warnings) -> None:
        self.out: list[anthropic.Message] = []
        self.replays_thinking = False
        self._rules = rules
        self._warnings = warnings
        self._ids = names.UseIds()

    def take(self, messages: Sequence[openai.Message], start: int) -> None:
        """Take the messages from index ``start`` on."""
        i = start
        while i < len(messages):
            message = messages[i]
            at = f"messages[{i}]"
            match message:
                case openai.AssistantMessage():
                    i = self._assistant_run(messages, i)
                    continue
                case openai.UserMessage():
                    self._user(message, at, last=i == len(messages) - 1)
                case openai.SystemMessage() | openai.DeveloperMessage():
                    self._add("system", _system_blocks(message, self._rules.ttl))
                case openai.ToolMessage() | openai.FunctionMessage():
                    raise _invalid(
                        at,
                        "messages with role 'tool' must be a response to a preceding "
                        "message with 'tool_calls'",
                    )
            i += 1

    def _add(
        self,
        role: Literal["user", "assistant", "system"],
        blocks: Iterable[anthropic.ContentBlock],
    ) -> None:
        if told := list(blocks):
            self.out.append(anthropic.Message(role=role, content=told))

    def _user(self, message: openai.UserMessage, at: str, *, last: bool) -> None:
        ttl = self._rules.ttl
        blocks = content.user_blocks(message.content, ttl, at=at)
        if not blocks and last:
            raise _invalid(f"{at}.content", "the last message must not be blank")
        self._add("user", cache.mark_last(blocks, cache.mark(message, ttl)))

    # -------------------------------------------------- assistant turns and results

    def _assistant_run(self, messages: Sequence[openai.Message], i: int) -> int:
        """Directly consecutive assistant messages and the results that answer them.

        System messages between the calls and their results go behind the results.
        Returns the index of the first message that was not taken.
        """
        calls = tool_results.Calls()
        first = i
        said: list[_Said] = []
        while i < len(messages) and isinstance(
            message := messages[i], openai.AssistantMessage
        ):
            said.append(self._assistant(message, i, calls))
            i += 1
        self._add_assistant(said)
        late: list[list[anthropic.Text]] = []
        results: dict[str, anthropic.ToolResult] = {}
        while i < len(messages) and isinstance(
            message := messages[i], tool_results.Result | _System
        ):
            if isinstance(message, _System):
                late.append(_system_blocks(message, self._rules.ttl))
            else:
                self._result(message, f"messages[{i}]", calls, results)
            i += 1
        self._check_answered(calls, results, first)
        self._add("user", (results[call.use_id] for call in calls.all))
        for blocks in late:
            self._add("system", blocks)
        return i

    def _assistant(
        self, message: openai.AssistantMessage, i: int, calls: tool_results.Calls
    ) -> "_Said":
        at = f"messages[{i}]"
        thinking = (
            list(assistant.thinking(message)) if self._rules.keep_thinking else []
        )
        texts = list(assistant.texts(message, self._rules.ttl))
        if message.audio is not None:
            self._warnings.add("audio_ignored")
        uses: list[anthropic.ToolUse] = []
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
        spoken: list[anthropic.Block] = [*texts, *uses]
        spoken = cache.mark_last(spoken, cache.mark(message, self._rules.ttl))
        return _Said(thinking, spoken[: len(texts)], spoken[len(texts) :])

    def _add_assistant(self, said: Sequence["_Said"]) -> None:
        """Add a run of assistant messages: one turn where any of them calls a tool.

        Only the turn directly before the results may hold their calls.
        """
        if any(one.uses for one in said):
            said = [
                _Said(
                    [block for one in said for block in one.thinking],
                    [block for one in said for block in one.texts],
                    [block for one in said for block in one.uses],
                )
            ]
        for one in said:
            if one.texts or one.uses:
                self.replays_thinking = self.replays_thinking or bool(one.thinking)
                turn: list[Any] = [*one.thinking, *one.texts, *one.uses]
                self._add("assistant", turn)

    def _tool_call(
        self, call: openai.ToolCall, at: str, earlier: set[str]
    ) -> tuple[anthropic.ToolUse, tool_results.Call]:
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
        mark = cache.mark(call, self._rules.ttl)
        return self._use(call.function, use_id, mark), tool_results.Call(
            call.id, use_id
        )

    def _use(
        self, function: openai.FunctionCall, use_id: str, mark: cache.Mark
    ) -> anthropic.ToolUse:
        return anthropic.ToolUse(
            id=use_id,
            name=names.tool_name(function.name),
            input=assistant.tool_input(function.arguments, self._warnings),
            cache_control=mark,
        )

    def _result(
        self,
        message: tool_results.Result,
        at: str,
        calls: tool_results.Calls,
        results: dict[str, anthropic.ToolResult],
    ) -> None:
        call = calls.answered_by(message)
        if call is None:
            where, what = (
                ("tool_call_id", "tool call of the preceding assistant message")
                if isinstance(message, openai.ToolMessage)
                else ("name", "function_call of the preceding assistant message")
            )
            raise _invalid(f"{at}.{where}", f"answers no {what}")
        if call.use_id in results:
            self._warnings.add("tool_result_duplicate")  # the last one wins
        results[call.use_id] = tool_results.tool_result(
            message, call, self._rules.ttl, at
        )

    def _check_answered(
        self,
        calls: tool_results.Calls,
        results: dict[str, anthropic.ToolResult],
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
    turns: list[anthropic.Message], rules: Rules, warnings: warn.Warnings
) -> list[anthropic.Message]:
    """A history that ends with an assistant turn: continued, or asked to go on."""
    if turns[-1].role != "assistant":
        return turns
    if rules.prefill:
        last = turns[-1].content[-1]
        if isinstance(last, anthropic.Text):  # no trailing white space in a prefill
            text = anthropic.Text(
                text=last.text.rstrip(), cache_control=last.cache_control
            )
            blocks = [*turns[-1].content[:-1], text]
            return [
                *turns[:-1],
                anthropic.Message(role="assistant", content=blocks),
            ]
    warnings.add_or_refuse("prefill_unsupported", param="messages")
    return [*turns, GO_ON]
