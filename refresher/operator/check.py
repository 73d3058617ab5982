"""Whether Anthropic accepts the access token, and when to ask again. Pure.

a new token                      is checked at once
a person's annotation            requests a check at once
a token with a verdict           is checked again once an hour
no usable response               is followed by another check after a minute, then
                                 less and less often, down to once an hour
"""

import enum

import msgspec

HOUR = 3600.0
FIRST_PAUSE = 60.0
"""Seconds between a check without a usable response and the next one."""


class Verdict(enum.StrEnum):
    """What is known about a token."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class Response(msgspec.Struct, frozen=True):
    """What one check found out; `detail` says in words why nothing was learned."""

    verdict: Verdict
    detail: str = ""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """The latest check of a token."""

    revision: str
    """Which token (`Credential.revision`)."""
    request: str | None
    """The person's request that this check has answered."""
    at: float
    """When, in seconds on the monotonic clock."""
    verdict: Verdict
    detail: str = ""
    unanswered: int = 0
    """Checks in a row without a usable response."""


def record(
    before: Check | None,
    response: Response,
    *,
    revision: str,
    request: str | None,
    at: float,
) -> Check:
    """Return what is known now. A check that learned nothing keeps the old verdict."""
    unanswered, verdict = 0, response.verdict
    if verdict is Verdict.UNKNOWN:
        same = before is not None and before.revision == revision
        if before is not None and same:
            unanswered, verdict = before.unanswered, before.verdict
        unanswered += 1
    return Check(
        revision=revision,
        request=request,
        at=at,
        verdict=verdict,
        detail=response.detail,
        unanswered=unanswered,
    )


def pause(
    check: Check | None, *, revision: str, request: str | None, now: float
) -> float:
    """Return the seconds until this token is to be checked; 0 for at once."""
    if check is None or check.revision != revision or check.request != request:
        return 0.0
    if check.unanswered:
        wait = min(HOUR, FIRST_PAUSE * 2.0 ** min(check.unanswered - 1, 10))
    else:
        wait = HOUR
    return max(0.0, check.at + wait - now)
