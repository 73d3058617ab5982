"""Message parts as content blocks, without blank text (b4.user, b4.images, b4.files)."""

from collections.abc import Iterable, Sequence

from proxy.schema import chat_request, messages_request
from proxy.translate import ask, cache, content, media


def text_blocks(
    given: str | Sequence[chat_request.TextPart] | None,
) -> list[messages_request.Text]:
    """System text, one block per part, without blank ones."""
    blocks: list[messages_request.Text] = []
    if given is None or isinstance(given, str):
        content.add_text(blocks, given or "")
        return blocks
    for part in given:
        content.add_text(blocks, part.text, cache.control_of(part))
    return blocks


def user_blocks(
    given: str | Sequence[chat_request.UserPart] | None, message: int
) -> list[ask.UserBlock]:
    """A user's or a tool's content, in order, without blank text.

    The cache breakpoint of a part that is dropped moves to the part before it.
    ``message`` is the index of the message, for errors. Raises ``InvalidRequestError``
    for content that Claude cannot take.
    """
    blocks: list[ask.UserBlock] = []
    if given is None or isinstance(given, str):
        content.add_text(blocks, given or "")
        return blocks
    for i, part in enumerate(given):
        if isinstance(part, chat_request.TextPart):
            content.add_text(blocks, part.text, cache.control_of(part))
            continue
        path = f"messages[{message}].content[{i}]"
        match part:
            case chat_request.ImagePart(image_url=image):
                control = cache.control_of(part)
                blocks.append(
                    media.image(image.url, control, at=f"{path}.image_url.url")
                )
            case chat_request.FilePart(file=file):
                blocks.append(
                    media.file(
                        media.File(file.file_data, file.file_id, file.filename),
                        cache.control_of(part),
                        at=f"{path}.file",
                    )
                )
            case chat_request.AudioPart():
                raise media.rejected(path, "Claude takes no audio")
    return blocks


def control_of_dropped(
    given: str | Sequence[chat_request.UserPart | chat_request.AssistantPart] | None,
) -> ask.Control:
    """The last breakpoint that stands before the first part that is not dropped."""
    if not isinstance(given, list):
        return None
    control = None
    for part in given:
        if not isinstance(part, chat_request.TextPart) or not content.is_blank(
            part.text
        ):
            break
        control = cache.control_of(part) or control
    return control


def thinking(message: chat_request.AssistantMessage) -> Iterable[ask.Thinking]:
    """Blocks of an earlier response, verbatim; unsigned ones are dropped."""
    for block in message.thinking_blocks or ():
        if block.type == "redacted_thinking" and block.data:
            yield messages_request.RedactedThinking(data=block.data)
        elif block.type in {"thinking", None} and block.signature:
            yield messages_request.Thinking(
                thinking=block.thinking or "", signature=block.signature
            )


def assistant_texts(
    message: chat_request.AssistantMessage,
) -> list[messages_request.Text]:
    """The assistant's text, refusals included, without blank parts.

    A refusal that stands in ``content`` too, as in our own responses, is said once.
    """
    blocks: list[messages_request.Text] = []
    if isinstance(message.content, str):
        content.add_text(blocks, message.content)
    else:
        for part in message.content or ():
            match part:
                case chat_request.TextPart(text=text):
                    content.add_text(blocks, text, cache.control_of(part))
                case chat_request.RefusalPart(refusal=text):
                    content.add_text(blocks, text)
    refusal = message.refusal
    if refusal is not None and [block.text for block in blocks] != [refusal]:
        content.add_text(blocks, refusal)
    return blocks
