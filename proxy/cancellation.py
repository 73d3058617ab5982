"""Cancel scopes: end an upstream call that nobody waits for, or that takes too long.

Theory of operation
-------------------
One thread serves a completion, and it blocks: in ``recv`` on the upstream socket, in
``send`` to the client, or in a pause between two attempts. A blocked thread notices
nothing, so each completion has a `CancelScope`, which a thread of its own watches
(`proxy.watchdog`) for a client that left, a deadline that passed and a process that must
stop.

Anthropic pings while it works, so there are two deadlines while a response arrives:
`heard()` moves the one for a dead line, which not even pings cross, and `progress()` the
one for a response that pings and makes no progress.

To cancel is to record the reason and to wake the thread: `shutdown(2)` on the upstream
socket makes a blocked `recv` return at once, an event ends a pause. The thread itself
then finds the reason and decides what the client gets. A deadline that ended one try may
be forgiven, `try_again()`, while there is content to hope for and time left; a client
that left, a drain and the total deadline are final. A call may outlive its client for a
while: see `outlives_client`, and `proxy.held_calls`.

Ownership
---------
A scope may shut a socket down only between `attach(sock)` and `detach()`; attaching,
detaching and cancelling all hold the scope's lock. So a late cancel cannot hit a
connection that went back to a pool and now serves somebody else. `attach` raises if the
scope was cancelled already: a cancel between two socket operations is not lost.
`socket.socket.shutdown` is called rather than `ssl.SSLSocket`'s method, which drops the
TLS object that the other thread is using.
"""

from __future__ import annotations

import contextlib
import enum
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class Reason(enum.Enum):
    """Why a call was cancelled."""

    CLIENT_GONE = "the client has left"
    HEADER_TIMEOUT = "Anthropic sent no response headers in time"
    IDLE_TIMEOUT = "Anthropic's connection fell silent"
    PROGRESS_TIMEOUT = "Anthropic made no progress in time"
    TOTAL_TIMEOUT = "the response took too long"
    DRAINING = "the proxy is shutting down"


_OF_ONE_TRY = frozenset(
    {Reason.HEADER_TIMEOUT, Reason.IDLE_TIMEOUT, Reason.PROGRESS_TIMEOUT}
)
"""Reasons that end one try, and not the completion."""

_OVER = frozenset({Reason.CLIENT_GONE, Reason.DRAINING})
"""Reasons with which a call ends without an outcome."""


class Cancelled(Exception):  # noqa: N818  # an order, not an error
    """The call is over: clean up and leave."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each phase may take, in seconds."""

    header: float = 60.0
    """From sending the request to the end of the response's header block."""
    idle: float = 45.0
    """Without a byte of the response, pings included: a dead line."""
    progress: float = 600.0
    """Without an event that is not a ping, where the request thinks."""
    total: float = 3600.0
    """From the opening of the scope, tries and pauses included."""

    @property
    def budget(self) -> float:
        """From the opening of the scope to the first content, all tries together.

        Also how long a response may only ping where the request does not think.
        """
        return 2 * self.idle


class Watching(Protocol):
    """What watches a scope, as far as the scope knows it."""

    def forget(self, scope: CancelScope) -> None:
        """Stop watching it."""

    def look_for_client(self, scope: CancelScope) -> None:
        """Call its ``client_left`` if the client has left."""


