"""Ends an upstream call that nobody waits for any more, or that took too long.

Theory of operation
-------------------
A completion is served by one thread, which blocks: in `recv` on the upstream
socket, in `send` to the client, or in a pause between two tries. A blocked thread
notices nothing, so one watcher thread per process notices for all of them:

- the **client left**: its socket is in an epoll set for RDHUP, HUP and ERR only.
  Bytes that it sends ahead (pipelining) are no hang-up. Half-closing is: a client
  that can send no more is taken for gone, as Go's server does.
- a **deadline passed**: a sweep every `SWEEP` seconds compares each guard's
  deadlines with the monotonic clock. Upstream's pings keep a socket busy, so
  timeouts on reads would never fire; only `progress()` moves the deadline.
- the process must **stop**: `Watch.drain(deadline)` ends what is left by then.

To cancel is to record the reason and to wake the thread: `shutdown(2)` on the
upstream socket makes a blocked `recv` return at once, an event ends a pause. The
thread itself then finds the reason and decides what the client is told.

Ownership
---------
Between `attach(sock)` and `detach()` the guard may shut that socket down, and never
outside, as both and the cancelling hold the guard's lock. So a late cancel cannot
hit a connection that was given back to a pool and serves somebody else. `attach`
raises when the guard is cancelled already: a cancel between two socket operations is
not lost. `socket.socket.shutdown` is called, not the method of `ssl.SSLSocket`,
which drops the TLS object that the other thread is using.

The epoll set and the thread are made by `Watch.start()`, after the fork: an epoll
descriptor from before it would be shared by master and workers.
"""

from __future__ import annotations

import contextlib
import enum
import select
import socket
import threading
import time
from dataclasses import dataclass
from typing import Self

SWEEP = 0.1
"""Seconds between two looks at the deadlines (0.1 ms of CPU for 500 guards)."""

_LEFT = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Reason(enum.Enum):
    """Why a call was cancelled."""

    CLIENT_GONE = "the client has left"
    HEADER_TIMEOUT = "the upstream sent no answer in time"
    PROGRESS_TIMEOUT = "the upstream made no progress in time"
    TOTAL_TIMEOUT = "the answer took too long"
    DRAINING = "the proxy is shutting down"


class Cancelled(Exception):  # noqa: N818  # an order, not an error
    """The call is over: clean up and leave."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each phase may take, in seconds."""

    header: float = 120.0
    """From sending the request to the end of upstream's header block."""
    progress: float = 600.0
    """Without an event that is not a ping."""
    total: float = 3600.0
    """From the start of the guard, tries and pauses included."""


