"""`import`: the only place that writes tokens, and only those a person provides."""

import threading
from datetime import datetime
from pathlib import Path

from refresher import credentials, early, files, lock, preflight
from refresher.limits import CLI_LOCK_WAIT, lock_wait
from refresher.outcome import Kind, Outcome, moment
from refresher.settings import Settings

MOST_BYTES = 1024 * 1024
"""No credentials file comes near this size."""

_LOG_IN_AGAIN = "log in again and import that login"


def install(
    data: bytes,
    settings: Settings,
    *,
    stop: threading.Event,
    now: datetime,
    force: bool = False,
) -> credentials.Credential | Outcome:
    """Install `data` as the volume's login, as a whole or not at all, mode 0600.

    A login that is older than the one in the volume is refused, unless with `force`:
    of two copies of one login only the newer one has a refresh token that still works.

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
        refused = _replace(data, found, settings, stop, force=force)
    except lock.UnsupportedError:
        return Outcome(Kind.BLOCKED, f"the file system of {directory} has no locks")
    except lock.BusyError:
        return Outcome(
            Kind.BUSY,
            "another run is refreshing the old login; import again when it has finished",
        )
    except OSError as ex:
        path = ex.filename or directory
        return Outcome(Kind.BLOCKED, f"{path} cannot be written ({ex.strerror})")
    return refused or found


def _replace(
    data: bytes,
    found: credentials.Credential,
    settings: Settings,
    stop: threading.Event,
    *,
    force: bool,
) -> Outcome | None:
    directory = settings.config_dir
    ours = lock.hold(directory, lock_wait(settings.longest_cli_run), stop)
    with (
        ours,
        lock.hold_cli(directory, CLI_LOCK_WAIT, stop, lock.REFRESHING, lock.SAVING),
    ):
        older = _older(found, _current(directory))
        if older and not force:
            return Outcome(Kind.INVALID, f"{older}; use --force to install it anyway")
        files.replace(directory / credentials.FILE_NAME, data)
    return None


def _current(directory: Path) -> credentials.Found:
    past = files.read_history(directory)
    return early.own_expiry(files.read_credentials(directory), past.brought_forward)


def _older(new: credentials.Credential, current: credentials.Found) -> str | None:
    """Say why a login is older than the one that is there, if it is.

    Refreshing never changes when a login ends, so the date distinguishes two logins. Older
    logins have no such date: then the expiry of the access token has to do.
    """
    if not isinstance(current, credentials.Credential):
        return None
    if new.access_token == current.access_token:
        return None
    ends = new.login_ends_at, current.login_ends_at
    if ends[0] and ends[1] and ends[0] != ends[1]:
        if ends[0] > ends[1]:
            return None
        return (
            f"this login ends at {moment(ends[0])}, before the one in the volume "
            f"({moment(ends[1])})"
        )
    if new.expires_at >= current.expires_at:
        return None
    return (
        "this is an older copy of the login in the volume, whose refresh token has "
        f"probably been used: its access token expires at {_expiry(new)}, the volume's "
        f"at {_expiry(current)}"
    )


def _expiry(credential: credentials.Credential) -> str:
    known = credential.expiry_known
    return moment(credential.expires_at) if known else "an unknown time"


def _refusal(found: credentials.NoLogin) -> Outcome:
    if isinstance(found, credentials.Blanked):
        return Outcome(Kind.LOGIN_REQUIRED, f"{found.reason}; {_LOG_IN_AGAIN}")
    return Outcome(
        Kind.INVALID,
        f"{found.reason}; pass the CLI's .credentials.json on stdin (`kubectl exec` and "
        "`docker exec` need -i)",
    )
