"""``/healthz``, ``/readyz``, ``/metrics`` and the status page, on a port of their own.

One thread serves them, apart from completions that each take minutes. The port is open
to everybody who reaches it and asks for no key, so whatever a client does, it costs next
to nothing: at most `WAITING` connections wait at a time, for a head of at most `HEAD`
bytes, for at most `PATIENCE` seconds; each gets one response and is closed. When all
places are taken, the connection that has waited longest goes, so that a probe, which
sends its request at once, always gets in.
"""

import contextlib
import ipaddress
import json
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

logger = logging.getLogger(__name__)


class Page(NamedTuple):
    """One response."""

    status: int
    kind: str
    """The content type."""
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Asked(NamedTuple):
    """What a page may depend on, and nothing else: responses are used again."""

    local: bool
    """Whether it was asked for from this machine, under a name of this machine."""
    openmetrics: bool


Pages = Mapping[str, Callable[[Asked], Page]]
"""What makes each page, by path."""


WAITING = 256
"""Connections that may wait at a time, for the rest of a head or to be read: 4 MiB."""

YOUNG = 0.05
"""Seconds for which a connection keeps its place in any case: a probe sends its request
right after it has connected, but on a busy machine not at once."""

HEAD = 4096
"""Bytes of a request's head at most."""

PATIENCE = 1.0
"""Seconds for a request and its response."""

PAUSE = 0.005
"""Seconds of rest while all places are taken: a flood must not keep a core busy."""

ROUND = 32
"""Connections that are let in between two looks at those that are there."""

BACKLOG = 1024
"""Connections that the kernel holds in a flood: less than a second's worth."""

MADE = 0.1
"""Seconds for which a page is used again: no flood has more than ten a second made."""


def probes(trouble: Callable[[], str | None]) -> Pages:
    """What probes and people ask for. ``trouble`` says why it is not ready."""

    def ready(_: Asked) -> Page:
        why = trouble()
        status = 200 if why is None else 503
        return json_page(status, {"status": "ready" if why is None else why})

    return {
        "/healthz": lambda _: json_page(200, {"status": "ok"}),
        "/readyz": ready,
    }


def json_page(status: int, body: dict[str, str]) -> Page:
    """A page of JSON."""
    return Page(status, "application/json", json.dumps(body).encode())


def is_local(peer: str, host: str, origin: str) -> bool:
    """Whether a request comes from this machine and means it.

    ``peer`` is the client's address; ``host`` and ``origin`` are its headers, empty
    where there are none. A web page can have a name of its own point to loopback: then
    the ``Host``, or the ``Origin``, is that name.
    """
    try:
        here = urlsplit(f"//{host}").hostname
        there = urlsplit(origin).hostname if origin else here
    except ValueError:
        return False
    return all(_is_loopback(name or "") for name in (peer, here, there))


def _is_loopback(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name.lower().rstrip(".") == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


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


def field_of(head: bytes, name: bytes) -> str:
    """A header field's value, empty where there is none; name in lower case.

    Of a field that is repeated, all values: none of them is trusted alone.
    """
    found = []
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            found.append(value.strip().decode("latin-1"))
    return ",".join(found)


class _Connection:
    def __init__(self, sock: socket.socket, peer: str, now: float) -> None:
        self.sock = sock
        self.peer = peer
        self.since, self.until = now, now + PATIENCE
        self.head = b""
        self.response = b""


class Listener:
    """Serves the pages on a socket that is already bound."""

    def __init__(self, sock: socket.socket, served: Pages) -> None:
        self._socket = sock
        self._socket.setblocking(False)
        self._pages = served
        self._made: dict[tuple[str, Asked], tuple[float, Page]] = {}
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
        for _ in range(ROUND):
            now = time.monotonic()
            full = len(self._open) >= WAITING
            crowded = crowded or full
            oldest = next(iter(self._open), 0)
            if full and self._open[oldest].since > now - YOUNG:
                break  # the others wait in the kernel
            try:
                sock, address = self._socket.accept()
            except BlockingIOError:  # nobody is left
                break
            except OSError:  # no descriptors, or gone again
                crowded = True
                break
            if full:
                self._drop(oldest)
            sock.setblocking(False)
            descriptor = sock.fileno()
            self._open[descriptor] = _Connection(sock, address[0], now)
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
            connection.response = self._respond(connection)
        elif len(connection.head) > HEAD:
            connection.response = _response(json_page(431, {}))
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

    def _respond(self, connection: _Connection) -> bytes:
        head = connection.head
        path = path_of(head)
        if path is None:
            page = json_page(405, {})
        elif path not in self._pages:
            page = json_page(404, {})
        else:
            host, origin = field_of(head, b"host"), field_of(head, b"origin")
            local = is_local(connection.peer, host, origin)
            accept = field_of(head, b"accept")
            asked = Asked(local, "application/openmetrics-text" in accept)
            page = self._page(path, asked)
        return _response(page, body_follows=not head.startswith(b"HEAD"))

    def _page(self, path: str, asked: Asked) -> Page:
        until, page = self._made.get((path, asked), (0.0, None))
        if page is None or time.monotonic() >= until:
            try:
                page = self._pages[path](asked)
            except Exception as ex:  # the thread must go on
                logger.exception("%s failed (%s)", path, type(ex).__name__)
                page = json_page(500, {})
            self._made[path, asked] = (time.monotonic() + MADE, page)
        return page

    def _drop_late(self) -> None:
        now = time.monotonic()
        late = [one for one, its in self._open.items() if its.until <= now]
        for descriptor in late:
            self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        self._open.pop(descriptor).sock.close()  # and so out of the epoll set


def _response(page: Page, *, body_follows: bool = True) -> bytes:
    fields = (
        ("content-type", page.kind),
        ("content-length", str(len(page.body))),
        ("connection", "close"),
        *page.headers,
    )
    head = f"HTTP/1.1 {page.status} {HTTPStatus(page.status).phrase}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    return head.encode("latin-1") + (page.body if body_follows else b"")
