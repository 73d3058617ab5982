"""How much of Anthropic's limits is used, as its latest responses said.

Two families of headers. With an API key, tokens and requests a minute:
``anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}``.
With a subscription's login, a share of each window:
``anthropic-ratelimit-unified-{5h,7d,overage}-{utilization,reset,status}``, and which of
them decides: ``-unified-status``, ``-unified-representative-claim``.
"""

import math
import threading
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

KEPT = 300.0
"""Seconds for which a report counts at least; else until its window is reset."""

_PREFIX = "anthropic-ratelimit-"
_COUNTED = ("requests", "tokens", "input-tokens", "output-tokens")
_SHARED = ("5h", "7d", "overage")

WINDOWS = tuple(name.replace("-", "_") for name in (*_COUNTED, *_SHARED))
"""The names of the windows."""

STATUSES = frozenset({"allowed", "allowed_warning", "rejected"})
CLAIMS = frozenset({"five_hour", "seven_day", "overage"})
_DECIDES = {"five_hour": "5h", "seven_day": "7d", "overage": "overage"}
"""The window that each claim is about."""


class Window(Struct, frozen=True):
    """One limit. ``None``: not reported."""

    utilization: float | None
    """The share that is used: 0 to 1, and above where there is overage."""
    resets_at: float | None
    """Seconds since the epoch."""
    reported_at: float

    def counts(self, now: float) -> bool:
        """Whether this still says something: its window is not over."""
        return now < max(self.resets_at or 0.0, self.reported_at + KEPT)


class Verdict(Struct, frozen=True):
    """What a subscription's headers say on the whole, in words of a closed set."""

    status: str = ""
    claim: str = ""
    """The window that decides."""
    overage: str = ""


def moment(text: str) -> float | None:
    """A reset's time in seconds since the epoch: RFC 3339, or such seconds."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError):
            return None
    return seconds if 0 < seconds < 1e11 else None  # noqa: PLR2004 - year 5138


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def windows(headers: Mapping[str, str], now: float) -> dict[str, Window]:
    """The windows that a response's headers (in lower case) report."""
    found = {}
    for name in _COUNTED:
        limit = _number(headers.get(f"{_PREFIX}{name}-limit"))
        remaining = _number(headers.get(f"{_PREFIX}{name}-remaining"))
        used = None
        if limit and remaining is not None:
            used = max(0.0, 1 - remaining / limit)
        found[name.replace("-", "_")] = _window(headers, name, used, now)
    for name in _SHARED:
        used = _number(headers.get(f"{_PREFIX}unified-{name}-utilization"))
        found[name] = _window(headers, f"unified-{name}", used, now)
    return {name: window for name, window in found.items() if window is not None}


def _window(
    headers: Mapping[str, str], name: str, used: float | None, now: float
) -> Window | None:
    resets_at = moment(headers.get(f"{_PREFIX}{name}-reset", ""))
    if used is None and resets_at is None:
        return None
    return Window(used, resets_at, now)


def verdict(headers: Mapping[str, str]) -> Verdict | None:
    """What a subscription's headers say on the whole; ``None`` without them."""
    status = headers.get(f"{_PREFIX}unified-status", "")
    if not status:
        return None
    claim = headers.get(f"{_PREFIX}unified-representative-claim", "")
    overage = headers.get(f"{_PREFIX}unified-overage-status", "")
    return Verdict(
        _among(STATUSES, status), _among(CLAIMS, claim), _among(STATUSES, overage)
    )


def verdict_until(headers: Mapping[str, str], now: float) -> float:
    """Until when a verdict counts: up to the reset that it names, and for a while at least.

    Without this, a login that was used up in the evening would look used up all night.
    """
    claim = headers.get(f"{_PREFIX}unified-representative-claim", "")
    resets_at = moment(headers.get(f"{_PREFIX}unified-reset", "")) or moment(
        headers.get(f"{_PREFIX}unified-{_DECIDES.get(claim, '')}-reset", "")
    )
    return max(resets_at or 0.0, now + KEPT)


def _among(known: frozenset[str], word: str) -> str:
    return word if not word or word in known else "other"


class Limits:
    """The latest report of each window. Thread-safe.

    Reports are read when somebody asks: one comes with every response, as all of its
    headers, since to pick those that count takes four times as long as to keep them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: tuple[Mapping[str, str], float] = ({}, 0.0)
        self._windows: dict[str, Window] = {}
        self._verdict: Verdict | None = None
        self._verdict_until = 0.0

    def observe(self, headers: Mapping[str, str], now: float) -> None:
        """Take over what a response's headers report."""
        with self._lock:
            if headers.keys() != self._latest[0].keys():
                self._read()  # it may report what this one does not
            self._latest = headers, now

    def _read(self) -> None:
        self._windows = {**self._windows, **windows(*self._latest)}
        said = verdict(self._latest[0])
        if said is not None:
            self._verdict, self._verdict_until = said, verdict_until(*self._latest)

    def verdict(self, now: float) -> Verdict | None:
        """What a subscription's headers said last, while that still says something."""
        with self._lock:
            self._read()
            return self._verdict if now < self._verdict_until else None

    def windows(self, now: float) -> dict[str, Window]:
        """The windows that still say something, by name."""
        with self._lock:
            self._read()
            known = self._windows.items()
        return {name: window for name, window in known if window.counts(now)}
