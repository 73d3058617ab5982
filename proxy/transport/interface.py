"""What a transport does, and how it says that it could not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from proxy.guard import Guard

HEADER_LIMIT = 65536
"""Bytes of a header block; Anthropic's has about 1,500."""


class TransportError(Exception):
    """No whole answer came. The subclasses tell what that means for a retry."""


class ConnectError(TransportError):
    """No connection: refused, no such host, TLS failed, or not in time."""


class NoAnswerError(TransportError):
    """The connection ended before the first byte of an answer."""


class CutError(TransportError):
    """The connection ended inside the answer."""


class BadAnswerError(TransportError):
    """What came is not HTTP, or not what was asked for."""


class Reply(Protocol):
    """An answer whose header block has arrived. Iterate it once, and close it."""

    status: int

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields, their names in lower case."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body as it comes; what arrives together comes together.

        Raises `CutError`, `BadAnswerError`, or `proxy.guard.Cancelled`.
        """

    def read(self, limit: int) -> bytes:
        """Read the whole body, or the first `limit` bytes or so of it."""

    def close(self) -> None:
        """Give the connection back if its answer was read to the end, else close it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Transport(Protocol):
    """Sends a POST to one upstream."""

    def open(
        self, path: str, headers: Mapping[str, str], body: bytes, guard: Guard
    ) -> Reply:
        """Send a request and wait for the header block of its answer.

        Any status is an answer; redirects are not followed. A kept connection that died
        idle is replaced without a word. Raises `TransportError`, or
        `proxy.guard.Cancelled` as soon as the guard says so.
        """

    def close(self) -> None:
        """Close what is kept. Calls under way go on."""


def read(parts: Iterator[bytes], limit: int) -> bytes:
    """Join parts up to `limit` bytes or so."""
    read, size = [], 0
    for part in parts:
        read.append(part)
        size += len(part)
        if size >= limit:
            break
    return b"".join(read)


def check_coding(headers: Mapping[str, str]) -> None:
    """Refuse an encoded body: `identity` was asked for."""
    if headers.get("content-encoding", "identity") != "identity":
        raise BadAnswerError("the answer is encoded")
