"""Anthropic's errors as OpenAI's: status, type, code, and whether to try again (rows b8).

One table, by Anthropic's error type first and by status second: ``overloaded_error``
arrives with other statuses than 529 too, and inside a stream with none at all.
"""

import math
import re

import msgspec
from msgspec import Struct, structs

from proxy import errors
from proxy.schema import messages_response, openai

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
    "billing_error": Kind(402, _INVALID, "insufficient_quota"),
    "permission_error": Kind(403, _INVALID, "permission_denied"),
    "not_found_error": Kind(404, _INVALID, "model_not_found"),
    "conflict_error": Kind(409, _INVALID, "conflict"),
    "request_too_large": Kind(413, _INVALID, "request_too_large"),
    "rate_limit_error": Kind(429, "rate_limit_error", "rate_limit_exceeded"),
    # .NET repeats a 504 three times, each paid for; nobody repeats a 524
    "timeout_error": Kind(524, _SERVER, "upstream_timeout"),
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
    524: BY_TYPE["timeout_error"],
    529: BY_TYPE["overloaded_error"],
}
UNREADABLE = Kind(502, _SERVER, "upstream_error")

_NOT_ALLOWED = re.compile(
    r"this credential is only authorized for use with claude code", re.IGNORECASE
)
"""At the beginning, where no client can place words: what Anthropic quotes follows a path."""
_NO_CREDIT = re.compile(r"your credit balance is too low", re.IGNORECASE)
_TOO_LONG = re.compile(r"prompt is too long: (\d+) tokens > (\d+) maximum")
_NO_ROOM = re.compile(
    r"input length and `max_tokens` exceed context limit: (\d+) \+ (\d+) > (\d+)"
)
_ABOUT_THE_PROXY = frozenset({"invalid_api_key", "credential_not_allowed"})
"""Errors of which only the proxy can say what they are about: its own credential."""
_FIELD = re.compile(
    r"(model|tools|tool_choice|temperature|top_p|top_k|thinking|output_config"
    r"|cache_control|context_management|inference_geo|speed|service_tier)[.:]"
)
"""Where a message begins with the field that was wrong, by a name that clients use too."""
_SPEND_CAPS = frozenset({"enforced_spend_limit_reached"})


class Circumstances(Struct, frozen=True, kw_only=True):
    """What the client gets depends on these as well as on the error."""

    credential: str
    """Where the proxy's credential comes from, in words."""
    oauth: bool = False
    """The credential is a login's access token, not an API key."""
    retry_after: float | None = None
    """Seconds that Anthropic asked to wait."""
    lasted: float = 0.0
    """Seconds for which this model has been failing, 0.0 where it begins now."""


def to_openai_error(
    status: int, error: messages_response.Error | None, circumstances: Circumstances
) -> errors.UpstreamError:
    """One error of Anthropic's as the exception that carries the client's response.

    ``error`` is ``None`` where the body was not Anthropic's JSON: then the status
    decides. ``status`` is 200 for an ``error`` event inside a stream.
    """
    meant = _meant(status, error, circumstances)
    if error is not None and error.type and meant.code not in _ABOUT_THE_PROXY:
        meant.reported = errors.Reported(
            error.type, error.message, bytes(error.details)
        )
    return meant


def _meant(
    status: int, error: messages_response.Error | None, circumstances: Circumstances
) -> errors.UpstreamError:
    if error is None:
        return _by_status(status, circumstances)
    kind = BY_TYPE.get(error.type) or _kind_of_status(status)
    if _is_not_allowed(kind, error, circumstances):
        return not_allowed(circumstances.credential)
    if kind.status == 401:  # noqa: PLR2004 - unauthorized
        message = (
            f"Anthropic refused the proxy's own credential ({circumstances.credential}): "
            f"{error.message}"
        )
        return _error(kind, message, circumstances)
    if kind.status == 407:  # noqa: PLR2004 - proxy authentication required
        return _by_status(status, circumstances)
    if kind is BY_TYPE["invalid_request_error"]:
        return _invalid(error, circumstances)
    if error.code in _SPEND_CAPS:
        kind = BY_TYPE["billing_error"]
    param = "model" if kind is BY_TYPE["not_found_error"] else None
    return _error(kind, error.message, circumstances, param=param)


def _kind_of_status(status: int) -> Kind:
    if kind := BY_STATUS.get(status):
        return kind
    refused = 400 <= status < 500  # noqa: PLR2004 - the class of client errors
    return Kind(status, _INVALID, None) if refused else BY_TYPE["api_error"]


def _is_not_allowed(
    kind: Kind, error: messages_response.Error, circumstances: Circumstances
) -> bool:
    """Whether a login is refused because this is not Anthropic's own application."""
    refusal = kind.status in {400, 401, 403} and circumstances.oauth
    return refusal and _NOT_ALLOWED.match(error.message) is not None


def _by_status(status: int, circumstances: Circumstances) -> errors.UpstreamError:
    """An error whose body is not Anthropic's: a gateway's page, or nothing at all."""
    said = f"The upstream responded with status {status} and no error that it explains"
    base = "check ANTHROPIC_API_BASE"
    match status:
        case 401 | 403:
            said = (
                f"Something on the way to Anthropic refused the request (status {status}"
                "): check ANTHROPIC_API_BASE and HTTPS_PROXY"
            )
        case 404:
            said = f"Nothing there speaks the Messages API (status 404): {base}"
        case 407:
            said = (
                "A network proxy on the way to Anthropic asks for credentials (status "
                "407): put them into HTTPS_PROXY"
            )
            return _error(UNREADABLE, said, circumstances, final=True)
        case _ if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
            said = f"The upstream redirects (status {status}): {base}"
            return _error(UNREADABLE, said, circumstances, final=True)
        case _ if status not in BY_STATUS and not 400 <= status < 500:  # noqa: PLR2004
            return _error(UNREADABLE, said, circumstances)
    return _error(_kind_of_status(status), said, circumstances)


