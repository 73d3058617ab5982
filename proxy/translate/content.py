"""Message parts as content blocks: text, images, files (b4.user, b4.images, b4.files)."""

import base64
import re
from collections.abc import Sequence

from proxy import errors
from proxy.schema import chat_request, messages_request
from proxy.translate import cache

IMAGE_TYPES = {
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",  # not a registered type, but many clients send it
    "image/png": "image/png",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
_DATA_URI = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_NO_SPACE = str.maketrans("", "", " \t\r\n")


def is_blank(text: str | None) -> bool:
    """Anthropic rejects text blocks that are empty or only white space."""
    return text is None or not text.strip()


def text_blocks(
    content: str | Sequence[chat_request.TextPart] | None,
) -> list[messages_request.Text]:
    """System text, one block per part, without blank ones."""
    if content is None or isinstance(content, str):
        return [] if is_blank(content) else [messages_request.Text(text=content or "")]
    return [
        messages_request.Text(text=part.text, cache_control=cache.control_of(part))
        for part in content
        if not is_blank(part.text)
    ]


def user_blocks(
    content: str | Sequence[chat_request.UserPart] | None, *, at: str
) -> list[messages_request.Text | messages_request.Image | messages_request.Document]:
    """A user's or a tool's content, in order, without blank text.

    ``at`` is the JSON path of the message, for errors. Raises ``InvalidRequestError``
    for content that Claude cannot take.
    """
    if content is None or isinstance(content, str):
        return [] if is_blank(content) else [messages_request.Text(text=content or "")]
    blocks: list[
        messages_request.Text | messages_request.Image | messages_request.Document
    ] = []
    for i, part in enumerate(content):
        path = f"{at}.content[{i}]"
        match part:
            case chat_request.TextPart(text=text):
                if not is_blank(text):
                    control = cache.control_of(part)
                    blocks.append(
                        messages_request.Text(text=text, cache_control=control)
                    )
            case chat_request.ImagePart(image_url=image):
                control = cache.control_of(part)
                blocks.append(_image(image.url, control, at=f"{path}.image_url.url"))
            case chat_request.FilePart(file=file):
                blocks.append(_file(file, cache.control_of(part), at=f"{path}.file"))
            case chat_request.AudioPart():
                raise _rejected(path, "Claude takes no audio")
    return blocks


def _rejected(at: str, why: str, code: str = "unsupported_value") -> Exception:
    return errors.InvalidRequestError(f"{at}: {why}", param=at, code=code)


def _split_data_uri(uri: str, *, at: str) -> tuple[str, str]:
    """``data:image/png;base64,AAAA`` -> ``("image/png", "AAAA")``.

    The data's alphabet and length are checked; it is never decoded (it may be 30 MB).
    """
    head = _DATA_URI.match(uri)
    if head is None or ";base64" not in head[2].lower():
        raise _rejected(at, "must be a base64 data: URL", "invalid_value")
    return head[1].lower(), _base64(uri[head.end() :], at=at)


def _base64(data: str, *, at: str) -> str:
    data = data.translate(_NO_SPACE)
    if len(data) % 4 or _BASE64.fullmatch(data) is None:
        raise _rejected(at, "must be valid base64", "invalid_value")
    return data


def _image(
    url: str, control: messages_request.CacheControl | None, *, at: str
) -> messages_request.Image | messages_request.Document:
    """An ``image_url``: an inline image, an inline PDF, or an https URL.

    The proxy never fetches a URL (server-side request forgery); Anthropic fetches
    https ones itself.
    """
    if url[:5].lower() == "data:":
        media_type, data = _split_data_uri(url, at=at)
        if media_type == "application/pdf":
            source = messages_request.Base64Source(media_type=media_type, data=data)
            return messages_request.Document(source=source, cache_control=control)
        if media_type not in IMAGE_TYPES:
            raise _rejected(
                at, "must be a JPEG, PNG, GIF or WebP image", "invalid_value"
            )
        source = messages_request.Base64Source(
            media_type=IMAGE_TYPES[media_type], data=data
        )
        return messages_request.Image(source=source, cache_control=control)
    if url[:8].lower() == "https://" and not is_blank(url[8:]):
        source_url = messages_request.URLSource(url="https://" + url[8:])
        return messages_request.Image(source=source_url, cache_control=control)
    raise _rejected(at, "must be a base64 data: URL or an https URL", "invalid_value")


def _file(
    file: chat_request.File, control: messages_request.CacheControl | None, *, at: str
) -> messages_request.Document:
    if file.file_data:
        source = _file_source(file.file_data, file.filename or "", at=at)
        title = file.filename or None
        return messages_request.Document(
            source=source, title=title, cache_control=control
        )
    if file.file_id and file.file_id.startswith("file_"):  # Anthropic's Files API
        return messages_request.Document(
            source=messages_request.FileSource(file_id=file.file_id),
            cache_control=control,
        )
    raise _rejected(at, "must have file_data, or a file_id of Anthropic's Files API")


def _file_source(
    data: str, filename: str, *, at: str
) -> messages_request.Base64Source | messages_request.TextSource:
    """Inline file data: a data URI, or bare base64 whose type the file name implies."""
    at = f"{at}.file_data"
    if data[:5].lower() == "data:":
        media_type, data = _split_data_uri(data, at=at)
        if not media_type.startswith(("application/pdf", "text/")):
            media_type = _type_of(filename)
    else:
        media_type = _type_of(filename)
        data = _base64(data, at=at)
    if media_type == "application/pdf":
        return messages_request.Base64Source(media_type=media_type, data=data)
    if media_type.startswith("text/"):
        return messages_request.TextSource(data=_decoded_text(data, at=at))
    raise _rejected(at, "must be a PDF or a text file")


def _type_of(filename: str) -> str:
    name = filename.lower()
    if name.endswith(".pdf"):
        return "application/pdf"
    text = (".txt", ".md", ".csv", ".html", ".htm", ".xml", ".json", ".log")
    return "text/plain" if name.endswith(text) else ""


def _decoded_text(data: str, *, at: str) -> str:
    try:
        text = base64.b64decode(data).decode()
    except ValueError:
        raise _rejected(at, "must be UTF-8 text", "invalid_value") from None
    if is_blank(text):
        raise _rejected(at, "must not be an empty text file", "invalid_value")
    return text
