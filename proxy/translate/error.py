"""Anthropic's errors as OpenAI's: status, type, code, and whether to try again (rows b8).

One table, by Anthropic's error type first and by status second: ``overloaded_error``
arrives with other statuses than 529 too, and inside a stream with none at all.
"""

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec import Struct

from proxy import errors
from proxy.schema import messages_response

MAX_RETRY_AFTER = 60.0
"""Seconds. Clients wait for as long as they are asked to, some without a limit."""

WORTH_A_RETRY = frozenset({429, 500, 502, 503})


class Kind(Struct, frozen=True):
    """What an OpenAI client reads of a kind of error."""

    status: int
    type: str
    code: str | None


_INVALID = "invalid_request_error"
_SERVER = "server_error"

BY_TYPE: dict[str, Kind] = {
    "invalid_request_error": Kind(400, _INVALID, None),
    "authentication_error": Kind(401, _INVALID, "invalid_api_key"),
    "billing_error": Kind(402, "insufficient_quota", "billing_error"),
    "permission_error": Kind(403, _INVALID, "permission_denied"),
    "not_found_error": Kind(404, _INVALID, "model_not_found"),
    "conflict_error": Kind(409, _INVALID, "conflict"),
    "request_too_large": Kind(413, _INVALID, "request_too_large"),
    "rate_limit_error": Kind(429, "rate_limit_error", "rate_limit_exceeded"),
    "timeout_error": Kind(504, _SERVER, "upstream_timeout"),
    "overloaded_error": Kind(503, _SERVER, "overloaded"),
    "api_error": Kind(500, _SERVER, "upstream_error"),
}
BY_STATUS: dict[int, Kind] = {
    400: BY_TYPE["invalid_request_error"],
    401: BY_TYPE["authentication_error"],
    402: BY_TYPE["billing_error"],
    403: BY_TYPE["permission_error"],
    404: BY_TYPE["not_found_error"],
    409: BY_TYPE["conflict_error"],
    413: BY_TYPE["request_too_large"],
    429: BY_TYPE["rate_limit_error"],
    504: BY_TYPE["timeout_error"],
    529: BY_TYPE["overloaded_error"],
}
NOT_JSON = Kind(502, _SERVER, "upstream_error")

_NOT_ALLOWED = re.compile(r"only authorized for use with claude code", re.IGNORECASE)
_TOO_LONG = re.compile(r"prompt is too long: (\d+) tokens > (\d+) maximum")
_NO_ROOM = re.compile(
    r"input length and `max_tokens` exceed context limit: (\d+) \+ \d+ > (\d+)"
)
_SPEND_CAPS = frozenset({"enforced_spend_limit_reached"})


class Circumstances(Struct, frozen=True, kw_only=True):
    """What the client gets depends on these as well as on the error."""

    credential: str
    """Where the proxy's credential comes from, in words."""
    retry_after: float | None = None
    """Seconds that Anthropic asked to wait."""
    pause: int = 1
    """Seconds to ask for where Anthropic named none (1 to 3, drawn by the caller)."""


def to_openai_error(
    status: int, error: messages_response.Error | None, circumstances: Circumstances
) -> errors.UpstreamError:
    """One error of Anthropic's as the exception that carries the client's response.

    ``error`` is ``None`` where the body was not Anthropic's JSON. ``status`` is 200 for
    an ``error`` event inside a stream.
    """
    if error is None:
        return _error(NOT_JSON, "Anthropic sent an unreadable response", circumstances)
    if _NOT_ALLOWED.search(error.message):
        return not_allowed(circumstances.credential)
    kind = BY_TYPE.get(error.type) or BY_STATUS.get(status)
    if kind is None:
        refused = 400 <= status < 500  # noqa: PLR2004 - the class of client errors
        kind = Kind(status, _INVALID, None) if refused else BY_TYPE["api_error"]
    if kind.status == 401:  # noqa: PLR2004 - unauthorized
        message = (
            f"Anthropic refused the proxy's own credential ({circumstances.credential}): "
            f"{error.message}"
        )
        return _error(kind, message, circumstances)
    if kind is BY_TYPE["invalid_request_error"]:
        return _invalid(error, circumstances)
    spent = error.details is not None and error.details.error_code in _SPEND_CAPS
    return _error(kind, error.message, circumstances, final=spent)


