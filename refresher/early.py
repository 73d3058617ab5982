"""Refreshing earlier than the CLI would: another expiry in the file, for a moment.

The CLI refreshes only a token whose expiry in the file is less than five minutes away.
An early attempt therefore brings that expiry forward, runs the CLI, and puts it back
where nothing was refreshed. What keeps that from doing harm:

    never past     it is now + 240 s, so whoever reads the file meanwhile goes on
    one writer     our own lock, and the CLI's lock for saving around each write
    noted first    the history holds both expiries before the file changes, so after a
                   kill the next run puts the old one back
    nothing else   every other byte of the file stays as it was, and each write checks
                   that the file is still the one it means
"""

import errno
import logging
import threading
from datetime import datetime
from pathlib import Path

import msgspec

from refresher import credentials, files, lock
from refresher.history import BroughtForward
from refresher.limits import BROUGHT_FORWARD, SETTLING

logger = logging.getLogger(__name__)

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def note(
    config_dir: Path, credential: credentials.Credential, now: datetime
) -> BroughtForward | None:
    """Return what to note before `bring_forward`; None where it cannot be done.

    Raises OSError.
    """
    data = files.read_credentials_bytes(config_dir)
    if credentials.parse(data) != credential:
        return None
    milliseconds = int((now + BROUGHT_FORWARD).timestamp() * 1000)
    noted = BroughtForward(
        revision=credential.revision,
        was=credentials.expiry_text(data),
        now=str(milliseconds),
    )
    return noted if credentials.with_expiry_text(data, noted.now) else None


def bring_forward(
    config_dir: Path, noted: BroughtForward, stop: threading.Event
) -> bool:
    """Write the noted expiry; returns False if the file is not the noted one any more.

    Raises OSError, and BusyError where a CLI holds its lock for too long.
    """
    with lock.hold_cli(config_dir, SETTLING, stop, lock.SAVING):
        data = files.read_credentials_bytes(config_dir)
        edited = _edited(data, noted.revision, noted.was, noted.now)
        if edited is None:
            return False
        files.replace(config_dir / credentials.FILE_NAME, edited)
        return True


def put_back(config_dir: Path, noted: BroughtForward) -> bool:
    """Restore the expiry, if the file still holds the noted token and expiry.

    Returns whether the file is in order now, which it also is with another token.
    """
    path = config_dir / credentials.FILE_NAME
    try:
        data = files.read_credentials_bytes(config_dir)
        restored = _edited(data, noted.revision, noted.now, noted.was)
        if restored is None:
            return True
        try:
            never = threading.Event()
            with lock.hold_cli(config_dir, SETTLING, never, lock.SAVING):
                data = files.read_credentials_bytes(config_dir)
                restored = _edited(data, noted.revision, noted.now, noted.was)
                if restored:
                    files.replace(path, restored)
        except OSError as ex:
            if ex.errno not in _NO_SPACE:
                raise
            # A full disk has no room for a new file, so no CLI can write one either.
            files.overwrite(path, data, restored or data)
    except FileNotFoundError:
        return True
    except (OSError, lock.BusyError) as ex:
        logger.warning(
            "the access token's expiry could not be restored yet (%s); the next run "
            "does it",
            type(ex).__name__ if isinstance(ex, lock.BusyError) else ex,
        )
        return False
    return True


def own_expiry(
    found: credentials.Found, noted: BroughtForward | None
) -> credentials.Found:
    """Return what was found with the token's own expiry, if the file holds another."""
    if noted and isinstance(found, credentials.Credential):
        return with_expiry(found, noted.was) if is_disguised(found, noted) else found
    return found


def with_expiry(
    credential: credentials.Credential, text: str
) -> credentials.Credential:
    """Return the credential with the expiry of a JSON text."""
    expires_at, cli_refreshes = credentials.parse_expiry(text)
    return msgspec.structs.replace(
        credential, expires_at=expires_at, cli_refreshes=cli_refreshes
    )


def is_disguised(found: credentials.Found, noted: BroughtForward | None) -> bool:
    """Whether the file holds the expiry that `bring_forward` wrote."""
    return (
        noted is not None
        and isinstance(found, credentials.Credential)
        and found.revision == noted.revision
        and found.expires_at == credentials.parse_expiry(noted.now).expires_at
    )


def _edited(data: bytes, revision: str, before: str, after: str) -> bytes | None:
    found = credentials.parse(data)
    if not isinstance(found, credentials.Credential) or found.revision != revision:
        return None
    if credentials.expiry_text(data) != before:
        return None
    return credentials.with_expiry_text(data, after)
