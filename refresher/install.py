"""`import`: the only place that writes tokens, and only those a person hands over."""

import threading
from datetime import datetime, timedelta

from refresher import credentials, decide, files, lock, preflight
from refresher.outcome import Kind, Outcome
from refresher.settings import Settings

MOST_BYTES = 1024 * 1024
"""No credentials file is near that size."""

_CLI_LOCK_WAIT = timedelta(seconds=45)  # the CLI holds its lock for some 30 s at most


def install(
    data: bytes, settings: Settings, *, stop: threading.Event, now: datetime
) -> credentials.Credential | Outcome:
    """Put `data` in the volume as the login, whole or not at all, mode 0600.

    Returns the login, or an Outcome that says why nothing was changed.
    """
    found = credentials.parse(data)
    refusal = _refuse(found, now)
    if refusal or not isinstance(found, credentials.Credential):
        return refusal or Outcome(Kind.INVALID, "this is no login")
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


def _refuse(found: credentials.Found, now: datetime) -> Outcome | None:
    match found:
        case credentials.Credential(login_ends_at=datetime() as end) if end <= now:
            return Outcome(
                Kind.LOGIN_REQUIRED, decide.login_warning(now, found) or "it has ended"
            )
        case credentials.Credential():
            return None
        case credentials.Blanked(reason):
            return Outcome(
                Kind.LOGIN_REQUIRED, f"{reason}; log in anew and import that"
            )
        case (
            credentials.Missing(reason)
            | credentials.Malformed(reason)
            | credentials.Unreadable(reason)
        ):
            return Outcome(
                Kind.INVALID, f"{reason}; give the CLI's own .credentials.json on stdin"
            )
