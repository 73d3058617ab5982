"""The turns of a conversation: users, the assistant with its calls, and their results.

Every step looks at a message and its neighbours, never at what comes later (see
``messages``).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from proxy import capabilities, errors
from proxy.schema import chat_request, messages_request
from proxy.translate import assistant, cache, content, names, tool_results, warn

System = chat_request.SystemMessage | chat_request.DeveloperMessage
Thinking = messages_request.Thinking | messages_request.RedactedThinking


class Rules(Struct, frozen=True, kw_only=True):
    """What the translation of one conversation depends on besides its messages."""

    model: capabilities.Model
    keep_thinking: bool
    """Thinking is on, so blocks of earlier responses may be replayed."""
    prefill: bool
    """The model continues a trailing assistant turn of this request."""
    interleaved: bool
    """Thinking may have stood between the calls of a turn, not only before them."""
    properties: Mapping[str, Mapping[str, str]]
    """Anthropic's tool name -> client's property name -> Anthropic's, where changed."""


def invalid(at: str, why: str) -> Exception:
    return errors.InvalidRequestError(f"{at}: {why}", param=at)


def system_blocks(message: System) -> list[messages_request.Text]:
    """A system message's text blocks, its own breakpoint on the last."""
    blocks = content.text_blocks(message.content)
    cache.mark_last(blocks, cache.control_of(message))
    return blocks


def control_of_dropped(
    message: System | chat_request.UserMessage | chat_request.AssistantMessage,
    *,
    kept: bool,
) -> cache.Control:
    """The breakpoint of what was dropped at a message's beginning.

    It belongs to the block before. ``kept`` is whether anything of the message is left;
    if not, its own breakpoint is lost too.
    """
    dropped = content.control_of_dropped(message.content)
    return dropped if kept else cache.control_of(message) or dropped


class _AssistantParts(Struct, frozen=True):
    """An assistant message's blocks, in the order in which a turn holds them."""

    thinking: Sequence[Thinking]
    texts: Sequence[messages_request.Block]
    uses: Sequence[messages_request.Block]


class Turns:
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
                    blocks = system_blocks(message)
                    self._move_back(message, kept=bool(blocks))
                    self._add("system", blocks)
                case chat_request.ToolMessage() | chat_request.FunctionMessage():
                    raise invalid(
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
            raise invalid(f"{at}.content", "the last message must not be blank")
        cache.mark_last(blocks, cache.control_of(message))
        self._move_back(message, kept=bool(blocks))
        self._add("user", blocks)

    def _move_back(
        self,
        message: System | chat_request.UserMessage | chat_request.AssistantMessage,
        *,
        kept: bool,
    ) -> None:
        """A breakpoint of what is dropped from a message moves to the block before."""
        if self.out:
            control = control_of_dropped(message, kept=kept)
            cache.mark_last(self.out[-1].content, control)

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
            message := messages[i], tool_results.Result | System
        ):
            if isinstance(message, System):
                late.append(system_blocks(message))
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
        texts = assistant.texts(message)
        if message.audio is not None:
            self._warnings.add("audio_ignored", param=f"{at}.audio")
        uses: list[messages_request.ToolUse] = []
        for n, call in enumerate(message.tool_calls or ()):
            use, open_call = self._tool_call(call, f"{at}.tool_calls[{n}]")
            uses.append(use)
            calls.add(open_call)
        if message.function_call is not None:
            where = f"{at}.function_call"
            if not message.function_call.name:
                raise invalid(f"{where}.name", "must not be empty")
            use_id = self._ids.take(f"call_{i}")
            uses.append(self._use(message.function_call, use_id, None, where))
            calls.add(
                tool_results.Call(message.function_call.name, use_id, legacy=True)
            )
        spoken: list[messages_request.Block] = [*texts, *uses]
        cache.mark_last(spoken, cache.control_of(message))
        self._move_back(message, kept=bool(spoken))
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
                thinking = self._placed(one.thinking)
                self.replays_thinking = self.replays_thinking or bool(thinking)
                turn: list[Any] = [*thinking, *one.texts, *one.uses]
                self._add("assistant", turn)

    def _placed(self, thinking: Sequence[Thinking]) -> Sequence[Thinking]:
        """The blocks that are sure to stand where they stood in the response.

        The first begins a turn. Where thinking is interleaved a second one stood behind
        a text or a call, and OpenAI's message does not say which; Anthropic rejects
        signed blocks in another order, so none is sent.
        """
        if len(thinking) <= 1 or not self._rules.interleaved:
            return thinking
        self._warnings.add("thinking_blocks_dropped", param="messages")
        return ()

    def _tool_call(
        self, call: chat_request.ToolCall, at: str
    ) -> tuple[messages_request.ToolUse, tool_results.Call]:
        if call.type not in {"function", None} or call.function is None:
            raise errors.InvalidRequestError(
                f"{at}: only function tool calls can be translated",
                param=at,
                code="unsupported_value",
            )
        if not call.id:
            raise invalid(f"{at}.id", "is required")
        if not call.function.name:
            raise invalid(f"{at}.function.name", "must not be empty")
        use_id = self._ids.take(call.id)
        control = cache.control_of(call)
        use = self._use(call.function, use_id, control, f"{at}.function")
        return use, tool_results.Call(call.id, use_id)

    def _use(
        self,
        function: chat_request.FunctionCall,
        use_id: str,
        control: cache.Control,
        at: str,
    ) -> messages_request.ToolUse:
        name = names.tool_name(function.name)
        return messages_request.ToolUse(
            id=use_id,
            name=name,
            input=assistant.tool_input(
                function.arguments,
                self._rules.properties.get(name, {}),
                self._warnings,
                at=f"{at}.arguments",
            ),
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
            raise invalid(f"{at}.{where}", f"must name a {what}")
        if call.use_id in results:
            self._warnings.add("tool_result_duplicate", param=at)  # the last one wins
        results[call.use_id] = tool_results.tool_result(message, call, at)

    def _check_complete(
        self,
        calls: tool_results.Calls,
        results: dict[str, messages_request.ToolResult],
        first: int,
    ) -> None:
        missing = [call.id for call in calls.all if call.use_id not in results]
        if missing:
            raise invalid(
                f"messages[{first}]",
                "An assistant message with 'tool_calls' must be followed by tool "
                "messages responding to each 'tool_call_id'. The following "
                f"tool_call_ids did not have response messages: {', '.join(missing[:10])}",
            )
