"""What to do now, and when next: a pure function of clock, settings, state and file.

Expiry drives. The window opens `settings.window` before the access token ends,
because the CLI renews only in the last five minutes. Inside the window a try is due
at once, and after a failure again:

    while the token lives         every `settings.interval` (60 s)
    when it is dead               60 s, growing with the failures and with the time
                                  the token has been dead, to ten minutes
    at a tick of the schedule     if the interval has passed since the last try

A lost login has no next try. The file alone can end that. Who asks for a try by hand
shortens a pause after a failure to the interval, and nothing else.
"""

from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import cronsim
import msgspec

from refresher import credentials
from refresher.outcome import LOG_IN, Kind, Outcome, moment
from refresher.settings import Command, Settings
from refresher.state import State, Try

LONGEST_WAIT = timedelta(minutes=10)
LOGIN_WARNING = timedelta(days=7)


class Run(msgspec.Struct, frozen=True):
    """Start the CLI now."""

    command: Command
    credential: credentials.Credential
    reason: str
    due: datetime
    """When it came due."""


class Wait(msgspec.Struct, frozen=True):
    """Start nothing before `until`. `outcome` is what a run now reports."""

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
    remembered: State
    decision: Decision


def decide(
    now: datetime,
    settings: Settings,
    state: State,
    found: credentials.Found,
    *,
    asked: bool = False,
) -> Decision:
    """Say what a run at `now` does. The only place that decides it.

    `asked` is a person's wish for a try now.
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
            return _renewal(now, settings, state, found, asked=asked)


def _skipped(variable: str) -> Outcome:
    return Outcome(
        Kind.SKIPPED,
        f"{variable} is set, so the login is not used; unset it to keep it fresh",
    )


def _renewal(
    now: datetime,
    settings: Settings,
    state: State,
    credential: credentials.Credential,
    *,
    asked: bool,
) -> Decision:
    opens = due = credential.expires_at - settings.window
    failed = _failed_try(now, state, credential)
    if failed:
        paused = _retry_at(settings, failed, state.failures, credential)
        due = max(opens, failed.at + settings.interval if asked else paused)
    if now < opens:
        return Wait(due, _not_due(credential, due))
    if failed and now < due:
        return Wait(due, _backing_off(failed.outcome, due))
    ended = "ended" if credential.expires_at <= now else "ends"
    return Run(
        _command(settings, state, failed, credential),
        credential,
        f"the access token {ended} at {moment(credential.expires_at)}",
        due,
    )


def _not_due(credential: credentials.Credential, due: datetime) -> Outcome:
    return Outcome(
        Kind.NOT_DUE,
        f"the access token is good until {moment(credential.expires_at)}; "
        f"the next try is at {moment(due)}",
    )


def _backing_off(last: Outcome, due: datetime) -> Outcome:
    return Outcome(last.kind, f"{last.reason}; the next try is at {moment(due)}")


def _failed_try(
    now: datetime, state: State, credential: credentials.Credential
) -> Try | None:
    """Give the last try if it failed and still counts.

    A file that changed since owes it nothing, and neither does a clock that went
    back: a time in the future must not hold up the next try.
    """
    last = state.last
    if last is None or state.failures == 0 or last.at > now:
        return None
    return last if last.revision == credential.revision else None


def _retry_at(
    settings: Settings,
    failed: Try,
    failures: int,
    credential: credentials.Credential,
) -> datetime:
    dead_for = failed.at - credential.expires_at
    due = failed.at + _delay(settings.interval, failures, dead_for)
    tick = next_tick(settings, failed.at)
    return due if tick is None else min(due, max(failed.at + settings.interval, tick))


def _delay(interval: timedelta, failures: int, dead_for: timedelta) -> timedelta:
    # Doubling with the failures, but never faster than the token has been dead: the
    # tries before the end must not make the first pause after it long.
    doubled = interval * (1 << min(failures - 1, 10))
    return max(interval, min(doubled, dead_for, LONGEST_WAIT))


def _command(
    settings: Settings,
    state: State,
    failed: Try | None,
    credential: credentials.Credential,
) -> Command:
    # The fallback costs usage and may repeat the token call, so it is for a file that
    # did not change after a whole run, and once for each expiry.
    if (
        settings.fallback
        and failed
        and failed.outcome.kind is Kind.NOT_REFRESHED
        and state.fallback_for != credential.expires_at
    ):
        return Command.FALLBACK
    return Command.REFRESH


def next_tick(settings: Settings, after: datetime) -> datetime | None:
    """Give the first tick of the schedule after an instant; None without a schedule.

    Times are as Debian's cron has them: a tick in the hour that a clock change skips
    comes right after it, a tick in the hour that comes twice comes once.
    """
    if settings.schedule is None:
        return None
    ticks = cronsim.CronSim(settings.schedule, after.astimezone(settings.time_zone))
    instants = (tick.astimezone(UTC) for tick in ticks)
    return next((instant for instant in instants if instant > after), None)


def login_warning(now: datetime, found: credentials.Found) -> str | None:
    """Warn from seven days before the login itself ends; renewing cannot move that."""
    if not isinstance(found, credentials.Credential) or not found.login_ends_at:
        return None
    if now < found.login_ends_at - LOGIN_WARNING:
        return None
    if now < found.login_ends_at:
        return f"the login ends at {moment(found.login_ends_at)}: {LOG_IN} before then"
    return f"the login ended at {moment(found.login_ends_at)}: {LOG_IN}"
