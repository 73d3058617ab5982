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
    """A tool's result. A cache mark inside a result goes to the result itself.

    A lone text is a string. Some clients make it a part only while they mark it, which
    must not change what precedes their next mark.
    """
    if isinstance(content, list):
        for block in content:
            control = block.cache_control or control
        match content:
            case [messages_request.Text(text=text)]:
                content = text
            case _:
                content = [structs.replace(one, cache_control=None) for one in content]
    return ask.Result(content=content, failed=failed, cache_control=control)


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
