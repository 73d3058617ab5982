"""OpenAI's message list as turns: users, the assistant with its calls, their results.

Every step looks at a message and its neighbours, never at what comes later (see
``proxy.translate.conversation``). Rows b4.
"""

from collections import deque
from collections.abc import Sequence

from msgspec import Struct

from proxy import errors
from proxy.schema import chat_request, messages_request
from proxy.translate import ask, cache, warn
from proxy.translate import content as blocks_of
from proxy.translate.chat import content, kept

System = chat_request.SystemMessage | chat_request.DeveloperMessage
Result = chat_request.ToolMessage | chat_request.FunctionMessage


def to_said(
    messages: Sequence[chat_request.Message],
    warnings: warn.Warnings,
    turns: kept.Turns,
) -> list[ask.Said]:
    """The conversation, in order; ``turns`` are those of it that were kept.

    Raises ``InvalidRequestError`` with ``param`` for tool calls without results,
    results without calls, content Claude cannot take, and a blank last turn.
    """
    said: list[ask.Said] = []
    i = 0
    while i < len(messages):
        message = messages[i]
        match message:
            case chat_request.AssistantMessage():
                i = _assistant_run(messages, i, said, warnings, turns)
                continue
            case chat_request.UserMessage():
                said.append(_user(message, i, last=i == len(messages) - 1))
            case chat_request.SystemMessage() | chat_request.DeveloperMessage():
                said.append(_system(message))
            case chat_request.ToolMessage() | chat_request.FunctionMessage():
                raise _invalid(
                    f"messages[{i}]",
                    "messages with role 'tool' must be a response to a preceding "
                    "message with 'tool_calls'",
                )
        i += 1
    return said


def used_names(messages: Sequence[chat_request.Message]) -> list[str]:
    """Names of the tools that the history calls, in order of first use."""
    used: dict[str, None] = {}
    for message in messages:
        if type(message) is chat_request.AssistantMessage:
            calls = message.tool_calls or ()
            used |= {call.function.name: None for call in calls if call.function}
            if message.function_call is not None:
                used[message.function_call.name] = None
    return list(used)


def _invalid(at: str, why: str) -> Exception:
    return errors.InvalidRequestError(f"{at}: {why}", param=at)


def _moved(
    message: System | chat_request.UserMessage | chat_request.AssistantMessage,
    *,
    kept: bool,
) -> ask.Control:
    """The breakpoint of what is dropped at a message's beginning.

    ``kept`` is whether anything of the message is left; if not, its own breakpoint is
    lost too.
    """
    if kept and isinstance(message.content, str):  # nearly all are
        return None
    dropped = content.control_of_dropped(message.content)
    return dropped if kept else cache.control_of(message) or dropped


def _plain(
    message: System | chat_request.UserMessage,
) -> messages_request.Text | None:
    """The one block of a message that is a string, as nearly all are; else ``None``."""
    text = message.content
    if not isinstance(text, str) or blocks_of.is_blank(text):
        return None
    return messages_request.Text(text=text, cache_control=cache.control_of(message))


def _system(message: System) -> ask.System:
    if (plain := _plain(message)) is not None:
        return ask.System(blocks=[plain])
    blocks = content.text_blocks(message.content)
    cache.mark_last(blocks, cache.control_of(message))
    return ask.System(blocks=blocks, moved=_moved(message, kept=bool(blocks)))


def _user(message: chat_request.UserMessage, i: int, *, last: bool) -> ask.User:
    if (plain := _plain(message)) is not None:
        return ask.User(blocks=[plain])
    blocks = content.user_blocks(message.content, i)
    if not blocks and last:
        raise _invalid(f"messages[{i}].content", "the last message must not be blank")
    cache.mark_last(blocks, cache.control_of(message))
    return ask.User(blocks=blocks, moved=_moved(message, kept=bool(blocks)))


# ------------------------------------------------------------------ assistant turns


class _Call(Struct, frozen=True):
    """One open tool call: its position in its turn, and what results name."""

    position: int
    id: str
    """A function's name, for legacy calls."""


class _Calls:
    """The open calls of a run of assistant messages, found by what results refer to.

    Results name an id, legacy ones a function; where several calls share it, results
    are matched in order, and the last call takes all that remain.
    """

    def __init__(self) -> None:
        self.all: list[_Call] = []
        self._waiting: dict[tuple[bool, str], deque[_Call]] = {}

    def add(self, refers_to: str, *, legacy: bool) -> None:
        call = _Call(len(self.all), refers_to)
        self.all.append(call)
        waiting = self._waiting.get((legacy, refers_to))
        if waiting is None:
            self._waiting[legacy, refers_to] = deque((call,))
        else:
            waiting.append(call)

    def of_result(self, message: Result) -> _Call | None:
        if isinstance(message, chat_request.ToolMessage):
            waiting = self._waiting.get((False, message.tool_call_id))
        else:
            waiting = self._waiting.get((True, message.name))
        if not waiting:
            return None
        return waiting.popleft() if len(waiting) > 1 else waiting[0]


