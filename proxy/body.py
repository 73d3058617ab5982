"""Reading a request's body and making a ``ChatRequest`` of it.

Bodies with a length and chunked ones both work: what is read is ``wsgi.input``, since
Falcon's bounded stream is empty for a chunked request.
"""

import json
import re
from collections.abc import Callable
from typing import BinaryIO

import falcon
import msgspec

from proxy import errors
from proxy.schema import openai

STEP = 64 * 1024

_HALF_A_PAIR = re.compile(
    rb"\\u[dD][89abAB]\w\w(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]\w\w)\\u[dD][c-fC-F]"
)

_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_WRONG_TAG = re.compile(r"Invalid (?:value|enum value) '.*'", re.DOTALL)


def read(req: falcon.Request, limit: int, reserve: Callable[[int], bool]) -> bytes:
    """The whole body, at most ``limit`` bytes.

    ``reserve`` is asked for room before bytes are read, for all of them where the length
    is told. Raises ``UnavailableError`` where it refuses. Raises ``InvalidRequestError``: 413 for more (before reading, where the length is
    told), 415 for encodings and types that are not JSON, 400 for a body cut short or
    badly framed, 408 for one that takes too long. Raises ``ConnectionError`` when the
    client is gone.
    """
    _check_type(req)
    length = _content_length(req)
    if length is not None and length > limit:
        raise _too_large(limit)
    if length is not None and not reserve(length):
        raise _no_room()
    source = req.env["wsgi.input"]
    parts: list[bytes] = []
    got = 0
    while length is None or got < length:
        step = STEP if length is None else min(STEP, length - got)
        data = _step(source, step)
        if not data:
            break
        parts.append(data)
        got += len(data)
        if got > limit:
            raise _too_large(limit)
        if length is None and not reserve(len(data)):
            raise _no_room()
    if length is not None and got < length:
        raise errors.InvalidRequestError(
            "The body is shorter than its Content-Length", code="invalid_body"
        )
    return b"".join(parts)


def _step(source: BinaryIO, size: int) -> bytes:
    """One read of what the server gives; its errors are those of ``proxy.connection``."""
    try:
        return source.read(size)
    except TimeoutError:
        raise errors.InvalidRequestError(
            "The body did not arrive in time",
            status=408,
            code="request_timeout",
            headers={"connection": "close"},
        ) from None
    except ConnectionError:
        raise
    except ValueError:
        raise errors.InvalidRequestError(
            "The body is cut short, or its chunks are malformed",
            code="invalid_body",
            headers={"connection": "close"},
        ) from None


def _content_length(req: falcon.Request) -> int | None:
    """``None`` for a chunked body, whose end its chunks tell."""
    if "chunked" in req.env.get("HTTP_TRANSFER_ENCODING", "").lower():
        return None
    return req.content_length or 0


def _too_large(limit: int) -> errors.InvalidRequestError:
    return errors.InvalidRequestError(
        f"The body is larger than {limit} bytes",
        status=413,
        code="request_too_large",
        headers={"connection": "close"},
    )


def _no_room() -> errors.UnavailableError:
    full = errors.UnavailableError(
        "Too many large requests are under way", code="at_capacity", retry=True
    )
    full.headers["connection"] = "close"
    return full


def _check_type(req: falcon.Request) -> None:
    encoding = req.get_header("content-encoding", default="identity")
    kind = (req.content_type or "application/json").split(";")[0].strip().lower()
    if encoding.strip().lower() != "identity":
        raise errors.InvalidRequestError(
            "Compressed bodies are not accepted",
            status=415,
            code="unsupported_encoding",
        )
    if kind != "application/json":
        raise errors.InvalidRequestError(
            "The body must be application/json",
            status=415,
            code="unsupported_media_type",
        )


def decode(body: bytes) -> openai.ChatRequest:
    """Bytes to a typed request.

    Raises ``InvalidRequestError`` with ``param`` set to the field that does not fit.
    """
    if b"\\u" in body:
        body = _whole_characters(body)
    try:
        str(body, "utf-8")  # Raw parts are passed on unread, so all is checked here
        return openai.decode_request(body)
    except msgspec.ValidationError as ex:
        raise _does_not_fit(str(ex)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise errors.InvalidRequestError(
            "The body is not valid JSON", code="invalid_json"
        ) from None
    except RecursionError:
        raise errors.InvalidRequestError(
            "The body is nested too deeply", code="invalid_json"
        ) from None


def _whole_characters(body: bytes) -> bytes:
    """The body with U+FFFD for each half of a surrogate pair, as browsers send it.

    Text that was cut in the middle of an emoji is common, and no reason to fail.
    """
    surrogates = b"\\ud" in body or b"\\uD" in body  # a search by pattern is slow
    if not surrogates or _HALF_A_PAIR.search(body) is None:
        return body
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        return body  # not JSON: the reader that follows says so
    if not any("\ud800" <= one <= "\udfff" for one in text):
        return body
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _does_not_fit(said: str) -> errors.InvalidRequestError:
    """The decoder's one line as ours: ``messages[0].content: expected …``.

    Values of the client's are not repeated.
    """
    what, _, path = said.rpartition(" - at `$")
    if not what:
        what, path = said, ""
    param = path.rstrip("`").lstrip(".")
    missing = _MISSING.fullmatch(what)
    if missing is not None:
        param = f"{param}.{missing[1]}" if param else missing[1]
        return errors.InvalidRequestError(
            f"{param}: is required", param=param, code="missing_required_parameter"
        )
    if not param and what.startswith("Expected `object`"):
        return errors.InvalidRequestError(
            "The body is not a JSON object", code="invalid_json"
        )
    if param == "messages":
        return errors.InvalidRequestError(
            "messages: must be a list",
            param="messages",
            code="missing_required_parameter",
        )
    what = _WRONG_TAG.sub("not one of the values it may have", what).replace("`", "")
    what = what[:1].lower() + what[1:]
    return errors.InvalidRequestError(
        f"{param}: {what}" if param else f"The body: {what}",
        param=param or None,
        code="invalid_type" if what.startswith("expected") else "invalid_value",
    )
