"""What both fronts do with content: blank text, and cache marks of what is dropped."""

from msgspec import structs

from proxy.schema import messages_request
from proxy.translate import ask, cache


def is_blank(text: str | None) -> bool:
    """Anthropic rejects text blocks that are empty or only white space."""
    return not text or text.isspace()


def result(
    content: str | list[ask.UserBlock] | None, control: ask.Control, *, failed: bool
) -> ask.Result:
    """A tool's result. A cache mark inside a result goes to the result itself."""
    if not isinstance(content, list):
        return ask.Result(content=content, failed=failed, cache_control=control)
    for block in content:
        control = block.cache_control or control
    return ask.Result(
        content=[structs.replace(block, cache_control=None) for block in content],
        failed=failed,
        cache_control=control,
    )


def add_text(
    blocks: list[ask.UserBlock]
    | list[messages_request.Text]
    | list[ask.AssistantBlock],
    text: str,
    control: ask.Control = None,
) -> None:
    """Add a text block in place; the mark of a blank one moves to the block before."""
    if is_blank(text):
        cache.mark_last(blocks, control)
    else:
        blocks.append(messages_request.Text(text=text, cache_control=control))
