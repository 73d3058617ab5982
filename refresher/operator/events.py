"""Which events follow from a change of the status. Pure."""

from typing import NamedTuple

from refresher.operator import observation, status
from refresher.operator.resource import NEVER_OBSERVED, Condition, CredentialStatus
from refresher.outcome import moment


class Event(NamedTuple):
    """Something a person may want to read in `kubectl describe`."""

    type: str
    """`Normal` or `Warning`."""
    reason: str
    message: str


def between(
    before: CredentialStatus, after: CredentialStatus, *, attempting: bool = False
) -> list[Event]:
    """Return the events of a change: each once, and none on a quiet day.

    A token that changes while an attempt runs waits for its end, which counts it.
    """
    return [
        *([] if attempting else _refreshes(before, after)),
        *_failures(before, after),
        *_warnings(before, after),
        *_publications(before, after),
        *_suspensions(before, after),
        *_requests(before, after),
    ]


def _refreshes(before: CredentialStatus, after: CredentialStatus) -> list[Event]:
    if before.observed_generation == NEVER_OBSERVED or not after.token_revision:
        return []  # the first look at a volume: all of it is old
    until = moment(after.expires_at) if after.expires_at else "an unknown time"
    if _more(before.refreshes, after.refreshes):
        text = f"a new access token is valid until {until}"
        return [Event("Normal", "Refreshed", text)]
    if not _same_token(before, after):
        text = f"the login was replaced; its access token is valid until {until}"
        return [Event("Normal", "CredentialsChanged", text)]
    return []


def _more(before: int | None, after: int | None) -> range:
    """Return the new counts. A count that is missing was dropped by an old CRD."""
    if before is None or after is None:
        return range(0)
    return range(before + 1, after + 1)


def _same_token(before: CredentialStatus, after: CredentialStatus) -> bool:
    if before.token_revision is None and before.expires_at:
        return before.expires_at == after.expires_at  # an old CRD has no revision
    return before.token_revision == after.token_revision


def _failures(before: CredentialStatus, after: CredentialStatus) -> list[Event]:
    # The first failure, and then each doubling: an outage of hours is ten events.
    more = _more(before.failed_attempts, after.failed_attempts)
    if before.observed_generation == NEVER_OBSERVED:
        more = range(1, (after.failed_attempts or 0) + 1)
    ready = after.condition("Ready")
    if ready is None or not any(count & (count - 1) == 0 for count in more):
        return []
    return [Event("Warning", "RefreshFailed", ready.message)]


_REPORTED_BY_READY = {
    "Blocked",
    "InvalidCredentials",
    "InvalidSchedule",
    "InvalidSpec",
    "TokenExpired",
    "TokenRejected",
}
"""Reasons of Ready that no other event reports."""


def _warnings(before: CredentialStatus, after: CredentialStatus) -> list[Event]:
    events = []
    ready, login = after.condition("Ready"), after.condition("LoginRequired")
    if ready and ready.reason in _REPORTED_BY_READY and _news(before, ready):
        events.append(Event("Warning", ready.reason, ready.message))
    if ready and ready.reason == observation.FAILING and _turned_false(before, ready):
        events.append(Event("Warning", "TokenExpired", ready.message))
    if login and login.status == "True" and _news(before, login):
        events.append(Event("Warning", "LoginRequired", login.message))
    return events


def _news(before: CredentialStatus, now: Condition) -> bool:
    old = before.condition(now.type)
    return old is None or (old.status, old.reason) != (now.status, now.reason)


def _turned_false(before: CredentialStatus, now: Condition) -> bool:
    old = before.condition(now.type)
    return now.status == "False" and old is not None and old.status == "True"


def _publications(before: CredentialStatus, after: CredentialStatus) -> list[Event]:
    now = after.condition("Published")
    if now is None or now.reason == status.NO_TOKEN.reason:
        return []  # LoginRequired reports that there is none
    if now.status == "False":
        news = _news(before, now)
        return [Event("Warning", now.reason, now.message)] if news else []
    old = before.condition("Published")
    if old and old.status == "True" and _same_token(before, after):
        return []
    return [Event("Normal", now.reason, now.message)]


def _suspensions(before: CredentialStatus, after: CredentialStatus) -> list[Event]:
    old, now = before.condition("Suspended"), after.condition("Suspended")
    was = old is not None and old.status == "True"
    if now is None or was == (now.status == "True"):
        return []
    return [Event("Normal", "Resumed" if was else "Suspended", now.message)]


def _requests(before: CredentialStatus, after: CredentialStatus) -> list[Event]:
    request = after.handled_refresh_request
    ready = after.condition("Ready")
    if request is None or request == before.handled_refresh_request or ready is None:
        return []
    if before.observed_generation == NEVER_OBSERVED:
        return []
    text = f"the request was handled; {ready.reason}: {ready.message}"
    return [Event("Normal", "RefreshRequested", text)]


def outdated_crd(dropped: list[str]) -> Event:
    """Return the event for a CRD that drops fields which this version writes."""
    text = (
        f"the CRD in this cluster is older than this refresher and drops "
        f"{', '.join(dropped)} of the status; a cluster admin applies manifests/crd"
    )
    return Event("Warning", "OutdatedCRD", text)
