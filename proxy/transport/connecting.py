"""From a host's name to a connected socket: every step bounded and cancellable.

`getaddrinfo` knows no deadline, and a silent name server holds it for half a minute. So
names are resolved in a thread of their own, which all calls that need the answer share,
and each call waits only for as long as it may.

Addresses are raced (RFC 8305, happy eyeballs): the next one is tried as soon as the one
before has failed, or has said nothing for a quarter of a second. The address that
answered last is tried first by the next call, so that a dead one costs its delay once.
"""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, zip_longest
from typing import Any

from proxy import cancellation
from proxy.transport.interface import Obstacle, UnreachedError

Address = tuple[int, int, int, str, Any]
"""As `getaddrinfo` gives it: family, type, protocol, canonical name, address."""

HEAD_START = 0.25
"""Seconds that an address has before the next one is tried beside it (RFC 8305)."""

LOOKUP_AGAIN = 5.0
"""Seconds after which a lookup without an answer gets a second one beside it."""

_SLICE = 0.1
"""Seconds between two looks at whether the call was cancelled."""


class _Lookup:
    """One `getaddrinfo` under way in a thread, and the calls that wait for it."""

    def __init__(self, resolve: Callable[[], list[Address]]) -> None:
        self.began = time.monotonic()
        self.found: list[Address] | None = None
        self.failed = False
        self._resolve = resolve
        self._waiting: list[threading.Event] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._run, name="resolve", daemon=True).start()

    def _run(self) -> None:
        try:
            found = self._resolve()
        except (OSError, UnicodeError):  # the latter: a label that is no host name
            found = []
        with self._lock:
            self.found, self.failed = found, not found
            for event in self._waiting:
                event.set()

    def wait(self, seconds: float, scope: cancellation.CancelScope) -> list[Address]:
        """The addresses. Raises `UnreachedError`, and `Cancelled`."""
        event = threading.Event()
        with self._lock:
            if self.found is not None:
                event.set()
            self._waiting.append(event)
        if not scope.wait(seconds, event) or self.failed or self.found is None:
            raise UnreachedError(Obstacle.NAME_NOT_FOUND)
        return self.found


class Connector:
    """Connects to one host; remembers which of its addresses answered."""

    def __init__(
        self, host: str, port: int, options: Iterable[tuple[int, int, int]] = ()
    ) -> None:
        self._host, self._port = host, port
        self._options = tuple(options)
        self._good: Any = None
        self._lookup: _Lookup | None = None
        self._lock = threading.Lock()

    def connect(self, seconds: float, scope: cancellation.CancelScope) -> socket.socket:
        """A connected socket that blocks, with the options set.

        Raises `UnreachedError` with what stood in the way, and `Cancelled`.
        """
        end = time.monotonic() + seconds
        found = self._addresses(seconds, scope)
        sock, address = race(ordered(found, self._good), end, scope)
        self._good = address
        try:
            for option in self._options:
                sock.setsockopt(*option)
            sock.setblocking(True)
        except OSError:  # reset in the meantime
            sock.close()
            raise UnreachedError(Obstacle.REFUSED) from None
        return sock

    def _addresses(
        self, seconds: float, scope: cancellation.CancelScope
    ) -> list[Address]:
        with contextlib.suppress(OSError, UnicodeError):  # an address needs no lookup
            return self._resolve(socket.AI_NUMERICHOST)
        with self._lock:
            lookup = self._lookup
            now = time.monotonic()
            fresh = lookup is not None and now - lookup.began < LOOKUP_AGAIN
            if lookup is None or lookup.found is not None or not fresh:
                lookup = self._lookup = _Lookup(self._resolve)
                lookup.start()
        return lookup.wait(seconds, scope)

    def _resolve(self, flags: int = 0) -> list[Address]:
        found = socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=flags
        )
        return list(found)


def ordered(found: Sequence[Address], good: object) -> list[Address]:
    """Addresses in the order to try: what answered last, then the families in turn."""
    families = dict.fromkeys(one[0] for one in found)
    turns = zip_longest(*([a for a in found if a[0] == f] for f in families))
    mixed = [one for one in chain.from_iterable(turns) if one is not None]
    return sorted(mixed, key=lambda one: one[4] != good)


def race(
    addresses: Iterable[Address], end: float, scope: cancellation.CancelScope
) -> tuple[socket.socket, Any]:
    """The first socket that connects, and its address; the others are closed.

    `end` is a time of the monotonic clock. Raises `UnreachedError` and `Cancelled`.
    """
    left, running = list(addresses), dict[int, tuple[socket.socket, Any]]()
    obstacle, next_at = Obstacle.NO_ROUTE, 0.0
    poller = select.poll()
    try:
        while left or running:
            scope.check()
            now = time.monotonic()
            if now >= end:
                raise UnreachedError(Obstacle.TIMEOUT)
            if left and (now >= next_at or not running):
                begun = _begin(left[0])
                address = left.pop(0)[4]
                if isinstance(begun, Obstacle):
                    obstacle = begun
                    continue
                running[begun.fileno()] = begun, address
                poller.register(begun, select.POLLOUT)
                next_at = now + HEAD_START
            until = min(end, next_at) if left else end
            for descriptor, _ in poller.poll(1000 * min(_SLICE, max(0, until - now))):
                poller.unregister(descriptor)
                sock, address = running.pop(descriptor)
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not error:
                    return sock, address
                obstacle, next_at = to_obstacle(OSError(error, "")), 0.0
                sock.close()
        raise UnreachedError(obstacle)
    finally:
        for sock, _ in running.values():
            sock.close()


def _begin(address: Address) -> socket.socket | Obstacle:
    """A socket on its way to an address, or what stood in its way at once."""
    family, kind, protocol, _, where = address
    try:
        sock = socket.socket(family, kind, protocol)
    except OSError as ex:  # a family that this host does not have
        return to_obstacle(ex)
    sock.setblocking(False)
    try:
        sock.connect(where)
    except BlockingIOError:
        pass
    except OSError as ex:
        sock.close()
        return to_obstacle(ex)
    return sock


def to_obstacle(ex: BaseException) -> Obstacle:
    """What an error of a connection attempt means."""
    match ex:
        case ConnectionError():
            return Obstacle.REFUSED
        case TimeoutError():
            return Obstacle.TIMEOUT
        case _:
            return Obstacle.NO_ROUTE
