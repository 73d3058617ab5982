"""One writer per volume.

Our own lock is an flock, so the kernel releases it with the last process that holds
it. The CLI inherits it: when a refresher is killed and its CLI lives on, the next
refresher waits for that CLI. The CLI's own locks are directories.
"""

import contextlib
import errno
import fcntl
import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec

from refresher import files
from refresher.limits import CLI_LOCK_STALE, CLI_LOCK_WAIT

FILE_NAME = ".refresher.lock"
REFRESHING = ".oauth_refresh.lock"
"""The CLI holds it from before its call of the token endpoint until that is saved."""
SAVING = ".storage-write.lock"
"""The CLI holds it while it changes the credentials file."""
_OWNER = f"{REFRESHING}.owner"
_PAUSE = 0.1


_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class UnsupportedError(Exception):
    """The volume's file system has no locks, such as NFS without its lock service."""


class BusyError(Exception):
    """The lock did not become free in time, or the wait was cancelled."""


@contextlib.contextmanager
def hold(config_dir: Path, wait: timedelta, stop: threading.Event) -> Iterator[int]:
    """Hold the refresher's lock; yields its descriptor, for the CLI to inherit.

    Raises BusyError after `wait` or once `stop` is set, UnsupportedError where the file
    system has no locks, and OSError if the lock file cannot be created.
    """
    descriptor = os.open(config_dir / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _until(functools.partial(_flock, descriptor), wait, stop)
        try:
            yield descriptor
        finally:
            # Closing is not enough: a child that the CLI left behind has it open, too.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def state(config_dir: Path) -> Literal["free", "held", "unused", "unsupported"]:
    """Look at the refresher's lock; `unused`: there is no lock file, and none is made.

    Raises OSError if the lock file cannot be opened.
    """
    try:
        descriptor = os.open(config_dir / FILE_NAME, os.O_RDWR)
    except FileNotFoundError:
        return "unused"
    try:
        return "free" if _flock(descriptor) else "held"
    except UnsupportedError:
        return "unsupported"
    finally:
        os.close(descriptor)  # which gives it back


@contextlib.contextmanager
def hold_cli(
    config_dir: Path,
    wait: timedelta,
    stop: threading.Event,
    *names: str,
) -> Iterator[None]:
    """Hold some of the CLI's own locks, for a write of ours.

    Raises BusyError and OSError as `hold` does.
    """
    with contextlib.ExitStack() as held:
        for name in names:
            path = config_dir / name
            _until(functools.partial(_mkdir, path, held), wait, stop)
        yield


def cli_refreshes(config_dir: Path, group: int) -> bool:
    """Whether a CLI of this process group is in the middle of a refresh.

    A file beside the lock names its owner.
    """
    held = config_dir / REFRESHING
    try:
        age = time.time() - held.stat().st_mtime
    except FileNotFoundError:
        return False
    try:
        owner = msgspec.json.decode(files.read(config_dir / _OWNER), type=_Owner)
        return os.getpgid(owner.pid) == group and _is_alive(owner)
    except ProcessLookupError:
        return False
    except (OSError, ValueError, OverflowError, RecursionError):
        # Its owner is about to be written, or to be removed, or names no process.
        return held.exists() and age < CLI_LOCK_WAIT.total_seconds()


class _Owner(msgspec.Struct, rename="camel"):
    pid: int
    proc_start: str = ""


def _is_alive(owner: _Owner) -> bool:
    # In a container the numbers start anew: that of a pod that is gone may be ours.
    try:
        fields = Path(f"/proc/{owner.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return True
    return owner.proc_start in {"", fields[_START_TIME]}


_START_TIME = 22 - 3  # proc(5): the 22nd field, and the first after the name is the 3rd


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
    except OSError as ex:
        if ex.errno in _NO_LOCKS:
            raise UnsupportedError from ex
        raise
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
