"""`import`: the only place that writes tokens, and only those a person hands over."""

import threading
from datetime import datetime, timedelta

from refresher import credentials, files, lock, preflight
from refresher.outcome import Kind, Outcome, moment
from refresher.settings import Settings

MOST_BYTES = 1024 * 1024
"""No credentials file is near that size."""

_LOG_IN_ANEW = "log in anew and import that"
_CLI_LOCK_WAIT = timedelta(seconds=45)  # the CLI holds its lock for some 30 s at most


def install(
    data: bytes, settings: Settings, *, stop: threading.Event, now: datetime
) -> credentials.Credential | Outcome:
    """Put `data` in the volume as the login, whole or not at all, mode 0600.

    Returns the login, or an Outcome that says why nothing was changed.
    """
    found = credentials.parse(data)
    if not isinstance(found, credentials.Credential):
        return _refusal(found)
    if found.login_ends_at and found.login_ends_at <= now:
        ended = f"this login ended at {moment(found.login_ends_at)}"
        return Outcome(Kind.LOGIN_REQUIRED, f"{ended}; {_LOG_IN_ANEW}")
    directory = settings.config_dir
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        blocked = preflight.inspect_volume(directory)
        if blocked:
            return Outcome(Kind.BLOCKED, blocked)
        _replace(data, settings, stop)
    except lock.BusyError:
        return Outcome(
            Kind.BUSY, "a run is renewing the old login; try again when it is over"
        )
    except OSError as ex:
        path = ex.filename or directory
        return Outcome(Kind.BLOCKED, f"{path} cannot be written ({ex.strerror})")
    return found


def _replace(data: bytes, settings: Settings, stop: threading.Event) -> None:
    directory = settings.config_dir
    ours = lock.hold(directory, settings.cli_timeout, stop)
    with ours, lock.hold_cli(directory, _CLI_LOCK_WAIT, stop):
        files.replace(directory / credentials.FILE_NAME, data)


def _refusal(found: credentials.NoLogin) -> Outcome:
    if isinstance(found, credentials.Blanked):
        return Outcome(Kind.LOGIN_REQUIRED, f"{found.reason}; {_LOG_IN_ANEW}")
    return Outcome(
        Kind.INVALID, f"{found.reason}; give the CLI's own .credentials.json on stdin"
    )
