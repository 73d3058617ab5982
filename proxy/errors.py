"""The errors of a request. A ``ProxyError`` carries the whole response to it.

    ProxyError
    ├── InvalidRequestError     the client's request cannot be sent
    ├── UpstreamError           Anthropic responded with an error, or not at all
    └── UnavailableError        this proxy cannot serve now (credential, capacity, drain)
    ClientGoneError             nobody is left to respond to
    StreamCut                   ends a response that must not look complete

Raise one anywhere; ``proxy.app`` renders it once. Messages point at the input and never
repeat it: prompts are private and logs are not.
"""

from collections.abc import Mapping
from typing import NamedTuple

LONGEST_WAIT = 45.0
"""Seconds that a client is asked to wait at most: three waits of a minute outlast users."""

IN_VAIN = 3 * LONGEST_WAIT
"""Seconds beyond which no wait is asked for: three tries of a client cannot bridge it."""

GROWING = ((3.0, 3.0), (11.0, 8.0), (float("inf"), 12.0))
"""A trouble that has lasted for less than so many seconds is worth a wait of so many.

Some clients try three more times: 3, 8 and 12 seconds outlast an overload of twenty.
"""

RESTART_WAIT = 5
"""Seconds in which a sidecar is back."""

RENEWAL_WAIT = 8
"""Seconds in which a refresher has renewed a token."""


def wait(lasted: float, named: float | None = None) -> float | None:
    """Seconds to ask a client to wait; ``None`` where waiting would be in vain.

    ``lasted`` is how long the trouble has lasted, 0.0 where it has just begun; ``named``
    is what Anthropic asked for, which a trouble that lasts does not make shorter.
    """
    growing = next(seconds for limit, seconds in GROWING if lasted < limit)
    if named is None:
        return growing
    if named > IN_VAIN:
        return None
    asked = max(named, growing) if lasted else max(named, 1.0)
    return min(asked, LONGEST_WAIT)


class Reported(NamedTuple):
    """An error in Anthropic's own words."""

    type: str
    message: str


class ProxyError(Exception):
    """An error and its response: HTTP status, OpenAI's four fields, extra headers."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: str,  # noqa: A002 - the wire's own word
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.headers = dict(headers or {})
        self.reason = ""
        """The fault behind it in one word, for the log line and the metrics."""
        self.upstream_request_id = ""
        """Anthropic's id of the last of them, where it responded."""
        self.reported: Reported | None = None
        """What Anthropic said, where the error is Anthropic's and not the proxy's."""

    def anew(self) -> "ProxyError":
        """The same error as a new exception, for one that is raised again.

        An exception that is raised twice keeps the traceback of each time, and with it
        everything that those requests held.
        """
        another = ProxyError(
            self.message,
            status=self.status,
            type=self.type,
            code=self.code,
            param=self.param,
            headers=self.headers,
        )
        another.reason = self.reason
        another.reported = self.reported
        return another


class InvalidRequestError(ProxyError):
    """A request that is rejected here; nothing of it goes upstream."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            message,
            status=status,
            type="invalid_request_error",
            code=code,
            param=param,
            headers=headers,
        )


class UpstreamError(ProxyError):
    """What Anthropic's error, or its absence, means for the client."""


class UnavailableError(ProxyError):
    """A 503 of our own. ``retry`` False: asking again cannot help by itself.

    ``wait`` is the pause in seconds that a client is asked for otherwise.
    """

    def __init__(
        self, message: str, *, code: str, retry: bool, wait: float = GROWING[0][1]
    ) -> None:
        headers = (
            {"retry-after": f"{wait:.0f}"} if retry else {"x-should-retry": "false"}
        )
        super().__init__(
            message, status=503, type="server_error", code=code, headers=headers
        )


def at_capacity(message: str, lasted: float) -> UnavailableError:
    """A request for which there is no room now; `lasted` as for `wait`."""
    return UnavailableError(
        message, code="at_capacity", retry=True, wait=wait(lasted) or 0
    )


def shutting_down() -> UnavailableError:
    """A request, or a response, that the end of this process cuts short."""
    return UnavailableError(
        "The proxy is shutting down",
        code="shutting_down",
        retry=True,
        wait=RESTART_WAIT,
    )


def internal() -> ProxyError:
    """A fault of ours: the log says where, the client learns nothing more."""
    return ProxyError(
        "The proxy failed; see its log",
        status=500,
        type="server_error",
        code="internal_error",
        headers={"retry-after": f"{GROWING[0][1]:.0f}"},
    )


class ClientGoneError(ConnectionError):
    """The client has left: nobody reads a response, or sends the rest of the request."""


class StreamCut(Exception):  # noqa: N818 - an event, not an error of ours
    """Raised by a response body after its last bytes: close without the last chunk.

    A client must not take what it has for a complete response. The server sends what
    was written, half-closes, and logs nothing: the completion's own line has the reason.
    """