def _assistant_run(
    messages: Sequence[chat_request.Message],
    first: int,
    said: list[ask.Said],
    warnings: warn.Warnings,
    kept_turns: kept.Turns,
) -> int:
    """Consecutive assistant messages and the results of their calls.

    Only the turn directly before the results may hold their calls, so a run with calls
    is one turn. System messages between the calls and their results go behind the
    results. Returns the index of the first message that was not taken.
    """
    calls = _Calls()
    i = first
    turns: list[ask.Assistant] = []
    while i < len(messages):
        message = messages[i]
        if type(message) is not chat_request.AssistantMessage:
            break
        turns.append(_assistant(message, i, calls, warnings))
        i += 1
    late: list[ask.Said] = []
    results: dict[int, ask.Result] = {}
    while i < len(messages):
        message = messages[i]
        if type(message) is chat_request.UserMessage:  # mostly
            break
        if isinstance(message, Result):
            call, result = _result(message, i, calls)
            if call.position in results:  # the last one wins
                warnings.add("tool_result_duplicate", param=f"messages[{i}]")
            results[call.position] = result
        elif isinstance(message, System):
            late.append(_system(message))
        else:
            break
        i += 1
    if len(results) < len(calls.all):
        raise _incomplete(calls, results, first)
    if calls.all:
        whole = _joined(turns, [results[call.position] for call in calls.all])
        turns = [kept.replayed(whole, kept_turns)]
    said += turns
    said += late
    return i


def _joined(turns: Sequence[ask.Assistant], results: list[ask.Result]) -> ask.Assistant:
    """A run as one turn: thinking, then text, then the calls with their results."""
    if len(turns) == 1:
        blocks, moved = turns[0].blocks, turns[0].moved
    else:
        blocks = [block for turn in turns for block in turn.blocks]
        blocks.sort(key=_place)  # each turn is in this order
        marks = [turn.moved for turn in turns if turn.moved is not None]
        moved = marks[-1] if marks else None
    return ask.Assistant(blocks=blocks, results=results, ordered=False, moved=moved)


def _place(block: ask.AssistantBlock) -> int:
    if isinstance(block, ask.Thinking):
        return 0
    return 2 if isinstance(block, ask.Call) else 1


def _assistant(
    message: chat_request.AssistantMessage,
    i: int,
    calls: _Calls,
    warnings: warn.Warnings,
) -> ask.Assistant:
    at = f"messages[{i}]"
    if message.audio is not None:
        warnings.add("audio_ignored", param=f"{at}.audio")
    spoken: list[ask.AssistantBlock] = [*content.assistant_texts(message)]
    for n, call in enumerate(message.tool_calls or ()):
        spoken.append(_tool_call(call, f"{at}.tool_calls[{n}]"))
        calls.add(call.id or "", legacy=False)
    if message.function_call is not None:
        where = f"{at}.function_call"
        function = message.function_call
        spoken.append(_call(function, f"call_{i}", where))
        calls.add(function.name, legacy=True)
    cache.mark_last(spoken, cache.control_of(message))
    moved = _moved(message, kept=bool(spoken))
    if message.thinking_blocks:
        spoken = [*content.thinking(message), *spoken]
    return ask.Assistant(blocks=spoken, ordered=False, moved=moved)


def _tool_call(call: chat_request.ToolCall, at: str) -> ask.Call:
    if call.type not in {"function", None} or call.function is None:
        raise errors.InvalidRequestError(
            f"{at}: only function tool calls can be translated",
            param=at,
            code="unsupported_value",
        )
    if not call.id:
        raise _invalid(f"{at}.id", "is required")
    return _call(call.function, call.id, f"{at}.function", cache.control_of(call))


def _call(
    function: chat_request.FunctionCall,
    call_id: str,
    at: str,
    control: ask.Control = None,
) -> ask.Call:
    if not function.name:
        raise _invalid(f"{at}.name", "must not be empty")
    return ask.Call(
        id=call_id,
        name=function.name,
        arguments=function.arguments,
        at=f"{at}.arguments",
        cache_control=control,
    )


def _result(message: Result, i: int, calls: _Calls) -> tuple[_Call, ask.Result]:
    call = calls.of_result(message)
    if call is None:
        where, what = (
            ("tool_call_id", "tool call of the preceding assistant message")
            if isinstance(message, chat_request.ToolMessage)
            else ("name", "function_call of the preceding assistant message")
        )
        raise _invalid(f"messages[{i}].{where}", f"must name a {what}")
    control = cache.control_of(message)
    given: str | list[ask.UserBlock] | None
    if isinstance(message.content, list):
        control = content.control_of_dropped(message.content) or control
        given = content.user_blocks(message.content, i)
    else:
        given = message.content
    failed = isinstance(message, chat_request.ToolMessage) and message.is_error is True
    return call, blocks_of.result(given, control, failed=failed)


def _incomplete(calls: _Calls, results: dict[int, ask.Result], first: int) -> Exception:
    missing = [call.id for call in calls.all if call.position not in results]
    return _invalid(
        f"messages[{first}]",
        "An assistant message with 'tool_calls' must be followed by tool "
        "messages responding to each 'tool_call_id'. The following "
        f"tool_call_ids did not have response messages: {', '.join(missing[:10])}",
    )
