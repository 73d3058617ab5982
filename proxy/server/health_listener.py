"""``/healthz``, ``/readyz`` and ``/metrics``, on a port of their own.

One thread serves them, apart from completions that each take minutes. The port is open
to everybody who reaches it and asks for no key, so whatever a client does, it costs next
to nothing: at most `WAITING` connections wait at a time, for a head of at most `HEAD`
bytes, for at most `PATIENCE` seconds; each gets one response and is closed. When all
places are taken, the connection that has waited longest goes, so that a probe, which
sends its request at once, always gets in.
"""

import contextlib
import json
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

logger = logging.getLogger(__name__)

Page = tuple[int, str, bytes]
"""Status, content type, body."""

WAITING = 32
"""Connections that may wait at a time, for the rest of a head or to be read."""

HEAD = 4096
"""Bytes of a request's head at most."""

PATIENCE = 1.0
"""Seconds for a request and its response."""

PAUSE = 0.005
"""Seconds of rest after places were taken away: a flood must not keep a core busy."""

BACKLOG = 1024
"""Connections that the kernel holds in a flood: less than a second's worth."""

MADE = 0.1
"""Seconds for which a page is used again: no flood has more than ten a second made."""


def pages(
    trouble: Callable[[], str | None],
    metrics: Callable[[], Page],
) -> Mapping[str, Callable[[], Page]]:
    """The listener's pages, by path. ``trouble`` says why it is not ready."""

    def ready() -> Page:
        why = trouble()
        body = {"status": "ready"} if why is None else {"status": why}
        return 200 if why is None else 503, "application/json", _json(body)

    return {
        "/healthz": lambda: (200, "application/json", _json({"status": "ok"})),
        "/readyz": ready,
        "/metrics": metrics,
    }


def _json(body: dict[str, str]) -> bytes:
    return json.dumps(body).encode()


def bind(port: int) -> socket.socket:
    """The listening socket, on all interfaces: kubelets probe the pod's address.

    Raises ``OSError`` for a port in use.
    """
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    listener = socket.create_server(
        ("", port), family=family, backlog=BACKLOG, dualstack_ipv6=dual
    )
    listener.set_inheritable(True)
    return listener


def path_of(head: bytes) -> str | None:
    """The path of a GET or HEAD request, without its query; ``None`` for any other."""
    method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    target, _, version = rest.partition(b" ")
    if method not in {b"GET", b"HEAD"} or not version.startswith(b"HTTP/1."):
        return None
    return target.partition(b"?")[0].decode("latin-1")


class _Connection:
    def __init__(self, sock: socket.socket, now: float) -> None:
        self.sock = sock
        self.until = now + PATIENCE
        self.head = b""
        self.response = b""


class Listener:
    """Serves the pages on a socket that is already bound."""

    def __init__(
        self, sock: socket.socket, served: Mapping[str, Callable[[], Page]]
    ) -> None:
        self._socket = sock
        self._socket.setblocking(False)
        self._pages = served
        self._made: dict[str, tuple[float, Page]] = {}
        self._open: dict[int, _Connection] = {}  # the longest open comes first

    def start(self) -> None:
        """Serve in a thread of its own; call after the fork."""
        threading.Thread(target=self._run, name="health", daemon=True).start()

    def _run(self) -> None:
        self._poll = select.epoll()
        self._poll.register(self._socket, select.EPOLLIN)
        while True:
            self._serve_once()

    def _serve_once(self) -> None:
        now = time.monotonic()
        first = next(iter(self._open.values()), None)
        timeout = -1.0 if first is None else max(0.0, first.until - now)
        for descriptor, _ in self._poll.poll(timeout):
            if descriptor == self._socket.fileno():
                self._accept()
            elif descriptor in self._open:
                self._go_on(descriptor)
        self._drop_late()

    def _accept(self) -> None:
        """Let in what waits in the kernel, a round at most."""
        crowded = False
        for _ in range(WAITING):
            try:
                sock, _ = self._socket.accept()
            except BlockingIOError:  # nobody is left
                break
            except OSError:  # no descriptors, or gone again
                crowded = True
                break
            if len(self._open) >= WAITING:
                self._drop(next(iter(self._open)))
                crowded = True
            sock.setblocking(False)
            descriptor = sock.fileno()
            self._open[descriptor] = _Connection(sock, time.monotonic())
            self._poll.register(descriptor, select.EPOLLIN)
            self._go_on(descriptor)
        if crowded:
            time.sleep(PAUSE)

    def _go_on(self, descriptor: int) -> None:
        connection = self._open[descriptor]
        try:
            over = self._read(connection) if not connection.response else False
            if connection.response:
                over = self._write(descriptor, connection)
        except BlockingIOError:
            return
        except OSError:  # a prober that has left is not worth a line
            over = True
        if over:
            self._drop(descriptor)

    def _read(self, connection: _Connection) -> bool:
        """Read on; true if there is nobody, or nothing worth a response."""
        data = connection.sock.recv(HEAD + 1 - len(connection.head))
        connection.head += data
        if b"\r\n\r\n" in connection.head:
            connection.response = self._respond(connection.head)
        elif len(connection.head) > HEAD:
            connection.response = _response(431, "application/json", b"{}")
        return not data

    def _write(self, descriptor: int, connection: _Connection) -> bool:
        """Write on; true once all of it is written."""
        sent = connection.sock.send(connection.response)
        connection.response = connection.response[sent:]
        if connection.response:
            self._poll.modify(descriptor, select.EPOLLOUT)
            return False
        with contextlib.suppress(OSError):  # so that a reset destroys no response
            connection.sock.shutdown(socket.SHUT_WR)
        return True

    def _respond(self, head: bytes) -> bytes:
        path = path_of(head)
        make = self._pages.get(path or "")
        if path is None:
            page: Page = (405, "application/json", b"{}")
        elif make is None:
            page = (404, "application/json", b"{}")
        else:
            page = self._page(path, make)
        return _response(*page, body_follows=not head.startswith(b"HEAD"))

    def _page(self, path: str, make: Callable[[], Page]) -> Page:
        until, page = self._made.get(path, (0.0, None))
        if page is None or time.monotonic() >= until:
            try:
                page = make()
            except Exception as ex:  # the thread must go on
                logger.exception("%s failed (%s)", path, type(ex).__name__)
                page = (500, "application/json", b"{}")
            self._made[path] = (time.monotonic() + MADE, page)
        return page

    def _drop_late(self) -> None:
        now = time.monotonic()
        late = [one for one, its in self._open.items() if its.until <= now]
        for descriptor in late:
            self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        self._open.pop(descriptor).sock.close()  # and so out of the epoll set


def _response(
    status: int, kind: str, body: bytes, *, body_follows: bool = True
) -> bytes:
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (body if body_follows else b"")