class Guard:
    """The watch over one completion; made by `Watch.guard`, used by one thread."""

    def __init__(self, watch: Watch, deadlines: Deadlines) -> None:
        self.reason: Reason | None = None
        self._watch = watch
        self._deadlines = deadlines
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._whole = True  # the attached socket was not shut down
        self._pause: threading.Event | None = None
        self._end = time.monotonic() + deadlines.total
        self._due: tuple[float, Reason] = (self._end, Reason.TOTAL_TIMEOUT)

    def check(self) -> None:
        """Raise `Cancelled` if the call was cancelled."""
        if self.reason is not None:
            raise Cancelled(self.reason)

    def attach(self, sock: socket.socket) -> None:
        """Lend the socket that this thread is going to block on.

        Raises `Cancelled` if the call was cancelled before.
        """
        with self._lock:
            self.check()
            self._socket, self._whole = sock, True

    def detach(self) -> bool:
        """Take the socket back; true if it was not shut down and may be used again."""
        with self._lock:
            self._socket = None
            return self._whole

    def waiting_for_headers(self) -> None:
        """Start the header deadline: the request is about to be sent."""
        self._due = (time.monotonic() + self._deadlines.header, Reason.HEADER_TIMEOUT)

    def progress(self) -> None:
        """Start the progress deadline anew: something other than a ping came."""
        self._due = (
            time.monotonic() + self._deadlines.progress,
            Reason.PROGRESS_TIMEOUT,
        )

    def wait(self, seconds: float) -> None:
        """Pause between two tries. Raises `Cancelled` as soon as that is known."""
        with self._lock:
            self.check()
            self._due = (self._end, Reason.TOTAL_TIMEOUT)
            self._pause = threading.Event()
        self._pause.wait(seconds)
        self.check()

    def cancel(self, reason: Reason) -> None:
        """End the call, from any thread. The first reason stays."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            if self._pause is not None:
                self._pause.set()
            if self._socket is not None:
                self._whole = False
                with contextlib.suppress(OSError):  # closed by the peer already
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def overdue(self, now: float) -> Reason | None:
        """Tell which deadline has passed, if one has."""
        if now >= self._end:
            return Reason.TOTAL_TIMEOUT
        due, reason = self._due
        return reason if now >= due else None

    def close(self) -> None:
        """End the watch. May be called twice; the reason stays readable."""
        self._watch.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Watch:
    """All guards of a process, and the thread that watches them.

    Before `start()` guards work, but nothing cancels them.
    """

    def __init__(self, deadlines: Deadlines) -> None:
        self.deadlines = deadlines
        self._lock = threading.Lock()
        self._guards: dict[Guard, int | None] = {}  # with the client's descriptor
        self._by_descriptor: dict[int, Guard] = {}
        self._drain_at: float | None = None
        self._epoll: select.epoll | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    def __len__(self) -> int:
        return len(self._guards)

    def start(self) -> None:
        """Start watching; once per process, after the fork."""
        self._epoll = select.epoll()
        self._thread = threading.Thread(
            target=self._run, args=[self._epoll], name="guard", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; returns when the thread has ended."""
        self._stopping = True
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            if self._epoll is not None:
                self._epoll.close()
            self._epoll = None

    def guard(
        self, client: socket.socket | None, deadlines: Deadlines | None = None
    ) -> Guard:
        """Watch over a completion that `client` waits for (None: nobody can leave)."""
        guard = Guard(self, deadlines or self.deadlines)
        descriptor = None if client is None else client.fileno()
        with self._lock:
            self._guards[guard] = descriptor
            if descriptor is not None and self._epoll is not None:
                self._follow(self._epoll, descriptor, guard)
        return guard

    def forget(self, guard: Guard) -> None:
        """Stop watching one guard."""
        with self._lock:
            descriptor = self._guards.pop(guard, None)
            if descriptor is not None and self._epoll is not None:
                self._unfollow(self._epoll, descriptor, guard)

    def drain(self, deadline: float) -> None:
        """Cancel what still runs at that time (of the monotonic clock)."""
        self._drain_at = deadline

    def _follow(self, epoll: select.epoll, descriptor: int, guard: Guard) -> None:
        if descriptor < 0:
            guard.cancel(Reason.CLIENT_GONE)
            return
        self._by_descriptor[descriptor] = guard
        epoll.register(descriptor, _LEFT | select.EPOLLONESHOT)

    def _unfollow(self, epoll: select.epoll, descriptor: int, guard: Guard) -> None:
        if self._by_descriptor.get(descriptor) is guard:
            del self._by_descriptor[descriptor]
            with contextlib.suppress(OSError):  # closed: the kernel has forgotten it
                epoll.unregister(descriptor)

    def _run(self, epoll: select.epoll) -> None:
        sweep_at = time.monotonic() + SWEEP
        while not self._stopping:
            timeout = max(0.0, sweep_at - time.monotonic())
            for descriptor, _ in epoll.poll(timeout):
                self._hang_up(epoll, descriptor)
            if time.monotonic() >= sweep_at:
                self._sweep()
                sweep_at = time.monotonic() + SWEEP

    def _hang_up(self, epoll: select.epoll, descriptor: int) -> None:
        """Cancel the guard of a client that left.

        The event may be older than the guard, if the descriptor's number was used
        again since: only what the socket says now counts.
        """
        with self._lock:
            guard = self._by_descriptor.get(descriptor)
            if guard is None:
                return
            now = select.poll()
            now.register(descriptor, select.POLLRDHUP)
            if now.poll(0):
                guard.cancel(Reason.CLIENT_GONE)
            else:
                epoll.modify(descriptor, _LEFT | select.EPOLLONESHOT)

    def _sweep(self) -> None:
        now = time.monotonic()
        draining = self._drain_at is not None and now >= self._drain_at
        with self._lock:
            guards = list(self._guards)
        for guard in guards:
            if guard.reason is None:
                reason = Reason.DRAINING if draining else guard.overdue(now)
                if reason is not None:
                    guard.cancel(reason)
