"""A socket as httpcore2's ``NetworkStream``, with TLS on top, and TLS inside TLS.

httpcore2 has one of its own that is not public, and takes no socket that is connected
already.
"""

import contextlib
import functools
import select
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpcore2

T = TypeVar("T")

_RECORD = 1 << 14
"""Bytes of one TLS record at most."""


@contextlib.contextmanager
def _errors(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """Raise a socket's errors as httpcore2's."""
    try:
        yield
    except TimeoutError as ex:
        raise late from ex
    except OSError as ex:  # TLS errors too
        raise broken(str(ex)) from ex


class SocketStream(httpcore2.NetworkStream):
    """See ``httpcore2.NetworkStream``. Timeouts are seconds; ``None`` waits."""

    def __init__(self, sock: socket.socket, inner: "_TLSInside | None" = None) -> None:
        self._sock = sock
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Up to ``max_bytes``; b"" at the end. Raises ``ReadTimeout`` and ``ReadError``."""
        with _errors(httpcore2.ReadTimeout, httpcore2.ReadError):
            self._sock.settimeout(timeout)
            if self._inner is not None:
                return self._inner.read(max_bytes)
            return self._sock.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of ``buffer``. Raises ``WriteTimeout`` and ``WriteError``."""
        with _errors(httpcore2.WriteTimeout, httpcore2.WriteError):
            self._sock.settimeout(timeout)
            if self._inner is not None:
                self._inner.write(buffer)
            else:
                self._sock.sendall(buffer)

    def close(self) -> None:
        """Close the connection, without TLS's closing alert."""
        self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> "SocketStream":
        """TLS over this stream; closes it if the handshake fails."""
        try:
            with _errors(httpcore2.ConnectTimeout, httpcore2.ConnectError):
                self._sock.settimeout(timeout)
                if isinstance(self._sock, ssl.SSLSocket):  # an https:// proxy's tunnel
                    inner = _TLSInside(self._sock, ssl_context, server_hostname)
                    return SocketStream(self._sock, inner)
                sock = ssl_context.wrap_socket(
                    self._sock, server_hostname=server_hostname
                )
                return SocketStream(sock)
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore2 has it
        """The facts that httpcore2 asks for by these names; ``None`` for any other."""
        match info:
            case "socket":
                return self._sock
            case "ssl_object" if self._inner is not None:
                return self._inner.object
            case "ssl_object" if isinstance(self._sock, ssl.SSLSocket):
                return self._sock
            case "is_readable":  # an idle connection that is: closed, or not in step
                return _is_readable(self._sock)
            case _:
                return None


def _is_readable(sock: socket.socket) -> bool:
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))


class _TLSInside:
    """A TLS session whose records travel inside another one's."""

    def __init__(
        self, sock: ssl.SSLSocket, context: ssl.SSLContext, hostname: str | None
    ) -> None:
        self._sock = sock
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(
            self._received, self._to_send, server_hostname=hostname
        )
        self._run(self.object.do_handshake)

    def read(self, max_bytes: int) -> bytes:
        try:
            return self._run(functools.partial(self.object.read, max_bytes))
        except ssl.SSLZeroReturnError:
            return b""

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._run(functools.partial(self.object.write, view)) :]

    def _run(self, step: Callable[[], T]) -> T:
        """Do one step of the session, moving its records as it needs them."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._sock.recv(_RECORD)
                if data:
                    self._received.write(data)
                else:
                    self._received.write_eof()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if data := self._to_send.read():
            self._sock.sendall(data)
