"""How long clients are asked to wait, and who may ask Anthropic meanwhile.

Clients come back when they are asked to, and some give up after three tries. So a trouble
that lasts is answered with waits that grow (``errors.wait``), for which somebody must
know how long it has lasted.

A *gate* stands before what is known to fail for now: a rate limit whose end Anthropic has
named, a credential that it has refused. While it is closed callers get an answer at once;
then one at a time may try, and the first success opens it for all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

FORGOTTEN = 60.0
"""Seconds after its last failure for which a trouble counts as the same one."""

ASKED_AGAIN = 60.0
"""Seconds for which a gate stays shut at most: then one caller asks again."""

UNANSWERED = 10.0
"""Seconds after which a caller who asks has learnt nothing yet: then another may ask."""

KNOWN = 256
"""Keys remembered at most; clients choose model names."""

Clock = Callable[[], float]


class Troubles:
    """How long each thing has been failing. Thread-safe; ``clock`` is monotonic."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Hashable, tuple[float, float]] = {}  # first and last failure
        self._lock = threading.Lock()

    def lasted(self, key: Hashable) -> float:
        """Seconds since the first failure of the present trouble; 0.0 without one."""
        seen, now = self._seen.get(key), self._clock()
        return 0.0 if seen is None or now - seen[1] > FORGOTTEN else now - seen[0]

    def failed(self, key: Hashable) -> None:
        """Note a failure."""
        now = self._clock()
        with self._lock:
            first, last = self._seen.pop(key, (now, now))
            self._seen[key] = (now if now - last > FORGOTTEN else first), now
            if len(self._seen) > KNOWN:
                del self._seen[next(iter(self._seen))]

    def over(self, key: Hashable) -> None:
        """Note a success: the next failure begins a trouble of its own."""
        if self._seen:
            with self._lock:
                self._seen.pop(key, None)


class _Closing:
    """One closed gate."""

    def __init__(self, until: float, probe_at: float, holder: Pass) -> None:
        self.until = until
        self.probe_at = probe_at
        self.holders = [holder]
        """Those who may be asking; any of them may open the gate."""
        self.asked_at = probe_at
        """When the last of them began to ask."""

    def lets_through(self, now: float) -> bool:
        """Whether one more caller may ask."""
        unanswered = not self.holders or now - self.asked_at > UNANSWERED
        return now >= self.probe_at and unanswered


class Pass:
    """The right of one caller to ask. End it with ``release``, whatever came of it."""

    def __init__(self, gates: Gates, key: Hashable) -> None:
        self._gates = gates
        self._key = key

    def open(self) -> None:
        """The call succeeded. Opens the gate, if this caller was let through it.

        A call that began before the closing proves nothing.
        """
        gates = self._gates
        if gates.closed:
            with gates.lock:
                if self._closing() is not None:
                    del gates.closed[self._key]

    def close(self, seconds: float) -> None:
        """Shut the gate for so many seconds; this caller is the first to ask again."""
        gates = self._gates
        now = gates.clock()
        with gates.lock:
            gates.closed.pop(self._key, None)
            probe_at = now + min(seconds, ASKED_AGAIN)
            gates.closed[self._key] = _Closing(now + seconds, probe_at, self)
            if len(gates.closed) > KNOWN:
                del gates.closed[next(iter(gates.closed))]

    def release(self) -> None:
        """Let somebody else ask, if the gate is still shut."""
        gates = self._gates
        if gates.closed:
            with gates.lock:
                closing = self._closing()
                if closing is not None:
                    closing.holders.remove(self)

    def _closing(self) -> _Closing | None:
        """The closed gate that this caller was let through, if there is one."""
        closing = self._gates.closed.get(self._key)
        return closing if closing is not None and self in closing.holders else None


class Gates:
    """One gate for each key, open unless closed. Thread-safe."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        """Hold it to look at ``closed``, but to see that it is empty."""
        self.closed: dict[Hashable, _Closing] = {}
        """The gates that are not open: a `Pass` opens and closes them."""

    def enter(self, key: Hashable) -> Pass | float:
        """A pass, or the seconds until the gate is due to open."""
        mine = Pass(self, key)
        if not self.closed:
            return mine
        now = self.clock()
        with self.lock:
            closing = self.closed.get(key)
            if closing is None:
                return mine
            if not closing.lets_through(now):
                return max(0.0, closing.until - now)
            closing.holders.append(mine)
            closing.asked_at = now
            return mine
