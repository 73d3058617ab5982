"""Reads and writes the two files: the login, and what is remembered of it."""

import contextlib
import logging
import os
import secrets
from pathlib import Path

import msgspec

from refresher import credentials, history

logger = logging.getLogger(__name__)


def read_credentials(config_dir: Path) -> credentials.Found:
    """Read the login by its path, anew each time: the CLI replaces the file."""
    path = config_dir / credentials.FILE_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return credentials.Missing(f"{path} does not exist")
    except OSError as ex:
        return credentials.Unreadable(
            f"{path} cannot be read ({ex.strerror}); run as the user who owns it, "
            "or change its owner to this user"
        )
    return credentials.parse(data)


def read_history(config_dir: Path) -> history.History:
    """Read what is remembered; what cannot be read counts as nothing."""
    path = config_dir / history.FILE_NAME
    try:
        return history.decode(path.read_bytes())
    except FileNotFoundError:
        return history.History()
    except (OSError, msgspec.DecodeError) as ex:
        logger.warning("%s is ignored: %s", path, ex)
        return history.History()


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
