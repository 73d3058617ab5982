"""Rows about images, documents and citations."""

import base64
import binascii
from collections.abc import Iterator

from standin.call import NEW_VERSION, Block, Call
from standin.rules.row import Row

_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")


def _sources(call: Call, kind: str) -> Iterator[tuple[str, Block]]:
    """Give the path and the source of every image or document."""
    for path, block in call.message_blocks():
        if block["type"] == kind:
            source = block["source"]
            yield f"{path}.{kind}.source.{source['type']}", source


def _image_type(call: Call) -> Iterator[str]:
    for path, source in _sources(call, "image"):
        if source["type"] == "base64" and source["media_type"] not in _IMAGES:
            yield (
                f"{path}.media_type: Input should be 'image/jpeg', 'image/png', "
                "'image/gif' or 'image/webp'"
            )


def _document_type(call: Call) -> Iterator[str]:
    wanted = {"base64": "application/pdf", "text": "text/plain"}
    for path, source in _sources(call, "document"):
        expected = wanted.get(source["type"])
        if expected and source["media_type"] != expected:
            yield f"{path}.media_type: Input should be '{expected}'"


def _base64(call: Call) -> Iterator[str]:
    for kind in ("image", "document"):
        for path, source in _sources(call, kind):
            if source["type"] == "base64" and not _is_base64(source["data"]):
                yield f"{path}.data: Invalid base64 data"


def _is_base64(data: str) -> bool:
    try:
        return bool(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return False


def _image_bytes(call: Call) -> Iterator[str]:
    for path, source in _sources(call, "image"):
        if source["type"] != "base64" or not _is_base64(source["data"]):
            continue
        said, found = source["media_type"], _kind(base64.b64decode(source["data"]))
        if found not in _IMAGES:
            yield f"{path}.data: Could not process image"
        elif said in _IMAGES and said != found:
            yield (
                f"{path}.data: The image was specified using the {said} media type, "
                f"but the image appears to be a {found} image"
            )


def _pdf_bytes(call: Call) -> Iterator[str]:
    for path, source in _sources(call, "document"):
        if source["type"] != "base64" or not _is_base64(source["data"]):
            continue
        if _kind(base64.b64decode(source["data"])) != "application/pdf":
            yield f"{path}.data: The PDF specified was not valid."


def _kind(data: bytes) -> str:
    """Name a file's type by how it begins (the formats' own specifications)."""
    if data[0:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    starts = {
        b"\xff\xd8\xff": "image/jpeg",
        b"\x89PNG\r\n\x1a\n": "image/png",
        b"GIF8": "image/gif",
    }
    pdf = "application/pdf" if b"%PDF-" in data[:1024] else ""
    return next((kind for start, kind in starts.items() if data.startswith(start)), pdf)


def _url(call: Call) -> Iterator[str]:
    for kind in ("image", "document"):
        for path, source in _sources(call, kind):
            if source["type"] == "url" and not source["url"].startswith("https://"):
                yield f"{path}.url: Only HTTPS URLs are supported."


def _document_by_assistant(call: Call) -> Iterator[str]:
    for index, (role, content) in enumerate(call.messages):
        for place, block in enumerate(content):
            document = block["type"] == "document" and role == "assistant"
            if document and call.version == NEW_VERSION:
                yield (
                    f"messages.{index}.content.{place}: `document` blocks are not "
                    "permitted in `assistant` messages"
                )


def _citations_by_user(call: Call) -> Iterator[str]:
    for index, (role, content) in enumerate(call.messages):
        for place, block in enumerate(content):
            cited = block["type"] == "text" and block.get("citations")
            if cited and role == "user" and call.version == NEW_VERSION:
                yield (
                    f"messages.{index}.content.{place}.text.citations: citations are "
                    "not permitted on `text` blocks of `user` messages"
                )


ROWS = (
    Row("image.media_type", _image_type),
    Row("document.media_type", _document_type),
    Row("media.base64", _base64),
    Row("image.bytes", _image_bytes),
    Row("document.bytes", _pdf_bytes),
    Row("media.url", _url),
    Row("document.assistant", _document_by_assistant),
    Row("citations.user", _citations_by_user),
)
