"""The CLI's `.credentials.json` as a value.

The file, as Claude Code writes it (times in milliseconds since 1970):

    {"claudeAiOauth": {"accessToken": "…", "refreshToken": "…",
                       "expiresAt": 1764086400000,
                       "refreshTokenExpiresAt": 1766678400000,   (newer logins)
                       "scopes": ["user:inference", …],
                       "subscriptionType": "max"}, …}

What the CLI accepts is accepted here: only the two tokens have to be strings. It reads
`expiresAt` as JavaScript's `Number` does, so a string of digits is a time, and `true`,
`""` and `0` are long past. Where that gives no number it never refreshes by itself.
"""

import codecs
import hashlib
import math
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

import msgspec

FILE_NAME = ".credentials.json"

LONG_AGO = datetime.fromtimestamp(0, tz=UTC)
"""Stands for an expiry that is not known: the token counts as due."""


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A login that the CLI can refresh. Its `repr` shows no token."""

    access_token: str
    refresh_token: str
    expires_at: datetime
    """When the access token expires; LONG_AGO or earlier where that is not known."""
    cli_refreshes: bool = True
    """The CLI can read the expiry, so it refreshes once that is near."""
    login_ends_at: datetime | None = None
    """When the login itself ends; no refresh moves that. Older logins: None."""
    subscription: str | None = None

    @property
    def revision(self) -> str:
        """A name for this access token: 12 hex digits of its SHA-256."""
        return hashlib.sha256(self.access_token.encode()).hexdigest()[:12]

    @property
    def expiry_known(self) -> bool:
        """Whether the file says when the token expires; otherwise it counts as due."""
        return self.expires_at > LONG_AGO

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
    expires_at: Any = None
    refresh_token_expires_at: Any = None
    scopes: Any = None
    subscription_type: Any = None


class _File(msgspec.Struct):
    oauth: _OAuth | None = msgspec.field(name="claudeAiOauth", default=None)


_decoder = msgspec.json.Decoder(_File)

_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""What some editors and PowerShell put before a text."""


def parse(data: bytes) -> Found:
    """Parse the file. Never raises."""
    if not data.strip():
        return Malformed("the file is empty")
    if data.startswith(_BYTE_ORDER_MARKS):
        return Malformed(
            "the file begins with a byte order mark, which the CLI does not read; save "
            "it as UTF-8 without one"
        )
    try:
        oauth = _decoder.decode(data).oauth
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as ex:
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
    if not oauth.access_token or not oauth.refresh_token:
        return Blanked(_blank_reason(oauth))
    expiry = _expiry(oauth.expires_at)
    subscription = oauth.subscription_type
    return Credential(
        access_token=oauth.access_token,
        refresh_token=oauth.refresh_token,
        expires_at=expiry.expires_at,
        cli_refreshes=expiry.cli_refreshes,
        login_ends_at=_instant(_number(oauth.refresh_token_expires_at)),
        subscription=subscription if isinstance(subscription, str) else None,
    )


def scopes(data: bytes) -> tuple[str, ...]:
    """Return what the file's login is for; empty where it does not say. Never raises."""
    try:
        oauth = _decoder.decode(data).oauth
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    named = oauth.scopes if oauth else None
    if not isinstance(named, list):
        return ()
    return tuple(each for each in named if isinstance(each, str))


class Expiry(NamedTuple):
    """What `expiresAt` says."""

    expires_at: datetime
    """LONG_AGO where that is not known."""
    cli_refreshes: bool
    """Whether the CLI refreshes by itself once that is near."""


def parse_expiry(text: str) -> Expiry:
    """Read the JSON text of `expiresAt`; `""` is an absent one. Never raises."""
    try:
        return _expiry(msgspec.json.decode(text) if text else None)
    except msgspec.DecodeError:
        return _expiry(None)


def _expiry(value: object) -> Expiry:
    milliseconds = _number(value)
    return Expiry(_instant(milliseconds) or LONG_AGO, milliseconds < _LATEST)


def _blank_reason(oauth: _OAuth) -> str:
    if not oauth.access_token and not oauth.refresh_token:
        return "both tokens in the file are empty"
    if not oauth.refresh_token:
        return (
            "the file holds no refresh token (an access token alone, as from `claude "
            "setup-token`, cannot be refreshed: give it to the proxy as "
            "CLAUDE_ACCESS_TOKEN)"
        )
    return "the file holds no access token"


_LATEST = 253_402_300_800_000  # the year 10000

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def _number(value: object) -> float:
    """Read `expiresAt` as the CLI does (measured); NaN where it sees no time."""
    match value:
        case bool() | "" | []:
            return 0
        case int() | float():
            return float(value)
        case str() if _DECIMAL.fullmatch(value.strip()):
            return float(value)
        case _:
            return math.nan


def _instant(milliseconds: float) -> datetime | None:
    if not 0 < milliseconds < _LATEST:  # NaN is not
        return None
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


_EXPIRY = b'"expiresAt"'


def expiry_text(data: bytes) -> str:
    """Return the JSON text of `expiresAt`, exactly as it is; `""` where it is absent.

    `data` is a file that `parse` made a Credential of.
    """
    fields = msgspec.json.decode(_login_text(data), type=dict[str, msgspec.Raw])
    return bytes(fields.get("expiresAt", b"")).decode()


def with_expiry_text(data: bytes, text: str) -> bytes | None:
    """Return the file with another `expiresAt`, and every other byte as it was.

    `text` is as `expiry_text` returns it. None where the place cannot be found for
    certain, as in a file that holds the key twice.
    """
    login, old = _login_text(data), expiry_text(data)
    if data.count(login) != 1:
        return None
    if not old:
        edited = login.replace(b"{", b"{" + _EXPIRY + b":" + text.encode() + b",", 1)
    else:
        member = _EXPIRY + rb"(\s*:\s*)" + re.escape(old.encode()) + rb"(?=\s*[,}])"
        places = [*re.finditer(member + rb"(,?)", login)]
        if len(places) != 1:
            return None
        [found] = places
        colon, comma = found.groups()
        new = _EXPIRY + colon + text.encode() + comma if text else b""
        edited = login[: found.start()] + new + login[found.end() :]
    return (
        data.replace(login, edited) if _same_but_expiry(login, edited, text) else None
    )


def _login_text(data: bytes) -> bytes:
    whole = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    return bytes(whole["claudeAiOauth"])


def _same_but_expiry(before: bytes, after: bytes, text: str) -> bool:
    try:
        old, new = msgspec.json.decode(before), msgspec.json.decode(after)
        wanted = msgspec.json.decode(text) if text else None
    except msgspec.DecodeError:
        return False
    old.pop("expiresAt", None)
    return bool(new.pop("expiresAt", None) == wanted and old == new)
