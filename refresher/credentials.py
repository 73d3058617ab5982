"""The CLI's `.credentials.json` as a value.

The file, as Claude Code writes it (times in milliseconds since 1970):

    {"claudeAiOauth": {"accessToken": "…", "refreshToken": "…",
                       "expiresAt": 1764086400000,
                       "refreshTokenExpiresAt": 1766678400000,   (newer logins)
                       "scopes": ["user:inference", …],
                       "subscriptionType": "max"}, …}
"""

import hashlib
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

FILE_NAME = ".credentials.json"


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A login that the CLI can refresh. Its `repr` shows no token."""

    access_token: str
    refresh_token: str
    expires_at: datetime
    """When the access token expires."""
    login_ends_at: datetime | None = None
    """When the login itself ends; no refresh moves that. Older logins: None."""
    subscription: str | None = None

    @property
    def revision(self) -> str:
        """A name for this access token: 12 hex digits of its SHA-256."""
        return hashlib.sha256(self.access_token.encode()).hexdigest()[:12]

    def __repr__(self) -> str:
        return f"Credential(revision={self.revision}, expires_at={self.expires_at})"


class Missing(msgspec.Struct, frozen=True):
    """There is no login: no file, or a file without one."""

    reason: str


class Blanked(msgspec.Struct, frozen=True):
    """The login is lost: the CLI empties the tokens when Anthropic refuses them."""

    reason: str


class Malformed(msgspec.Struct, frozen=True):
    """The file is not in the CLI's format. It may be truncated."""

    reason: str


class Unreadable(msgspec.Struct, frozen=True):
    """The file exists, but this user cannot read it."""

    reason: str


NoLogin: TypeAlias = Missing | Blanked | Malformed | Unreadable
Found: TypeAlias = Credential | NoLogin


class _OAuth(msgspec.Struct, rename="camel"):
    access_token: str | None = None
    refresh_token: str | None = None
    expires_at: int | float | None = None
    refresh_token_expires_at: int | float | None = None
    subscription_type: str | None = None


class _File(msgspec.Struct):
    oauth: _OAuth | None = msgspec.field(name="claudeAiOauth", default=None)


_decoder = msgspec.json.Decoder(_File)


def parse(data: bytes) -> Found:
    """Parse the file. Never raises."""
    if not data.strip():
        return Malformed("the file is empty")
    try:
        oauth = _decoder.decode(data).oauth
    except (msgspec.DecodeError, UnicodeDecodeError) as ex:
        return Malformed(_without_input(ex))
    if oauth is None:
        return Missing("the file holds no Claude login")
    return _login(oauth)


def _without_input(ex: Exception) -> str:
    # msgspec names types and a path, never the value it met; other texts might.
    if isinstance(ex, msgspec.ValidationError):
        return f"the file has an unexpected shape: {ex}"
    return "the file is not JSON"


def _login(oauth: _OAuth) -> Found:
    if not oauth.access_token or not oauth.refresh_token or oauth.expires_at == 0:
        return Blanked(_blank_reason(oauth))
    if oauth.expires_at is None:
        return Malformed(
            "`expiresAt` is missing, and without it the CLI refreshes nothing"
        )
    login_end = oauth.refresh_token_expires_at
    try:
        return Credential(
            access_token=oauth.access_token,
            refresh_token=oauth.refresh_token,
            expires_at=_instant(oauth.expires_at),
            login_ends_at=_instant(login_end) if login_end else None,
            subscription=oauth.subscription_type,
        )
    except (OverflowError, ValueError, OSError):
        return Malformed("a time in the file is out of range")


def _blank_reason(oauth: _OAuth) -> str:
    if not oauth.access_token and not oauth.refresh_token:
        return "both tokens in the file are empty"
    if not oauth.refresh_token:
        return "the file holds no refresh token"
    return "the file holds no access token"


def _instant(milliseconds: float) -> datetime:
    if milliseconds < 0:
        raise ValueError("before 1970")
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
