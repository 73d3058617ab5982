"""Which events follow from a change of the status. Pure."""

from datetime import datetime
from typing import NamedTuple

from refresher.operator import status
from refresher.operator.resource import Condition, Status
from refresher.outcome import moment


class Event(NamedTuple):
    """Something a person may want to read in `kubectl describe`."""

    type: str
    """`Normal` or `Warning`."""
    reason: str
    message: str


def between(before: Status, after: Status, *, renewing: bool = False) -> list[Event]:
    """Tell what changed. Nothing is told twice, and a quiet day tells nothing.

    A token that changes while a try runs waits for the try's end, which counts it.
    """
    return [
        *([] if renewing else _renewals(before, after)),
        *_failed_tries(before, after),
        *_warnings(before, after),
        *_publications(before, after),
        *_suspensions(before, after),
        *_requests(before, after),
    ]


def _renewals(before: Status, after: Status) -> list[Event]:
    if before.observed_generation is None or not after.token_revision:
        return []  # the first look at a volume: all of it is old
    if after.refreshes > before.refreshes:
        text = f"a new access token is good until {_when(after.expires_at)}"
        return [Event("Normal", "Refreshed", text)]
    if after.token_revision != before.token_revision:
        text = (
            f"the login was replaced; its token is good until {_when(after.expires_at)}"
        )
        return [Event("Normal", "CredentialsChanged", text)]
    return []


def _when(time: datetime | None) -> str:
    return moment(time) if time else "an unknown time"


def _failed_tries(before: Status, after: Status) -> list[Event]:
    # The first failure, and then on each doubling: an outage of hours is ten events.
    more = range(before.failed_attempts + 1, after.failed_attempts + 1)
    ready = after.condition("Ready")
    if ready is None or not any(count & (count - 1) == 0 for count in more):
        return []
    many = after.failed_attempts
    text = f"{many} failed {'try' if many == 1 else 'tries'} in a row; {ready.message}"
    return [Event("Warning", "RefreshFailed", text)]


_TOLD_BY_READY = {"Blocked", "InvalidCredentials", "InvalidSchedule", "TokenExpired"}
"""Reasons of Ready that no other event tells."""


def _warnings(before: Status, after: Status) -> list[Event]:
    told = []
    ready, login = after.condition("Ready"), after.condition("LoginRequired")
    if ready and ready.reason in _TOLD_BY_READY and _news(before, ready):
        told.append(Event("Warning", ready.reason, ready.message))
    if login and login.status == "True" and _news(before, login):
        told.append(Event("Warning", "LoginRequired", login.message))
    return told


def _news(before: Status, now: Condition) -> bool:
    old = before.condition(now.type)
    return old is None or (old.status, old.reason) != (now.status, now.reason)


def _publications(before: Status, after: Status) -> list[Event]:
    now = after.condition("Published")
    if now is None or now.reason == status.NOTHING:
        return []  # LoginRequired tells that there is none
    if now.status == "False" or now.reason == status.PODS_NOT_ANNOTATED:
        if _news(before, now):
            return [Event("Warning", now.reason, now.message)]
        if now.status == "False":
            return []
    old = before.condition("Published")
    same = old is not None and old.status == "True"
    if same and before.token_revision == after.token_revision:
        return []
    return [Event("Normal", "TokenPublished", now.message)]


def _suspensions(before: Status, after: Status) -> list[Event]:
    old, now = before.condition("Suspended"), after.condition("Suspended")
    was = old is not None and old.status == "True"
    if now is None or was == (now.status == "True"):
        return []
    return [Event("Normal", "Resumed" if was else "Suspended", now.message)]


def _requests(before: Status, after: Status) -> list[Event]:
    asked = after.handled_refresh_request
    ready = after.condition("Ready")
    if asked is None or asked == before.handled_refresh_request or ready is None:
        return []
    if before.observed_generation is None:
        return []
    text = f"the request was handled; {ready.reason}: {ready.message}"
    return [Event("Normal", "RefreshRequested", text)]
