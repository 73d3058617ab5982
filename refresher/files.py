"""Reads and writes the two files: the login, and what is remembered of it."""

import contextlib
import errno
import logging
import os
import secrets
import stat
from pathlib import Path

from refresher import credentials, history

logger = logging.getLogger(__name__)

_MOST_BYTES = 8 * 1024 * 1024  # a login is 1 KB, the CLI's own files are some 50 KB


def read(path: Path) -> bytes:
    """Read a file of the volume, which may hold anything: a pipe, a device, gigabytes.

    Raises OSError.
    """
    # Opening a pipe would wait for whoever writes to it.
    with open(path, "rb", opener=_open_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise OSError(errno.EFBIG, "larger than 8 MiB", str(path))
    return data


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def read_credentials(config_dir: Path) -> credentials.Found:
    """Read the login by its path, anew each time: the CLI replaces the file."""
    path = config_dir / credentials.FILE_NAME
    try:
        data = read(path)
    except FileNotFoundError:
        return credentials.Missing(f"{path} does not exist")
    except OSError as ex:
        advice = "put the CLI's own file there"
        if ex.errno in {errno.EACCES, errno.EPERM}:
            advice = "run as the user who owns it, or change its owner to this user"
        return credentials.Unreadable(
            f"{path} cannot be read ({ex.strerror}); {advice}"
        )
    return credentials.parse(data)


def read_credentials_bytes(config_dir: Path) -> bytes:
    """Read the login's file as it is. Raises OSError."""
    return read(config_dir / credentials.FILE_NAME)


def read_history(config_dir: Path) -> history.History:
    """Read what is remembered; what cannot be read counts as nothing."""
    found = _history(config_dir)
    return history.History() if isinstance(found, str) else found


def history_problem(config_dir: Path) -> str | None:
    """Say why what is remembered cannot be read, if it cannot."""
    found = _history(config_dir)
    return found if isinstance(found, str) else None


def _history(config_dir: Path) -> history.History | str:
    path = config_dir / history.FILE_NAME
    try:
        return history.decode(read(path))
    except FileNotFoundError:
        return history.History()
    except (OSError, ValueError, RecursionError) as ex:
        return f"{path} cannot be read ({ex})"


def set_history_aside(config_dir: Path) -> None:
    """Move what cannot be read out of the way, and say so: so it is said once."""
    problem = history_problem(config_dir)
    if problem is None:
        return
    path = config_dir / history.FILE_NAME
    aside = path.with_name(f"{path.name}.unreadable")
    try:
        path.replace(aside)
    except OSError as ex:
        logger.warning("%s; it stays there (%s)", problem, ex.strerror)
    else:
        logger.warning("%s; it was moved to %s", problem, aside)


def write_history(config_dir: Path, remembered: history.History) -> None:
    """Replace what is remembered. Raises OSError."""
    replace(config_dir / history.FILE_NAME, history.encode(remembered))


def replace(path: Path, data: bytes) -> None:
    """Replace a file as a whole, mode 0600; a crash leaves the old one or the new one.

    Raises OSError, and leaves nothing behind then.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    with contextlib.suppress(OSError):  # not every file system can
        _sync(path.parent)


def overwrite(path: Path, old: bytes, new: bytes) -> None:
    """Change a file in place, where there is no room for another one.

    For a change of a few bytes that leaves the length as it is. Raises OSError.
    """
    if len(old) != len(new):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    if old == new:
        return
    first = next(i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)
    with path.open("r+b", buffering=0) as file:
        if file.read() == old:
            os.pwrite(file.fileno(), new[first:], first)
            os.fsync(file.fileno())


def sync_credentials(config_dir: Path) -> None:
    """Make a refresh survive a power cut: the CLI itself does not fsync."""
    try:
        _sync(config_dir / credentials.FILE_NAME)
        _sync(config_dir)
    except OSError as ex:
        logger.warning(
            "the new token may not survive a power cut: fsync failed (%s)", ex.strerror
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
