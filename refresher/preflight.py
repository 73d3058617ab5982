"""Could an attempt lose the login? Then it does not start.

A refresh spends the refresh token first and saves its successor second. Where the
second step cannot work, the login is lost silently: the CLI still exits 0.
"""

import errno
import os
import shutil
import stat
from pathlib import Path

import msgspec

from refresher import claude_cli, credentials, files, mounts
from refresher.settings import Settings

_CONFIGURATIONS = (".claude.json", ".config.json")
"""What the CLI calls its own configuration, and what it used to call it."""

_PROBE = ".refresher-probe"
_PROBE_BYTES = 1024 * 1024  # a login is 1 KB, the CLI's own files are some 50 KB
_PROBE_FILES = 16  # a run makes about ten files and directories


def inspect(settings: Settings) -> str | None:
    """Say why an attempt must not start, from what can be seen without writing."""
    if claude_cli.find(settings) is None:
        where = ""
        if "/" not in settings.claude_bin:
            where = f" on PATH ({settings.cli_environ.get('PATH', 'not set')})"
        return (
            f"`{settings.claude_bin}` is not an executable{where}; install the CLI or "
            "set CLAUDE_BIN"
        )
    directory = settings.config_dir
    return inspect_volume(directory) or inspect_configuration(directory)


def inspect_volume(config_dir: Path) -> str | None:
    """Say why a new token could not be saved here, as far as that can be seen."""
    try:
        return _directory(config_dir) or _file(config_dir / credentials.FILE_NAME)
    except OSError as ex:
        return f"{config_dir} cannot be examined ({ex.strerror})"


def _directory(path: Path) -> str | None:
    if not path.is_dir():
        return f"{path} is not a directory; create it, or set CLAUDE_CONFIG_DIR"
    if not os.access(path, os.W_OK | os.X_OK):
        return (
            f"{path} is not writable, so a new token could not be saved; mount it "
            "read-write and let this user write to it"
        )
    return None


def inspect_configuration(config_dir: Path) -> str | None:
    """Say why the CLI would not refresh this login with its own configuration.

    Measured: it refreshes nothing where it cannot read that. And it takes `env` of it for
    its own environment, whatever `--setting-sources` says: another login or provider, or
    a network proxy and authorities of its own, which would be sent the refresh token.
    """
    for name in _CONFIGURATIONS:
        path = config_dir / name
        try:
            data = files.read(path)
            found = msgspec.json.decode(data) if data.strip() else None
        except FileNotFoundError:
            continue
        except OSError as ex:
            return f"{path} cannot be read ({ex.strerror}), and the CLI needs it"
        except (ValueError, RecursionError):  # bytes that are no UTF-8 among them
            return f"{path} is not JSON, so the CLI does not work; delete or restore it"
        if isinstance(found, dict) and found.get("env"):
            return (
                f"{path} has `env`, variables that could have the CLI send the login "
                "elsewhere; remove `env` from it"
            )
    return None


def _file(path: Path) -> str | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        return (
            f"{path} is a symbolic link, which the CLI replaces while the target keeps "
            "the spent token; put the file itself there"
        )
    if not stat.S_ISREG(found.st_mode):
        return f"{path} is not a regular file"
    if _is_mount(path):
        return (
            f"{path} is a mount point, so it cannot be replaced; mount its directory "
            "instead (no subPath)"
        )
    return _fixed(path, found)


def _is_mount(path: Path) -> bool:
    # A bind mount of a file from the same disk has the same device number as its
    # directory, so only the kernel's own list shows it.
    whole = str(path.parent.resolve() / path.name)
    return any(mount.path == whole for mount in mounts.all_mounts())


def _fixed(path: Path, found: os.stat_result) -> str | None:
    parent = path.parent.stat()
    owners = {0, found.st_uid, parent.st_uid}
    if parent.st_mode & stat.S_ISVTX and os.geteuid() not in owners:
        return (
            f"{path} belongs to another user in a sticky directory, so it cannot be "
            "replaced; change its owner to this user"
        )
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError as ex:
        # Mode 0444 (EACCES) does not prevent a replacement. An immutable file (EPERM)
        # does.
        if ex.errno != errno.EACCES:
            return f"{path} cannot be replaced ({ex.strerror}); see `lsattr`"
    return None


def probe(config_dir: Path) -> str | None:
    """Do what the CLI does to save, with files of our own. Needs the lock.

    Full disks, full inode tables and quotas show only in a real write.
    """
    directory = config_dir / _PROBE
    shutil.rmtree(directory, ignore_errors=True)  # left by a probe that was killed
    try:
        directory.mkdir(mode=0o700)
        _write(directory)
    except OSError as ex:
        return f"{config_dir} cannot hold a new token ({ex.strerror}); fix that first"
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return None


def _write(directory: Path) -> None:
    first = directory / "0"
    with first.open("wb") as file:
        file.write(bytes(_PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())
    for number in range(1, _PROBE_FILES):
        (directory / str(number)).touch()
    first.replace(directory / "1")
