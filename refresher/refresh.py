"""The use case: refresh the token if that is due, and know whether it worked.

    look      read the two files, decide (a pure function)
    lock      one writer per volume; whoever waited decides again
    check     could the attempt lose the login? then it does not start
    run       the CLI once, one command; before its time with another expiry (`early`)
    verify    the file before against the file after, nothing else
    remember  the attempt, noted before it starts and again when it has ended

Every step may be repeated, so "run it again" is always safe advice.
"""

import contextlib
import errno
import functools
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from refresher import (
    claude_cli,
    credentials,
    decide,
    early,
    files,
    history,
    lock,
    preflight,
    verify,
)
from refresher.limits import EARLY_TIMEOUT, lock_wait
from refresher.outcome import Kind, Outcome
from refresher.settings import Command, Settings

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]
_Look = Callable[[datetime], decide.View]


def utc_now() -> datetime:
    """Read the wall clock: an expiry is a date, also after the machine slept."""
    return datetime.now(tz=UTC)


def look(
    settings: Settings,
    now: datetime,
    *,
    requested: bool = False,
    rejected: str | None = None,
) -> decide.View:
    """Read and decide. Changes nothing and starts nothing."""
    directory = settings.config_dir
    past = files.read_history(directory)
    # Read last: the history says what is to come of the file before it does.
    file = files.read_credentials(directory)
    found = early.own_expiry(file, past.brought_forward)
    decision = decide.decide(
        now, settings, past, found, requested=requested, rejected=rejected
    )
    if early.is_disguised(file, past.brought_forward):
        decision = _restoration(now, decision, found)
    return decide.View(now=now, found=found, history=past, decision=decision)


def _restoration(
    now: datetime, decision: decide.Decision, found: credentials.Found
) -> decide.Decision:
    """Have the lock taken: an early attempt is running, or it was killed."""
    reason = "an early attempt is running, or was killed before it restored the expiry"
    match found:
        case credentials.Credential() if not isinstance(decision, decide.Stop):
            return decide.Run(Command.REFRESH, found, reason, now, early=True)
        case _:
            return decision


def once(
    settings: Settings,
    *,
    stop: threading.Event,
    requested: bool = False,
    rejected: str | None = None,
    clock: Clock = utc_now,
) -> Outcome:
    """Make one attempt if one is due; it runs at most one command of the CLI.

    `stop` cancels the wait for the lock. It does not stop a CLI that runs.
    `requested` and `rejected` are explained at `decide`.
    """
    look_again = functools.partial(
        look, settings, requested=requested, rejected=rejected
    )
    view = look_again(clock())
    decision = view.decision
    files.set_history_aside(settings.config_dir)
    if not isinstance(decision, decide.Run) and not _may_be_running(view):
        return _unsavable(settings, decision.outcome) or decision.outcome
    blocked = preflight.inspect(settings)
    if blocked and view.history.brought_forward is None:  # else it is restored first
        return _blocked(blocked)
    return _locked(settings, stop, clock, look_again)


def _unsavable(settings: Settings, outcome: Outcome) -> Outcome | None:
    """Say before anyone logs in that the login could not be saved."""
    if outcome.kind is not Kind.NO_CREDENTIALS or not settings.config_dir.is_dir():
        return None
    blocked = preflight.inspect_volume(settings.config_dir)
    return _blocked(blocked) if blocked else None


def _may_be_running(view: decide.View) -> bool:
    """Whether the last attempt has no end: only the lock shows if it was killed."""
    last, decision = view.history.last, view.decision
    return (
        isinstance(decision, decide.Wait)
        and decision.outcome.kind is not Kind.NOT_DUE
        and last is not None
        and last.ended_at is None
    )


def _blocked(reason: str) -> Outcome:
    return Outcome(Kind.BLOCKED, reason)


