"""Calls over httpcore2, the HTTP library below the SDK: for networks with a proxy.

It knows HTTP and SOCKS proxies and their tunnels, which the plain sockets do not.

A cancel scope needs the socket that its call blocks on. So each connection is a *line*: a
pool of one connection, whose network backend attaches the socket to the scope of the call
that holds the line while it reads or writes. A line serves one call at a time; idle lines
form a stack.

The TLS handshake cannot be cancelled here, only waited for: `connect_timeout`.
"""

import collections
import contextlib
import ssl
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpcore2
import httpx2

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
from proxy.transport.socket_stream import SocketStream
from proxy.transport.sockets import KEEP, KEPT, SOCKET_OPTIONS

CONNECT_TIMEOUT = 10.0
"""Seconds, where httpcore2 passes on no timeout of ours."""

PATIENCE = 0.05
"""Seconds to wait for the end of a response's framing, to keep its connection."""

_OBSTACLES: dict[type[Exception], Obstacle] = {
    httpcore2.ConnectError: Obstacle.TLS,  # names and TCP are the connector's
    httpcore2.ConnectTimeout: Obstacle.TIMEOUT,
    httpcore2.ProxyError: Obstacle.NETWORK_PROXY,
    httpcore2.UnsupportedProtocol: Obstacle.NO_ROUTE,
}
_FAILED = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
)


class _Call:
    """The call that holds a line, as the line's connection sees it."""

    def __init__(self, scope: cancellation.CancelScope) -> None:
        self.scope = scope
        self.received = 0
        self.kept = False  # it goes over a connection that has been used before
        self.ended = False  # the connection gave no more
        self.patience: float | None = None


class _Line:
    """One connection, and the call that holds it now."""

    call: _Call

    def __init__(
        self, proxy: str | None, tls: ssl.SSLContext, connectors: "_Connectors"
    ) -> None:
        options: dict[str, Any] = {
            "ssl_context": tls,
            "max_connections": 1,
            "keepalive_expiry": KEEP,
            "network_backend": _Backend(self, connectors),
        }
        self.pool = _pool(proxy, options)


def _pool(proxy: str | None, options: dict[str, Any]) -> httpcore2.ConnectionPool:
    if proxy is None:
        return httpcore2.ConnectionPool(**options, socket_options=SOCKET_OPTIONS)
    parsed = httpx2.Proxy(proxy)
    options["proxy_url"], options["proxy_auth"] = str(parsed.url), parsed.raw_auth
    if parsed.url.scheme.startswith("socks"):
        return httpcore2.SOCKSProxy(**options)
    if parsed.url.scheme == "https":  # the proxy's certificate, by the same authorities
        options["proxy_ssl_context"] = options["ssl_context"]
    return httpcore2.HTTPProxy(**options, socket_options=SOCKET_OPTIONS)


class _Stream(httpcore2.NetworkStream):
    """A connection's bytes; its socket is attached to the call's scope meanwhile."""

    def __init__(self, inner: httpcore2.NetworkStream, line: _Line) -> None:
        self._inner = inner
        self._line = line
        self._used = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        call = self._line.call
        call.ended = True
        with self._attached(call):
            data = self._read(call, max_bytes, timeout)
        call.scope.heard()
        call.received += len(data)
        call.ended = not data
        self._used = True
        return data

    def _read(self, call: _Call, max_bytes: int, timeout: float | None) -> bytes:
        """Whatever has arrived; each silence meanwhile is reported to the scope."""
        scope = call.scope
        while True:
            silence = scope.silence if scope.on_silence is not None else timeout
            try:
                return self._inner.read(max_bytes, call.patience or silence)
            except httpcore2.ReadTimeout:
                if call.patience is not None or scope.on_silence is None:
                    raise
                scope.on_silence()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        call = self._line.call
        call.kept = self._used
        with self._attached(call):
            self._inner.write(buffer, timeout)

    @contextlib.contextmanager
    def _attached(self, call: _Call) -> Iterator[None]:
        call.scope.attach(self._inner.get_extra_info("socket"))
        try:
            yield
        finally:
            call.scope.detach()
        call.scope.check()

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, timeout)
        return _Stream(inner, self._line)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore2 has it
        return self._inner.get_extra_info(info)


class _Connectors:
    """One connector for each host: the network proxy's, or Anthropic's."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], connecting.Connector] = {}

    def to(self, host: str, port: int) -> connecting.Connector:
        made = connecting.Connector(host, port, SOCKET_OPTIONS)
        return self._made.setdefault((host, port), made)


class _Backend(httpcore2.SyncBackend):
    def __init__(self, line: _Line, connectors: _Connectors) -> None:
        self._line = line
        self._connectors = connectors

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - never given
        socket_options: object = None,  # noqa: ARG002 - the connector sets ours
    ) -> httpcore2.NetworkStream:
        """Connect with our connector, so that the call's scope can end the attempt."""
        connector = self._connectors.to(host, port)
        scope = self._line.call.scope
        sock = connector.connect(timeout or CONNECT_TIMEOUT, scope)
        scope.waiting_for_headers()  # to wait for a name has ended that deadline
        return _Stream(SocketStream(sock), self._line)


