"""What happened on the way of one completion: calls to Anthropic, and what they cost.

Usage is counted as it comes: what a response reported before it was cut, cancelled or
asked for again has been billed, delivered or not.
"""

import time
from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from proxy import prices, usage
from proxy.schema import messages_response
from proxy.translate import accumulator


class Outcome(StrEnum):
    """How one call to Anthropic ended."""

    COMPLETE = "complete"
    INVALID = "invalid"
    """A 400 or another refusal of this very request."""
    UNAUTHORIZED = "unauthorized"
    """401 or 403."""
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    """Another 5xx, or an answer that cannot be read."""
    UNREACHED = "unreached"
    """No connection, or none that gave a response."""
    STALE = "stale"
    """A kept connection that Anthropic had closed in the meantime."""
    CUT = "cut"
    """The response broke off."""
    TIMED_OUT = "timed_out"
    """One of the deadlines passed."""
    CANCELLED = "cancelled"
    """The client left, or the proxy is shutting down."""


def outcome_of(status: int) -> Outcome:
    """The outcome of a call whose response was an error with this status."""
    match status:
        case 401 | 403:
            return Outcome.UNAUTHORIZED
        case 429:
            return Outcome.RATE_LIMITED
        case 503 | 529:
            return Outcome.OVERLOADED
        case _ if 400 <= status < 500:  # noqa: PLR2004 - the class of client errors
            return Outcome.INVALID
        case _:
            return Outcome.SERVER_ERROR


class Call(Struct):
    """One call. Times are seconds since the epoch."""

    began: float
    ended: float | None = None
    outcome: Outcome | None = None
    status: int = 0
    """The HTTP status; 0 where there was none."""


class Bill(Struct, frozen=True):
    """What was billed: tokens, their price, and the part that nobody received."""

    total: usage.Spent
    cost: float
    """USD, of what has a price."""
    lost: usage.Spent
    lost_cost: float
    unpriced: int
    """Tokens without a price."""


class Trail:
    """What happened so far. One thread at a time uses it."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.calls: list[Call] = []
        self.steps: list[str] = []
        """Why there was another call, one word for each (``proxy.retry.Step``)."""
        self._clock = clock
        self._messages: list[messages_response.Usage] = []

    def call(self) -> None:
        """A call begins."""
        self.calls.append(Call(self._clock()))

    def answered(self, status: int) -> None:
        """The headers of the present call's response are here."""
        self.calls[-1].status = status

    def end(self, outcome: Outcome) -> None:
        """The present call is over. Only the first outcome of a call counts."""
        if self.calls and self.calls[-1].outcome is None:
            self.calls[-1].ended, self.calls[-1].outcome = self._clock(), outcome

    def step(self, name: str) -> None:
        """Another call follows."""
        self.steps.append(name)

    def started(self, reported: messages_response.Usage) -> None:
        """A response began: its prompt is billed from here on."""
        self._messages.append(reported)

    def progressed(self, reported: messages_response.Usage) -> None:
        """The present response reported more. Its counts include those before."""
        self._messages[-1] = accumulator.merge_usage(self._messages[-1], reported)

    def bill(self, table: prices.Table, model: str, *, delivered: bool) -> Bill:
        """What was billed, if ``model`` answered; only the last response may be delivered."""
        total = lost = usage.NOTHING
        cost = lost_cost = 0.0
        unpriced = 0
        for i, reported in enumerate(self._messages):
            for spent in usage.billed(reported):
                price = table.cost(
                    model,
                    spent,
                    us_only=reported.inference_geo == "us",
                    fast=reported.speed == "fast",
                )
                total += spent
                if price is None:
                    unpriced += sum(spent.tokens.values())
                cost += price or 0.0
                if not (delivered and i == len(self._messages) - 1):
                    lost += spent
                    lost_cost += price or 0.0
        return Bill(total, cost, lost, lost_cost, unpriced)
