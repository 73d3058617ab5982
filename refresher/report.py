"""What `plan` and `status` show. It holds no token, so anyone may see it."""

from datetime import datetime
from typing import Literal

import msgspec

from refresher import credentials, decide, history
from refresher.outcome import NEEDS_A_PERSON, TRY_AGAIN, Kind, Outcome, moment
from refresher.settings import Settings


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """The credential without its tokens."""

    usable: bool
    """The access token is valid now."""
    revision: str
    expires_at: datetime | None
    """None where the file does not say it."""
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


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `status --json` prints, times in UTC."""

    config_dir: str
    login: Login | None
    next: Next
    warnings: tuple[str, ...]
    """What will need a person soon, or already does."""
    last: history.Attempt | None
    failures: int
    refreshes: int
    refreshed_at: datetime | None
    exit_code: int


def overview(settings: Settings, view: decide.View, blocked: str | None) -> Overview:
    """Put together what is known. `blocked` is what the preflight found."""
    ending = decide.login_warning(view.now, view.found)
    used = settings.skipped_for is None
    return Overview(
        config_dir=str(settings.config_dir),
        login=_login(view),
        next=_next(settings, view, blocked),
        warnings=tuple(text for text in (ending, blocked) if text and used),
        last=view.history.last,
        failures=view.history.failures,
        refreshes=view.history.refreshes,
        refreshed_at=view.history.refreshed_at,
        exit_code=_exit_code(view, blocked),
    )


def _login(view: decide.View) -> Login | None:
    if not isinstance(view.found, credentials.Credential):
        return None
    return Login(
        usable=view.found.expires_at > view.now,
        revision=view.found.revision,
        expires_at=view.found.expires_at if view.found.expiry_known else None,
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


def status_text(overview: Overview) -> str:
    """Format it for a person."""
    lines = [("directory", overview.config_dir), *_login_lines(overview.login)]
    if overview.last:
        lines.append(("last attempt", _last(overview.last)))
    if overview.refreshed_at:
        counted = f"{moment(overview.refreshed_at)} ({overview.refreshes} in all)"
        lines.append(("last refresh", counted))
    if overview.failures:
        lines.append(("failures", f"{overview.failures} in a row"))
    lines.append(("now", overview.next.reason))
    lines += [("warning", warning) for warning in overview.warnings]
    return "\n".join(f"{name + ':':<15}{text}" for name, text in lines)


def _login_lines(login: Login | None) -> list[tuple[str, str]]:
    if login is None:
        return [("access token", "none")]
    expiry = "expiry unknown"
    if login.expires_at:
        valid = "valid until" if login.usable else "expired at"
        expiry = f"{valid} {moment(login.expires_at)}"
    ends = moment(login.login_ends_at) if login.login_ends_at else "unknown"
    return [
        ("access token", f"{login.revision}, {expiry}"),
        ("login ends", ends),
    ]


def _last(last: history.Attempt) -> str:
    return f"{moment(last.at)} {last.command}, {last.outcome}"


def plan_text(overview: Overview) -> str:
    """Say what `once` would do now, and when something would happen next."""
    upcoming = overview.next
    if upcoming.command:
        what = f"Would run `{_shown(upcoming.command)}` now, because"
    else:
        what = "Would start nothing now."
    lines = [f"{what} {upcoming.reason}."]
    if upcoming.at:
        lines.append(
            f"Next attempt: {moment(upcoming.at)}, provided that `once` runs then."
        )
    if upcoming.tick_at:
        lines.append(f"Next tick of REFRESH_SCHEDULE: {moment(upcoming.tick_at)}.")
    lines += [f"Warning: {warning}." for warning in overview.warnings]
    return "\n".join(lines)


def _shown(command: tuple[str, ...]) -> str:
    return " ".join(word or '""' for word in command)
