"""Whether a failed upstream call is retried: one decision, before a response began.

At most one retry for transport errors, 429, 5xx or 401, and apart from it one repair of
a 400: three calls in all. What was generated has been paid for, so nothing is retried
once Anthropic's ``message_start`` has arrived.
"""

from enum import Enum, auto

from msgspec import Struct

PATIENCE = 5.0
"""Seconds of ``retry-after`` that the proxy itself waits for at most."""

FIRST_PAUSE = 0.5
"""Seconds before the retry where a busy upstream named no time."""


class Failure(Enum):
    """What went wrong with one upstream call, as far as a retry is concerned."""

    UNREACHED = auto()
    """No connection, or one that ended before a response began."""
    BUSY = auto()
    """429 or 5xx."""
    UNAUTHORIZED = auto()
    """401: worth a refreshed token, if there is one."""
    INVALID = auto()
    """400: worth a repair, if one is known."""
    FINAL = auto()
    """Nothing that another call could change."""


class Attempts(Struct, frozen=True):
    """What one completion has used up so far."""

    retried: bool = False
    repaired: bool = False
    calls: int = 0


class Step(Enum):
    RETRY = auto()
    REFRESH = auto()
    REPAIR = auto()
    GIVE_UP = auto()


def next_step(
    failure: Failure, attempts: Attempts, retry_after: float | None = None
) -> tuple[Step, float]:
    """What to do after a failed call, and the pause in seconds before it."""
    pause = FIRST_PAUSE if retry_after is None else retry_after
    match failure:
        case Failure.INVALID if not attempts.repaired:
            return Step.REPAIR, 0.0
        case Failure.UNREACHED if not attempts.retried:
            return Step.RETRY, 0.0
        case Failure.UNAUTHORIZED if not attempts.retried:
            return Step.REFRESH, 0.0
        case Failure.BUSY if not attempts.retried and pause <= PATIENCE:
            return Step.RETRY, pause
        case _:
            return Step.GIVE_UP, 0.0
