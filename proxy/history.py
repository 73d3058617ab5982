"""The last day, minute by minute, kept in memory for the status page.

Bounded: `MINUTES` minutes, each with a few numbers for each model of the capability
table, and the last `ERRORS` errors. Nothing of a prompt is here, nor of a credential.
"""

import bisect
import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from msgspec import Struct, field

from proxy import log, metrics, trail

MINUTES = 24 * 60
ERRORS = 20

BOUNDS = tuple(0.1 * 1.25**i for i in range(45))
"""Upper bounds of the classes of first-content times, in seconds: 0.1 to 1,800."""

TROUBLES = {
    trail.Outcome.RATE_LIMITED: "limited",
    trail.Outcome.OVERLOADED: "overloaded",
    trail.Outcome.SERVER_ERROR: "overloaded",
    trail.Outcome.TIMED_OUT: "stalled",
    trail.Outcome.CUT: "broken",
    trail.Outcome.UNREACHED: "broken",
}
"""What slows a completion down, by how a call ended."""


class Model(Struct):
    """One model's share of a time."""

    requests: int = 0
    prompt: int = 0
    """Tokens sent, cached or not."""
    cached: int = 0
    """Tokens of the prompt that were read from the cache."""
    output: int = 0
    """Tokens generated, thinking included."""
    cost: float = 0.0
    unpriced: int = 0

    def take_in(self, bill: trail.Bill) -> None:
        """Count one completion."""
        total = bill.total
        self.requests += 1
        self.prompt += total.prompt
        self.cached += total.cache_read
        self.output += total.output + total.thinking
        self.cost += bill.cost
        self.unpriced += bill.unpriced

    def add(self, other: "Model") -> None:
        """Add what another time saw."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Span(Struct):
    """What happened in a minute, or in several."""

    requests: int = 0
    errors: int = 0
    left: int = 0
    """Clients that did not wait for their response."""
    retries: int = 0
    lost: float = 0.0
    """USD for responses that no client received whole."""
    troubles: Counter[str] = field(default_factory=Counter)
    models: dict[str, Model] = field(default_factory=dict)
    first: Counter[int] = field(default_factory=Counter)
    """First-content times, by class (``BOUNDS``)."""

    def add(self, other: "Span") -> None:
        """Add what another time saw."""
        self.requests += other.requests
        self.errors += other.errors
        self.left += other.left
        self.retries += other.retries
        self.lost += other.lost
        self.troubles.update(other.troubles)
        self.first.update(other.first)
        for name, model in other.models.items():
            self.models.setdefault(name, Model()).add(model)

    def quantile(self, share: float) -> float | None:
        """Seconds within which this share of first contents came; ``None`` for none."""
        total = self.first.total()
        seen = 0
        for index in sorted(self.first):
            seen += self.first[index]
            if seen >= share * total:
                return BOUNDS[index]
        return None


class Failure(Struct, frozen=True):
    """A completion that failed."""

    at: float
    """Seconds since the epoch."""
    request_id: str
    model: str
    status: int
    code: str
    reason: str


class History:
    """The last day. Thread-safe."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.started = now()
        self._now = now
        self._lock = threading.Lock()
        self._minutes: deque[tuple[int, Span]] = deque(maxlen=MINUTES)
        self._failures: deque[Failure] = deque(maxlen=ERRORS)

    def completed(
        self, record: log.Completion, way: trail.Trail, bill: trail.Bill
    ) -> None:
        """Take in one completion."""
        model = metrics.model_label(record.upstream_model)
        failed = record.failed
        now = self._now()
        with self._lock:
            span = self._at(int(now // 60))
            span.requests += 1
            span.errors += failed
            span.left += record.client_gone
            span.retries += len(way.steps)
            span.lost += bill.lost_cost
            for call in way.calls:
                if trouble := TROUBLES.get(call.outcome or trail.Outcome.CANCELLED):
                    span.troubles[trouble] += 1
            if record.code == "at_capacity":
                span.troubles["full"] += 1
            if record.first_event_ms is not None:
                index = bisect.bisect_left(BOUNDS, record.first_event_ms / 1000)
                span.first[min(index, len(BOUNDS) - 1)] += 1
            if (share := span.models.get(model)) is None:
                share = span.models[model] = Model()
            share.take_in(bill)
            if failed:
                code = metrics.code_label(record.code) or "other"
                self._failures.append(
                    Failure(
                        now,
                        record.request_id,
                        model,
                        record.status,
                        code,
                        record.reason,
                    )
                )

    def _at(self, minute: int) -> Span:
        """This minute's span. A clock that was set back goes on in the newest one."""
        if not self._minutes or self._minutes[-1][0] < minute:
            self._minutes.append((minute, Span()))
        return self._minutes[-1][1]

    def spans(self, seconds: int, count: int) -> list[Span]:
        """The last ``count`` times of ``seconds`` each, the present one last."""
        last = int(self._now() // seconds)
        found = [Span() for _ in range(count)]
        with self._lock:
            for minute, span in self._minutes:
                index = count - 1 - (last - minute * 60 // seconds)
                if 0 <= index < count:
                    found[index].add(span)
        return found

    def failures(self) -> list[Failure]:
        """The last errors, the newest first."""
        with self._lock:
            return list(reversed(self._failures))
