"""What `plan` and `status` show. No token is in it, so it may be shown to anyone."""

from datetime import datetime
from typing import Literal

import msgspec

from refresher import credentials, decide, state
from refresher.outcome import NEEDS_A_PERSON, TRY_AGAIN, Kind, Outcome, moment
from refresher.settings import Settings


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """The credential without its tokens."""

    usable: bool
    """The access token is good now."""
    revision: str
    expires_at: datetime
    login_ends_at: datetime | None
    subscription: str | None


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """What `once` would do now: `run` a command, `wait` until `at`, or `stop`."""

    action: Literal["run", "wait", "stop"]
    reason: str
    at: datetime | None = None
    command: tuple[str, ...] | None = None
    tick_at: datetime | None = None
    """The next tick of the schedule, if there is one."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `status --json` prints, times in UTC."""

    config_dir: str
    login: Login | None
    next: Next
    warnings: tuple[str, ...]
    """What will need a person soon, or does already."""
    last: state.Try | None
    failures: int
    refreshes: int
    refreshed_at: datetime | None
    exit_code: int


def status(settings: Settings, view: decide.View, blocked: str | None) -> Status:
    """Put together what is known. `blocked` is what the preflight sees."""
    ending = decide.login_warning(view.now, view.found)
    used = settings.skipped_for is None
    return Status(
        config_dir=str(settings.config_dir),
        login=_login(view),
        next=_next(settings, view, blocked),
        warnings=tuple(text for text in (ending, blocked) if text and used),
        last=view.remembered.last,
        failures=view.remembered.failures,
        refreshes=view.remembered.refreshes,
        refreshed_at=view.remembered.refreshed_at,
        exit_code=_exit_code(view, blocked),
    )


def _login(view: decide.View) -> Login | None:
    if not isinstance(view.found, credentials.Credential):
        return None
    return Login(
        usable=view.found.expires_at > view.now,
        revision=view.found.revision,
        expires_at=view.found.expires_at,
        login_ends_at=view.found.login_ends_at,
        subscription=view.found.subscription,
    )


def _next(settings: Settings, view: decide.View, blocked: str | None) -> Next:
    tick = decide.next_tick(settings, view.now)
    match view.decision:
        case decide.Stop(outcome):
            return Next(action="stop", reason=str(outcome))
        case decide.Wait(until, outcome):
            return Next(action="wait", reason=str(outcome), at=until, tick_at=tick)
        case decide.Run() if blocked:
            reason = str(Outcome(Kind.BLOCKED, blocked))
            return Next(action="stop", reason=reason)
        case decide.Run(command, _, reason):
            words = ("claude", *settings.arguments(command))
            return Next(action="run", reason=reason, command=words, tick_at=tick)


def _exit_code(view: decide.View, blocked: str | None) -> int:
    match view.decision:
        case decide.Stop(outcome):
            return outcome.exit_code
        case decide.Wait() | decide.Run() if blocked:
            return NEEDS_A_PERSON
        case decide.Wait(outcome=outcome):
            return outcome.exit_code
        case decide.Run():
            return TRY_AGAIN


def status_text(status: Status) -> str:
    """Say it to a person."""
    lines = [("directory", status.config_dir), *_login_lines(status.login)]
    if status.last:
        lines.append(("last try", _last(status.last)))
    if status.refreshed_at:
        counted = f"{moment(status.refreshed_at)} ({status.refreshes} in all)"
        lines.append(("last renewal", counted))
    if status.failures:
        lines.append(("failed tries", f"{status.failures} in a row"))
    lines.append(("now", status.next.reason))
    lines += [("warning", warning) for warning in status.warnings]
    return "\n".join(f"{name + ':':<15}{text}" for name, text in lines)


def _login_lines(login: Login | None) -> list[tuple[str, str]]:
    if login is None:
        return [("access token", "none")]
    good = "good until" if login.usable else "ended at"
    ends = moment(login.login_ends_at) if login.login_ends_at else "not told"
    return [
        ("access token", f"{login.revision}, {good} {moment(login.expires_at)}"),
        ("login ends", ends),
    ]


def _last(last: state.Try) -> str:
    return f"{moment(last.at)} {last.command}, {last.outcome}"


def plan_text(status: Status) -> str:
    """Say what `once` would do now, and when something would happen next."""
    upcoming = status.next
    if upcoming.command:
        what = f"Would run `{_shown(upcoming.command)}` now, because"
    else:
        what = "Would start nothing now."
    lines = [f"{what} {upcoming.reason}."]
    if upcoming.at:
        lines.append(f"Next try: {moment(upcoming.at)}, when `once` runs then.")
    if upcoming.tick_at:
        lines.append(f"Next tick of REFRESH_SCHEDULE: {moment(upcoming.tick_at)}.")
    lines += [f"Warning: {warning}." for warning in status.warnings]
    return "\n".join(lines)


def _shown(command: tuple[str, ...]) -> str:
    return " ".join(word or '""' for word in command)
