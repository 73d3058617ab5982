"""HTTP/1.1 over plain sockets: llhttp parses, a stack of sockets is the pool.

One thread makes a call from beginning to end, with blocking sockets and no timeouts of
their own: the call's guard holds the socket and wakes the thread (`proxy.guard`). That
saves a poll for every read, and a `recv` passes on at once whatever has arrived.
"""

from __future__ import annotations

import collections
import contextlib
import select
import socket
import threading
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx2
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from proxy.transport import interface
from proxy.transport.interface import (
    BadAnswerError,
    ConnectError,
    CutError,
    NoAnswerError,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from proxy.guard import Guard

KEEP = 30.0
"""Seconds that an idle connection is kept. Anthropic's side keeps it for longer."""

KEPT = 64
"""Idle connections that are kept at most."""

RECEIVE = 65536
"""Bytes of one `recv`; larger buffers cost an mmap each time."""

_KEEP_ALIVE = (  # as the SDK's client sets them
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 5),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)


class SocketTransport:
    """See `interface.Transport`. `tls` replaces the context that the SDK would use."""

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
        self._idle: collections.deque[tuple[socket.socket, float]] = collections.deque()

    def open(
        self, path: str, headers: Mapping[str, str], body: bytes, guard: Guard
    ) -> SocketReply:
        """See `interface.Transport.open`."""
        lines = [f"POST {self._prefix}{path} HTTP/1.1", f"host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["accept-encoding: identity", f"content-length: {len(body)}", "", ""]
        head = "\r\n".join(lines).encode("latin-1")
        while True:
            kept = self._take()
            sock = kept or self._connect(guard)
            reply = SocketReply(self, sock, guard)
            try:
                reply.ask(head, body)
            except NoAnswerError:
                reply.close()
                if kept is None:
                    raise  # else it died idle, and nobody has seen the request
            except BaseException:
                reply.close()
                raise
            else:
                return reply

    def close(self) -> None:
        """See `interface.Transport.close`."""
        with self._lock:
            while self._idle:
                self._idle.pop()[0].close()

    def give_back(self, sock: socket.socket) -> None:
        """Keep a connection whose answer was read to its end."""
        now = time.monotonic()
        with self._lock:
            self._idle.append((sock, now))
            while len(self._idle) > KEPT or now - self._idle[0][1] > KEEP:
                self._idle.popleft()[0].close()

    def _take(self) -> socket.socket | None:
        """Take the kept connection that was used last, if one is alive."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                sock, since = self._idle.pop()
            poller = select.poll()
            poller.register(sock, select.POLLIN)
            if time.monotonic() - since < KEEP and not poller.poll(0):
                return sock
            sock.close()  # too old, closed by the peer, or bytes nobody asked for

    def _connect(self, guard: Guard) -> socket.socket:
        """Connect to the first address that answers, all within one timeout."""
        end = time.monotonic() + self._connect_timeout
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as ex:
            raise ConnectError("the upstream's host name cannot be resolved") from ex
        failure: Exception | None = None
        for i, (family, kind, protocol, _, address) in enumerate(found):
            left = max(0.001, end - time.monotonic()) / (len(found) - i)
            sock = socket.socket(family, kind, protocol)
            try:
                return self._greet(sock, address, left, guard)
            except OSError as ex:
                failure = ex
            guard.check()
        raise ConnectError("the upstream cannot be reached") from failure

    def _greet(
        self,
        sock: socket.socket,
        address: Any,  # noqa: ANN401  # as getaddrinfo gives it
        timeout: float,
        guard: Guard,
    ) -> socket.socket:
        """Connect one socket, with TLS if asked for; it is closed if that fails."""
        try:
            guard.attach(sock)
            for option in _KEEP_ALIVE:
                sock.setsockopt(*option)
            sock.settimeout(timeout)
            sock.connect(address)
            if self._tls is not None:
                sock = self._tls.wrap_socket(  # a new object for the same descriptor
                    sock, server_hostname=self._host, do_handshake_on_connect=False
                )
                guard.attach(sock)
                sock.do_handshake()
            sock.settimeout(None)
        except BaseException:
            guard.detach()
            sock.close()
            raise
        return sock


class SocketReply:
    """One answer. It owns its socket and parser until `close`."""

    def __init__(
        self, transport: SocketTransport, sock: socket.socket, guard: Guard
    ) -> None:
        self.status = 0
        self._transport, self._guard = transport, guard
        self._sock: socket.socket | None = sock
        self._received = 0
        self._done = self._keep = False
        self._fields: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    # What the parser calls. Two are C functions: no Python frame for each chunk.

    @property
    def on_header(self) -> object:
        return self._fields.__setitem__

    @property
    def on_body(self) -> object:
        return self._parts.append

    def on_message_begin(self) -> None:
        if self._done:  # llhttp would go on, and append another body to ours
            self._keep = False
            raise ValueError("bytes after the answer")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code() if self._parser else 0
        if status >= 200:  # noqa: PLR2004
            self.status = status
        else:
            self._fields.clear()  # 100 Continue, 103 Early Hints

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
        guard, sock = self._guard, self._sock
        if sock is None:
            raise NoAnswerError("closed")
        guard.attach(sock)
        guard.waiting_for_headers()
        with contextlib.suppress(OSError):  # there may be an answer all the same
            if len(body) < RECEIVE:
                sock.sendall(head + body)
            else:  # no copy of a large one
                sock.sendall(head)
                sock.sendall(body)
        while not self.status:
            self._receive(sock)
        guard.progress()
        interface.check_coding(self.headers)

    def _receive(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(RECEIVE)
            if data and self._parser is not None:
                self._received += len(data)
                self._parser.feed_data(data)
                if not self.status and self._received > interface.HEADER_LIMIT:
                    raise BadAnswerError("the header block is too large")
                return
        except (HttpParserError, HttpParserUpgrade) as ex:
            if self._done:  # the answer is whole, what follows it is not ours
                self._keep = False
                return
            raise BadAnswerError("the answer is not HTTP/1.1") from ex
        except OSError as ex:
            self._ended(ex)
        self._ended(None)

    def _ended(self, ex: OSError | None) -> None:
        """Decide what the end of the connection means."""
        self._guard.check()
        if not self._received:
            raise NoAnswerError("the connection was closed") from ex
        if ex is not None or not self._ends_with_connection():
            raise CutError("the connection was cut") from ex
        self._done = True

    def _ends_with_connection(self) -> bool:
        """Tell whether the body's length is known by the connection's end only."""
        names = self.headers.keys()
        return bool(self.status) and not names & {"content-length", "transfer-encoding"}

    def __iter__(self) -> Iterator[bytes]:
        """See `interface.Reply.__iter__`."""
        sock = self._sock
        while sock is not None:
            if self._parts:
                data = b"".join(self._parts)
                self._parts.clear()
                if self._done:  # before the last yield: the next call may have it
                    self.close()
                yield data
            if self._done or self._sock is None:
                return
            self._receive(sock)

    def read(self, limit: int) -> bytes:
        """See `interface.Reply.read`."""
        return interface.read(iter(self), limit)

    def close(self) -> None:
        """See `interface.Reply.close`."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        whole = self._guard.detach()
        self._parser = None  # breaks the cycle parser -> callbacks -> reply
        if whole and self._done and self._keep:
            self._transport.give_back(sock)
        else:
            sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
