"""Reads a request's body and decodes it to what its API says it is, or to its fields.

Bodies with a length and chunked ones both work: it reads ``wsgi.input``, since Falcon's
bounded stream is empty for a chunked request.
"""

import codecs
import contextlib
import gc
import threading
from collections.abc import Iterator, Sequence
from typing import BinaryIO, TypeVar

import falcon
import msgspec

from proxy import admission, errors
from proxy.schema import misfit
from proxy.translate import json_text

STEP = 64 * 1024

SMALL = 32 * 1024
"""Bytes. Of smaller bodies there are never so many that the width of their text counts."""

LARGE = 256 * 1024
"""Bytes. Larger bodies are decoded one at a time."""

MAX_ELEMENTS = 250_000
"""JSON values in a body; a conversation of ten thousand messages has half as many."""

_one_at_a_time = threading.RLock()

T = TypeVar("T")


def read(req: falcon.Request, limit: int, arriving: admission.Body) -> bytes:
    """The whole body, at most ``limit`` bytes.

    Room is taken from ``arriving`` for bytes as they come. Raises ``UnavailableError``
    where there is none, ``ClientGoneError``, and ``InvalidRequestError``: 413 for a
    larger body (before reading it, where the length is known), 415 for encodings and
    types that are not JSON, 400 for a body that is cut short or badly framed, 408 for
    one that takes too long.
    """
    _check_type(req)
    length = _content_length(req)
    if length is not None and length > limit:
        raise _too_large(limit)
    arriving.expected = limit if length is None else length
    source = req.env["wsgi.input"]
    got = 0
    while length is None or got < length:
        step = STEP if length is None else min(STEP, length - got)
        try:
            data = _step(source, step)
        except errors.InvalidRequestError:
            if arriving.gave_way:  # and then nothing more came
                raise _no_room() from None
            raise
        if not data:
            break
        got += len(data)
        if got > limit:
            raise _too_large(limit)
        if not arriving.add(data):
            raise _no_room()
        if got != length and arriving.is_too_slow():
            raise _too_late()
    if length is not None and got < length:
        raise errors.InvalidRequestError(
            "The body is shorter than its Content-Length", code="invalid_body"
        )
    body = arriving.whole()
    if body is None:
        raise _no_room()
    return body


def _step(source: BinaryIO, size: int) -> bytes:
    """What has come, or comes next; errors are those of ``proxy.server.connection``."""
    try:
        # a server that is not ours may only have `read`, which waits for all of it
        data: bytes = getattr(source, "read1", source.read)(size)
    except TimeoutError:
        raise _too_late() from None
    except ConnectionError:
        raise errors.ClientGoneError from None
    except ValueError:
        raise errors.InvalidRequestError(
            "The body is cut short, or its chunks are malformed or tiny",
            code="invalid_body",
            headers={"connection": "close"},
        ) from None
    return data


def _content_length(req: falcon.Request) -> int | None:
    """``None`` for a chunked body, which has no length."""
    if "chunked" in req.env.get("HTTP_TRANSFER_ENCODING", "").lower():
        return None
    return req.content_length or 0


def _too_late() -> errors.InvalidRequestError:
    return errors.InvalidRequestError(
        "The body did not arrive in time",
        status=408,
        code="request_timeout",
        headers={"connection": "close"},
    )


def _too_large(limit: int, what: str = "The body") -> errors.InvalidRequestError:
    return errors.InvalidRequestError(
        f"{what} is larger than {limit} bytes",
        status=413,
        code="request_too_large",
        headers={"connection": "close"},
    )


def _no_room() -> errors.UnavailableError:
    full = errors.UnavailableError(
        "Too many large requests are in progress", code="at_capacity", retry=True
    )
    full.headers["connection"] = "close"
    return full


def _check_type(req: falcon.Request) -> None:
    encoding = req.env.get("HTTP_CONTENT_ENCODING", "identity")
    kind = (req.content_type or "application/json").split(";")[0].strip().lower()
    if encoding.strip().lower() != "identity":
        raise errors.InvalidRequestError(
            "Content-Encoding: must be identity; compressed bodies are not accepted",
            status=415,
            code="unsupported_encoding",
        )
    if kind != "application/json":
        raise errors.InvalidRequestError(
            "Content-Type: must be application/json",
            status=415,
            code="unsupported_media_type",
        )


