"""How many completions may be in flight, and why one is refused.

A completion holds a slot from before its upstream call to the end of its response,
streamed or not. There is no queue: a client that is refused at once and asked to come
back in a second is served better than one that waits in silence.
"""

from __future__ import annotations

import contextlib
import enum
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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


class Bodies:
    """Room for `limit` bytes of request bodies, from their arrival to the first event.

    In that time a body costs four to five times its size: as bytes, as values, as the
    upstream request. Without a bound a dozen of the largest would exhaust a pod's
    memory, and the kernel's OOM killer would end every stream.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def under_way(self) -> Iterator[Callable[[int], bool]]:
        """Yield a function that asks for room; the end of the block gives it all back."""
        held = 0

        def reserve(size: int) -> bool:
            nonlocal held
            with self._lock:
                if self._taken + size > self.limit:
                    return False
                self._taken += size
            held += size
            return True

        try:
            yield reserve
        finally:
            with self._lock:
                self._taken -= held
