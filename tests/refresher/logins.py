"""Logins and settings for the refresher's tests."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta

import msgspec

from refresher import credentials, files, refresh, settings

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LONG = 120.0
"""Seconds until a test gives up; nothing that works comes near it."""


def milliseconds(moment):
    return int(moment.timestamp() * 1000)


def login(*, expires_at, access="access-1", refresh="refresh-1", login_ends_at=None):
    """The bytes of a credentials file, as the CLI writes it."""
    oauth = {
        "accessToken": access,
        "refreshToken": refresh,
        "expiresAt": milliseconds(expires_at),
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
    }
    if login_ends_at:
        oauth["refreshTokenExpiresAt"] = milliseconds(login_ends_at)
    return json.dumps({"claudeAiOauth": oauth}).encode()


def credential(*, left, now=NOW, **words):
    """A parsed login whose access token lives for `left` more seconds."""
    found = credentials.parse(login(expires_at=now + timedelta(seconds=left), **words))
    assert isinstance(found, credentials.Credential)
    return found


def make_settings(config_dir="/nowhere", **changes):
    plain = settings.Settings.from_environ({"CLAUDE_CONFIG_DIR": str(config_dir)})
    return msgspec.structs.replace(plain, **changes)


def age_last_attempt(volume, seconds):
    """Make the last attempt older, as if time had passed."""
    remembered = files.read_history(volume)
    at = remembered.last.at - timedelta(seconds=seconds)
    last = msgspec.structs.replace(remembered.last, at=at)
    files.write_history(volume, msgspec.structs.replace(remembered, last=last))


def attempt_once(
    volume, fake, *, seconds=120.0, stop=None, clock=refresh.utc_now, **changes
):
    """Do what `claude-refresher once` does, in this process."""
    tried = make_settings(
        volume,
        claude_bin=str(fake.path),
        cli_timeout=seconds,
        cli_environ={"PATH": os.environ["PATH"]},
        **changes,
    )
    return refresh.once(tried, stop=stop or threading.Event(), clock=clock)