def _locked(
    settings: Settings, stop: threading.Event, clock: Clock, look_again: _Look
) -> Outcome:
    wait = lock_wait(settings.longest_cli_run)
    try:
        with lock.hold(settings.config_dir, wait, stop) as descriptor:
            return _attempt(settings, descriptor, stop, clock, look_again)
    except lock.BusyError:
        return Outcome(
            Kind.BUSY,
            "another run holds this directory's lock; let it finish, then check "
            "`claude-refresher status`",
        )
    except lock.UnsupportedError:
        return _blocked(
            f"the file system of {settings.config_dir} has no locks, so a second run "
            "could lose the login; use another volume, or enable locks on this one"
        )
    except OSError as ex:
        path = ex.filename or settings.config_dir
        return _blocked(f"{path} cannot be used ({ex.strerror}); {_advice(ex)}")


def _advice(ex: OSError) -> str:
    if ex.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "free some space"
    if ex.errno in {errno.EACCES, errno.EPERM}:
        return "let this user write to it"
    return "check the volume"


def _attempt(
    settings: Settings,
    descriptor: int,
    stop: threading.Event,
    clock: Clock,
    look_again: _Look,
) -> Outcome:
    directory = settings.config_dir
    _restore(directory)
    # Another run may have refreshed the token while we waited.
    view = look_again(clock())
    due = view.decision
    if not isinstance(due, decide.Run):
        return due.outcome
    blocked = preflight.inspect(settings) or preflight.probe(directory)
    if blocked:
        return _blocked(blocked)
    noted = early.note(directory, due.credential, view.now) if due.early else None
    begun = history.begin(view.history, view.now, due.command, due.credential, noted)
    files.write_history(directory, begun)
    if due.early and (not_early := _bring_forward(directory, view, noted, stop)):
        return not_early
    outcome, called = _run(settings, due, noted, descriptor, clock)
    if noted and early.put_back(directory, noted):
        begun = msgspec.structs.replace(begun, brought_forward=None)
    if outcome.kind is Kind.REFRESHED:
        files.sync_credentials(directory)
    found = early.own_expiry(files.read_credentials(directory), noted)
    ended = history.end(begun, clock(), outcome, found, called=called)
    try:
        files.write_history(directory, ended)
    except OSError as ex:
        logger.warning("the end of this attempt could not be recorded: %s", ex.strerror)
    return outcome


def _bring_forward(
    directory: Path,
    view: decide.View,
    noted: history.BroughtForward | None,
    stop: threading.Event,
) -> Outcome | None:
    """Bring the expiry forward; returns how the attempt ended where that failed."""
    outcome = _blocked(
        "the file changed just now, or its `expiresAt` cannot be edited; look again"
    )
    try:
        if noted and early.bring_forward(directory, noted, stop):
            return None
    except lock.BusyError:
        reason = "a CLI holds its lock in this directory; wait until it has finished"
        outcome = Outcome(Kind.BUSY, reason)
    except OSError as ex:
        outcome = _blocked(f"the expiry cannot be brought forward ({ex.strerror})")
    with contextlib.suppress(OSError):
        files.write_history(directory, view.history)  # there was no attempt
    return outcome


def _restore(directory: Path) -> None:
    """Put back an expiry that an attempt which was killed had brought forward."""
    past = files.read_history(directory)
    if past.brought_forward and early.put_back(directory, past.brought_forward):
        past = msgspec.structs.replace(past, brought_forward=None)
        files.write_history(directory, past)


def _run(
    settings: Settings,
    due: decide.Run,
    noted: history.BroughtForward | None,
    descriptor: int,
    clock: Clock,
) -> tuple[Outcome, bool]:
    """Run the CLI; returns the outcome, and whether a token call may have been made."""
    arguments = settings.arguments(due.command)
    logger.info("%s; running claude %s", due.reason, " ".join(arguments))
    before = due.credential
    limit = settings.longest_cli_run
    if noted:
        before = early.with_expiry(before, noted.now)
        limit = EARLY_TIMEOUT
    try:
        ended = claude_cli.run(settings, arguments, descriptor, limit)
    except OSError as ex:
        reason = f"the CLI cannot be started ({ex.strerror}); check CLAUDE_BIN"
        return _blocked(reason), False
    found = files.read_credentials(settings.config_dir)
    if found == before:
        disk = preflight.probe(settings.config_dir)
        ended = msgspec.structs.replace(ended, disk=disk)
    return verify.verify(before, found, ended, clock()), ended.called
