"""The proxy's errors in Anthropic's envelope, as its own SDK raises them.

Statuses and headers are those of the chat API. What Anthropic itself reported keeps its
type and its words.
"""

import contextlib

import msgspec
from msgspec import Raw

from proxy import errors, sse

OVERLOADED = frozenset({"at_capacity", "overloaded", "shutting_down"})

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    524: "timeout_error",
}

_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, Raw] | None).decode


def to_type(error: errors.ProxyError) -> str:
    """Anthropic's word for an error."""
    if error.reported is not None:
        return error.reported.type
    if error.code in OVERLOADED:
        return "overloaded_error"
    below = 400 <= error.status < 500  # noqa: PLR2004 - the class of client errors
    return TYPES.get(error.status, "invalid_request_error" if below else "api_error")


def to_envelope(error: errors.ProxyError, request_id: str) -> bytes:
    """The body of an error, and the payload of an ``error`` event.

    The code is where the SDK looks for one: ``error.details.error_code``. An error of
    Anthropic's keeps its details, whose code is Anthropic's own, and has the proxy's only
    where they name none.
    """
    message = error.message if error.reported is None else error.reported.message
    inner: dict[str, object] = {"type": to_type(error), "message": message}
    if details := _details(error):
        inner["details"] = details
    return _encode({"type": "error", "error": inner, "request_id": request_id})


def _details(error: errors.ProxyError) -> dict[str, object]:
    details: dict[str, object] = {}
    if error.reported is not None:
        with contextlib.suppress(msgspec.ValidationError):  # of another shape
            details |= _fields(error.reported.details) or {}
    if error.code is not None:
        details.setdefault("error_code", error.code)
    return details


def to_event(error: errors.ProxyError, request_id: str) -> bytes:
    """The event that ends a stream which broke."""
    return sse.encode_named("error", to_envelope(error, request_id))
