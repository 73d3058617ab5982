"""Message parts as content blocks, without blank text (b4.user, b4.images, b4.files)."""

from collections.abc import Sequence

from proxy.schema import chat_request, messages_request
from proxy.translate import cache, media

UserBlock = messages_request.Text | messages_request.Image | messages_request.Document


def is_blank(text: str | None) -> bool:
    """Anthropic rejects text blocks that are empty or only white space."""
    return text is None or not text.strip()


def text_blocks(
    content: str | Sequence[chat_request.TextPart] | None,
) -> list[messages_request.Text]:
    """System text, one block per part, without blank ones."""
    if content is None or isinstance(content, str):
        return [] if is_blank(content) else [messages_request.Text(text=content or "")]
    blocks: list[messages_request.Text] = []
    for part in content:
        control = cache.control_of(part)
        if is_blank(part.text):
            cache.mark_last(blocks, control)
        else:
            blocks.append(messages_request.Text(text=part.text, cache_control=control))
    return blocks


def user_blocks(
    content: str | Sequence[chat_request.UserPart] | None, *, at: str
) -> list[UserBlock]:
    """A user's or a tool's content, in order, without blank text.

    The cache breakpoint of a part that is dropped moves to the part before it. ``at``
    is the JSON path of the message, for errors. Raises ``InvalidRequestError`` for
    content that Claude cannot take.
    """
    if content is None or isinstance(content, str):
        return [] if is_blank(content) else [messages_request.Text(text=content or "")]
    blocks: list[UserBlock] = []
    for i, part in enumerate(content):
        path = f"{at}.content[{i}]"
        match part:
            case chat_request.TextPart(text=text):
                control = cache.control_of(part)
                if is_blank(text):
                    cache.mark_last(blocks, control)
                else:
                    block = messages_request.Text(text=text, cache_control=control)
                    blocks.append(block)
            case chat_request.ImagePart(image_url=image):
                control = cache.control_of(part)
                blocks.append(
                    media.image(image.url, control, at=f"{path}.image_url.url")
                )
            case chat_request.FilePart(file=file):
                control = cache.control_of(part)
                blocks.append(media.file(file, control, at=f"{path}.file"))
            case chat_request.AudioPart():
                raise media.rejected(path, "Claude takes no audio")
    return blocks


def control_of_dropped(
    content: str | Sequence[chat_request.UserPart | chat_request.AssistantPart] | None,
) -> cache.Control:
    """The last breakpoint that stands before the first part that is not dropped."""
    control = None
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, chat_request.TextPart) or not is_blank(part.text):
            break
        control = cache.control_of(part) or control
    return control
