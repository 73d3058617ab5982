"""The volume at one moment, in the words of the ClaudeCredential. Pure.

    Ready          the access token can be used now, and Anthropic accepts it
    LoginRequired  a person must log in: now, or soon
    Suspended      the CLI is never started

`status` makes conditions of these statements.
"""

from datetime import datetime

import msgspec

from refresher import credentials, decide, history, limits
from refresher.operator.check import Check, Verdict
from refresher.operator.resource import REQUEST_ANNOTATION, ClaudeCredential, Spec
from refresher.outcome import LOG_IN, MEANINGS, Kind, moment
from refresher.settings import Settings

VALID = MEANINGS[Kind.REFRESHED].condition
FAILING = MEANINGS[Kind.NOT_REFRESHED].condition
UNVERIFIED = "TokenUnverified"


class Statement(msgspec.Struct, frozen=True):
    """A condition without its times. `reason` is CamelCase, `message` for a person."""

    true: bool
    reason: str
    message: str
    needs_person: bool = False
    """Nothing will change before a person has acted."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """The volume in the CR's words. Two equal ones need no API call."""

    uid: str | None
    generation: int
    """Which CR, and which version of its spec, this was judged by."""
    managed: Statement
    """Whether a ClaudeCredential asks for this login to be kept fresh."""
    credential: credentials.Credential | None
    """No token shows in its `repr`."""
    ready: Statement
    login_required: Statement
    suspended: Statement
    next_at: datetime | None
    refreshed_at: datetime | None
    failed_at: datetime | None
    failure: str | None
    """How the latest finished attempt on this token failed, if it did."""
    failures: int
    refreshes: int
    attempting: bool
    """An attempt is running, ours or another process's on this volume."""
    checking: bool
    """Anthropic is being asked about this token for the first time."""
    handled: str | None
    """The person's request that was handled last."""


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What bears on an observation besides the volume's two files."""

    managed: Statement
    credential: ClaudeCredential | None = None
    blocked: str | None = None
    """Why an attempt would not start, or did not."""
    busy: bool = False
    """It did not because of another run, which will end."""
    problems: tuple[Statement, ...] = ()
    """What the spec asks for and cannot have."""
    check: Check | None = None
    attempting: bool = False
    """An attempt of this process is running."""
    handled: str | None = None
    log_in: str = LOG_IN
    """How a person logs in to this volume."""


def observe(
    settings: Settings,
    view: decide.View,
    around: Circumstances,
    before: Observation | None = None,
) -> Observation:
    """Say what the volume holds and what happens next.

    `before` is the previous observation: while an attempt runs, it lends the words of
    the failure before, which the history no longer has.
    """
    attempting = _attempting(settings, view, around)
    failed, failures = _failures(view, attempting=attempting)
    failure = _in_cluster(str(failed.outcome), around) if failed else None
    if attempting and failures:
        failure = before.failure if before else None
        failure = failure or "another attempt is running"
    suspended = _suspended(settings, around)
    found = view.found
    return Observation(
        uid=around.credential.uid if around.credential else None,
        generation=around.credential.generation if around.credential else 0,
        managed=around.managed,
        credential=found if isinstance(found, credentials.Credential) else None,
        ready=_ready(view, around, failure, failures, paused=suspended.true),
        login_required=_login_required(view, around),
        suspended=suspended,
        next_at=None if suspended.true else _next_at(view, around),
        refreshed_at=view.history.refreshed_at,
        failed_at=failed.ended_at or failed.at if failed else None,
        failure=failure,
        failures=failures,
        refreshes=view.history.refreshes,
        attempting=attempting,
        checking=_checking(settings, view, around),
        handled=around.handled,
    )


def _attempting(settings: Settings, view: decide.View, around: Circumstances) -> bool:
    last = view.history.last
    if last is None or last.ended_at is not None:
        return False
    longest = limits.longest_attempt(settings.longest_cli_run)
    # A clock that went back leaves a start in the future, which says nothing.
    return around.attempting or last.at <= view.now < last.at + longest


def _failures(
    view: decide.View, *, attempting: bool
) -> tuple[history.Attempt | None, int]:
    """Return the last attempt if it failed, and how many did in a row.

    An attempt is recorded as failed before it starts. While it can still be running it
    does not count, so that no refresh looks like a failure for the second it takes.
    """
    last, failures = view.history.last, view.history.failures
    if last is None or not failures:
        return None, 0
    found = view.found
    if isinstance(found, credentials.Credential) and found.revision != last.revision:
        return None, 0  # someone has replaced the token since
    if attempting:
        return None, failures - 1
    return last, failures


def _suspended(settings: Settings, around: Circumstances) -> Statement:
    if _spec(around).suspend:
        return Statement(True, "Suspended", "spec.suspend is true")
    if settings.skipped_for:
        text = f"{settings.skipped_for} is set, so the login is not used"
        return Statement(True, MEANINGS[Kind.SKIPPED].condition, text)
    return Statement(False, "Active", "refreshes are not suspended")


def _spec(around: Circumstances) -> Spec:
    return around.credential.spec if around.credential else Spec()


