"""Tool results: which call each belongs to, and its content as blocks (b4.results)."""

from collections import deque

from msgspec import Struct

from proxy.schema import chat_request, messages_request
from proxy.translate import cache, content

Result = chat_request.ToolMessage | chat_request.FunctionMessage


class Call(Struct, frozen=True):
    """One open tool call: the client's id (a name, for legacy calls) and ours."""

    id: str
    use_id: str
    legacy: bool = False


class Calls:
    """The open calls of a run of assistant messages, found by what results refer to.

    Results name an id, legacy ones a function; where several calls share it, results
    are matched in order, and the last call takes all that remain.
    """

    def __init__(self) -> None:
        self.all: list[Call] = []
        self._waiting: dict[tuple[bool, str], deque[Call]] = {}

    def add(self, call: Call) -> None:
        self.all.append(call)
        self._waiting.setdefault((call.legacy, call.id), deque()).append(call)

    def of_result(self, message: Result) -> Call | None:
        if isinstance(message, chat_request.ToolMessage):
            waiting = self._waiting.get((False, message.tool_call_id))
        else:
            waiting = self._waiting.get((True, message.name))
        if not waiting:
            return None
        return waiting.popleft() if len(waiting) > 1 else waiting[0]


FAILED = "The tool call failed."
"""Says what ``is_error`` would, where Anthropic rejects the flag: with no content, and
with anything but text ("all content must be type `text` if `is_error` is true")."""


def tool_result(message: Result, call: Call, at: str) -> messages_request.ToolResult:
    """Blank content is omitted: Anthropic rejects empty text, not an empty result.

    ``is_error`` is never inferred from the text: it is what the client sets.
    """
    failed = isinstance(message, chat_request.ToolMessage) and message.is_error is True
    control = cache.control_of(message)
    if message.content is None or isinstance(message.content, str):
        text = None if content.is_blank(message.content) else message.content
        return messages_request.ToolResult(
            tool_use_id=call.use_id,
            content=text or (FAILED if failed else None),
            is_error=failed or None,
            cache_control=control,
        )
    blocks = content.user_blocks(message.content, at=at)
    control = content.control_of_dropped(message.content) or control
    for block in blocks:  # cache_control inside a result goes to the result itself
        control = block.cache_control or control
    inner = [_without_control(block) for block in blocks]
    only_text = all(isinstance(block, messages_request.Text) for block in inner)
    if failed and not (inner and only_text):
        inner.insert(0, messages_request.Text(text=FAILED))
    return messages_request.ToolResult(
        tool_use_id=call.use_id,
        content=inner or None,
        is_error=(failed and only_text) or None,
        cache_control=control,
    )


def _without_control(block: content.UserBlock) -> content.UserBlock:
    match block:
        case messages_request.Text(text=text):
            return messages_request.Text(text=text)
        case messages_request.Image(source=image):
            return messages_request.Image(source=image)
        case messages_request.Document(source=document, title=title):
            return messages_request.Document(source=document, title=title)
