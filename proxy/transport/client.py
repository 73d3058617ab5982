"""The SDK's client, and how its calls are made.

In the plain case a middleware of ours answers within the client, over `sockets`. Else
the SDK's own stack (httpx2) goes out, with proxies, CA variables and all that its users
know.

The guard needs the socket that a call blocks on, and httpx2 shows it only after the
header block. So the network backend of its pools is wrapped: each read and write lends
the socket to the guard of the call that its thread is making. The pools' backend is a
private attribute; the transports' common tests notice when it moves.

On the SDK's stack connecting cannot be cancelled, only waited for: `connect_timeout`.
"""

import contextlib
import ssl
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import anthropic
import httpcore2
import httpx2

from proxy import guard
from proxy.transport import interface
from proxy.transport.interface import (
    BadAnswerError,
    CutError,
    NoAnswerError,
    UnreachedError,
)
from proxy.transport.sockets import Sockets

PATIENCE = 0.05
"""Seconds to wait for the end of an answer's framing, to keep its connection."""


class _Call:
    """The call that a thread is making, as its connection sees it."""

    def __init__(self, watch: guard.Guard) -> None:
        self.watch = watch
        self.received = 0
        self.kept = False  # it goes over a connection that has been used before
        self.ended = False  # the connection gave no more
        self.patience: float | None = None


_current = threading.local()


class _Stream(httpcore2.NetworkStream):
    """A connection that lends its socket to the guard while it blocks."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner
        self._used = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there, while the guard may cut the socket."""
        call: _Call = _current.call
        call.ended = True
        call.watch.attach(self._inner.get_extra_info("socket"))
        try:
            data = self._inner.read(max_bytes, call.patience or timeout)
        finally:  # taken back before httpcore2 may give it to somebody else
            call.watch.detach()
        call.watch.check()
        call.received += len(data)
        call.ended = not data
        self._used = True
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        call: _Call = _current.call
        call.kept = self._used
        call.watch.attach(self._inner.get_extra_info("socket"))
        try:
            self._inner.write(buffer, timeout)
        finally:
            call.watch.detach()
        call.watch.check()

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore2 has it
        return self._inner.get_extra_info(info)


class _Backend(httpcore2.SyncBackend):
    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore2.NetworkStream:  # noqa: ANN401
        return _Stream(super().connect_tcp(*args, **kwargs))


def _http_client(timeout: httpx2.Timeout, tls: ssl.SSLContext | None) -> httpx2.Client:
    client = anthropic.DefaultHttpxClient(
        timeout=timeout,
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64),
        follow_redirects=False,
        verify=True if tls is None else tls,
    )
    for each in (client._transport, *client._mounts.values()):  # noqa: SLF001
        if isinstance(each, httpx2.HTTPTransport):
            each._pool._network_backend = _Backend()  # noqa: SLF001
    return client