class HTTPCoreTransport:
    """See `interface.Transport`. `headers` go with every call, before its own.

    `proxy` is the proxy's URL; without one it connects directly.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        connect_timeout: float,
        tls: ssl.SSLContext,
        proxy: str | None = None,
    ) -> None:
        url = urlsplit(base_url)
        self._base = base_url.rstrip("/")
        self._authority = url.netloc.rpartition("@")[2]
        self._headers = dict(headers)
        self._timeouts = {"connect": connect_timeout}
        self._proxy = proxy
        self._tls = tls
        self._connectors = _Connectors()
        self._lock = threading.Lock()
        self._idle: collections.deque[_Line] = collections.deque()

    def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        scope: cancellation.CancelScope,
        *,
        fresh: bool = False,
    ) -> "HTTPCoreResponse":
        """See `interface.Transport.post`."""
        return self._call("POST", path, headers, body, scope, fresh=fresh)

    def get(
        self,
        path: str,
        headers: Mapping[str, str],
        scope: cancellation.CancelScope,
        *,
        fresh: bool = False,
    ) -> "HTTPCoreResponse":
        """See `interface.Transport.get`."""
        return self._call("GET", path, headers, b"", scope, fresh=fresh)

    def close(self) -> None:
        """See `interface.Transport.close`."""
        with self._lock:
            while self._idle:
                self._idle.pop().pool.close()

    def give_back(self, line: _Line) -> None:
        """Keep a line, with its connection where that can be used again."""
        with self._lock:
            self._idle.append(line)
            if len(self._idle) > KEPT:
                self._idle.popleft().pool.close()

    def _take(self, *, fresh: bool) -> _Line:
        with self._lock:
            if self._idle and not fresh:
                return self._idle.pop()
        return _Line(self._proxy, self._tls, self._connectors)

    def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        scope: cancellation.CancelScope,
        *,
        fresh: bool = False,
    ) -> "HTTPCoreResponse":
        fields = {
            "host": self._authority,
            **self._headers,
            **headers,
            "accept-encoding": "identity",
            "content-length": str(len(body)),
        }
        request = httpcore2.Request(
            method,
            self._base + path,
            headers=list(fields.items()),
            content=body,
            extensions={"timeout": self._timeouts},
        )
        line = self._take(fresh=fresh)
        try:
            response = self._send(line, request, scope)
        except BaseException:
            line.pool.close()
            raise
        return HTTPCoreResponse(self, line, response)

    def _send(
        self, line: _Line, request: httpcore2.Request, scope: cancellation.CancelScope
    ) -> httpcore2.Response:
        scope.check()
        call = line.call = _Call(scope)
        scope.waiting_for_headers()
        try:
            response = line.pool.handle_request(request)
        except _FAILED as ex:
            scope.check()
            raise _explained(call, ex) from ex
        scope.began()
        return response


def _explained(call: _Call, ex: Exception) -> interface.TransportError:
    for kind, obstacle in _OBSTACLES.items():
        if isinstance(ex, kind):
            return UnreachedError(obstacle)
    if not call.ended:
        return BadResponseError("the response is not HTTP/1.1")
    if not call.received:
        return StaleError() if call.kept else NoResponseError()
    return CutError("the connection was cut")


class HTTPCoreResponse:
    """One response. It holds its line until `close`."""

    def __init__(
        self, transport: HTTPCoreTransport, line: _Line, response: httpcore2.Response
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in response.headers
        }
        self._transport, self._line = transport, line
        self._response = response
        self._open = True
        self._parts = self._read()
        try:
            interface.check_coding(self.headers)
        except BadResponseError:
            self.close()
            raise

    def _read(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_stream()
        except _FAILED as ex:
            self._line.call.scope.check()
            raise _explained(self._line.call, ex) from ex

    def __iter__(self) -> Iterator[bytes]:
        """See `interface.Response.__iter__`."""
        return self._parts

    def flow(self) -> None:
        """See `interface.Response.flow`: this library waits on its own."""

    def read(self) -> bytes:
        """See `interface.Response.read`."""
        return interface.read(self._parts)

    def close(self, *, over: bool = False) -> None:
        """See `interface.Response.close`. Waits briefly for the end of the framing."""
        if not self._open:
            return
        self._open = False
        self._line.call.scope.on_silence = None  # nobody waits on this line any more
        if over:
            self._line.call.patience = PATIENCE
            with contextlib.suppress(interface.TransportError, cancellation.Cancelled):
                next(self._parts, None)
        self._response.close()
        self._transport.give_back(self._line)
