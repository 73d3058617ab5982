"""The use case: renew the login if it is due, and know whether that worked.

    look      read the two files, decide (a pure function)
    lock      one writer in a volume; whoever waited decides again
    check     would a run lose the login? then it does not start
    run       the CLI once, one command
    verify    the file before against the file after, nothing else
    remember  the try, noted before it starts and again when it ended

Every step may be repeated, so "run it again" is always a safe answer.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from refresher import (
    claude_cli,
    decide,
    files,
    lock,
    preflight,
    state,
    verify,
)
from refresher.outcome import Kind, Outcome
from refresher.settings import Settings

logger = logging.getLogger(__name__)

LOCK_MARGIN = timedelta(seconds=10)
"""Over the CLI's own time limit: so long can a run that holds the lock take."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Read the wall clock: expiry is a matter of the calendar, also after a sleep."""
    return datetime.now(tz=UTC)


def look(settings: Settings, now: datetime, *, asked: bool = False) -> decide.View:
    """Read and decide. Changes nothing and starts nothing."""
    found = files.read_credentials(settings.config_dir)
    remembered = files.read_state(settings.config_dir)
    decision = decide.decide(now, settings, remembered, found, asked=asked)
    return decide.View(now=now, found=found, remembered=remembered, decision=decision)


def once(
    settings: Settings,
    *,
    stop: threading.Event,
    asked: bool = False,
    clock: Clock = utc_now,
) -> Outcome:
    """Do one try if one is due; at most one command of the CLI is run.

    `stop` calls off the wait for the lock. A CLI that runs is not stopped by it.
    `asked` does not wait out a pause after a failure (see `decide`).
    """
    view = look(settings, clock(), asked=asked)
    decision = view.decision
    if not isinstance(decision, decide.Run) and not _may_be_running(view):
        return _not_saved(settings, decision.outcome) or decision.outcome
    blocked = preflight.inspect(settings)
    if blocked:
        return _blocked(blocked)
    return _alone(settings, stop, clock, asked=asked)


def _not_saved(settings: Settings, outcome: Outcome) -> Outcome | None:
    """Say before anyone logs in that the login could not be saved."""
    if outcome.kind is not Kind.NO_CREDENTIALS or not settings.config_dir.is_dir():
        return None
    blocked = preflight.inspect_volume(settings.config_dir)
    return _blocked(blocked) if blocked else None


def _may_be_running(view: decide.View) -> bool:
    """Say whether the last try has no end: then only the lock tells if it was killed."""
    last, decision = view.remembered.last, view.decision
    return (
        isinstance(decision, decide.Wait)
        and decision.outcome.kind is not Kind.NOT_DUE
        and last is not None
        and last.ended_at is None
    )


def _blocked(reason: str) -> Outcome:
    return Outcome(Kind.BLOCKED, reason)


def _alone(
    settings: Settings, stop: threading.Event, clock: Clock, *, asked: bool
) -> Outcome:
    wait = settings.cli_timeout + LOCK_MARGIN
    try:
        with lock.hold(settings.config_dir, wait, stop) as descriptor:
            return _try(settings, descriptor, clock, asked=asked)
    except lock.BusyError:
        return Outcome(
            Kind.BUSY,
            "another run holds the lock of this directory; let it finish, then look "
            "at `claude-refresher status`",
        )
    except OSError as ex:
        path = ex.filename or settings.config_dir
        return _blocked(f"{path} cannot be used ({ex.strerror}); give it to this user")


def _try(settings: Settings, descriptor: int, clock: Clock, *, asked: bool) -> Outcome:
    # Another run may have renewed while we waited.
    view = look(settings, clock(), asked=asked)
    due, directory = view.decision, settings.config_dir
    if not isinstance(due, decide.Run):
        return due.outcome
    blocked = preflight.inspect(settings) or preflight.probe(directory)
    if blocked:
        return _blocked(blocked)
    begun = state.begin(view.remembered, view.now, due.command, due.credential)
    files.write_state(directory, begun)
    outcome = _run(settings, due, descriptor, clock)
    if outcome.kind is Kind.REFRESHED:
        files.sync_credentials(directory)
    ended = state.end(begun, clock(), outcome, files.read_credentials(directory))
    try:
        files.write_state(directory, ended)
    except OSError as ex:
        logger.warning("the end of this run is not remembered: %s", ex.strerror)
    return outcome


def _run(settings: Settings, due: decide.Run, descriptor: int, clock: Clock) -> Outcome:
    arguments = settings.arguments(due.command)
    logger.info("%s; running claude %s", due.reason, " ".join(arguments))
    try:
        ended = claude_cli.run(settings, arguments, descriptor)
    except OSError as ex:
        return _blocked(f"the CLI cannot be started ({ex.strerror}); see CLAUDE_BIN")
    found = files.read_credentials(settings.config_dir)
    if found == due.credential:
        disk = preflight.probe(settings.config_dir)
        ended = msgspec.structs.replace(ended, disk=disk)
    return verify.verify(due.credential, found, ended, clock())
