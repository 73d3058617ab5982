"""What a transport does, and how it says that it could not."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from proxy import guard

ERROR_BODY = 1 << 20
"""Bytes of an error's body that are read; more is nobody's error message."""

HEADER_LIMIT = 1 << 16
"""Bytes of a header block; Anthropic's has about 1,500."""


class TransportError(Exception):
    """The base of what can go wrong between here and there."""


class UnreachedError(TransportError):
    """No connection: refused, no such host, TLS failed, or not in time."""


class NoAnswerError(UnreachedError):
    """The connection ended before the first byte of a reply."""


class CutError(TransportError):
    """The connection ended inside the reply."""


class BadAnswerError(TransportError):
    """What came is not HTTP, or not what was asked for."""


class Reply(Protocol):
    """One HTTP reply, while it arrives."""

    status: int

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""

    def __iter__(self) -> Iterator[bytes]:
        """Body bytes, once; what arrives together comes together.

        Raises ``CutError``, ``BadAnswerError``, and ``guard.Cancelled``.
        """

    def read(self) -> bytes:
        """The whole body of an error, up to ``ERROR_BODY``. Raises as iterating does."""

    def close(self, *, over: bool = False) -> None:
        """Let go of the connection: kept if the reply was read whole, else closed.

        ``over`` says that its last event was read, so that only the end of its framing
        may be missing: the connection is kept then, too, and nobody waits for that end.
        """


class Transport(Protocol):
    """What sends requests to Anthropic."""

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], watch: guard.Guard
    ) -> Reply:
        """Send one request and wait for the reply's headers.

        Any status is a reply; redirects are not followed. A kept connection that died
        idle is replaced without a word.

        Raises ``TransportError``, and ``guard.Cancelled`` when ``watch`` ends the call.
        """

    def get(self, path: str, headers: Mapping[str, str], watch: guard.Guard) -> Reply:
        """Fetch a resource (the models list). Raises as ``post`` does."""

    def close(self) -> None:
        """Close the connections that are kept. Calls under way go on."""


def read(parts: Iterator[bytes]) -> bytes:
    """Join parts, up to ``ERROR_BODY`` bytes."""
    body = b""
    for data in parts:
        body += data
        if len(body) >= ERROR_BODY:
            break
    return body[:ERROR_BODY]


def check_coding(headers: Mapping[str, str]) -> None:
    """Refuse an encoded body: ``identity`` was asked for."""
    if headers.get("content-encoding", "identity") != "identity":
        raise BadAnswerError("the answer is encoded")