def turn(size: int) -> contextlib.AbstractContextManager[None]:
    """Decode and translate a body of this many bytes inside; large ones wait in line.

    Both hold the interpreter for a while. Of many large bodies at once, every stream
    would feel the sum.
    """
    return _NO_LINE if size <= LARGE else _line()


_NO_LINE = contextlib.nullcontext()


@contextlib.contextmanager
def _line() -> Iterator[None]:
    with _one_at_a_time:
        gc.collect()  # an error of another request may have left such a body behind
        yield


def admit(body: bytes, arriving: admission.Body) -> None:
    """Take room for what a body is once it is decoded; call before that, in its turn.

    Raises ``UnavailableError`` where there is none, and ``InvalidRequestError`` for more
    than any request may take.
    """
    _admit([body], arriving, "The body")


def admit_recalled(kept: Sequence[bytes], limit: int, arriving: admission.Body) -> None:
    """Take room for what a request refers to, as if it had been sent; raises likewise.

    A few bytes may refer to the whole of a long conversation, and many times.
    """
    size = sum(map(len, kept))
    if size > limit:
        raise _too_large(limit, "The conversation that the request refers to")
    if not arriving.take(size):
        raise _no_room()
    _admit(kept, arriving, "The conversation that the request refers to")


def _admit(parts: Sequence[bytes], arriving: admission.Body, what: str) -> None:
    elements = sum(json_text.elements(part, MAX_ELEMENTS) for part in parts)
    if elements > MAX_ELEMENTS:
        raise errors.InvalidRequestError(
            f"{what} must hold at most {MAX_ELEMENTS} JSON values",
            code="invalid_value",
        )
    small = sum(map(len, parts)) <= SMALL
    wide = 0 if small else sum(map(json_text.wide_text, parts))
    if wide > json_text.MAX_WIDE:
        raise errors.InvalidRequestError(
            f"{what} must hold at most {json_text.MAX_WIDE} bytes of text that is not "
            "ASCII",
            code="invalid_value",
        )
    if not arriving.take(
        elements * json_text.OF_AN_ELEMENT + wide * json_text.OF_WIDE_TEXT
    ):
        raise _no_room()


def admit_unpacked(arriving: admission.Body, size: int) -> None:
    """Take room for what was packed in a body.

    Raises ``UnavailableError`` where there is none.
    """
    if not arriving.take(size):
        raise _no_room()


def decode(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode a request; ``decoder`` is its API's.

    Raises ``InvalidRequestError`` with ``param`` set to the field that does not fit.
    """
    body = json_text.whole_characters(body)
    try:
        _check_utf_8(body)  # ``Raw`` parts are passed on unread
        return decoder.decode(body)
    except msgspec.ValidationError as ex:
        raise misfit.as_error(ex, body, decoder.type) from None
    except _NO_JSON as ex:
        raise _no_json(ex) from None


def fields(body: bytes) -> dict[str, msgspec.Raw]:
    """The fields of a JSON object, each as it came. The last of two with one name counts.

    Raises ``InvalidRequestError``.
    """
    try:
        _check_utf_8(body)
        return _fields(body)
    except msgspec.ValidationError:
        raise errors.InvalidRequestError(
            "The body must be a JSON object", code="invalid_json"
        ) from None
    except _NO_JSON as ex:
        raise _no_json(ex) from None


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _no_json(ex: Exception) -> errors.InvalidRequestError:
    """What the client gets for a body that raised one of `_NO_JSON`."""
    deep = isinstance(ex, RecursionError)
    what = "is nested too deeply" if deep else "is not valid JSON"
    return errors.InvalidRequestError(f"The body {what}", code="invalid_json")


def _check_utf_8(body: bytes) -> None:
    """Raise ``UnicodeDecodeError`` for anything else; the text is never built."""
    if body.isascii():
        return
    decode_step = codecs.getincrementaldecoder("utf-8")().decode
    for start in range(0, len(body), STEP):
        decode_step(body[start : start + STEP], start + STEP >= len(body))
