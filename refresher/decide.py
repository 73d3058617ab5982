"""What to do now, and when next: a pure function of clock, settings, history and file.

Expiry drives. An attempt is due

    settings.before before the expiry   four minutes by default
    at a tick of the schedule           and until that refresh has succeeded
    on request                          if Anthropic rejects the access token
    at once                             if the clock was set back since the refresh

The last three, and the first where it is more than five minutes, come earlier than the
CLI would refresh by itself: `Run.early` (see the module `early`). After a failure the
next attempt comes

    in the last minutes of the token    every `settings.interval` (60 s)
    once the token has expired          after 60 s, growing with the failures and with
                                        the time since the expiry, to ten minutes
    earlier than the CLI would          after 60 s, growing with the failures; in the
                                        last minutes if the refresh token may be spent,
                                        since trying it again could empty the file

A lost login has no next attempt; only a new file can end that. A request by hand
shortens a pause after a failure to the interval.
"""

from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import cronsim
import msgspec

from refresher import credentials
from refresher.history import Attempt, History
from refresher.limits import LATEST_START
from refresher.outcome import LOG_IN, Kind, Outcome, moment
from refresher.settings import Command, Settings

LONGEST_WAIT = timedelta(minutes=10)
LOGIN_WARNING = timedelta(days=7)
EARLY_PAUSE = timedelta(hours=1)
"""From a refresh to one that `settings.before` asks for: a token may live shorter."""
CLOCK_STEP = timedelta(minutes=1)
"""A refresh dated this far ahead shows that the clock was set back, not that it drifts."""
TICK_PAUSE = timedelta(minutes=10)
"""From a refresh to one at a tick: no schedule may storm the token endpoint. Before the
first refresh, a tick counts for so long."""


class Run(msgspec.Struct, frozen=True):
    """Start the CLI now."""

    command: Command
    credential: credentials.Credential
    reason: str
    due: datetime
    """When it became due."""
    early: bool = False
    """The CLI would not refresh yet: its expiry has to be brought forward."""


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
    """With the token's own expiry, also while the file holds another (see `early`)."""
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
            return _for_login(
                now, settings, history, found, requested=requested, rejected=rejected
            )


def _skipped(variable: str) -> Outcome:
    return Outcome(
        Kind.SKIPPED,
        f"{variable} is set, so the login is not used; unset it to keep it fresh",
    )


def _for_login(
    now: datetime,
    settings: Settings,
    history: History,
    credential: credentials.Credential,
    *,
    requested: bool,
    rejected: str | None,
) -> Decision:
    ahead = _dated_ahead(now, history, credential)

    def opens(at: datetime) -> datetime:
        if requested and rejected == credential.revision:
            return now
        if ahead is not None:
            return now
        return _opens(at, settings, history, credential)

    due, failed = opens(now), _failed_attempt(now, history, credential)
    waiting_to_retry = failed is not None and due <= now
    if failed:
        retry = failed.at + settings.interval
        if not requested:
            retry = _retry_at(settings, failed, history.failures, credential)
        due = max(retry, opens(max(now, retry)))
    if now < due:
        if failed and waiting_to_retry:
            return Wait(due, _backing_off(failed.outcome, due))
        return Wait(due, _not_due(credential, due))
    early = _is_early(now, credential)
    command = Command.REFRESH
    if failed and not early and _needs_fallback(settings, history, failed, credential):
        command = Command.FALLBACK
    reason = _reason(now, credential, rejected if early else None, early=early)
    if ahead is not None and early:
        reason = (
            f"the clock was set back since the refresh, which is dated {moment(ahead)}, "
            "so the access token may expire sooner than the file says"
        )
    return Run(command, credential, reason, due, early)


def _dated_ahead(
    now: datetime, history: History, credential: credentials.Credential
) -> datetime | None:
    """Return when this token was refreshed, if that lies in the future.

    The CLI computes the expiry from the same clock, so that is as far ahead.
    """
    at, last = history.refreshed_at, history.last
    if at is None or last is None or last.revision != credential.revision:
        return None
    return at if at > now + CLOCK_STEP else None


def _opens(
    at: datetime,
    settings: Settings,
    history: History,
    credential: credentials.Credential,
) -> datetime:
    """Return when the first attempt at this token is due, as seen at an instant."""
    expires = credential.expires_at
    refreshed = history.refreshed_at
    soonest, ticks_after = expires - settings.before, at - TICK_PAUSE
    if refreshed and refreshed <= at:  # a clock may have been set back
        soonest = max(soonest, refreshed + EARLY_PAUSE)
        ticks_after = refreshed + TICK_PAUSE
    opens = min(soonest, _latest_opening(settings, credential))
    tick = next_tick(settings, ticks_after)
    return opens if tick is None else min(opens, tick)


def _latest_opening(settings: Settings, credential: credentials.Credential) -> datetime:
    return credential.expires_at - min(settings.before, LATEST_START)


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
    soonest = failed.at + settings.interval
    opening = _latest_opening(settings, credential)
    if _is_early(failed.at, credential):
        spent = failed.outcome.kind is Kind.POSSIBLY_SPENT
        if spent and credential.expiry_known:
            return max(soonest, opening)
        due = failed.at + _delay(settings.interval, failures, LONGEST_WAIT)
        return min(due, max(soonest, opening))
    expired_for = failed.at - credential.expires_at
    due = failed.at + _delay(settings.interval, failures, expired_for)
    tick = next_tick(settings, failed.at)
    return due if tick is None else min(due, max(soonest, tick))


def _delay(interval: timedelta, failures: int, most: timedelta) -> timedelta:
    # For an expired token `most` is the time since the expiry: the attempts before that
    # must not make the first pause after it long.
    doubled = interval * (1 << min(failures - 1, 10))
    return max(interval, min(doubled, most, LONGEST_WAIT))


def _is_early(at: datetime, credential: credentials.Credential) -> bool:
    """Whether the CLI would leave this token alone at an instant."""
    return not credential.cli_refreshes or at < credential.expires_at - LATEST_START


def _needs_fallback(
    settings: Settings,
    history: History,
    failed: Attempt,
    credential: credentials.Credential,
) -> bool:
    # The fallback costs usage, and repeats the token call where that fails. So it is
    # for a CLI that made no such call at all, and once for each expiry.
    return (
        settings.fallback == "on"
        and failed.outcome.kind is Kind.NOT_REFRESHED
        and not failed.called
        and history.fallback_for != credential.expires_at
    )


def _reason(
    now: datetime,
    credential: credentials.Credential,
    rejected: str | None,
    *,
    early: bool,
) -> str:
    expires = moment(credential.expires_at)
    if not credential.expiry_known:
        return "the file does not say when the access token expires"
    if credential.expires_at <= now:
        return f"the access token expired at {expires}"
    if rejected == credential.revision:
        return f"Anthropic rejects the access token, which is dated until {expires}"
    if early:
        return f"an early refresh is due; the access token is valid until {expires}"
    return f"the access token expires at {expires}"


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