def _invalid(
    error: messages_response.Error, circumstances: Circumstances
) -> errors.UpstreamError:
    overflow = _TOO_LONG.search(error.message) or _NO_ROOM.search(error.message)
    if (
        overflow is not None
    ):  # the wording that clients parse in order to trim and try again
        message = (
            f"This model's maximum context length is {overflow[2]} tokens. However, "
            f"your messages resulted in {overflow[1]} tokens. Please reduce the length "
            "of the messages."
        )
        return _error(
            Kind(400, _INVALID, "context_length_exceeded"), message, circumstances
        )
    if "prompt is too long" in error.message:
        kind = Kind(400, _INVALID, "context_length_exceeded")
        return _error(kind, error.message, circumstances)
    code = error.details.error_code if error.details else None
    return _error(Kind(400, _INVALID, code), error.message, circumstances)


def not_allowed(credential: str) -> errors.UpstreamError:
    """Anthropic does not accept this credential outside its own clients."""
    return errors.UpstreamError(
        f"Anthropic refuses this subscription credential here ({credential}): it is "
        "meant for Anthropic's own applications. Use an API key (ANTHROPIC_API_KEY) or "
        "Workload Identity Federation instead.",
        status=403,
        type=_INVALID,
        code="credential_not_allowed",
        headers={"x-should-retry": "false"},
    )


def unreachable(circumstances: Circumstances) -> errors.UpstreamError:
    kind = Kind(502, _SERVER, "upstream_unreachable")
    return _error(kind, "Anthropic could not be reached", circumstances)


def unreadable(circumstances: Circumstances) -> errors.UpstreamError:
    return to_openai_error(502, None, circumstances)


def timed_out(what: str) -> errors.UpstreamError:
    """A deadline of ours passed: a plain 504, since a retry would be billed again."""
    return errors.UpstreamError(
        f"Anthropic did not {what} in time",
        status=504,
        type=_SERVER,
        code="upstream_timeout",
        headers={"x-should-retry": "false"},
    )


def incomplete(circumstances: Circumstances) -> errors.UpstreamError:
    kind = Kind(502, _SERVER, "stream_incomplete")
    return _error(
        kind, "Anthropic's response ended before it was complete", circumstances
    )


def _error(
    kind: Kind, message: str, circumstances: Circumstances, *, final: bool = False
) -> errors.UpstreamError:
    headers = {}
    if kind.status in WORTH_A_RETRY:
        wait = (
            circumstances.pause
            if circumstances.retry_after is None
            else circumstances.retry_after
        )
        if final or wait > MAX_RETRY_AFTER:
            headers["x-should-retry"] = "false"
            if circumstances.retry_after is not None:
                message = (
                    f"{message} (try again in {circumstances.retry_after:.0f} seconds)"
                )
        else:
            headers["retry-after"] = f"{max(wait, 0):.0f}" if wait >= 1 else "1"
    elif kind.status == 504:  # noqa: PLR2004 - gateway timeout
        headers["x-should-retry"] = "false"
    return errors.UpstreamError(
        message,
        status=kind.status,
        type=kind.type,
        code=kind.code,
        headers=headers,
    )


# ------------------------------------------------------------------ reading headers


def decode_error(body: bytes) -> messages_response.Error | None:
    """The error of a body, or ``None`` where it is not Anthropic's JSON (HTML, cut)."""
    try:
        return messages_response.decode_error_response(body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from ``retry-after``; Anthropic sends seconds, other forms are ignored."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def passed_headers(headers: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Rate limits in OpenAI's header names; a reset time becomes seconds from ``now``."""
    out = {}
    for what in ("requests", "tokens"):
        for fact in ("limit", "remaining", "reset"):
            value = headers.get(f"anthropic-ratelimit-{what}-{fact}", "")
            if fact == "reset":
                value = _seconds_until(value, now)
            if value.isascii() and value.isprintable() and value:
                out[f"x-ratelimit-{fact}-{what}"] = value
    return out


def _seconds_until(when: str, now: datetime) -> str:
    try:
        seconds = (datetime.fromisoformat(when) - now).total_seconds()
    except (ValueError, TypeError):
        return ""
    return f"{max(0.0, seconds):.0f}s"
