"""The use case: refresh the token if that is due, and know whether it worked.

    look      read the two files, decide (a pure function)
    lock      one writer per volume; whoever waited decides again
    check     could the attempt lose the login? then it does not start
    run       the CLI once, one command
    verify    the file before against the file after, nothing else
    remember  the attempt, noted before it starts and again when it has ended

Every step may be repeated, so "run it again" is always safe advice.
"""

import functools
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from refresher import (
    claude_cli,
    decide,
    files,
    history,
    lock,
    preflight,
    verify,
)
from refresher.limits import lock_wait
from refresher.outcome import Kind, Outcome
from refresher.settings import Settings

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
    found = files.read_credentials(settings.config_dir)
    past = files.read_history(settings.config_dir)
    decision = decide.decide(
        now, settings, past, found, requested=requested, rejected=rejected
    )
    return decide.View(now=now, found=found, history=past, decision=decision)


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
    if not isinstance(decision, decide.Run) and not _may_be_running(view):
        return _unsavable(settings, decision.outcome) or decision.outcome
    blocked = preflight.inspect(settings)
    if blocked:
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
            return _attempt(settings, descriptor, clock, look_again)
    except lock.BusyError:
        return Outcome(
            Kind.BUSY,
            "another run holds this directory's lock; let it finish, then check "
            "`claude-refresher status`",
        )
    except OSError as ex:
        path = ex.filename or settings.config_dir
        return _blocked(
            f"{path} cannot be used ({ex.strerror}); let this user write to it"
        )


def _attempt(
    settings: Settings, descriptor: int, clock: Clock, look_again: _Look
) -> Outcome:
    # Another run may have refreshed the token while we waited.
    view = look_again(clock())
    due, directory = view.decision, settings.config_dir
    if not isinstance(due, decide.Run):
        return due.outcome
    blocked = preflight.inspect(settings) or preflight.probe(directory)
    if blocked:
        return _blocked(blocked)
    begun = history.begin(view.history, view.now, due.command, due.credential)
    files.write_history(directory, begun)
    outcome = _run(settings, due, descriptor, clock)
    if outcome.kind is Kind.REFRESHED:
        files.sync_credentials(directory)
    ended = history.end(begun, clock(), outcome, files.read_credentials(directory))
    try:
        files.write_history(directory, ended)
    except OSError as ex:
        logger.warning("the end of this attempt could not be recorded: %s", ex.strerror)
    return outcome


def _run(settings: Settings, due: decide.Run, descriptor: int, clock: Clock) -> Outcome:
    arguments = settings.arguments(due.command)
    logger.info("%s; running claude %s", due.reason, " ".join(arguments))
    try:
        ended = claude_cli.run(settings, arguments, descriptor)
    except OSError as ex:
        return _blocked(f"the CLI cannot be started ({ex.strerror}); check CLAUDE_BIN")
    found = files.read_credentials(settings.config_dir)
    if found == due.credential:
        disk = preflight.probe(settings.config_dir)
        ended = msgspec.structs.replace(ended, disk=disk)
    return verify.verify(due.credential, found, ended, clock())
