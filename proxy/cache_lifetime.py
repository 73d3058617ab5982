"""How long Anthropic is asked to keep the prefix that an agent's requests share.

An agent's tools and first system message hardly ever change, and its user pauses. Kept
for five minutes the prefix costs 1.25 times its input to write, and a pause loses it; kept
for an hour it costs twice its input, once. So the hour pays as soon as pauses between the
two come up, and only the prefix's own history can say whether they do.

The table holds hashes and times, never any part of a prompt.
"""

import threading
import time
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from proxy.translate import ask

Ttl = Literal["5m", "1h"]

SHORT = 300.0
LONG = 3600.0
"""Seconds of Anthropic's two lifetimes; a read begins them anew."""

KNOWN = 1024
"""Prefixes remembered at most; the one that was used longest ago gives way."""


class Seen(Struct, frozen=True):
    """What is remembered of a prefix. Times are seconds of a monotonic clock."""

    used_at: float
    paused_at: float | None = None
    """When it was last used after a pause that only the long lifetime bridges."""


def seen_again(seen: Seen | None, now: float) -> Seen:
    """What is known of a prefix after one more use."""
    if seen is None:
        return Seen(now)
    bridged = SHORT < now - seen.used_at <= LONG
    return Seen(now, now if bridged else seen.paused_at)


def lifetime(seen: Seen, now: float) -> Ttl:
    """The hour, if such a pause was seen within the last hour."""
    return "1h" if seen.paused_at is not None and now - seen.paused_at <= LONG else "5m"


def prefix_of(asked: ask.Ask) -> int | None:
    """A hash of model, tools and first system message; ``None`` without one."""
    first = asked.said[0] if asked.said else None
    if not isinstance(first, ask.System):
        return None
    # Not encoded first: of RockBot's thirty tools that alone would take 15 us.
    tools = (
        (tool.name, tool.description, tool.strict, bytes(tool.parameters))
        for tool in asked.tools
    )
    return hash((asked.model, *tools, *(block.text for block in first.blocks)))


class Lifetimes:
    """The lifetime for each request's first cache mark. Thread-safe."""

    def __init__(
        self,
        setting: Literal["auto", "5m", "1h"],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._setting = setting
        self._clock = clock
        self._seen: dict[int, Seen] = {}
        self._lock = threading.Lock()

    def of(self, asked: ask.Ask) -> Ttl:
        """The lifetime of this request's prefix, which is used now."""
        if self._setting != "auto":
            return self._setting
        key, now = prefix_of(asked), self._clock()
        if key is None:
            return "5m"
        with self._lock:
            seen = seen_again(self._seen.pop(key, None), now)
            self._seen[key] = seen
            if len(self._seen) > KNOWN:
                del self._seen[next(iter(self._seen))]
        return lifetime(seen, now)
