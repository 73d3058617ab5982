"""Reads and writes of the two files: the login, and what is remembered of it."""

import contextlib
import logging
import os
import secrets
from pathlib import Path

import msgspec

from refresher import credentials, state

logger = logging.getLogger(__name__)


def read_credentials(config_dir: Path) -> credentials.Found:
    """Read the login by its path, anew each time: the CLI replaces the file."""
    path = config_dir / credentials.FILE_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return credentials.Missing(f"there is no {path}")
    except OSError as ex:
        return credentials.Unreadable(
            f"{path} cannot be read ({ex.strerror}); run as the user who owns it, "
            "or give it to this one"
        )
    return credentials.parse(data)


def read_state(config_dir: Path) -> state.State:
    """Read the memory of the last try; what cannot be read counts as none."""
    path = config_dir / state.FILE_NAME
    try:
        return state.decode(path.read_bytes())
    except FileNotFoundError:
        return state.State()
    except (OSError, msgspec.DecodeError) as ex:
        logger.warning("%s is passed over: %s", path, ex)
        return state.State()


def write_state(config_dir: Path, remembered: state.State) -> None:
    """Replace the memory of the last try. Raises OSError."""
    replace(config_dir / state.FILE_NAME, state.encode(remembered))


def replace(path: Path, data: bytes) -> None:
    """Put a whole file, mode 0600, in the place of another; a crash leaves one of them.

    Raises OSError, and then leaves nothing behind.
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
    """Make a renewal outlive a power cut: the CLI itself does not wait for the disk."""
    try:
        _sync(config_dir / credentials.FILE_NAME)
        _sync(config_dir)
    except OSError as ex:
        logger.warning("the renewed login is not yet safe on disk: %s", ex.strerror)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
