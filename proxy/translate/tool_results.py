"""Tool results: which call each answers, and its content as blocks (b.4 row 7)."""

from collections.abc import Sequence

from msgspec import Struct

from proxy.schema import anthropic, openai
from proxy.translate import cache, content

Result = openai.ToolMessage | openai.FunctionMessage


class Call(Struct, frozen=True):
    """One open tool call: the client's id, ours, where it stands, its legacy name."""

    id: str
    use_id: str
    legacy: bool = False


def called(
    message: Result,
    calls: Sequence[Call],
    results: dict[str, anthropic.ToolResult],
) -> Call | None:
    """The call that a result answers: by id, or by name for a legacy function."""
    if isinstance(message, openai.ToolMessage):
        named = [c for c in calls if not c.legacy and c.id == message.tool_call_id]
    else:
        named = [c for c in calls if c.legacy and c.id == message.name]
        named = [c for c in named if c.use_id not in results] or named[-1:]
    return named[0] if named else None


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
