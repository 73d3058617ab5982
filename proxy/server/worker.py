"""The gunicorn worker: one thread watches idle connections, each busy one has its own.

Theory of operation
-------------------
The main thread owns every connection that is not *busy*: new ones that have not sent a
whole head of a request, kept ones between two requests, and closed ones whose last bytes
may still be on their way. When the head of a request has arrived, a thread takes the
connection, serves the request and gives it back. So

- threads wait for nothing but upstream, bodies and their own client, and there are as
  many as connections need: hundreds of streams never delay a health check or a refusal;
- a connection costs a thread only while it is being served: a thousand unfinished heads
  cost their bytes, `head.HEAD` each at most. When there are too many connections, the one
  that has been idle longest gives way; when all are being served, new ones wait in the
  kernel's queue until one ends;
- a stream costs a thread only until it has to wait for Anthropic: from then on one
  thread passes on what arrives for all of them (`pump`);
- a thread leaves its connection as soon as it has responded. To wait there for the next
  request would save two hand-overs, but then every request wakes a thread of its own,
  and they fight for the interpreter, where the main thread hands out all that has
  arrived in one turn;
- closing takes no thread: after the last response the sending side is closed, and the
  connection waits for the client to close too, `CLOSE_WAIT` at most.

All connections are in one epoll set from their first moment to their last, edge-triggered,
so that a request costs no system call but the one that receives it. Bytes that come while
a connection is busy are reported to the main thread, which can do nothing but note them
(`Connection.missed`); whoever lets go of the connection looks at that note, after it has
let go. The note is made before the main thread looks whether the connection is busy, so
one of the two always sees the other, and no lock is needed. Only the main thread makes
connections busy, closes them, and forgets them.

gunicorn's own gthread differs in what matters here: at SIGTERM it leaves new connections
in the queue until they are reset, and it closes gracefully on its main thread, where one
client that stays open delays all others. Of gunicorn this uses the master, the worker
base class and the reader of chunked bodies; hence its version is pinned.

Stopping
--------
SIGTERM starts the drain: `on_drain(deadline)` informs the application, responses announce
`Connection: close`, and new connections are still served (the application refuses new
work with a proper error). The process exits when the last connection is done, or `GRACE` after the
deadline. A second SIGTERM, SIGINT or SIGQUIT sets the deadline to now.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import os
import select
import signal
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

from gunicorn.workers import base

from proxy.server.connection import Arrived, Connection, Served
from proxy.server.pump import Pump
from proxy.server.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

GRACE = 2.0
"""Seconds after the drain deadline for threads to send their last bytes."""

CLOSE_WAIT = 2.0
"""Seconds that a connection may stay half closed while its client reads or writes."""

IDLE_AT_STOP = 1.0
"""Seconds at a stop for a request that may be under way on a kept connection."""

_ARRIVALS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Worker(base.Worker):  # type: ignore[misc]  # gunicorn is untyped
    """See the module's text. `application.Server` sets what follows."""

    drain_timeout = 25.0
    """Seconds from the first SIGTERM to the deadline."""
    receive_timeout = 20.0
    """Seconds for the head of a request to arrive whole."""
    body_timeout = 20.0
    """Seconds that each read of a body may wait for its client."""
    send_timeout = 30.0
    """Seconds that a client may go without reading a byte of its response."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.on_drain: Callable[[float], None] = lambda deadline: None  # noqa: ARG005
        self.threads = Threads()
        # Each look into gunicorn's configuration is a search through its settings.
        self._most: int = self.cfg.worker_connections
        self._keep_alive: int = self.cfg.keepalive
        self._connections: dict[int, Connection] = {}  # by descriptor
        self._returned: collections.deque[Connection] = collections.deque()
        self._accepting = False
        self._signals = 0  # how many stop signals arrived
        self._obeyed = 0  # ... and how many were acted on
        self._deadline = 0.0

    # Signals. The handlers run between any two steps of the main thread: they only count.
    # The byte that wakes it comes from signal.set_wakeup_fd.

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """SIGTERM: drain; the second one ends it at once."""
        self._signals += 1

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """SIGINT and SIGQUIT: as a second SIGTERM."""
        self._signals += 2

    # The main thread.

    def run(self) -> None:
        """Serve until signalled to stop, then until all is done or the deadline has passed."""
        self._pump = Pump(go_on=self._go_on, give_back=self._give_back)
        self._epoll = select.epoll()
        self._epoll.register(self.PIPE[0], select.EPOLLIN)
        self._listeners = {listener.fileno(): listener for listener in self.sockets}
        for listener in self.sockets:
            listener.setblocking(False)
        tick_at = 0.0
        while not self._is_done():
            if (now := time.monotonic()) >= tick_at:
                self._tick(now)
                tick_at = now + (1.0 if self.alive else 0.1)
            self._stop_if_signalled()
            self._accept_if_room()
            self._dispatch(max(0.0, min(tick_at - time.monotonic(), 1.0)))
        self._close_all()

    def _limit(self, sock: socket.socket) -> None:
        """Have the kernel bound each read and write of this socket.

        Python's own timeouts would ask `poll` before each. Set on the listener, these limits would miss earlier connections.
        """
        sock.setblocking(True)
        for option, seconds in (
            (socket.SO_RCVTIMEO, self.body_timeout),
            (socket.SO_SNDTIMEO, self.send_timeout),
        ):
            limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
            sock.setsockopt(socket.SOL_SOCKET, option, limit)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            milliseconds = int(self.send_timeout * 1000)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def _is_done(self) -> bool:
        if self.alive:
            return False
        return not self._connections or time.monotonic() > self._deadline + GRACE

    def _tick(self, now: float) -> None:
        """Once a second: the heartbeat, the parent, and what has expired."""
        self.notify()
        if self.alive and self.ppid != os.getppid():
            self.log.info("Parent changed, shutting down: %s", self)
            self._signals += 1
        for connection in [*self._connections.values()]:
            if not connection.busy and connection.expires <= now:
                self._expire(connection, now)

    def _stop_if_signalled(self) -> None:
        if self._obeyed == self._signals:
            return
        now = time.monotonic()
        wait = self.drain_timeout if self._signals == 1 else 0.0
        idle_until = now + min(IDLE_AT_STOP, wait)
        self._deadline = now + wait
        self._obeyed = self._signals
        self.alive = False
        self.on_drain(self._deadline)
        for connection in self._connections.values():
            if not connection.busy:
                connection.expires = min(connection.expires, idle_until)

    def _is_full(self) -> bool:
        return len(self._connections) >= self._most

    def _longest_idle(self) -> Connection | None:
        """The connection that goes first when there are too many."""
        connections = self._connections.values()
        idle = (one for one in connections if not one.busy and not one.closing)
        return min(idle, key=lambda one: one.idle_since, default=None)

    def _accept_if_room(self) -> None:
        """Listen while there is room, or an idle connection that can make some."""
        room = not self._is_full() or self._longest_idle() is not None
        if room is not self._accepting:
            self._accepting = room
            for descriptor in self._listeners:
                if room:
                    self._epoll.register(descriptor, select.EPOLLIN)
                else:
                    self._epoll.unregister(descriptor)

    def _dispatch(self, timeout: float) -> None:
        for descriptor, events in self._epoll.poll(timeout):
            if (connection := self._connections.get(descriptor)) is not None:
                if events & select.EPOLLRDHUP:
                    connection.ended = True
                self._awake(connection)
            elif descriptor in self._listeners:
                self._accept(self._listeners[descriptor])
            elif descriptor == self.PIPE[0]:
                with contextlib.suppress(BlockingIOError):
                    os.read(descriptor, 4096)
        for _ in range(len(self._returned)):  # what comes meanwhile has its own turn
            self._awake(self._returned.popleft())

    def _accept(self, listener: Any) -> None:  # noqa: ANN401
        try:
            sock, address = listener.accept()
        except OSError as ex:
            if ex.errno in _FULL:
                self.log.warning("Cannot accept a connection: %s", ex.strerror)
                self._make_room()
            return  # else it has gone again
        if self._is_full():
            self._make_room()
        try:
            self._limit(sock)
        except OSError:  # reset in the meantime
            sock.close()
            return
        connection = Connection(sock, address, self.wsgi, self.log, self._is_last)
        connection.idle_since = time.monotonic()
        connection.expires = connection.idle_since + self.receive_timeout
        self._connections[connection.descriptor] = connection
        self._epoll.register(sock, _ARRIVALS)
        self._awake(connection)  # most have sent their request already

    def _make_room(self) -> None:
        """Give up the connection that has been idle longest, or wait a moment."""
        idle = self._longest_idle()
        if idle is not None:
            self._drop(idle)
        else:
            time.sleep(0.01)

    def _awake(self, connection: Connection) -> None:
        """Take in what came on a connection; serve it once a head is whole."""
        connection.missed = True
        if connection.busy:  # then its thread sees the note
            return
        connection.missed = False
        match connection.discard() if connection.closing else connection.receive():
            case Arrived.A_REQUEST:
                self._hand_over(connection)
            case Arrived.A_PART:
                if connection.idle:
                    connection.idle = False
                    connection.expires = time.monotonic() + self.receive_timeout
                if connection.missed:
                    self._return(connection)
            case Arrived.MORE:
                self._return(connection)
            case Arrived.THE_END:
                self._drop(connection)
            case Arrived.NOTHING:
                if not self.alive:  # it may have been given back just as that changed
                    idle_until = time.monotonic() + IDLE_AT_STOP
                    connection.expires = min(connection.expires, idle_until)

    def _hand_over(self, connection: Connection) -> None:
        connection.busy = True
        try:
            self.threads.submit(lambda: self._serve(connection, connection.serve))
        except RuntimeError:  # a pod's limit of processes
            self.log.warning("Cannot start a thread")
            self._drop(connection)

    def _close_all(self) -> None:
        for connection in [*self._connections.values()]:
            if not connection.busy:
                self._drop(connection)
        for listener in self.sockets:
            listener.close()

    def _expire(self, connection: Connection, now: float) -> None:
        """The time of an idle connection is over; an unfinished request gets a 408."""
        unfinished = not connection.closing and connection.time_out()
        if unfinished and connection.half_close():
            connection.expires = now + CLOSE_WAIT
        else:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        """Close a connection. One that was cut may have lost its descriptor to another."""
        if self._connections.get(connection.descriptor) is connection:
            del self._connections[connection.descriptor]
        connection.close()  # which also removes it from the epoll set

    # A connection's thread.

    def _serve(self, connection: Connection, step: Callable[[], Served]) -> None:
        """Serve what a connection has sent, beginning with this step."""
        served = Served.CLOSE
        try:
            served = step()
            while served is Served.KEEP and connection.next() is Arrived.A_REQUEST:
                served = connection.serve()
        finally:
            if served is Served.FLOWS:
                self._pump.add(connection)
            else:
                self._give_back(connection, keep=served is Served.KEEP)

    def _is_last(self) -> bool:
        return not self.alive or not self._keep_alive

    def _go_on(self, connection: Connection) -> None:
        """From the pump: what comes next may take time."""
        try:
            self.threads.submit(lambda: self._serve(connection, connection.go_on))
        except RuntimeError:  # a pod's limit of processes: then everybody waits
            self._serve(connection, connection.go_on)

    def _give_back(self, connection: Connection, *, keep: bool) -> None:
        now = time.monotonic()
        if not keep:
            waits = not connection.half_close()  # to be closed
            connection.expires = now + CLOSE_WAIT
        else:
            arrived = connection.look()  # a request may have come with the last one
            waits = arrived is Arrived.A_REQUEST
            if not self.alive:
                connection.expires = now + IDLE_AT_STOP
            elif arrived is Arrived.A_PART:
                connection.expires = now + self.receive_timeout
            else:
                connection.expires = now + self._keep_alive
        connection.idle_since, connection.idle = now, True
        connection.busy = False  # from here on it is the main thread's
        if connection.missed or waits or not self._accepting or not self.alive:
            self._return(connection)

    def _return(self, connection: Connection) -> None:
        """Have the main thread look at a connection in its next turn."""
        self._returned.append(connection)
        with contextlib.suppress(BlockingIOError):
            os.write(self.PIPE[1], b"\0")


def pass_on_repeated_sigterm(arbiter: Any) -> None:  # noqa: ANN401
    """Let a second SIGTERM reach the workers; gunicorn's master ignores it.

    For gunicorn's `when_ready` hook. Kubernetes signals the first process only, and
    sends a native sidecar a second SIGTERM two seconds before it kills it.
    """
    first = signal.getsignal(signal.SIGTERM)
    seen = 0

    def handle(sig: int, frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            arbiter.kill_workers(signal.SIGTERM)
        elif callable(first):
            first(sig, frame)

    signal.signal(signal.SIGTERM, handle)
