"""Inline images and files: what they are is what their bytes say (b4.images, b4.files).

Anthropic compares ``media_type`` with the bytes. Clients often label a screenshot
wrongly, and the image stays in the history, so a believed label would make every later
turn fail. The data itself is checked but never decoded whole: it may be 30 MB.
"""

import base64
import re

from msgspec import Struct

from proxy import errors
from proxy.schema import messages_request
from proxy.translate import json_text

_LONGEST_LABEL = 1000
"""Characters of a data URL before its comma; longer ones are not media types."""

_MAGIC_LENGTH = 64
_PDF_WITHIN = 1024
"""Bytes: readers of PDF accept a header that begins anywhere in the first kilobyte."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_NO_SPACE = str.maketrans("", "", " \t\r\n")

Control = messages_request.CacheControl | None


class File(Struct, frozen=True):
    """A file as a client sends it: its data, or the id of a file at Anthropic."""

    data: str | None = None
    """A data URL or bare base64."""
    file_id: str | None = None
    name: str | None = None


def rejected(at: str, why: str, code: str = "unsupported_value") -> Exception:
    """The 400 for content that Claude cannot take; ``at`` is its JSON path."""
    return errors.InvalidRequestError(f"{at}: {why}", param=at, code=code)


def media_type_of(data: str) -> str | None:
    """The media type that base64 data says it is by its first bytes, if we know it."""
    start = base64.b64decode(data[: _MAGIC_LENGTH - _MAGIC_LENGTH % 4])
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    if b"%PDF-" in base64.b64decode(data[: _PDF_WITHIN // 3 * 4]):
        return "application/pdf"
    return None


def image(
    url: str, control: Control, *, at: str
) -> messages_request.Image | messages_request.Document:
    """An ``image_url``: an inline image or PDF, or an https URL.

    The proxy never fetches a URL (server-side request forgery); Anthropic fetches
    https ones itself.
    """
    if url[:5].lower() == "data:":
        _, data = _split_data_url(url, at=at)
        found = media_type_of(data)
        if found is None:
            raise rejected(
                at, "must be a JPEG, PNG, GIF or WebP image, or a PDF", "invalid_value"
            )
        return _block(found, data, None, control)
    if url[:8].lower() == "https://" and url[8:].strip():
        source = messages_request.URLSource(url="https://" + url[8:])
        return messages_request.Image(source=source, cache_control=control)
    raise rejected(at, "must be a base64 data: URL or an https URL", "invalid_value")


def file(
    given: File, control: Control, *, at: str, data: str = "file_data"
) -> messages_request.Image | messages_request.Document:
    """A ``file`` part: a PDF, an image or a text inline, or a file of Anthropic's.

    ``data`` names the fields that can hold a file.
    """
    if given.data:
        return _inline(given, control, at=f"{at}.file_data")
    if given.file_id and given.file_id.startswith("file_"):  # Anthropic's Files API
        return messages_request.Document(
            source=messages_request.FileSource(file_id=given.file_id),
            cache_control=control,
        )
    raise rejected(at, f"must have {data}, or a file_id of Anthropic's Files API")


def _inline(
    given: File, control: Control, *, at: str
) -> messages_request.Image | messages_request.Document:
    """Inline data: a data URL or bare base64; its type is what its bytes say."""
    data = given.data or ""
    if data[:5].lower() == "data:":
        _, data = _split_data_url(data, at=at)
    else:
        data = _base64(data, at=at)
    title = given.name or None
    found = media_type_of(data)
    if found is not None:
        return _block(found, data, title, control)
    source = messages_request.TextSource(data=_text(data, at=at))
    return messages_request.Document(source=source, title=title, cache_control=control)


def _block(
    media_type: str, data: str, title: str | None, control: Control
) -> messages_request.Image | messages_request.Document:
    source = messages_request.Base64Source(media_type=media_type, data=data)
    if media_type == "application/pdf":
        return messages_request.Document(
            source=source, title=title, cache_control=control
        )
    return messages_request.Image(source=source, cache_control=control)


def _split_data_url(url: str, *, at: str) -> tuple[str, str]:
    """``data:image/png;base64,AAAA`` -> ``("image/png", "AAAA")``."""
    comma = url.find(",", 0, _LONGEST_LABEL)
    media_type, *parameters = url[len("data:") : max(comma, 0)].lower().split(";")
    if comma < 0 or "base64" not in (one.strip() for one in parameters):
        raise rejected(at, "must be a base64 data: URL", "invalid_value")
    return media_type.strip(), _base64(url[comma + 1 :], at=at)


def _base64(data: str, *, at: str) -> str:
    data = data.translate(_NO_SPACE)
    if not data:
        raise rejected(at, "must not be empty", "invalid_value")
    if len(data) % 4 or _BASE64.fullmatch(data) is None:
        raise rejected(at, "must be valid base64", "invalid_value")
    return data


def _text(data: str, *, at: str) -> str:
    """A text file: UTF-8, without the control characters that only binary data has."""
    given = base64.b64decode(data)
    most = json_text.MAX_WIDE
    if len(given) > most and not given.isascii():
        raise rejected(
            at,
            f"must be at most {most} bytes of text, unless it is ASCII",
            "invalid_value",
        )
    try:
        text = given.decode()
    except ValueError:
        text = "\0"
    if _BINARY.search(text) is not None:
        raise rejected(at, "must be a PDF, an image or UTF-8 text")
    if not text.strip():
        raise rejected(at, "must not be an empty text file", "invalid_value")
    return text
