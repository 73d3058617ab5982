"""The errors a client can meet. Each carries its whole answer.

    ProxyError
    ├── InvalidRequestError     the client's request cannot be sent
    ├── UpstreamError           Anthropic answered with an error, or not at all
    └── UnavailableError        this proxy cannot serve now (credential, capacity, drain)
    StreamCut                   not an answer: a stream that must not look complete

Raise one anywhere; ``proxy.app`` renders it once. Messages point at the input and never
repeat it: prompts are private and logs are not.
"""

from collections.abc import Mapping


class ProxyError(Exception):
    """An error with its answer: HTTP status, OpenAI's four words, extra headers."""

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
        """Calls to Anthropic that led here, for the log line."""
        self.upstream_request_id = ""
        """Anthropic's id of the last of them, where it answered."""

    def anew(self) -> "ProxyError":
        """The same answer as another exception, for an error that is told again.

        One that is raised twice keeps the traceback of each time, and with it all that
        those requests held.
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
    """A request that is refused here; nothing of it goes upstream."""

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
    """A 503 of ours. ``retry`` False says that trying again cannot help by itself."""

    def __init__(self, message: str, *, code: str, retry: bool) -> None:
        headers = {"retry-after": "1"} if retry else {"x-should-retry": "false"}
        super().__init__(
            message, status=503, type="server_error", code=code, headers=headers
        )


class StreamCut(Exception):  # noqa: N818 - an event, not an error of ours
    """Raised by a response body after its last bytes: close without the last chunk.

    A client must not take what it has for a complete answer. The worker sends what was
    written, half-closes, and logs nothing: the completion's own line says why.
    """