def _ready(
    view: decide.View,
    around: Circumstances,
    failure: str | None,
    failures: int,
    *,
    paused: bool,
) -> Statement:
    found, act = view.found, not paused
    if not isinstance(found, credentials.Credential):
        if isinstance(found, credentials.Missing) and around.blocked and not paused:
            return _blocked(around, usable=False)  # a login could not be saved either
        return Statement(False, _reason_for(found), _message(found, view, around), act)
    usable = found.expires_at > view.now
    troubles = _rejected(found, around) if usable else []
    if paused and not usable:
        text = f"{_expired(found)}, and refreshes are suspended"
        troubles.append(Statement(False, "Suspended", text))
    elif not paused:
        troubles += _troubles(found, around, failure, failures, usable=usable)
    if not troubles:
        return _valid(found, around)
    return Statement(
        all(each.true for each in troubles),
        troubles[0].reason,
        "; ".join(each.message for each in troubles),
        any(each.needs_person for each in troubles),
    )


def _troubles(
    found: credentials.Credential,
    around: Circumstances,
    failure: str | None,
    failures: int,
    *,
    usable: bool,
) -> list[Statement]:
    """Return all that is wrong, the gravest first; `true` where the token still works."""
    troubles = []
    if around.blocked:
        troubles.append(_blocked(around, usable=usable))
    if failure:
        many = "1 attempt" if failures == 1 else f"{failures} attempts in a row"
        text = f"{many} failed: {failure}"
        troubles.append(Statement(usable, FAILING, text))
    if not usable:
        troubles.append(Statement(False, "TokenExpired", _expired(found)))
    return [*troubles, *around.problems]


def _expired(found: credentials.Credential) -> str:
    if not found.expiry_known:
        return "the file does not say when the access token expires"
    return f"the access token expired at {moment(found.expires_at)}"


def _check(found: credentials.Credential, around: Circumstances) -> Check | None:
    check = around.check
    return check if check and check.revision == found.revision else None


def _checking(settings: Settings, view: decide.View, around: Circumstances) -> bool:
    found = view.found
    return (
        around.managed.true
        and settings.skipped_for is None
        and isinstance(found, credentials.Credential)
        and found.expires_at > view.now
        and _check(found, around) is None
    )


def _rejected(found: credentials.Credential, around: Circumstances) -> list[Statement]:
    check = _check(found, around)
    if check is None or check.verdict is not Verdict.REJECTED:
        return []
    text = (
        f"Anthropic rejects the access token, which would be valid until "
        f"{moment(found.expires_at)}; annotate the {_KIND} with {REQUEST_ANNOTATION} "
        f"and any new value to refresh it now, or {around.log_in}"
    )
    return [Statement(False, "TokenRejected", text, True)]


_KIND = "ClaudeCredential"


def _valid(found: credentials.Credential, around: Circumstances) -> Statement:
    check = _check(found, around)
    until = f"the access token is valid until {moment(found.expires_at)}"
    if check and check.verdict is Verdict.UNKNOWN:
        text = f"{until}; whether Anthropic accepts it is not known: {check.detail}"
        return Statement(True, UNVERIFIED, text)
    return Statement(True, VALID, until)


def _blocked(around: Circumstances, *, usable: bool) -> Statement:
    reason = MEANINGS[Kind.BLOCKED].condition
    return Statement(usable, reason, around.blocked or "", not around.busy)


def _reason_for(found: credentials.NoLogin) -> str:
    match found:
        case credentials.Missing():
            kind = Kind.NO_CREDENTIALS
        case credentials.Blanked():
            kind = Kind.LOGIN_REQUIRED
        case credentials.Malformed():
            kind = Kind.INVALID
        case credentials.Unreadable():
            kind = Kind.BLOCKED
    return MEANINGS[kind].condition


def _message(
    found: credentials.NoLogin, view: decide.View, around: Circumstances
) -> str:
    # What `once` would print, which includes what to do; a skipped login has only the
    # first half.
    match view.decision:
        case decide.Stop(outcome) if outcome.kind is not Kind.SKIPPED:
            return _in_cluster(outcome.reason, around)
        case _:
            return found.reason


def _in_cluster(text: str, around: Circumstances) -> str:
    # The command line says "here"; whoever reads a condition is somewhere else.
    return text.replace(LOG_IN, around.log_in)


def _login_required(view: decide.View, around: Circumstances) -> Statement:
    found = view.found
    if isinstance(found, credentials.Blanked):
        return Statement(True, "LoginLost", _message(found, view, around))
    if isinstance(found, credentials.Missing | credentials.Malformed):
        return Statement(True, _reason_for(found), _message(found, view, around))
    warning = decide.login_warning(view.now, found)
    if warning and isinstance(found, credentials.Credential) and found.login_ends_at:
        text = _in_cluster(warning, around)
        if found.login_ends_at <= view.now:
            return Statement(True, "LoginEnded", text)
        return Statement(True, "LoginEndsSoon", text)
    return Statement(False, "LoginAlive", "nobody needs to log in")


def _next_at(view: decide.View, around: Circumstances) -> datetime | None:
    if around.blocked or not around.managed.true:
        return None
    match view.decision:
        case decide.Wait(until):
            return until
        case decide.Run(due=due):
            return due
        case decide.Stop():
            return None
