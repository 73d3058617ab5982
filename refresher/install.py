"""`import`: the only place that writes tokens, and only those a person provides."""

import threading
from datetime import datetime

from refresher import credentials, files, lock, preflight
from refresher.limits import CLI_LOCK_WAIT, lock_wait
from refresher.outcome import Kind, Outcome, moment
from refresher.settings import Settings

MOST_BYTES = 1024 * 1024
"""No credentials file comes near this size."""

_LOG_IN_AGAIN = "log in again and import that login"


def install(
    data: bytes, settings: Settings, *, stop: threading.Event, now: datetime
) -> credentials.Credential | Outcome:
    """Install `data` as the volume's login, as a whole or not at all, mode 0600.

    Returns the login, or an Outcome that says why nothing was changed.
    """
    found = credentials.parse(data)
    if not isinstance(found, credentials.Credential):
        return _refusal(found)
    if found.login_ends_at and found.login_ends_at <= now:
        ended = f"this login ended at {moment(found.login_ends_at)}"
        return Outcome(Kind.LOGIN_REQUIRED, f"{ended}; {_LOG_IN_AGAIN}")
    directory = settings.config_dir
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        blocked = preflight.inspect_volume(directory)
        if blocked:
            return Outcome(Kind.BLOCKED, blocked)
        _replace(data, settings, stop)
    except lock.BusyError:
        return Outcome(
            Kind.BUSY,
            "another run is refreshing the old login; import again when it has finished",
        )
    except OSError as ex:
        path = ex.filename or directory
        return Outcome(Kind.BLOCKED, f"{path} cannot be written ({ex.strerror})")
    return found


def _replace(data: bytes, settings: Settings, stop: threading.Event) -> None:
    directory = settings.config_dir
    ours = lock.hold(directory, lock_wait(settings.longest_cli_run), stop)
    with ours, lock.hold_cli(directory, CLI_LOCK_WAIT, stop):
        files.replace(directory / credentials.FILE_NAME, data)


def _refusal(found: credentials.NoLogin) -> Outcome:
    if isinstance(found, credentials.Blanked):
        return Outcome(Kind.LOGIN_REQUIRED, f"{found.reason}; {_LOG_IN_AGAIN}")
    return Outcome(
        Kind.INVALID, f"{found.reason}; pass the CLI's .credentials.json on stdin"
    )
