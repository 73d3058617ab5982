"""HTTP/1.1 over plain sockets: llhttp parses, a stack of sockets is the pool.

One thread makes a call from beginning to end, with blocking sockets and no timeouts of
their own: the call's guard holds the socket and wakes the thread (`proxy.guard`). That
saves a poll for every read, and a `recv` passes on at once whatever has arrived.
"""

import collections
import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx2
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from proxy import guard
from proxy.transport import interface
from proxy.transport.interface import (
    BadAnswerError,
    CutError,
    NoAnswerError,
    UnreachedError,
)

KEEP = 30.0
"""Seconds that an idle connection is kept. Anthropic's side keeps it for longer."""

KEPT = 64
"""Idle connections that are kept at most."""

RECEIVE = 1 << 16
"""Bytes of one `recv`; larger buffers cost an mmap each time."""

_OPTIONS = (  # as the SDK's client sets them
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 5),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)


class Sockets:
    """Calls to one upstream. `tls` replaces the context that the SDK would use."""

    def __init__(
        self,
        base_url: str,
        *,
        connect_timeout: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        url = urlsplit(base_url)
        self._host = url.hostname or ""
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._prefix = url.path.rstrip("/")
        self._authority = url.netloc.rpartition("@")[2]
        self._connect_timeout = connect_timeout
        self._tls: ssl.SSLContext | None = None
        if url.scheme == "https":  # made once: it takes 20 ms
            self._tls = tls or httpx2.create_ssl_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        self._lock = threading.Lock()
        self._idle: collections.deque[tuple[SocketReply, float]] = collections.deque()

    def call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        watch: guard.Guard,
    ) -> "SocketReply":
        """See `interface.Transport.post`."""
        lines = [f"{method} {self._prefix}{path} HTTP/1.1", f"host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["accept-encoding: identity", f"content-length: {len(body)}", "", ""]
        head = "\r\n".join(lines).encode("latin-1")
        if (kept := self._take()) is not None:
            with contextlib.suppress(NoAnswerError):  # it died idle: a new one
                return self._ask(kept, head, body, watch)
        return self._ask(self._connect(watch), head, body, watch)

    def _ask(
        self, sock: socket.socket, head: bytes, body: bytes, watch: guard.Guard
    ) -> "SocketReply":
        reply = SocketReply(self, sock, watch)
        try:
            reply.ask(head, body)
        except BaseException:
            reply.close()
            raise
        return reply

    def close(self) -> None:
        """See `interface.Transport.close`."""
        with self._lock:
            while self._idle:
                self._idle.pop()[0].discard()

    def give_back(self, reply: "SocketReply") -> None:
        """Keep the connection of a reply that was read."""
        now = time.monotonic()
        with self._lock:
            self._idle.append((reply, now))
            while len(self._idle) > KEPT or now - self._idle[0][1] > KEEP:
                self._idle.popleft()[0].discard()

    def _take(self) -> socket.socket | None:
        """The kept connection that was used last, if one is alive."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                reply, since = self._idle.pop()
            sock = reply.socket_for_another()
            if sock is not None and time.monotonic() - since < KEEP:
                return sock
            reply.discard()

    def _connect(self, watch: guard.Guard) -> socket.socket:
        """Connect to the first address that answers, all within one timeout."""
        end = time.monotonic() + self._connect_timeout
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as ex:
            raise UnreachedError("the host's name cannot be resolved") from ex
        failure: Exception | None = None
        for i, (family, kind, protocol, _, address) in enumerate(found):
            left = max(0.001, end - time.monotonic()) / (len(found) - i)
            sock = socket.socket(family, kind, protocol)
            try:
                return self._greet(sock, address, left, watch)
            except OSError as ex:
                failure = ex
            watch.check()
        raise UnreachedError("the host cannot be reached") from failure

    def _greet(
        self,
        sock: socket.socket,
        address: Any,  # noqa: ANN401 - as getaddrinfo gives it
        timeout: float,
        watch: guard.Guard,
    ) -> socket.socket:
        """Connect one socket, with TLS if asked for; it is closed if that fails."""
        try:
            watch.attach(sock)
            for option in _OPTIONS:
                sock.setsockopt(*option)
            sock.settimeout(timeout)
            sock.connect(address)
            if self._tls is not None:
                sock = self._tls.wrap_socket(  # a new object for the same descriptor
                    sock, server_hostname=self._host, do_handshake_on_connect=False
                )
                watch.attach(sock)
                sock.do_handshake()
            sock.settimeout(None)
        except BaseException:
            watch.detach()
            sock.close()
            raise
        return sock


class SocketReply:
    """One reply. It owns its socket and parser until `close`."""

    def __init__(
        self, sockets: Sockets, sock: socket.socket, watch: guard.Guard
    ) -> None:
        self.status = 0
        self._sockets, self._watch = sockets, watch
        self._sock = sock
        self._open = True
        self._received = 0
        self._done = self._keep = self._bad = False
        self._fields: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self.on_header = self._fields.__setitem__  # C functions: no Python frame for
        self.on_body = self._parts.append  # ... each field and each chunk
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._done:  # llhttp would go on, and append another body to ours
            self._keep = False
            raise ValueError("bytes after the answer")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code() if self._parser else 0
        if status >= 200:  # noqa: PLR2004 - 1xx are hints, the reply comes later
            self.status = status
        else:
            self._fields.clear()

    def on_message_complete(self) -> None:
        if self.status and self._parser is not None:
            self._done = True
            self._keep = self._parser.should_keep_alive()  # known only in here

    # What the caller calls.

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """See `interface.Reply.headers`."""
        return {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in self._fields.items()
        }

    def ask(self, head: bytes, body: bytes) -> None:
        """Send the request and wait for the header block."""
        watch, sock = self._watch, self._sock
        watch.attach(sock)
        watch.waiting_for_headers()
        with contextlib.suppress(OSError):  # there may be an answer all the same
            if len(body) < RECEIVE:
                sock.sendall(head + body)
            else:  # no copy of a large one
                sock.sendall(head)
                sock.sendall(body)
        while not self.status:
            self._receive()
        watch.progress()
        interface.check_coding(self.headers)

    def _receive(self) -> None:
        try:
            data = self._sock.recv(RECEIVE)
            if data and self._parser is not None:
                self._received += len(data)
                self._parser.feed_data(data)
                if not self.status and self._received > interface.HEADER_LIMIT:
                    raise BadAnswerError("the header block is too large")
                return
        except (HttpParserError, HttpParserUpgrade) as ex:
            self._keep = False
            if self._done:  # the answer is whole, what follows it is not ours
                return
            if not self._parts:
                raise BadAnswerError("the answer is not HTTP/1.1") from ex
            self._bad = True  # said after what came before it
            return
        except OSError as ex:
            self._ended(ex)
        self._ended(None)

    def _ended(self, ex: OSError | None) -> None:
        """Decide what the end of the connection means."""
        self._watch.check()
        if not self._received:
            raise NoAnswerError("the connection was closed") from ex
        if ex is not None or not self._ends_with_connection():
            raise CutError("the connection was cut") from ex
        self._done = True

    def _ends_with_connection(self) -> bool:
        """The body's length is known by the connection's end only."""
        names = self.headers.keys()
        return bool(self.status) and not names & {"content-length", "transfer-encoding"}

    def __iter__(self) -> Iterator[bytes]:
        """See `interface.Reply.__iter__`."""
        while True:
            if self._parts:
                data = b"".join(self._parts)
                self._parts.clear()
                if self._done:  # before the last yield: the next call may have it
                    self.close()
                yield data
            if self._done or not self._open:
                return
            if self._bad:
                raise BadAnswerError("the answer is not HTTP/1.1")
            self._receive()

    def read(self) -> bytes:
        """See `interface.Reply.read`."""
        return interface.read(iter(self))

    def close(self, *, over: bool = False) -> None:
        """See `interface.Reply.close`."""
        if not self._open:
            return
        self._open = False
        whole = self._watch.detach()
        if whole and ((self._done and self._keep) or (over and not self._done)):
            self._sockets.give_back(self)
        else:
            self.discard()

    # What the pool calls, of a reply that is closed.

    def socket_for_another(self) -> socket.socket | None:
        """The socket, if the connection is alive and this reply at its end."""
        if not self._done:
            self._take_in_the_end()
        if not self._done or not self._keep or _is_readable(self._sock):
            return None  # closed by the peer, or bytes nobody asked for
        self._parser = None  # breaks the cycle parser -> callbacks -> reply
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
        with contextlib.suppress(OSError, interface.TransportError, guard.Cancelled):
            self._receive()
            self._sock.settimeout(None)


def _is_readable(sock: socket.socket) -> bool:
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))
