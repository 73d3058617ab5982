"""Message parts as content blocks: text, images, files (b.4 rows 4, 12, 13)."""

import base64
import re
from collections.abc import Sequence

from proxy import errors
from proxy.schema import anthropic, openai
from proxy.translate import cache

IMAGE_TYPES = {
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",  # not a registered type, but what many clients write
    "image/png": "image/png",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
_DATA_URI = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_NO_SPACE = str.maketrans("", "", " \t\r\n")


def is_blank(text: str | None) -> bool:
    """Anthropic refuses text blocks that are empty or only white space."""
    return text is None or not text.strip()


def text_blocks(
    content: str | Sequence[openai.TextPart] | None, ttl: cache.Ttl
) -> list[anthropic.Text]:
    """System text, one block a part, blank ones left out."""
    if content is None or isinstance(content, str):
        return [] if is_blank(content) else [anthropic.Text(text=content or "")]
    return [
        anthropic.Text(text=part.text, cache_control=cache.mark(part, ttl))
        for part in content
        if not is_blank(part.text)
    ]


def user_blocks(
    content: str | Sequence[openai.UserPart] | None, ttl: cache.Ttl, *, at: str
) -> list[anthropic.Text | anthropic.Image | anthropic.Document]:
    """A user's or a tool's content, in order, blank text left out.

    ``at`` is the JSON path of the message, for errors. Raises ``InvalidRequestError``
    for what Claude cannot be shown.
    """
    if content is None or isinstance(content, str):
        return [] if is_blank(content) else [anthropic.Text(text=content or "")]
    blocks: list[anthropic.Text | anthropic.Image | anthropic.Document] = []
    for i, part in enumerate(content):
        path = f"{at}.content[{i}]"
        match part:
            case openai.TextPart(text=text):
                if not is_blank(text):
                    mark = cache.mark(part, ttl)
                    blocks.append(anthropic.Text(text=text, cache_control=mark))
            case openai.ImagePart(image_url=image):
                mark = cache.mark(part, ttl)
                blocks.append(_image(image.url, mark, at=f"{path}.image_url.url"))
            case openai.FilePart(file=file):
                blocks.append(_file(file, cache.mark(part, ttl), at=f"{path}.file"))
            case openai.AudioPart():
                raise _refuse(path, "audio cannot be sent to Claude")
    return blocks


def _refuse(at: str, why: str, code: str = "unsupported_value") -> Exception:
    return errors.InvalidRequestError(f"{at}: {why}", param=at, code=code)


def _split_data_uri(uri: str, *, at: str) -> tuple[str, str]:
    """``data:image/png;base64,AAAA`` -> ``("image/png", "AAAA")``.

    The data is checked for its alphabet and length, never decoded (it may be 30 MB).
    """
    head = _DATA_URI.match(uri)
    if head is None or ";base64" not in head[2].lower():
        raise _refuse(at, "a data: URL must be base64", "invalid_value")
    return head[1].lower(), _base64(uri[head.end() :], at=at)


def _base64(data: str, *, at: str) -> str:
    data = data.translate(_NO_SPACE)
    if len(data) % 4 or _BASE64.fullmatch(data) is None:
        raise _refuse(at, "is not valid base64", "invalid_value")
    return data


def _image(
    url: str, mark: anthropic.CacheControl | None, *, at: str
) -> anthropic.Image | anthropic.Document:
    """An ``image_url``: an inline image, an inline PDF, or an https URL.

    The proxy never fetches a URL (server-side request forgery); Anthropic fetches
    https ones itself.
    """
    if url[:5].lower() == "data:":
        media_type, data = _split_data_uri(url, at=at)
        if media_type == "application/pdf":
            source = anthropic.Base64Source(media_type=media_type, data=data)
            return anthropic.Document(source=source, cache_control=mark)
        if media_type not in IMAGE_TYPES:
            raise _refuse(at, "must be a JPEG, PNG, GIF or WebP image", "invalid_value")
        source = anthropic.Base64Source(media_type=IMAGE_TYPES[media_type], data=data)
        return anthropic.Image(source=source, cache_control=mark)
    if url[:8].lower() == "https://" and not is_blank(url[8:]):
        source_url = anthropic.URLSource(url="https://" + url[8:])
        return anthropic.Image(source=source_url, cache_control=mark)
    raise _refuse(at, "must be a base64 data: URL or an https URL", "invalid_value")


def _file(
    file: openai.File, mark: anthropic.CacheControl | None, *, at: str
) -> anthropic.Document:
    if file.file_data:
        source = _file_source(file.file_data, file.filename or "", at=at)
        title = file.filename or None
        return anthropic.Document(source=source, title=title, cache_control=mark)
    if file.file_id and file.file_id.startswith("file_"):  # Anthropic's Files API
        return anthropic.Document(
            source=anthropic.FileSource(file_id=file.file_id), cache_control=mark
        )
    raise _refuse(
        at, "needs file_data, or the file_id of a file in Anthropic's Files API"
    )


def _file_source(
    data: str, filename: str, *, at: str
) -> anthropic.Base64Source | anthropic.TextSource:
    """Inline file data: a data URI, or bare base64 whose kind its name tells."""
    at = f"{at}.file_data"
    if data[:5].lower() == "data:":
        media_type, data = _split_data_uri(data, at=at)
        if not media_type.startswith(("application/pdf", "text/")):
            media_type = _type_of(filename)
    else:
        media_type = _type_of(filename)
        data = _base64(data, at=at)
    if media_type == "application/pdf":
        return anthropic.Base64Source(media_type=media_type, data=data)
    if media_type.startswith("text/"):
        return anthropic.TextSource(data=_decoded_text(data, at=at))
    raise _refuse(at, "must be a PDF or a text file")


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
        raise _refuse(at, "is not UTF-8 text", "invalid_value") from None
    if is_blank(text):
        raise _refuse(at, "is an empty text file", "invalid_value")
    return text
