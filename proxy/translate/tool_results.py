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

    An id's first call answers to it; legacy calls are answered by name, in order.
    """

    def __init__(self) -> None:
        self.all: list[Call] = []
        self._by_id: dict[str, Call] = {}
        self._by_name: dict[str, deque[Call]] = {}

    def add(self, call: Call) -> None:
        self.all.append(call)
        if call.legacy:
            self._by_name.setdefault(call.id, deque()).append(call)
        else:
            self._by_id.setdefault(call.id, call)

    def answered_by(self, message: Result) -> Call | None:
        """The call that a result answers; a name's last call takes what is left."""
        if isinstance(message, openai.ToolMessage):
            return self._by_id.get(message.tool_call_id)
        waiting = self._by_name.get(message.name)
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