class CancelScope:
    """What can cancel one completion; made by `Watchdog.scope`, used by one thread."""

    def __init__(self, watchdog: Watching, deadlines: Deadlines) -> None:
        self.reason: Reason | None = None
        self.thinks = False
        """The request thinks, so that pings alone may go on for longer."""
        self.on_silence: Callable[[], None] | None = None
        """Called in the completion's thread after `silence` seconds without a byte."""
        self.silence = 15.0
        self.outlives_client: Callable[[], bool] | None = None
        """Asked when the client has left: true if the call goes on without it."""
        self._watchdog = watchdog
        self._deadlines = deadlines
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._whole = True  # the attached socket was not shut down
        self._pause: threading.Event | None = None
        now = time.monotonic()
        self._end = now + deadlines.total
        self._content_by = now + deadlines.budget
        self._has_content = False
        self._due: tuple[float, Reason] | None = None
        self._heard_at: float | None = None  # of the present response
        self._progress_at = 0.0
        self._alone_until: float | None = None

    def check(self) -> None:
        """Raise `Cancelled` if the call was cancelled."""
        if self.reason is not None:
            raise Cancelled(self.reason)

    def attach(self, sock: socket.socket) -> None:
        """Register the socket that this thread is going to block on.

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
        self._heard_at = None
        self._due = (time.monotonic() + self._deadlines.header, Reason.HEADER_TIMEOUT)

    def within(self, seconds: float) -> None:
        """Allow so many seconds for what is left to read, instead of the phase's own."""
        self._heard_at = None
        self._due = (time.monotonic() + seconds, Reason.IDLE_TIMEOUT)

    def began(self) -> None:
        """Note the header block of a response: from here on its bytes are waited for."""
        self._due = None
        self._heard_at = self._progress_at = time.monotonic()

    def heard(self) -> None:
        """Restart the idle deadline: bytes of the response arrived, if only a ping."""
        if self._heard_at is not None:
            self._heard_at = time.monotonic()

    def progress(self) -> None:
        """Restart the progress deadline: something other than a ping arrived."""
        self._progress_at = time.monotonic()

    def content(self) -> None:
        """Note the first content: from here on only silence and the total count."""
        self._has_content = True
        self.progress()

    def wait(self, seconds: float, event: threading.Event | None = None) -> bool:
        """Pause, or wait for `event`; true if that was set.

        Raises `Cancelled` as soon as the call is cancelled, which sets `event` too.
        """
        with self._lock:
            self.check()
            self._due = self._heard_at = None
            self._pause = pause = event or threading.Event()
        happened = pause.wait(seconds)
        self.check()
        return happened

    def cancel(self, reason: Reason) -> None:
        """End the call, from any thread. The first reason that is final stays."""
        with self._lock:
            self._cancel(reason)

    def _cancel(self, reason: Reason) -> None:
        if self.reason is not None and not (
            self.reason in _OF_ONE_TRY and reason not in _OF_ONE_TRY
        ):
            return
        self.reason = reason
        if self._pause is not None:
            self._pause.set()
        if self._socket is not None:
            self._whole = False
            with contextlib.suppress(OSError):  # closed by the peer already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def expire(self, now: float) -> None:
        """End the call, or its present try, if a deadline has passed."""
        with self._lock:
            if self.reason is None and (reason := self.overdue(now)) is not None:
                self._cancel(reason)

    def client_left(self) -> None:
        """Note that the client has left, which ends the call unless it outlives that."""
        if self.outlives_client is None or not self.outlives_client():
            self.cancel(Reason.CLIENT_GONE)

    def look_for_client(self) -> None:
        """Find out now whether the client has left, as the watchdog will in a moment."""
        self._watchdog.look_for_client(self)

    def go_on_alone(self, seconds: float) -> bool:
        """Go on without a client for so long; false if the call is over already."""
        with self._lock:
            if self.reason in _OVER:
                return False
            self._alone_until = time.monotonic() + seconds
        return True

    def accompany(self) -> bool:
        """Go on for as long as any call: somebody waits again. False if it is too late."""
        with self._lock:
            if self.reason in _OVER:
                return False
            self._alone_until = None
        return True

    def try_again(self) -> bool:
        """Forget the deadline that ended a try; false where that cannot be.

        Only before any content, while the budget for it lasts, and never where the
        completion itself is over.
        """
        with self._lock:
            if self._has_content or self.time_left <= 0:
                return False
            if self.reason is not None and self.reason not in _OF_ONE_TRY:
                return False
            self.reason = self._due = self._heard_at = None
            return True

    @property
    def time_left(self) -> float:
        """Seconds of the budget for the first content."""
        return self._content_by - time.monotonic()

    def overdue(self, now: float) -> Reason | None:
        """The deadline that has passed, if one has."""
        if self._alone_until is not None and now >= self._alone_until:
            return Reason.CLIENT_GONE
        if now >= self._end:
            return Reason.TOTAL_TIMEOUT
        due, heard_at = self._due, self._heard_at
        if due is not None and now >= due[0]:
            return due[1]
        if heard_at is not None and now >= heard_at + self._deadlines.idle:
            return Reason.IDLE_TIMEOUT
        if heard_at is not None and now >= self._progress_at + self._patience:
            return Reason.PROGRESS_TIMEOUT
        if now >= self._content_by and not self._has_content:
            if heard_at is None:
                return Reason.HEADER_TIMEOUT
            return None if self.thinks else Reason.PROGRESS_TIMEOUT
        return None

    @property
    def _patience(self) -> float:
        """Seconds for which a response may only ping."""
        longest = self._deadlines.progress
        return longest if self.thinks else min(longest, self._deadlines.budget)

    def close(self) -> None:
        """Stop being watched. May be called twice; the reason stays readable."""
        self.on_silence = None  # which refers back to the completion
        self._watchdog.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
