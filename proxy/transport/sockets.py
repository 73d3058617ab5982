"""HTTP/1.1 over plain sockets: llhttp parses, a stack of sockets is the pool.

One thread makes a call from beginning to end, on blocking sockets without timeouts: the
call's cancel scope holds the socket and wakes the thread (`proxy.cancellation`). That
saves a poll for every read, and `recv` passes on at once whatever has arrived.
"""

import collections
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from proxy import cancellation
from proxy.transport import connecting
from proxy.transport.interface import (
    NoResponseError,
    Obstacle,
    StaleError,
    UnreachedError,
)
from proxy.transport.socket_response import SocketResponse

KEEP = 30.0
"""Seconds that an idle connection is kept; Anthropic's side keeps it for longer."""

FRESH = 1.0
"""Seconds for which a kept connection is taken to be alive, without a system call that
asks: one that is not is replaced all the same."""

KEPT = 64
"""Idle connections kept at most."""

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
    ) -> SocketResponse:
        """See `interface.Transport.post`."""
        return self._call("POST", path, headers, body, scope, fresh=fresh)

    def get(
        self,
        path: str,
        headers: Mapping[str, str],
        scope: cancellation.CancelScope,
        *,
        fresh: bool = False,
    ) -> SocketResponse:
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
    ) -> SocketResponse:
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
    ) -> SocketResponse:
        response = SocketResponse(sock, scope, self._give_back)
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

    def _give_back(self, response: SocketResponse) -> None:
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


def _lines(headers: Mapping[str, str]) -> str:
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
