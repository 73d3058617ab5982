"""How many completions may be in flight, and why one is refused.

A completion holds a slot from before its upstream call to the end of its response,
streamed or not. There is no queue: a client that is refused at once and asked to come
back in a second is served better than one that waits in silence.
"""

from __future__ import annotations

import enum
import math
import threading
import time
from typing import Self

SLOWEST = 1024
"""Bytes a second at which a body must arrive ..."""

PATIENCE = 5.0
"""... after so many seconds."""

HALF_LIFE = 0.5
"""Seconds after which what has arrived counts half for a body's speed."""


class Refusal(enum.Enum):
    """Why a completion is refused."""

    AT_CAPACITY = "at_capacity"
    SHUTTING_DOWN = "shutting_down"


class Slot:
    """The right to one completion in flight; give it back with `release`."""

    __slots__ = ("_admission",)

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def release(self) -> None:
        """Give the slot back. A second call does nothing."""
        self._admission.leave(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Admission:
    """`limit` slots for completions."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken: set[Slot] = set()
        self._draining = False
        self._lock = threading.Lock()

    @property
    def in_flight(self) -> int:
        """Slots in use."""
        return len(self._taken)

    def drain(self) -> None:
        """Refuse everything from now on; what is in flight may finish."""
        self._draining = True

    def refusal(self) -> Refusal | None:
        """What `enter` would refuse with now: check before reading a large body."""
        if self._draining:
            return Refusal.SHUTTING_DOWN
        return Refusal.AT_CAPACITY if len(self._taken) >= self.limit else None

    def enter(self) -> Slot | Refusal:
        """Take a slot, or return at once why there is none."""
        with self._lock:
            if (refusal := self.refusal()) is not None:
                return refusal
            slot = Slot(self)
            self._taken.add(slot)
        return slot

    def leave(self, slot: Slot) -> None:
        """Have one completion less (called by `Slot.release`)."""
        with self._lock:
            self._taken.discard(slot)


class Body:
    """One request body that arrives, or is on its way upstream: see `Bodies`."""

    def __init__(self, bodies: Bodies) -> None:
        self.data = bytearray()
        """What has arrived so far."""
        self.held = 0
        """Bytes for which it has taken room."""
        self.expected = 0
        """Bytes that it will have in all, as far as that is known."""
        self.is_arriving = True
        self.gave_way = False
        """Its room went to another one: it must not be read any further."""
        self._bodies = bodies
        self._began = self._last = time.monotonic()
        self._speed = 0.0  # bytes a second, lately; as of the last ones

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bodies.done(self)

    def add(self, data: bytes) -> bool:
        """Keep what has arrived; false if there is no room for it, or no longer."""
        with self._bodies.lock:
            if self.gave_way:
                return False
            now = time.monotonic()
            self._speed = self._speed_at(now) + len(data) / HALF_LIFE
            self._last = now
            if not self._bodies.took(self, len(data)):
                return False
            self.data += data
        return True

    def take(self, size: int) -> bool:
        """Take room for what is built from it; false if there is none."""
        with self._bodies.lock:
            return self._bodies.took(self, size)

    def whole(self) -> bytes | None:
        """All that has arrived. From then on it gives way to nobody.

        ``None`` if it had to give way before.
        """
        with self._bodies.lock:
            if self.gave_way:
                return None
            self.is_arriving = False
            data, self.data = bytes(self.data), bytearray()
        return data

    def is_too_slow(self) -> bool:
        """Whether less than `SLOWEST` has arrived for each second, after `PATIENCE`."""
        seconds = time.monotonic() - self._began
        return seconds > PATIENCE and self.held < SLOWEST * seconds

    def seconds_left(self, size: int = 0) -> float:
        """How long it will go on arriving, after ``size`` bytes more, at this speed."""
        missing = max(0, self.expected - self.held - size)
        return missing / max(self._speed_at(time.monotonic()), 1.0)

    def _speed_at(self, now: float) -> float:
        age: float = (now - self._last) / HALF_LIFE
        return self._speed * math.exp2(-age)


class Bodies:
    """Room for `limit` bytes of request bodies, from their arrival to the first event.

    In that time a body costs about twice its size, as values and as the upstream
    request, and up to five times while it is decoded. Without a bound a dozen of the
    largest would exhaust a pod's memory, and the kernel's OOM killer would end every
    stream.

    Room is taken for bytes that are here, not for those that are announced. When it is
    full, bodies that still arrive give way, the slowest first: those that would go on
    arriving, and hold their room, for the longest time. A body that holds room alone
    gets all that it asks for, since no other time would be better.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.lock = threading.Lock()
        """Hold it to change anything of a body."""
        self._taken = 0
        self._under_way: set[Body] = set()

    def under_way(self) -> Body:
        """One more body, for a ``with`` block at whose end its room is given back."""
        body = Body(self)
        with self.lock:
            self._under_way.add(body)
        return body

    def done(self, body: Body) -> None:
        """Forget a body (called by `Body.__exit__`)."""
        with self.lock:
            self._under_way.discard(body)
            self._give_back(body)

    def took(self, body: Body, size: int) -> bool:
        """Take room for a body, from slower ones where need be; false if there is none.

        Called by the body, which holds the lock.
        """
        if self._taken + size > self.limit and self._taken > body.held:
            giving_way = self._slower_than(body, size)
            if not giving_way:
                return False
            for one in giving_way:  # its thread notices when it goes on reading
                one.gave_way = True
                self._give_back(one)
        self._taken += size
        body.held += size
        return True

    def _slower_than(self, body: Body, size: int) -> list[Body]:
        """The slowest of those that arrive, for ``size`` bytes of a faster one.

        None, if all that are slower do not hold enough.
        """
        left = body.seconds_left(size)
        others = [
            (one.seconds_left(), one)
            for one in self._under_way
            if one.is_arriving and one.held and one is not body
        ]
        slower = sorted(
            (one for one in others if one[0] > left), key=lambda one: -one[0]
        )
        missing = self._taken + size - self.limit
        chosen: list[Body] = []
        for _, one in slower:
            chosen.append(one)
            missing -= one.held
            if missing <= 0:
                return chosen
        return []

    def _give_back(self, body: Body) -> None:
        self._taken -= body.held
        body.held = 0
        body.data.clear()
