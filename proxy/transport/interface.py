"""What a transport does, and how it reports that it could not."""

import enum
from collections.abc import Iterator, Mapping
from typing import Protocol

from proxy import cancellation

ERROR_BODY = 1 << 20
"""Bytes of an error body that are read at most; no error message is longer."""

HEADER_LIMIT = 1 << 16
"""Bytes of a header block at most; Anthropic's has about 1,500."""


class Obstacle(enum.Enum):
    """What stands in the way of a response: the value says it to people."""

    NAME_NOT_FOUND = "its name could not be resolved"
    REFUSED = "the connection was refused"
    NO_ROUTE = "there is no route to it"
    TIMEOUT = "the connection was not accepted in time"
    TLS = "the TLS handshake failed"
    NETWORK_PROXY = "the network proxy (HTTPS_PROXY) did not let the connection through"
    CLOSED = "the connection was closed without a response"


class TransportError(Exception):
    """The base of everything that can go wrong on the way to Anthropic."""


class UnreachedError(TransportError):
    """No connection, for the reason that ``obstacle`` gives."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.value)
        self.obstacle = obstacle


class NoResponseError(UnreachedError):
    """The connection ended before the first byte of a response."""

    def __init__(self) -> None:
        super().__init__(Obstacle.CLOSED)


class StaleError(NoResponseError):
    """The same, on a connection that was kept from an earlier call.

    The peer may have closed it as the request went out: worth a fresh connection.
    """


class CutError(TransportError):
    """The connection ended in the middle of a response."""


class BadResponseError(TransportError):
    """What arrived is not HTTP, or not what was asked for."""


class Response(Protocol):
    """One HTTP response, while it arrives."""

    status: int

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""

    def __iter__(self) -> Iterator[bytes]:
        """Body bytes, once; bytes that arrive together are yielded together.

        Raises ``CutError``, ``BadResponseError``, and ``cancellation.Cancelled``.
        """

    def flow(self) -> int | None:
        """Have iterating yield b"" from now on where it would wait.

        Returns the descriptor that becomes readable then; ``None`` if it goes on waiting.
        """

    def read(self) -> bytes:
        """The whole body of an error, up to ``ERROR_BODY``. Raises as iterating does."""

    def close(self, *, over: bool = False) -> None:
        """Let go of the connection: kept if the response was read whole, else closed.

        ``over`` says that the last event was read, so that at most the end of the
        framing is missing. The connection is then kept too, without waiting for it.
        """


class Transport(Protocol):
    """What sends requests to Anthropic."""

    def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        scope: cancellation.CancelScope,
        *,
        fresh: bool = False,
    ) -> Response:
        """Send one request, once, and wait for the response's headers.

        Any status is a response; redirects are not followed. ``fresh`` asks for a new
        connection; else a kept one is used, where one is alive.

        Raises ``TransportError`` (``StaleError`` where a kept connection turned out to
        be dead), and ``Cancelled`` when ``scope`` is cancelled.
        """

    def get(
        self,
        path: str,
        headers: Mapping[str, str],
        scope: cancellation.CancelScope,
        *,
        fresh: bool = False,
    ) -> Response:
        """Fetch a resource (the models list). Raises as ``post`` does."""

    def close(self) -> None:
        """Close the kept connections. Calls in progress go on."""


def read(parts: Iterator[bytes]) -> bytes:
    """Join parts, up to ``ERROR_BODY`` bytes."""
    read, size = [], 0
    for data in parts:
        read.append(data)
        size += len(data)
        if size >= ERROR_BODY:
            break
    return b"".join(read)[:ERROR_BODY]


def check_coding(headers: Mapping[str, str]) -> None:
    """Refuse an encoded body: ``identity`` was asked for."""
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise BadResponseError("the response is encoded")
