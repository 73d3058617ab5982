"""HTTP/1.1 over plain sockets: llhttp parses, a stack of sockets is the pool.

One thread makes a call from beginning to end, on blocking sockets without timeouts: the
call's cancel scope holds the socket and wakes the thread (`proxy.cancellation`). That
saves a poll for every read, and `recv` passes on at once whatever has arrived.
"""

import collections
import contextlib
import functools
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from proxy import cancellation
from proxy.transport import connecting, interface
from proxy.transport.interface import (
    BadResponseError,
    CutError,
    NoResponseError,
    Obstacle,
    StaleError,
    UnreachedError,
)

KEEP = 30.0
"""Seconds that an idle connection is kept; Anthropic's side keeps it for longer."""

FRESH = 1.0
"""Seconds for which a kept connection is taken to be alive, without a system call that
asks: one that is not is replaced all the same. 4 % of a request's CPU with 16 clients."""

KEPT = 64
"""Idle connections kept at most."""

RECEIVE = 1 << 16
"""Bytes of one `recv`; larger buffers cost an mmap each time."""

SOCKET_OPTIONS = (  # as the SDK's own client sets them
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 5),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)


class SocketTransport:
    """See `interface.Transport`. `headers` go with every call, before its own."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        connect_timeout: float,
        tls: ssl.SSLContext,
    ) -> None:
        url = urlsplit(base_url)
        self._host = url.hostname or ""
        port = url.port or (443 if url.scheme == "https" else 80)
        self._connector = connecting.Connector(self._host, port, SOCKET_OPTIONS)
        self._prefix = url.path.rstrip("/")
        self._authority = url.netloc.rpartition("@")[2]
        self._connect_timeout = connect_timeout
        self._headers = dict(headers)
        self._constant = _lines(headers)
        self._tls = tls if url.scheme == "https" else None
        self._lock = threading.Lock()
        self._idle: collections.deque[tuple[SocketResponse, float]] = (
            collections.deque()
        )

    def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        scope: cancellation.CancelScope,
        *,
        fresh: bool = False,
    ) -> "SocketResponse":
        """See `interface.Transport.post`."""
        return self._call("POST", path, headers, body, scope, fresh=fresh)

    def get(
        self,
        path: str,
        headers: Mapping[str, str],
        scope: cancellation.CancelScope,
        *,
        fresh: bool = False,
    ) -> "SocketResponse":
        """See `interface.Transport.get`."""
        return self._call("GET", path, headers, b"", scope, fresh=fresh)

    def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        scope: cancellation.CancelScope,
        *,
        fresh: bool = False,
    ) -> "SocketResponse":
        constant = self._constant
        if not self._headers.keys().isdisjoint(headers):
            others = {n: v for n, v in self._headers.items() if n not in headers}
            constant = _lines(others)
        head = (
            f"{method} {self._prefix}{path} HTTP/1.1\r\nhost: {self._authority}\r\n"
            f"{constant}{_lines(headers)}accept-encoding: identity\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        ).encode("latin-1")
        kept = None if fresh else self._take()
        if kept is None:
            return self._send(self._connect(scope), head, body, scope)
        try:
            return self._send(kept, head, body, scope)
        except NoResponseError as ex:
            raise StaleError from ex

    def _send(
        self,
        sock: socket.socket,
        head: bytes,
        body: bytes,
        scope: cancellation.CancelScope,
    ) -> "SocketResponse":
        response = SocketResponse(self, sock, scope)
        try:
            response.send(head, body)
        except BaseException:
            response.close()
            raise
        return response

    def close(self) -> None:
        """See `interface.Transport.close`."""
        with self._lock:
            while self._idle:
                self._idle.pop()[0].discard()

    def give_back(self, response: "SocketResponse") -> None:
        """Keep the connection of a response that was read to its end."""
        now = time.monotonic()
        with self._lock:
            self._idle.append((response, now))
            while len(self._idle) > KEPT or now - self._idle[0][1] > KEEP:
                self._idle.popleft()[0].discard()

    def _take(self) -> socket.socket | None:
        """The kept connection that was used last, if one is alive."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                response, since = self._idle.pop()
            age = time.monotonic() - since
            sock = response.socket_for_another(ask=age > FRESH)
            if sock is not None and age < KEEP:
                return sock
            response.discard()

    def _connect(self, scope: cancellation.CancelScope) -> socket.socket:
        """A new connection, with TLS if needed, all within one timeout."""
        end = time.monotonic() + self._connect_timeout
        sock = self._connector.connect(self._connect_timeout, scope)
        if self._tls is None:
            return sock
        try:
            sock.settimeout(max(0.001, end - time.monotonic()))
            sock = self._tls.wrap_socket(  # a new object for the same descriptor
                sock, server_hostname=self._host, do_handshake_on_connect=False
            )
            scope.attach(sock)
            sock.do_handshake()
            sock.settimeout(None)
        except BaseException as ex:
            scope.detach()
            sock.close()
            scope.check()
            if isinstance(ex, OSError):
                late = isinstance(ex, TimeoutError)
                obstacle = Obstacle.TIMEOUT if late else Obstacle.TLS
                raise UnreachedError(obstacle) from ex
            raise
        return sock


