"""Tool results: which call each answers, and its content as blocks (b.4 row 7)."""

from collections import deque

from msgspec import Struct

from proxy.schema import anthropic, openai
from proxy.translate import cache, content

Result = openai.ToolMessage | openai.FunctionMessage


class Call(Struct, frozen=True):
    """One open tool call: the client's id, ours, where it stands, its legacy name."""

    id: str
    use_id: str
    legacy: bool = False


class Calls:
    """The open calls of a run of assistant messages, found by what results carry.

    Results name an id, legacy ones a function; where several calls have it they are
    answered in order, and the last one takes what is left.
    """

    def __init__(self) -> None:
        self.all: list[Call] = []
        self._waiting: dict[tuple[bool, str], deque[Call]] = {}

    def add(self, call: Call) -> None:
        self.all.append(call)
        self._waiting.setdefault((call.legacy, call.id), deque()).append(call)

    def answered_by(self, message: Result) -> Call | None:
        if isinstance(message, openai.ToolMessage):
            waiting = self._waiting.get((False, message.tool_call_id))
        else:
            waiting = self._waiting.get((True, message.name))
        if not waiting:
            return None
        return waiting.popleft() if len(waiting) > 1 else waiting[0]


def tool_result(
    message: Result, call: Call, ttl: cache.Ttl, at: str
) -> anthropic.ToolResult:
    """Blank content is omitted: Anthropic refuses an empty text, not an empty result."""
    mark = cache.mark(message, ttl)
    if message.content is None or isinstance(message.content, str):
        text = None if content.is_blank(message.content) else message.content
        return anthropic.ToolResult(
            tool_use_id=call.use_id,
            content=text,
            is_error=_is_error(message),
            cache_control=mark,
        )
    blocks = content.user_blocks(message.content, ttl, at=at)
    for block in blocks:  # a mark inside a result belongs to the result
        mark = block.cache_control or mark
    return anthropic.ToolResult(
        tool_use_id=call.use_id,
        content=[_unmarked(block) for block in blocks] or None,
        is_error=_is_error(message),
        cache_control=mark,
    )


def _is_error(message: Result) -> bool | None:
    """Never inferred from the text; only what the client says."""
    said = message.is_error if isinstance(message, openai.ToolMessage) else None
    return said or None


def _unmarked(
    block: anthropic.Text | anthropic.Image | anthropic.Document,
) -> anthropic.Text | anthropic.Image | anthropic.Document:
    match block:
        case anthropic.Text(text=text):
            return anthropic.Text(text=text)
        case anthropic.Image(source=image):
            return anthropic.Image(source=image)
        case anthropic.Document(source=document, title=title):
            return anthropic.Document(source=document, title=title)
