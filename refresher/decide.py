"""What to do now, and when next: a pure function of clock, settings, history and file.

Expiry drives. The window opens `settings.window` before the access token ends,
because the CLI refreshes only in the last five minutes. Inside the window an attempt
is due at once, and after a failure again:

    while the token lives         every `settings.interval` (60 s)
    once it has expired           60 s, growing with the failures and with the time
                                  since the expiry, to ten minutes
    at a tick of the schedule     if the interval has passed since the last attempt

A lost login has no next attempt; only a new file can end that. A request by hand
shortens a pause after a failure to the interval; if Anthropic rejects the access token,
it also refreshes a token long before its window.
"""

from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import cronsim
import msgspec

from refresher import credentials
from refresher.history import Attempt, History
from refresher.outcome import LOG_IN, Kind, Outcome, moment
from refresher.settings import Command, Settings

LONGEST_WAIT = timedelta(minutes=10)
LOGIN_WARNING = timedelta(days=7)


class Run(msgspec.Struct, frozen=True):
    """Start the CLI now."""

    command: Command
    credential: credentials.Credential
    reason: str
    due: datetime
    """When it became due."""


class Wait(msgspec.Struct, frozen=True):
    """Start nothing before `until`. `outcome` is what `once` reports now."""

    until: datetime
    outcome: Outcome


class Stop(msgspec.Struct, frozen=True):
    """Start nothing until a person has acted."""

    outcome: Outcome


Decision: TypeAlias = Run | Wait | Stop


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The login at one moment, what is remembered, and what follows."""

    now: datetime
    found: credentials.Found
    history: History
    decision: Decision


def decide(
    now: datetime,
    settings: Settings,
    history: History,
    found: credentials.Found,
    *,
    requested: bool = False,
    rejected: str | None = None,
) -> Decision:
    """Decide what a run at `now` does. The only place that does.

    `requested`: a person asked for an attempt now. `rejected`: the revision of the
    access token that Anthropic rejects, if it does.
    """
    if settings.skipped_for:
        return Stop(_skipped(settings.skipped_for))
    match found:
        case credentials.Missing(reason):
            return Stop(Outcome(Kind.NO_CREDENTIALS, f"{reason}; {LOG_IN}"))
        case credentials.Blanked(reason):
            return Stop(
                Outcome(Kind.LOGIN_REQUIRED, f"the login is lost: {reason}; {LOG_IN}")
            )
        case credentials.Malformed(reason):
            return Stop(
                Outcome(Kind.INVALID, f"{reason}; restore the file or {LOG_IN}")
            )
        case credentials.Unreadable(reason):
            return Stop(Outcome(Kind.BLOCKED, reason))
        case credentials.Credential():
            if requested and rejected == found.revision:
                return _early(now, settings, history, found)
            return _refresh(now, settings, history, found, requested=requested)


def _skipped(variable: str) -> Outcome:
    return Outcome(
        Kind.SKIPPED,
        f"{variable} is set, so the login is not used; unset it to keep it fresh",
    )


def _refresh(
    now: datetime,
    settings: Settings,
    history: History,
    credential: credentials.Credential,
    *,
    requested: bool,
) -> Decision:
    opens = due = credential.expires_at - settings.window
    failed = _failed_attempt(now, history, credential)
    if failed:
        paused = _retry_at(settings, failed, history.failures, credential)
        due = max(opens, failed.at + settings.interval if requested else paused)
    if now < opens:
        return Wait(due, _not_due(credential, due))
    if failed and now < due:
        return Wait(due, _backing_off(failed.outcome, due))
    expires = "expired" if credential.expires_at <= now else "expires"
    return Run(
        _command(settings, history, failed, credential),
        credential,
        f"the access token {expires} at {moment(credential.expires_at)}",
        due,
    )


def _early(
    now: datetime, settings: Settings, history: History, found: credentials.Credential
) -> Decision:
    # The CLI refreshes before its window when the API answers 401, so the command has
    # to call the API: the fallback does.
    if found.expires_at - settings.window <= now:
        return _refresh(now, settings, history, found, requested=True)
    failed = _failed_attempt(now, history, found)
    due = failed.at + settings.interval if failed else now
    if failed and now < due:
        return Wait(due, _backing_off(failed.outcome, due))
    return Run(
        Command.FALLBACK if settings.fallback == "on" else Command.REFRESH,
        found,
        "Anthropic rejects the access token, which would be valid until "
        f"{moment(found.expires_at)}",
        due,
    )


def _not_due(credential: credentials.Credential, due: datetime) -> Outcome:
    return Outcome(
        Kind.NOT_DUE,
        f"the access token is valid until {moment(credential.expires_at)}; "
        f"the next attempt is at {moment(due)}",
    )


def _backing_off(last: Outcome, due: datetime) -> Outcome:
    return Outcome(last.kind, f"{last.reason}; the next attempt is at {moment(due)}")


def _failed_attempt(
    now: datetime, history: History, credential: credentials.Credential
) -> Attempt | None:
    """Return the last attempt if it failed and still counts.

    It does not count for another token, nor after the clock was set back: a time in
    the future must not delay the next attempt.
    """
    last = history.last
    if last is None or history.failures == 0 or last.at > now:
        return None
    return last if last.revision == credential.revision else None


def _retry_at(
    settings: Settings,
    failed: Attempt,
    failures: int,
    credential: credentials.Credential,
) -> datetime:
    expired_for = failed.at - credential.expires_at
    due = failed.at + _delay(settings.interval, failures, expired_for)
    tick = next_tick(settings, failed.at)
    return due if tick is None else min(due, max(failed.at + settings.interval, tick))


def _delay(interval: timedelta, failures: int, expired_for: timedelta) -> timedelta:
    # It doubles with the failures, but is never longer than the time since the expiry:
    # the attempts before that must not make the first pause after it long.
    doubled = interval * (1 << min(failures - 1, 10))
    return max(interval, min(doubled, expired_for, LONGEST_WAIT))


def _command(
    settings: Settings,
    history: History,
    failed: Attempt | None,
    credential: credentials.Credential,
) -> Command:
    # The fallback costs usage and may repeat the token call, so it is for a file that
    # did not change after a whole run, and once for each expiry.
    if (
        settings.fallback == "on"
        and failed
        and failed.outcome.kind is Kind.NOT_REFRESHED
        and history.fallback_for != credential.expires_at
    ):
        return Command.FALLBACK
    return Command.REFRESH


def next_tick(settings: Settings, after: datetime) -> datetime | None:
    """Return the first tick of the schedule after an instant; None without a schedule.

    As in Debian's cron, a tick in the hour that a clock change skips comes right after
    it, and a tick in an hour that comes twice comes once.
    """
    if not settings.refresh_schedule:
        return None
    ticks = cronsim.CronSim(
        settings.refresh_schedule, after.astimezone(settings.time_zone)
    )
    instants = (tick.astimezone(UTC) for tick in ticks)
    return next((instant for instant in instants if instant > after), None)


def login_warning(now: datetime, found: credentials.Found) -> str | None:
    """Warn from seven days before the login itself ends; no refresh can move that."""
    if not isinstance(found, credentials.Credential) or not found.login_ends_at:
        return None
    if now < found.login_ends_at - LOGIN_WARNING:
        return None
    if now < found.login_ends_at:
        return f"the login ends at {moment(found.login_ends_at)}: {LOG_IN} before then"
    return f"the login ended at {moment(found.login_ends_at)}: {LOG_IN}"
