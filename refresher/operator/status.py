"""What the CR says. Pure.

Two steps, each a value; `events` tells what follows from a change:

    describe   the volume at one moment, in the CR's words: a Report
    build      a Report and what became of the Secret: the next status

Conditions:

    Ready          the access token works now
    LoginRequired  a person must log in, now (tries have stopped) or soon (they go on)
    Published      the Secret holds the volume's access token; only where one is asked for
    Suspended      no CLI is started
"""

from datetime import UTC, datetime

import msgspec

from refresher import credentials, decide, history, limits
from refresher.operator.resource import Condition, Spec, Status
from refresher.outcome import Kind, moment
from refresher.settings import Settings

VALID = "TokenValid"
PUBLISHED = "TokenPublished"
PODS_NOT_ANNOTATED = "PodsNotAnnotated"
NOTHING = "NoToken"


class Said(msgspec.Struct, frozen=True):
    """A condition without its times. `reason` is CamelCase, `message` for a person."""

    true: bool
    reason: str
    message: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The volume in the CR's words. Two equal reports need no API call."""

    credential: credentials.Credential | None
    """No token shows in its `repr`."""
    ready: Said
    login_required: Said
    suspended: Said
    next_at: datetime | None
    refreshed_at: datetime | None
    failed_at: datetime | None
    failures: int
    refreshes: int
    renewing: bool
    """A try runs, ours or another's on this volume."""


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What bears on a report besides the two files."""

    spec: Spec = Spec()
    blocked: str | None = None
    """Why a try would not start, or did not."""
    bad_schedule: str | None = None


def describe(settings: Settings, view: decide.View, around: Around) -> Report:
    """Say what the volume holds and what happens next."""
    renewing = _renewing(settings, view)
    failed, failures = _failures(view, renewing=renewing)
    suspended = _suspended(settings, around.spec)
    found = view.found
    return Report(
        credential=found if isinstance(found, credentials.Credential) else None,
        ready=_ready(view, around, failed, paused=suspended.true),
        login_required=_login_required(view),
        suspended=suspended,
        next_at=None if suspended.true else _next_at(view, around),
        refreshed_at=view.history.refreshed_at,
        failed_at=failed.ended_at or failed.at if failed else None,
        failures=failures,
        refreshes=view.history.refreshes,
        renewing=renewing,
    )


def _renewing(settings: Settings, view: decide.View) -> bool:
    last = view.history.last
    longest = limits.longest_attempt(settings.longest_cli_run)
    return last is not None and last.ended_at is None and view.now < last.at + longest


def _failures(
    view: decide.View, *, renewing: bool
) -> tuple[history.Attempt | None, int]:
    """Give the last try if it failed, and how many did in a row.

    A try is noted as failed before it starts. While it can still be running it counts
    as nothing, so that no renewal looks like a failure for the second that it takes.
    """
    last, failures = view.history.last, view.history.failures
    if last is None or not failures:
        return None, 0
    if renewing:
        return None, failures - 1
    found = view.found
    if isinstance(found, credentials.Credential) and found.revision != last.revision:
        return None, 0  # someone replaced the token since
    return last, failures


def _suspended(settings: Settings, spec: Spec) -> Said:
    if spec.suspend:
        return Said(true=True, reason="Suspended", message="spec.suspend is true")
    if settings.skipped_for:
        text = f"{settings.skipped_for} is set, so the login is not used"
        return Said(true=True, reason="OtherCredential", message=text)
    return Said(true=False, reason="Active", message="the login is kept fresh")


def _ready(
    view: decide.View, around: Around, failed: history.Attempt | None, *, paused: bool
) -> Said:
    found = view.found
    match found:
        case credentials.Missing():
            if around.blocked and not paused:  # a login could not be saved either
                return Said(False, "Blocked", around.blocked)
            return Said(False, "NoCredentials", _reason(view, found))
        case credentials.Blanked():
            return Said(False, "LoginRequired", _reason(view, found))
        case credentials.Malformed():
            return Said(False, "InvalidCredentials", _reason(view, found))
        case credentials.Unreadable():
            return Said(False, "Blocked", _reason(view, found))
        case credentials.Credential():
            return _with_token(view, found, around, failed, paused=paused)


def _reason(view: decide.View, found: credentials.NoLogin) -> str:
    # What `once` would say, which adds what to do; a skipped login has only the first.
    match view.decision:
        case decide.Stop(outcome) if outcome.kind is not Kind.SKIPPED:
            return outcome.reason
        case _:
            return found.reason


def _with_token(
    view: decide.View,
    credential: credentials.Credential,
    around: Around,
    failed: history.Attempt | None,
    *,
    paused: bool,
) -> Said:
    usable = credential.expires_at > view.now
    until = moment(credential.expires_at)
    if usable and paused:
        return Said(True, VALID, f"the access token is good until {until}")
    if paused:
        text = f"the access token ended at {until}, and no CLI is started"
        return Said(False, "Suspended", text)
    if around.blocked:
        return Said(usable, "Blocked", around.blocked)
    if failed:
        return Said(usable, "RefreshFailing", str(failed.outcome))
    if around.bad_schedule:
        return Said(usable, "InvalidSchedule", around.bad_schedule)
    if usable:
        return Said(True, VALID, f"the access token is good until {until}")
    return Said(False, "TokenExpired", f"the access token ended at {until}")


def _login_required(view: decide.View) -> Said:
    found = view.found
    if isinstance(found, credentials.Missing):
        return Said(True, "NoCredentials", _reason(view, found))
    if isinstance(found, credentials.Blanked):
        return Said(True, "LoginLost", _reason(view, found))
    if isinstance(found, credentials.Malformed):
        return Said(True, "InvalidCredentials", _reason(view, found))
    warning = decide.login_warning(view.now, found)
    if warning:
        return Said(True, "LoginEndsSoon", warning)
    return Said(False, "LoginAlive", "no person needs to act")


def _next_at(view: decide.View, around: Around) -> datetime | None:
    match view.decision:
        case _ if around.blocked:
            return None
        case decide.Wait(until):
            return until
        case decide.Run(due=due):
            return due
        case decide.Stop():
            return None


def build(
    report: Report,
    published: Said | None,
    before: Status,
    now: datetime,
    *,
    generation: int,
    handled: str | None,
) -> Status:
    """Give the status that says `report`; `before` lends what did not change."""
    said = {
        "Ready": report.ready,
        "LoginRequired": report.login_required,
        "Suspended": report.suspended,
    }
    if published:
        said["Published"] = published
    credential = report.credential
    return Status(
        observed_generation=generation,
        expires_at=_second(credential.expires_at if credential else None),
        login_ends_at=_second(credential.login_ends_at if credential else None),
        last_refresh_time=_second(report.refreshed_at),
        next_refresh_time=_second(report.next_at),
        last_failure_time=_second(report.failed_at) or before.last_failure_time,
        failed_attempts=report.failures,
        refreshes=report.refreshes,
        token_revision=credential.revision if credential else None,
        handled_refresh_request=handled or before.handled_refresh_request,
        conditions=tuple(
            _condition(kind, each, before.condition(kind), now, generation)
            for kind, each in said.items()
        ),
    )


def _condition(
    kind: str, said: Said, before: Condition | None, now: datetime, generation: int
) -> Condition:
    word = "True" if said.true else "False"
    same = before is not None and before.status == word
    return Condition(
        type=kind,
        status=word,
        reason=said.reason,
        message=said.message,
        last_transition_time=before.last_transition_time
        if before is not None and same
        else now.astimezone(UTC).replace(microsecond=0),
        observed_generation=generation,
    )


def _second(when: datetime | None) -> datetime | None:
    return when.astimezone(UTC).replace(microsecond=0) if when else None
