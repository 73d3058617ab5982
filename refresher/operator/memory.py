"""What this volume is for, remembered on the volume: `.refresher-operator.json`.

An operator that starts while the API server is away goes by the ClaudeCredential that
the last one saw, so that an outage of the cluster never costs a token. No token and no
status is in the file; it may be deleted at any time.
"""

import logging

import msgspec

from refresher import files
from refresher.operator.resource import (
    ClaudeCredential,
    Found,
    Unknown,
    asked_for,
)
from refresher.settings import Settings

FILE_NAME = ".refresher-operator.json"

logger = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(ClaudeCredential)


def recall(settings: Settings) -> Found:
    """Read the ClaudeCredential that was seen last; Unknown where there is none."""
    path = settings.config_dir / FILE_NAME
    try:
        remembered = _decoder.decode(files.read(path))
    except (OSError, ValueError, RecursionError):
        return Unknown()
    ours = settings.credential_name, settings.pod_namespace
    if (remembered.name, remembered.namespace) != ours:
        return Unknown()
    return remembered


def remember(settings: Settings, credential: ClaudeCredential) -> None:
    """Write down a ClaudeCredential; a volume that cannot be written has no memory."""
    # A request of the past must not be taken for a new one.
    kept = msgspec.structs.replace(asked_for(credential), request=None)
    data = msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n"
    try:
        files.replace(settings.config_dir / FILE_NAME, data)
    except OSError as ex:
        logger.debug("the ClaudeCredential is not remembered: %s", ex.strerror)


def forget(settings: Settings) -> None:
    """Forget the ClaudeCredential: there is none any more."""
    try:
        (settings.config_dir / FILE_NAME).unlink(missing_ok=True)
    except OSError as ex:
        logger.debug("the ClaudeCredential is not forgotten: %s", ex.strerror)
