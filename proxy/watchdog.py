"""The thread that watches all cancel scopes of a process.

It watches them for three things:

- the **client left**: its socket is in an epoll set for RDHUP, HUP and ERR only, once
  and for as long as it is open, since adding and removing it for each completion would
  be two system calls, each of which may hand the interpreter to another thread.
  Bytes that it sends ahead (pipelining) do not count as hanging up. Half-closing does:
  a client that can send no more is taken for gone, as Go's server does.
- a **deadline passed**: every `SWEEP` seconds each scope's deadlines are compared with
  the monotonic clock.
- the process must **stop**: `Watchdog.drain(deadline)` ends what is still running then.

The epoll set and the thread are created by `Watchdog.start()`, after the fork: an epoll
descriptor from before the fork would be shared by master and workers.
"""

from __future__ import annotations

import select
import threading
import time
import weakref
from typing import TYPE_CHECKING

from proxy.cancellation import CancelScope, Deadlines, Reason

if TYPE_CHECKING:
    import socket

SWEEP = 0.1
"""Seconds between two checks of the deadlines (0.1 ms of CPU for 500 scopes)."""

_LEFT = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Watchdog:
    """All scopes of a process, and the thread that watches them.

    Before `start()` scopes work, but nothing cancels them.
    """

    def __init__(self, deadlines: Deadlines) -> None:
        self.deadlines = deadlines
        self._lock = threading.Lock()
        self._scopes: dict[CancelScope, int | None] = {}  # with the client's descriptor
        self._by_descriptor: dict[int, CancelScope] = {}
        self._followed: dict[int, weakref.ref[socket.socket]] = {}
        self._left: set[int] = set()  # clients that left while they had no scope
        self._drain_at: float | None = None
        self._epoll: select.epoll | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    def __len__(self) -> int:
        return len(self._scopes)

    def start(self) -> None:
        """Start watching; once per process, after the fork."""
        self._epoll = select.epoll()
        self._thread = threading.Thread(
            target=self._run, args=[self._epoll], name="watchdog", daemon=True
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

    def scope(
        self, client: socket.socket | None, deadlines: Deadlines | None = None
    ) -> CancelScope:
        """Open a scope for a completion that `client` waits for.

        ``None`` for a call that no client waits for, such as the models list.
        """
        scope = CancelScope(self, deadlines or self.deadlines)
        descriptor = None if client is None else client.fileno()
        with self._lock:
            self._scopes[scope] = descriptor
            if client is not None and descriptor is not None and self._epoll:
                self._follow(self._epoll, client, descriptor, scope)
        return scope

    def forget(self, scope: CancelScope) -> None:
        """Stop watching one scope."""
        with self._lock:
            descriptor = self._scopes.pop(scope, None)
            if descriptor is not None and self._by_descriptor.get(descriptor) is scope:
                del self._by_descriptor[descriptor]

    def look_for_client(self, scope: CancelScope) -> None:
        """See `CancelScope.look_for_client`."""
        with self._lock:
            descriptor = self._scopes.get(scope)
        if descriptor is not None:
            self._hang_up(descriptor)

    def drain(self, deadline: float) -> None:
        """Cancel what still runs at that time (of the monotonic clock)."""
        self._drain_at = deadline

    def _follow(
        self,
        epoll: select.epoll,
        client: socket.socket,
        descriptor: int,
        scope: CancelScope,
    ) -> None:
        if descriptor < 0:
            scope.client_left()
            return
        self._by_descriptor[descriptor] = scope
        known = self._followed.get(descriptor)
        if known is None or known() is not client:  # the kernel forgets what is closed
            self._left.discard(descriptor)
            self._followed[descriptor] = weakref.ref(client)
            epoll.register(descriptor, _LEFT | select.EPOLLET)
        elif descriptor in self._left:
            scope.client_left()

    def _run(self, epoll: select.epoll) -> None:
        sweep_at = time.monotonic() + SWEEP
        while not self._stopping:
            timeout = max(0.0, sweep_at - time.monotonic())
            for descriptor, _ in epoll.poll(timeout):
                self._hang_up(descriptor)
            if time.monotonic() >= sweep_at:
                self._sweep()
                sweep_at = time.monotonic() + SWEEP

    def _hang_up(self, descriptor: int) -> None:
        """Cancel the scope of a client that has left, now or as soon as it has one.

        The event may be older than the scope if the descriptor's number has been
        reused since: only the socket's present state counts.
        """
        with self._lock:
            now = select.poll()
            now.register(descriptor, select.POLLRDHUP)
            if not now.poll(0):
                return
            scope = self._by_descriptor.get(descriptor)
            if scope is None:
                self._left.add(descriptor)
            else:
                scope.client_left()

    def _sweep(self) -> None:
        now = time.monotonic()
        draining = self._drain_at is not None and now >= self._drain_at
        with self._lock:
            scopes = list(self._scopes)
        for scope in scopes:
            if scope.reason is None:
                if draining:
                    scope.cancel(Reason.DRAINING)
                else:
                    scope.expire(now)
