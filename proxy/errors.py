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
        self.calls = 0
        """Upstream calls that led here, for the log line."""
        self.upstream_request_id = ""
        """Anthropic's id of the last of them, where it responded."""

    def anew(self) -> "ProxyError":
        """The same error as a new exception, for one that is raised again.

        An exception that is raised twice keeps the traceback of each time, and with it
        everything that those requests held.
        """
        return ProxyError(
            self.message,
            status=self.status,
            type=self.type,
            code=self.code,
            param=self.param,
            headers=self.headers,
        )


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
    """A 503 of our own. ``retry`` False: asking again cannot help by itself."""

    def __init__(self, message: str, *, code: str, retry: bool) -> None:
        headers = {"retry-after": "1"} if retry else {"x-should-retry": "false"}
        super().__init__(
            message, status=503, type="server_error", code=code, headers=headers
        )


def shutting_down() -> UnavailableError:
    """A request, or a response, that the end of this process cuts short."""
    return UnavailableError(
        "The proxy is shutting down", code="shutting_down", retry=True
    )


class ClientGoneError(ConnectionError):
    """The client has left: nobody reads a response, or sends the rest of the request."""


class StreamCut(Exception):  # noqa: N818 - an event, not an error of ours
    """Raised by a response body after its last bytes: close without the last chunk.

    A client must not take what it has for a complete response. The server sends what
    was written, half-closes, and logs nothing: the completion's own line has the reason.
    """