class SDKTransport:
    """See ``interface.Transport``. ``plain`` chooses our sockets over the SDK's stack.

    ``tls`` replaces the context that the SDK would make.
    """

    def __init__(
        self,
        base_url: str | None,
        *,
        connect_timeout: float,
        plain: bool,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        timeout = httpx2.Timeout(None, connect=connect_timeout)
        self._sockets: Sockets | None = None
        self._client = anthropic.Anthropic(
            api_key="each call brings its own",
            base_url=base_url,
            max_retries=0,
            timeout=timeout,
            open_telemetry=False,
            http_client=_http_client(timeout, tls),
            middleware=[self._over_sockets] if plain else [],
        )
        if plain:
            self._sockets = Sockets(
                str(self._client.base_url), connect_timeout=connect_timeout, tls=tls
            )
        self._defaults = {
            name.lower(): value
            for name, value in self._client.default_headers.items()
            if isinstance(value, str) and name.lower() != "authorization"
        }

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], watch: guard.Guard
    ) -> interface.Reply:
        """See ``interface.Transport.post``."""
        return self._call("POST", path, body, headers, watch)

    def get(
        self, path: str, headers: Mapping[str, str], watch: guard.Guard
    ) -> interface.Reply:
        """See ``interface.Transport.get``."""
        return self._call("GET", path, b"", headers, watch)

    def close(self) -> None:
        """See ``interface.Transport.close``."""
        self._client.close()
        if self._sockets is not None:
            self._sockets.close()

    def _call(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        watch: guard.Guard,
    ) -> interface.Reply:
        options: Any = {"headers": {**headers, "accept-encoding": "identity"}}
        for retried in (False, True):
            watch.check()
            call = _current.call = _Call(watch)
            watch.waiting_for_headers()
            try:
                if method == "GET":
                    return self._reply(self._get(path, options), call)
                return self._reply(self._post(path, body, options), call)
            except anthropic.APIStatusError as ex:
                return SDKReply(ex.response, call)
            except (anthropic.APIConnectionError, httpx2.TransportError) as ex:
                watch.check()
                if retried or not call.kept or call.received:
                    raise _explain(call, ex.__cause__) from ex
                # else a kept connection died idle, and nobody has seen the request
        raise AssertionError("unreachable")

    def _post(self, path: str, body: bytes, options: Any) -> object:  # noqa: ANN401
        return self._client.post(
            path,
            cast_to=object,
            content=body,
            stream=True,
            stream_cls=anthropic.Stream[object],
            options=options,
        )

    def _get(self, path: str, options: Any) -> object:  # noqa: ANN401
        return self._client.get(path, cast_to=httpx2.Response, options=options)

    @staticmethod
    def _reply(result: Any, call: _Call) -> interface.Reply:  # noqa: ANN401
        """What the client gave: a reply of the middleware's, or httpx2's response."""
        if isinstance(result, anthropic.Stream):
            return SDKReply(result.response, call)
        if isinstance(result, httpx2.Response):
            return SDKReply(result, call)
        reply: interface.Reply = result
        return reply

    def _over_sockets(self, request: Any, _call_next: object) -> Any:  # noqa: ANN401
        """Answer a call of the client's within it: the middleware."""
        if self._sockets is None:
            raise RuntimeError
        return self._sockets.call(
            request.method.upper(),
            request.url,
            {**self._defaults, **request.headers},
            request.options.content or b"",
            _current.call.watch,
        )


def _explain(call: _Call, cause: object) -> interface.TransportError:
    if isinstance(
        cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError
    ):
        return UnreachedError("the host cannot be reached")
    if not call.ended:
        return BadAnswerError("the answer is not HTTP/1.1")
    if not call.received:
        return NoAnswerError("the connection was closed")
    return CutError("the connection was cut")


class SDKReply:
    """A reply of the SDK's own stack."""

    def __init__(self, response: httpx2.Response, call: _Call) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response, self._call = response, call
        self._parts = self._read()
        call.watch.progress()
        try:
            interface.check_coding(self.headers)
        except BadAnswerError:
            response.close()
            raise

    def _read(self) -> Iterator[bytes]:
        if self._response.is_stream_consumed:
            yield self._response.content
            return
        try:
            yield from self._response.iter_raw()
        except httpx2.TransportError as ex:
            self._call.watch.check()
            raise _explain(self._call, ex) from ex

    def __iter__(self) -> Iterator[bytes]:
        """See ``interface.Reply.__iter__``."""
        return self._parts

    def read(self) -> bytes:
        """See ``interface.Reply.read``."""
        return interface.read(self._parts)

    def close(self, *, over: bool = False) -> None:
        """See ``interface.Reply.close``. The end of the framing is waited for briefly."""
        if over and not self._response.is_closed:
            self._call.patience = PATIENCE
            with contextlib.suppress(interface.TransportError, guard.Cancelled):
                next(self._parts, None)  # else it is closed
        self._response.close()


def create(
    base_url: str | None, environ: Mapping[str, str], *, connect_timeout: float
) -> SDKTransport:
    """The transport for an upstream: the SDK's stack where the environment asks for it."""
    plain = not wants_sdk(base_url or "https://api.anthropic.com", environ)
    return SDKTransport(base_url, connect_timeout=connect_timeout, plain=plain)


def wants_sdk(base_url: str, environ: Mapping[str, str]) -> bool:
    """Whether the environment names a proxy for this upstream, or CAs of its own."""
    if environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR"):
        return True
    url = urlsplit(base_url)
    proxies = {
        name.lower().removesuffix("_proxy"): value
        for name, value in environ.items()
        if name.lower().endswith("_proxy") and value
    }
    if not proxies.keys() & {url.scheme, "all"}:
        return False
    host = url.hostname or ""
    bypass = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined]
    return not bypass(host, proxies)