class SocketResponse:
    """One response. It owns its socket and parser until `close`."""

    def __init__(
        self,
        transport: SocketTransport,
        sock: socket.socket,
        scope: cancellation.CancelScope,
    ) -> None:
        self.status = 0
        self._transport, self._scope = transport, scope
        self._sock = sock
        self._open = True
        self._received = 0
        self._done = self._keep = self._bad = False
        self._ticks = False  # the socket has a timeout, to notice silence
        self._fields: dict[bytes, bytes] = {}
        self._head: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self.on_header = self._fields.__setitem__  # C functions: no Python frame for
        self.on_body = self._parts.append  # ... each field and each chunk
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._done:  # llhttp would go on and append another body to ours
            self._keep = False
            raise ValueError("bytes after the response")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code() if self._parser else 0
        if status >= 200:  # noqa: PLR2004 - 1xx are hints, the response comes later
            self.status = status
            self._head = self._fields.copy()  # trailers follow, and override nothing
        else:
            self._fields.clear()

    def on_message_complete(self) -> None:
        if self.status and self._parser is not None:
            self._done = True
            self._keep = self._parser.should_keep_alive()  # known only in here

    # What the caller calls.

    @functools.cached_property
    def headers(self) -> Mapping[str, str]:
        """See `interface.Response.headers`."""
        return {
            _lowered(name): value.decode("latin-1")
            for name, value in self._head.items()
        }

    def send(self, head: bytes, body: bytes) -> None:
        """Send the request and wait for the header block."""
        scope, sock = self._scope, self._sock
        scope.attach(sock)
        scope.waiting_for_headers()
        with contextlib.suppress(OSError):  # there may be a response all the same
            if len(body) < RECEIVE:
                sock.sendall(head + body)
            else:  # no copy of a large one
                sock.sendall(head)
                sock.sendall(body)
        while not self.status:
            self._receive()
        scope.began()
        interface.check_coding(self.headers)

    def _receive(self) -> None:
        try:
            data = self._recv()
            if data and self._parser is not None:
                self._scope.heard()
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
        except OSError as ex:
            self._ended(ex)
        self._ended(None)

    def _recv(self) -> bytes:
        """Whatever has arrived; each silence meanwhile is reported to the scope."""
        scope, sock = self._scope, self._sock
        if scope.on_silence is None:
            return sock.recv(RECEIVE)
        if not self._ticks:
            sock.settimeout(scope.silence)
            self._ticks = True
        while True:
            try:
                return sock.recv(RECEIVE)
            except TimeoutError:
                scope.on_silence()

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
            self._receive()

    def read(self) -> bytes:
        """See `interface.Response.read`."""
        return interface.read(iter(self))

    def close(self, *, over: bool = False) -> None:
        """See `interface.Response.close`."""
        if not self._open:
            return
        self._open = False
        whole = self._scope.detach()
        self._scope.on_silence = None  # nobody waits on this connection any more
        if self._ticks:
            self._ticks = False
            self._sock.settimeout(None)
        if whole and ((self._done and self._keep) or (over and not self._done)):
            self._transport.give_back(self)
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


@functools.lru_cache(256)  # an upstream sends the same names every time
def _lowered(name: bytes) -> str:
    return name.decode("latin-1").lower()


def _lines(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def _is_readable(sock: socket.socket) -> bool:
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))
