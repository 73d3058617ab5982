"""One writer per volume.

Our own lock is an flock, so the kernel releases it with the last process that holds
it. The CLI inherits it: when a refresher is killed and its CLI lives on, the next
refresher waits for that CLI. The CLI's own locks are directories.
"""

import contextlib
import fcntl
import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from refresher.limits import CLI_LOCK_STALE

FILE_NAME = ".refresher.lock"
CLI_LOCKS = (".oauth_refresh.lock", ".storage-write.lock")
_PAUSE = 0.1


class BusyError(Exception):
    """The lock did not become free in time, or the wait was cancelled."""


@contextlib.contextmanager
def hold(config_dir: Path, wait: timedelta, stop: threading.Event) -> Iterator[int]:
    """Hold the refresher's lock; yields its descriptor, for the CLI to inherit.

    Raises BusyError after `wait` or once `stop` is set, and OSError if the lock file
    cannot be created.
    """
    descriptor = os.open(config_dir / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _until(functools.partial(_flock, descriptor), wait, stop)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def hold_cli(
    config_dir: Path, wait: timedelta, stop: threading.Event
) -> Iterator[None]:
    """Hold the locks that the CLI takes to refresh and to save; for `import` alone.

    Raises BusyError and OSError as `hold` does.
    """
    with contextlib.ExitStack() as held:
        for name in CLI_LOCKS:
            path = config_dir / name
            _until(functools.partial(_mkdir, path, held), wait, stop)
        yield


def _until(taken: Callable[[], bool], wait: timedelta, stop: threading.Event) -> None:
    deadline = time.monotonic() + wait.total_seconds()
    while not taken():
        if stop.is_set() or time.monotonic() >= deadline:
            raise BusyError
        stop.wait(_PAUSE)


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _mkdir(path: Path, held: contextlib.ExitStack) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        return _stale(path)
    held.callback(_rmdir, path)
    return True


def _rmdir(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.rmdir()


def _stale(path: Path) -> bool:
    # A killed CLI left it. It stays where it is: the next CLI removes it.
    try:
        return time.time() - path.stat().st_mtime > CLI_LOCK_STALE.total_seconds()
    except FileNotFoundError:
        return False
