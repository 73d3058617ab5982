"""Whether a failed upstream call is tried again: one decision, before any content.

Three posts in all, each counted. Within them at most one retry (for a transport error, a
deadline, 429 or 5xx), one fresh connection in place of a kept one that had died, one
repair of a 400, and one try with a renewed token. What was generated has been paid for, so
nothing is tried again once content has begun to arrive.
"""

from enum import Enum, auto

from msgspec import Struct

POSTS = 3
"""Requests sent for one completion at most."""

PATIENCE = 5.0
"""Seconds of ``retry-after`` that the proxy itself waits for at most."""

FIRST_PAUSE = 0.5
"""Seconds before the retry where a busy upstream named no time."""


class Failure(Enum):
    """What went wrong with one upstream call, as far as a retry is concerned."""

    STALE = auto()
    """A kept connection turned out to be dead: worth a fresh one."""
    UNREACHED = auto()
    """No connection, or one that ended before any content."""
    LATE = auto()
    """A deadline passed before any content."""
    BUSY = auto()
    """429 or 5xx."""
    UNAUTHORIZED = auto()
    """401: worth a renewed token, if there is one."""
    INVALID = auto()
    """400: worth a repair, if one is known."""
    FINAL = auto()
    """Nothing that another call could change."""


class Attempts(Struct, frozen=True):
    """What one completion has used up so far."""

    posts: int = 0
    reconnected: bool = False
    retried: bool = False
    renewed: bool = False
    repaired: bool = False


class Step(Enum):
    """What to do after a failed call."""

    RECONNECT = auto()
    RETRY = auto()
    RENEW = auto()
    REPAIR = auto()
    GIVE_UP = auto()


def next_step(
    failure: Failure,
    attempts: Attempts,
    *,
    time_left: float,
    retry_after: float | None = None,
) -> tuple[Step, float]:
    """What to do after a failed call, and the pause in seconds before it.

    ``time_left`` is what remains of the budget for the first content, in seconds.
    """
    if attempts.posts >= POSTS or time_left <= 0:
        return Step.GIVE_UP, 0.0
    pause = FIRST_PAUSE if retry_after is None else retry_after
    match failure:
        case Failure.STALE if not attempts.reconnected:
            return Step.RECONNECT, 0.0
        case Failure.UNREACHED if not (attempts.retried or attempts.reconnected):
            return Step.RETRY, 0.0
        case Failure.LATE if not attempts.retried:
            return Step.RETRY, 0.0
        case Failure.BUSY if not attempts.retried and pause <= min(PATIENCE, time_left):
            return Step.RETRY, pause
        case Failure.UNAUTHORIZED if not attempts.renewed:
            return Step.RENEW, 0.0
        case Failure.INVALID if not attempts.repaired:
            return Step.REPAIR, 0.0
    return Step.GIVE_UP, 0.0


def used(attempts: Attempts, step: Step) -> Attempts:
    """The attempts with this step taken."""
    return Attempts(
        posts=attempts.posts,
        reconnected=attempts.reconnected or step is Step.RECONNECT,
        retried=attempts.retried or step is Step.RETRY,
        renewed=attempts.renewed or step is Step.RENEW,
        repaired=attempts.repaired or step is Step.REPAIR,
    )
