"""The SDK's own HTTP stack (httpx2), with proxies, CA variables and all it knows.

The guard needs the socket that a call blocks on, and httpx2 shows it only after the
header block. So the network backend of its pools is wrapped: each read and write lends
the socket to the guard of the call that its thread is making. The pools' backend is a
private attribute; a test notices when it moves.

Connecting cannot be cancelled here, only waited for: `connect_timeout` bounds it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

import anthropic
import httpcore2
import httpx2

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


class _Call:
    """What the backend tells about the call under way."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.received = 0
        self.kept = False  # it goes over a connection that has been used before
        self.ended = False  # the connection gave no more


_current: threading.local = threading.local()


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner
        self._used = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        call: _Call = _current.call
        call.ended = True
        call.guard.attach(self._inner.get_extra_info("socket"))
        try:
            data = self._inner.read(max_bytes, timeout)
        finally:  # taken back before httpcore2 may give it to somebody else
            call.guard.detach()
        call.guard.check()
        call.received += len(data)
        call.ended = not data
        self._used = True
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        call: _Call = _current.call
        call.kept = self._used
        call.guard.attach(self._inner.get_extra_info("socket"))
        try:
            self._inner.write(buffer, timeout)
        finally:
            call.guard.detach()
        call.guard.check()

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  # httpcore2's own
        return self._inner.get_extra_info(info)


class _Backend(httpcore2.SyncBackend):
    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore2.NetworkStream:  # noqa: ANN401
        return _Stream(super().connect_tcp(*args, **kwargs))


class SdkTransport:
    """See `interface.Transport`. `tls` replaces the context that the SDK would use."""

    def __init__(
        self,
        base_url: str,
        *,
        connect_timeout: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._client = anthropic.DefaultHttpxClient(
            timeout=httpx2.Timeout(None, connect=connect_timeout),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64),
            follow_redirects=False,
            verify=True if tls is None else tls,
        )
        transports = [self._client._transport, *self._client._mounts.values()]  # noqa: SLF001
        for transport in transports:
            if isinstance(transport, httpx2.HTTPTransport):
                transport._pool._network_backend = _Backend()  # noqa: SLF001

    def open(
        self, path: str, headers: Mapping[str, str], body: bytes, guard: Guard
    ) -> SdkReply:
        """See `interface.Transport.open`."""
        request = self._client.build_request(
            "POST",
            self._base_url + path,
            headers={**headers, "accept-encoding": "identity"},
            content=body,
        )
        while True:
            call = _current.call = _Call(guard)
            guard.check()
            guard.waiting_for_headers()
            try:
                response = self._client.send(request, stream=True)
            except (
                httpx2.ConnectError,
                httpx2.ConnectTimeout,
                httpx2.ProxyError,
            ) as ex:
                guard.check()
                raise ConnectError("the upstream cannot be reached") from ex
            except httpx2.TransportError as ex:
                guard.check()
                if call.received or not call.kept:
                    raise _explain(call) from ex
            else:
                return SdkReply(response, call)

    def close(self) -> None:
        """See `interface.Transport.close`."""
        self._client.close()


def _explain(call: _Call) -> interface.TransportError:
    if not call.ended:
        return BadAnswerError("the answer is not HTTP/1.1")
    if not call.received:
        return NoAnswerError("the connection was closed")
    return CutError("the connection was cut")


class SdkReply:
    """One answer of httpx2's."""

    def __init__(self, response: httpx2.Response, call: _Call) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response, self._call = response, call
        call.guard.progress()
        try:
            interface.check_coding(self.headers)
        except BadAnswerError:
            response.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        """See `interface.Reply.__iter__`."""
        try:
            yield from self._response.iter_raw()
        except httpx2.TransportError as ex:
            self._call.guard.check()
            raise _explain(self._call) from ex

    def read(self, limit: int) -> bytes:
        """See `interface.Reply.read`."""
        return interface.read(iter(self), limit)

    def close(self) -> None:
        """See `interface.Reply.close`."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
