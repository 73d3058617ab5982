"""How many completions may be in flight, and why one is refused.

A completion holds a slot from before its upstream call to the end of its response,
streamed or not. There is no queue: a client that is refused at once and asked to come
back in a second is served better than one that waits in silence.
"""

from __future__ import annotations

import contextlib
import enum
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


SLOWEST = 1024
"""Bytes a second at which a body must arrive ..."""

PATIENCE = 5.0
"""... after so many seconds."""


class Refusal(enum.Enum):
    """Why a completion is refused."""

    AT_CAPACITY = "at_capacity"
    SHUTTING_DOWN = "shutting_down"


class Slot:
    """The right to one completion in flight; give it back with `release`."""

    __slots__ = ("_admission", "_lock")

    def __init__(self, admission: Admission) -> None:
        self._admission: Admission | None = admission
        self._lock = threading.Lock()

    def release(self) -> None:
        """Give the slot back. A second call does nothing."""
        with self._lock:
            admission, self._admission = self._admission, None
        if admission is not None:
            admission.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Admission:
    """`limit` slots for completions."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._in_flight = 0
        self._draining = False
        self._lock = threading.Lock()

    @property
    def in_flight(self) -> int:
        """Slots in use."""
        return self._in_flight

    def drain(self) -> None:
        """Refuse everything from now on; what is in flight may finish."""
        self._draining = True

    def refusal(self) -> Refusal | None:
        """What `enter` would refuse with now: check before reading a large body."""
        if self._draining:
            return Refusal.SHUTTING_DOWN
        return Refusal.AT_CAPACITY if self._in_flight >= self.limit else None

    def enter(self) -> Slot | Refusal:
        """Take a slot, or return at once why there is none."""
        with self._lock:
            if (refusal := self.refusal()) is not None:
                return refusal
            self._in_flight += 1
        return Slot(self)

    def leave(self) -> None:
        """Count one completion less (called by `Slot.release`)."""
        with self._lock:
            self._in_flight -= 1


class Body:
    """One request body that arrives, or is on its way upstream: see `Bodies`."""

    def __init__(self, bodies: Bodies, interrupt: Callable[[], None]) -> None:
        self.held = 0
        """Bytes for which it has taken room."""
        self.is_arriving = True
        self.gave_way = False
        """Its room went to another one: it must not be read any further."""
        self.interrupt = interrupt
        self._bodies = bodies
        self._began = time.monotonic()

    def take(self, size: int) -> bool:
        """Take room for so many bytes that have arrived; false if there is none."""
        return self._bodies.take(self, size)

    def is_whole(self) -> None:
        """Note that it has arrived, after which it gives way to nobody."""
        self.is_arriving = False

    def is_too_slow(self) -> bool:
        """Whether less than `SLOWEST` has arrived for each second, after `PATIENCE`."""
        seconds = time.monotonic() - self._began
        return seconds > PATIENCE and self.held < SLOWEST * seconds

    def speed(self) -> float:
        """Bytes a second, so far."""
        return self.held / max(time.monotonic() - self._began, 0.001)


class Bodies:
    """Room for `limit` bytes of request bodies, from their arrival to the first event.

    In that time a body costs four to five times its size: as bytes, as values, as the
    upstream request. Without a bound a dozen of the largest would exhaust a pod's
    memory, and the kernel's OOM killer would end every stream.

    Room is taken for bytes that are here, not for those that are announced. When it is
    full, the slowest of the bodies that still arrive give way: what they hold, they
    would hold the longest.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = 0
        self._under_way: set[Body] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def under_way(self, interrupt: Callable[[], None] = lambda: None) -> Iterator[Body]:
        """One more body; the end of the block gives its room back.

        ``interrupt`` is called from another thread when it has to give way: it must wake
        the thread that waits for the rest.
        """
        body = Body(self, interrupt)
        with self._lock:
            self._under_way.add(body)
        try:
            yield body
        finally:
            with self._lock:
                self._under_way.discard(body)
                self._give_back(body)

    def take(self, body: Body, size: int) -> bool:
        """Take room for one body, from slower ones where need be (see `Body.take`)."""
        with self._lock:
            if body.gave_way:
                return False
            missing = self._taken + size - self.limit
            giving_way = self._slower_than(body, missing) if missing > 0 else []
            if missing > 0 and not giving_way:
                return False
            for one in giving_way:
                one.gave_way = True
                self._give_back(one)
            self._taken += size
            body.held += size
        for one in giving_way:
            one.interrupt()
        return True

    def _slower_than(self, body: Body, missing: int) -> list[Body]:
        """The slowest that arrive and together hold so much; none if they do not."""
        speed = body.speed()
        slower = [
            (one.speed(), one.held, one)
            for one in self._under_way
            if one.is_arriving and one.held and one is not body
        ]
        slower = [one for one in slower if one[0] < speed]
        slower.sort(key=lambda one: one[0])
        chosen: list[Body] = []
        for _, held, one in slower:
            chosen.append(one)
            missing -= held
            if missing <= 0:
                return chosen
        return []

    def _give_back(self, body: Body) -> None:
        self._taken -= body.held
        body.held = 0
