"""What a client sends: its bytes, and the bodies that they make up."""

from __future__ import annotations

import abc
import socket
import time
from typing import TYPE_CHECKING

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import NoMoreData, ParseException

from proxy.errors import ClientGoneError
from proxy.server import head

if TYPE_CHECKING:
    from proxy.server.head import Head

RECEIVE = 1 << 16
"""Bytes of one read between two requests: a head, and mostly its whole body."""

RECEIVE_BODY = 1 << 18
"""Bytes of one read of a large body."""

READ_TIMEOUT = 60.0
"""Seconds from the end of a request's head to the end of its body."""

UNREAD = 65536
"""Bytes of an unread body that are read to keep a connection."""

UNREAD_TIMEOUT = 2.0
"""Seconds for that."""

SMALL_CHUNK = 16
"""Bytes of a chunk on average at least (Go's server asks for as many) ..."""
MANY_CHUNKS = 4096
"""... in a body of more chunks than this: each costs 5 us, whatever it brings."""


class BadBody(ValueError):  # noqa: N818  # names what was read
    """The request's body is cut short or badly framed: a 400."""


class RequestTimeoutError(TimeoutError):
    """The request did not arrive in time: a 408."""


class Incoming:
    """The bytes of one connection that were received and not used yet.

    The socket blocks, and its SO_RCVTIMEO bounds each read of a body.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.held = b""
        self.deadline = 0.0
        self.withheld = False
        """The client sends its body once it has read ``100 Continue``."""
        self._sock = sock
        self._scanned = 0

    # Between two requests.

    def fill(self) -> int:
        """Receive what has come, without waiting; returns how many bytes.

        0 at the end of the connection. Raises ``BlockingIOError``, and ``OSError``.
        """
        data = self._sock.recv(RECEIVE, socket.MSG_DONTWAIT)
        self.held = self.held + data if self.held else data
        return len(data)

    def holds_head(self) -> bool:
        """Whether a whole head is here. Raises ``Refused``, see `head.end_of`."""
        if self.held.startswith(b"\r\n") and not self._scanned:
            self.held = self.held[2:]  # one empty line is allowed (RFC 9112, 2.2)
        end = head.end_of(self.held, self._scanned)
        self._scanned = len(self.held) if end < 0 else end
        return end >= 0

    def take_head(self) -> bytes:
        """The head that `holds_head` has found, without its empty line.

        The rest is its body.
        """
        end = self._scanned
        data, self.held = self.held[:end], self.held[end + len(head.END) :]
        self._scanned = 0
        return data

    # In a body: what gunicorn's chunked reader asks of its source.

    def read(self, size: int | None = None, read_ahead: int | None = None) -> bytes:
        """What is here, else what arrives next; at most ``size`` bytes."""
        if not self.held:
            limit = RECEIVE if size is None else size
            return self._receive(min(read_ahead or limit, RECEIVE_BODY))
        if size is None or size >= len(self.held):
            data, self.held = self.held, b""
        else:
            data, self.held = self.held[:size], self.held[size:]
        return data

    def unread(self, data: bytes) -> None:
        """Put back what was read too much."""
        self.held = data + self.held

    def _receive(self, limit: int) -> bytes:
        if time.monotonic() > self.deadline:
            raise RequestTimeoutError
        try:
            if self.withheld:
                self.withheld = False
                self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            data = self._sock.recv(limit)
        except BlockingIOError:  # SO_RCVTIMEO
            raise RequestTimeoutError from None
        except OSError as ex:
            raise ClientGoneError from ex
        if not data:
            raise BadBody("the body ends before its length")
        return data


class Body(abc.ABC):
    """A request's body, as ``wsgi.input``.

    Reading raises ``TimeoutError`` (408), ``BadBody`` (400) and ``ClientGoneError``.
    """

    @property
    @abc.abstractmethod
    def leaves_much(self) -> bool:
        """More is unread than is worth reading to keep the connection."""

    @property
    @abc.abstractmethod
    def is_read(self) -> bool:
        """Its end was read."""

    @abc.abstractmethod
    def read1(self, size: int) -> bytes:
        """What has come, or else what comes next, up to ``size`` bytes; b"" at the end."""

    def read(self, size: int = -1) -> bytes:
        """``size`` bytes, fewer only at the end; without a size, all of it."""
        parts = []
        while size and (data := self.read1(size if size > 0 else RECEIVE_BODY)):
            parts.append(data)
            size -= len(data) if size > 0 else 0
        return b"".join(parts)


def body_of(request: Head, incoming: Incoming) -> Body:
    """The body that follows a head.

    ``100 Continue`` waits until the body is asked for: a client that gets an error at
    once need not send it.
    """
    incoming.deadline = time.monotonic() + READ_TIMEOUT
    incoming.withheld = request.expects
    if request.length is None:
        return ChunkedBody(incoming)
    return LengthBody(incoming, request.length)


def finish(body: Body, incoming: Incoming) -> bool:
    """Read what the application left of a body, within bounds; true if that is all."""
    if body.is_read:
        return True
    if body.leaves_much:
        return False
    incoming.deadline = time.monotonic() + UNREAD_TIMEOUT
    left = UNREAD
    try:
        while left >= 0 and (data := body.read1(RECEIVE)):
            left -= len(data)
    except (OSError, ValueError):
        return False
    return left >= 0


class LengthBody(Body):
    """A body with a ``Content-Length``."""

    def __init__(self, incoming: Incoming, length: int) -> None:
        self._incoming = incoming
        self._left = length

    @property
    def leaves_much(self) -> bool:
        """See ``Body``."""
        return self._left > (0 if self._incoming.withheld else UNREAD)

    @property
    def is_read(self) -> bool:
        """See ``Body``."""
        return not self._left

    def read1(self, size: int) -> bytes:
        """See ``Body``. What was received beyond the body is left for the next request."""
        size = min(size, self._left)
        data = self._incoming.read(size, self._left) if size else b""
        if len(data) > size:
            self._incoming.unread(data[size:])
            data = data[:size]
        self._left -= len(data)
        return data


class ChunkedBody(Body):
    """A chunked body, decoded by gunicorn's reader.

    Its trailers are dropped, and as strict as a head's fields: a server in front of this
    one that reads a bare LF as the end of a line sees the request end elsewhere.
    """

    limit_request_field_size = head.FIELD
    max_buffer_headers = head.HEAD

    def __init__(self, incoming: Incoming) -> None:
        self._reader = ChunkedReader(self, incoming)
        self._bad = False
        self._part = b""
        self._chunks = self._bytes = 0
        self.trailers: list[tuple[str, str]] = []

    def parse_headers(self, data: bytes, **_: object) -> list[tuple[str, str]]:
        """Trailers may be discarded (RFC 9110, 6.5.1): no header is overridden."""
        try:
            head.check_fields(data)
        except head.Refused as ex:
            raise ParseException from ex
        return []

    @property
    def leaves_much(self) -> bool:
        """Its end was not seen."""
        return self._bad or self._reader.parser is not None

    @property
    def is_read(self) -> bool:
        """See ``Body``."""
        return not self.leaves_much

    def read1(self, size: int) -> bytes:
        """See ``Body``: at most the rest of one chunk.

        Raises ``BadBody`` also for a body of tiny chunks, whose framing is most of it.
        """
        try:
            while not self._part and self._reader.parser is not None:
                part: bytes | None = next(self._reader.parser, None)
                if part is None:
                    self._reader.parser = None
                self._part = part or b""
                self._chunks += 1
                self._bytes += len(self._part)
            if self._chunks > MANY_CHUNKS and self._bytes < SMALL_CHUNK * self._chunks:
                raise ParseException  # noqa: TRY301 - as for any other framing
        except (ParseException, NoMoreData) as ex:
            self._bad = True
            raise BadBody("the body's chunks are malformed") from ex
        data, self._part = self._part[:size], self._part[size:]
        return data
