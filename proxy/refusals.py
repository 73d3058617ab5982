"""What Anthropic has refused lately, so that no later request pays for the same refusal.

Only hashes are kept (``translate.repair.Mark``), and never any part of a prompt.
"""

import threading
import time
from collections.abc import Callable, Iterable

from proxy.translate.repair import Mark

KNOWN = 8192
"""Refusals remembered at most; the oldest gives way. A history may bring hundreds."""

LIFETIME = 3600.0
"""Seconds after which it is tried again, for what was refused may have been a mishap."""


class Refusals:
    """The marks of what was refused. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._noted: dict[Mark, float] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Whether anything was refused."""
        return bool(self._noted)

    def __contains__(self, mark: object) -> bool:
        """Whether this was refused within the last hour."""
        noted = self._noted.get(mark) if isinstance(mark, int) else None
        return noted is not None and self._clock() - noted < LIFETIME

    def note(self, marks: Iterable[Mark]) -> None:
        """Remember that these were refused."""
        now = self._clock()
        with self._lock:
            for mark in marks:
                self._noted.pop(mark, None)
                self._noted[mark] = now
            while len(self._noted) > KNOWN:
                del self._noted[next(iter(self._noted))]