def _invalid(
    error: messages_response.Error, circumstances: Circumstances
) -> errors.UpstreamError:
    # both in the wording that clients parse in order to trim and try again
    if overflow := _TOO_LONG.search(error.message):
        return _overflow(
            overflow[2],
            f"your messages resulted in {overflow[1]} tokens. Please reduce the length "
            "of the messages.",
            circumstances,
        )
    if no_room := _NO_ROOM.search(error.message):
        prompt, completion, limit = no_room.groups()
        return _overflow(
            limit,
            f"you requested {int(prompt) + int(completion)} tokens ({prompt} in the "
            f"messages, {completion} in the completion). Please reduce the length of the "
            "messages or completion.",
            circumstances,
        )
    if "prompt is too long" in error.message:
        kind = Kind(400, _INVALID, "context_length_exceeded")
        return _error(kind, error.message, circumstances)
    if _NO_CREDIT.match(error.message):
        return _error(BY_TYPE["billing_error"], error.message, circumstances)
    field = _FIELD.match(error.message)
    return _error(
        Kind(400, _INVALID, error.code),
        error.message,
        circumstances,
        param=field[1] if field is not None else None,
    )


def _overflow(
    limit: str, asked: str, circumstances: Circumstances
) -> errors.UpstreamError:
    message = f"This model's maximum context length is {limit} tokens. However, {asked}"
    return _error(
        Kind(400, _INVALID, "context_length_exceeded"), message, circumstances
    )


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


def being_replaced(credential: str) -> errors.UnavailableError:
    """A refused credential whose source may have another one soon."""
    return errors.UnavailableError(
        f"Anthropic refused the proxy's own credential ({credential}), which may be "
        "about to be replaced",
        code="credentials_refused",
        retry=True,
        wait=errors.RENEWAL_WAIT,
    )


def limited(seconds: float, circumstances: Circumstances) -> errors.UpstreamError:
    """A rate limit that Anthropic has named before; nothing was sent.

    ``seconds`` is what is left of it: 0.0 while one request finds out whether it is over.
    """
    message = "Anthropic's rate limit for this credential and model is used up for now"
    lasted = 0.0 if seconds else circumstances.lasted
    named = structs.replace(circumstances, retry_after=seconds or None, lasted=lasted)
    return _error(BY_TYPE["rate_limit_error"], message, named)


def unreachable(why: str, circumstances: Circumstances) -> errors.UpstreamError:
    """No response at all; ``why`` continues "Anthropic could not be reached: …"."""
    kind = Kind(502, _SERVER, "upstream_unreachable")
    return _error(kind, f"Anthropic could not be reached: {why}", circumstances)


def unreadable(circumstances: Circumstances) -> errors.UpstreamError:
    """A response that is not HTTP, or not in an encoding that was asked for."""
    message = "What responded in Anthropic's place sent something unreadable"
    return _error(UNREADABLE, message, circumstances)


def no_stream(circumstances: Circumstances) -> errors.UpstreamError:
    """A success that is neither a stream nor a message: it may have been paid for."""
    message = (
        "The upstream responded with neither a stream nor a message: check that "
        "ANTHROPIC_API_BASE speaks the Messages API"
    )
    return _error(UNREADABLE, message, circumstances, final=True)


def timed_out(message: str) -> errors.UpstreamError:
    """A deadline of ours passed after work was done: 524, which no client repeats."""
    return errors.UpstreamError(
        message,
        status=BY_TYPE["timeout_error"].status,
        type=_SERVER,
        code="upstream_timeout",
        headers={"x-should-retry": "false"},
    )


def incomplete(circumstances: Circumstances) -> errors.UpstreamError:
    """A response that ended too early."""
    kind = Kind(502, _SERVER, "stream_incomplete")
    return _error(
        kind, "Anthropic's response ended before it was complete", circumstances
    )


def _error(
    kind: Kind,
    message: str,
    circumstances: Circumstances,
    *,
    final: bool = False,
    param: str | None = None,
) -> errors.UpstreamError:
    headers = {}
    named = circumstances.retry_after
    if kind.status in WORTH_A_RETRY and not final:
        seconds = errors.wait(circumstances.lasted, named)
        if seconds is None:
            headers["x-should-retry"] = "false"
        else:
            headers["retry-after"] = f"{math.ceil(seconds)}"
        if named is not None and named > errors.LONGEST_WAIT:
            message = f"{message} (try again in {named:.0f} seconds)"
    elif final or kind.status in {402, 524}:
        headers["x-should-retry"] = "false"
    return errors.UpstreamError(
        message,
        status=kind.status,
        type=kind.type,
        param=param,
        code=kind.code,
        headers=headers,
    )


# ------------------------------------------------------------------ reading headers


def to_object(error: errors.ProxyError) -> openai.Error:
    """An error of any kind as clients of OpenAI's APIs read it, in a body or a stream."""
    return openai.Error(
        message=error.message, type=error.type, param=error.param, code=error.code
    )


def decode_error(body: bytes) -> messages_response.Error | None:
    """The error of a body, or ``None`` where it is not Anthropic's JSON (HTML, cut)."""
    try:
        return messages_response.decode_error_response(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
