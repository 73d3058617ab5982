"""Whether a failed call is tried again: one decision, before any answer began.

At most one retry for transport, 429, 5xx or 401, and apart from it one repair of a 400:
three calls in all. What was generated is paid for, so nothing is asked again once
Anthropic's ``message_start`` has come.
"""

from enum import Enum, auto

from msgspec import Struct

PATIENCE = 5.0
"""Seconds of ``retry-after`` that are worth waiting for in here."""

FIRST_PAUSE = 0.5
"""Seconds before the retry of a busy upstream that named no time."""


class Failure(Enum):
    """What went wrong with one call, as far as a retry is concerned."""

    UNREACHED = auto()
    """No connection, or one that ended before it gave an answer."""
    BUSY = auto()
    """429 or 5xx."""
    UNAUTHORIZED = auto()
    """401: worth another token, if there is one."""
    INVALID = auto()
    """400: worth a repair, if one is known."""
    FINAL = auto()
    """Nothing that a second call could change."""


class Tries(Struct, frozen=True):
    """What was spent on one completion."""

    retried: bool = False
    repaired: bool = False
    calls: int = 0


class Step(Enum):
    AGAIN = auto()
    RENEW = auto()
    REPAIR = auto()
    GIVE_UP = auto()


def next_step(
    failure: Failure, tries: Tries, retry_after: float | None = None
) -> tuple[Step, float]:
    """What to do after a failed call, and the pause in seconds before it."""
    match failure:
        case Failure.INVALID if not tries.repaired:
            return Step.REPAIR, 0.0
        case Failure.UNREACHED if not tries.retried:
            return Step.AGAIN, 0.0
        case Failure.UNAUTHORIZED if not tries.retried:
            return Step.RENEW, 0.0
        case Failure.BUSY if not tries.retried:
            pause = FIRST_PAUSE if retry_after is None else retry_after
            if pause <= PATIENCE:
                return Step.AGAIN, pause
    return Step.GIVE_UP, 0.0
