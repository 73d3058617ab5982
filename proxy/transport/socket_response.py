"""One HTTP/1.1 response on a blocking socket, parsed by llhttp as it arrives."""

import contextlib
import functools
import operator
import select
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from proxy import cancellation
from proxy.transport import interface
from proxy.transport.interface import BadResponseError, CutError, NoResponseError

RECEIVE = 1 << 16
"""Bytes of one `recv`; larger buffers cost an mmap each time."""


class SocketResponse:
    """One response. It owns its socket and parser until `close`.

    `keep` takes it back when its connection may be used again.
    """

    def __init__(
        self,
        sock: socket.socket,
        scope: cancellation.CancelScope,
        keep: Callable[["SocketResponse"], None],
    ) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._give_back, self._scope = keep, scope
        self._sock = sock
        self._open = True
        self._received = 0
        self._done = self._keep = self._bad = False
        self._flows = False  # reading does not wait
        self._flags = 0
        self._drained = False
        self._fields: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self.on_header = self._fields.__setitem__  # C functions: no Python frame for
        self.on_body = self._parts.append  # ... each field and each chunk
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A response begins. Raises ``ValueError`` if one is over already."""
        if self._done:  # llhttp would go on and append another body to ours
            self._keep = False
            raise ValueError("bytes after the response")

    def on_headers_complete(self) -> None:
        """Take over the status and the headers, unless they are of a 1xx."""
        status = self._parser.get_status_code() if self._parser else 0
        if status >= 200:  # noqa: PLR2004 - 1xx are hints, the response comes later
            self.status = status
            # trailers follow, and override nothing
            names, values = map(_lowered, self._fields), self._fields.values()
            self.headers = dict(zip(names, map(_text, values), strict=True))
        else:
            self._fields.clear()

    def on_message_complete(self) -> None:
        """The response is whole; note whether its connection may be kept."""
        if self.status and self._parser is not None:
            self._done = True
            self._keep = self._parser.should_keep_alive()  # known only in here

    # What the caller calls.

    def send(self, head: bytes, body: bytes) -> None:
        """Send the request and wait for the header block."""
        scope, sock = self._scope, self._sock
        scope.attach(sock)
        scope.waiting_for_headers()
        try:
            if len(body) < RECEIVE:
                sock.sendall(head + body)
            else:  # no copy of a large one
                sock.sendall(head)
                sock.sendall(body)
        except OSError:
            pass  # there may be a response all the same
        while not self.status:
            self._receive()
        scope.began()
        interface.check_coding(self.headers)

    def _receive(self) -> None:
        """Take in what comes next. Raises ``BlockingIOError`` while nothing does."""
        try:
            data = self._sock.recv(RECEIVE, self._flags)
            if data and self._parser is not None:
                self._scope.heard()
                self._drained = bool(self._flags) and len(data) < RECEIVE
                self._received += len(data)
                self._parser.feed_data(data)
                if not self.status and self._received > interface.HEADER_LIMIT:
                    raise BadResponseError("the header block is too large")
                return
        except (HttpParserError, HttpParserUpgrade) as ex:
            self._keep = False
            if self._done:  # the response is whole; what follows is not ours
                return
            if not self._parts:
                raise BadResponseError("the response is not HTTP/1.1") from ex
            self._bad = True  # raised after what came before it
            return
        except ssl.SSLWantReadError:
            raise BlockingIOError from None
        except BlockingIOError:
            raise
        except OSError as ex:
            self._ended(ex)
        self._ended(None)

    def flow(self) -> int | None:
        """See `interface.Response.flow`."""
        if not self._open:
            return None
        self._flows = True
        if isinstance(self._sock, ssl.SSLSocket):
            self._sock.settimeout(0)
        else:  # the socket itself blocks, as the next request on it expects
            self._flags = socket.MSG_DONTWAIT
        return self._sock.fileno()

    def _ended(self, ex: OSError | None) -> None:
        """Raise what the end of the connection means, if it is an error."""
        self._scope.check()
        if not self._received:
            raise NoResponseError from ex
        if ex is not None or not self._ends_with_connection():
            raise CutError("the connection was cut") from ex
        self._done = True

    def _ends_with_connection(self) -> bool:
        """The body has no length: it ends where the connection ends."""
        names = self.headers.keys()
        return bool(self.status) and not names & {"content-length", "transfer-encoding"}

    def __iter__(self) -> Iterator[bytes]:
        """See `interface.Response.__iter__`."""
        while True:
            if self._parts:
                data = b"".join(self._parts)
                self._parts.clear()
                if self._done:  # before the last yield: the next call may take it
                    self.close()
                yield data
            if self._done or not self._open:
                return
            if self._bad:
                raise BadResponseError("the response is not HTTP/1.1")
            if self._drained:  # the next read would find nothing
                self._drained = False
                yield b""
            try:
                self._receive()
            except BlockingIOError:
                yield b""

    def read(self) -> bytes:
        """See `interface.Response.read`."""
        return interface.read(iter(self))

    def close(self, *, over: bool = False) -> None:
        """See `interface.Response.close`."""
        if not self._open:
            return
        self._open = False
        whole = self._scope.detach()
        if self._flows:
            self._flows, self._flags = False, 0
            if isinstance(self._sock, ssl.SSLSocket):
                self._sock.settimeout(None)
        if whole and ((self._done and self._keep) or (over and not self._done)):
            self._give_back(self)
        else:
            self.discard()

    # What the pool calls on a response that is closed.

    def socket_for_another(self, *, ask: bool) -> socket.socket | None:
        """The socket, if this response is at its end and the connection not at its own.

        `ask` the kernel whether it is, or has unexpected bytes.
        """
        if not self._done:
            self._take_in_the_end()
        if not self._done or not self._keep or (ask and _is_readable(self._sock)):
            return None
        self._parser = None  # breaks the cycle parser -> callbacks -> response
        return self._sock

    def discard(self) -> None:
        """Close the connection."""
        self._parser = None
        self._sock.close()

    def _take_in_the_end(self) -> None:
        """Read the last chunk, which came after the last event."""
        if not _is_readable(self._sock):
            return
        self._sock.settimeout(0)
        with contextlib.suppress(
            OSError, interface.TransportError, cancellation.Cancelled
        ):
            self._receive()
            self._sock.settimeout(None)


_text = operator.methodcaller("decode", "latin-1")


@functools.lru_cache(256)  # an upstream sends the same names every time
def _lowered(name: bytes) -> str:
    return name.decode("latin-1").lower()


def _is_readable(sock: socket.socket) -> bool:
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))
