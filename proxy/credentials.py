"""Where the proxy's credential comes from, re-read when it changes.

In this order: ``ANTHROPIC_API_KEY``; ``CLAUDE_ACCESS_TOKEN``; Workload Identity
Federation or a profile, where the SDK's own settings name one; the credentials file.

A file is opened by its path each time (the CLI renames a new file into place, a Secret
volume swaps a symlink), and the last good token is kept while the file is being replaced
or missing. The refresh token in the CLI's file is never read.
"""

import logging
import os
import re
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec
from msgspec import Struct

from proxy import files, redaction, settings

if TYPE_CHECKING:
    from anthropic.lib.credentials import CredentialResult

logger = logging.getLogger(__name__)


class Token(Struct, frozen=True):
    """A credential as it is sent. Its ``repr`` shows nothing of it."""

    value: str
    oauth: bool
    """An access token, which needs Anthropic's OAuth beta header; else an API key."""
    expires_at: float | None = None
    """Seconds since the epoch; ``None`` where it is not known."""
    login_ends_at: float | None = None
    """When the login itself ends, and with it every renewal; where the file says so."""
    scopes: tuple[str, ...] = ()
    """What the token may be used for, where the file says so."""

    def __repr__(self) -> str:
        return f"Token(…, oauth={self.oauth}, expires_at={self.expires_at})"


_TOKEN = re.compile(r"[A-Za-z0-9._~+/:=-]+")
_SCOPE = re.compile(r"[a-z_:.]{1,64}")
_LATEST = 10**10  # seconds; a later expiry is no time


class MissingCredentialError(Exception):
    """There is no token; ``str()`` says why, and what to do."""

    def __init__(self, words: str, where: str = "") -> None:
        super().__init__(f"{where} {words}".strip())
        self.words = words
        """The same without the path, which is nobody's business but the owner's."""


Kind = Literal["api_key", "access_token", "federation", "file"]
"""The kinds of source: all that a metric says of where a credential comes from."""


class CredentialSource(Protocol):
    """Where tokens come from. Thread-safe: every completion asks for the token anew."""

    kind: Kind
    description: str
    """Where it comes from, for the start line and ``/readyz``."""
    name: str
    """The same for errors, which clients and models read: no path."""
    headers: Mapping[str, str]
    """Headers that each call needs besides the token (a profile's workspace)."""
    base_url: str | None
    """The API that a profile belongs to, where the profile names one."""
    changes: bool
    """Another token may appear at any time, so a 401 is worth a short wait."""

    def token(self) -> Token:
        """The token to use now. Raises ``MissingCredentialError``."""

    def discard(self) -> None:
        """The token was refused: drop it from any cache."""


class Fixed:
    """A credential from the environment."""

    changes = False
    headers: Mapping[str, str] = {}
    base_url: str | None = None

    def __init__(self, token: Token, description: str) -> None:
        self.kind: Kind = "access_token" if token.oauth else "api_key"
        self.description = self.name = description
        self._token = token

    def token(self) -> Token:
        """The credential, which is the same for as long as the process runs."""
        return self._token

    def discard(self) -> None:
        """There is no other token."""


class Federation:
    """A profile or Workload Identity Federation, minted and cached by the SDK."""

    kind: Kind = "federation"
    changes = False
    description = name = "the SDK's profile or workload identity settings"

    def __init__(self, result: "CredentialResult") -> None:
        from anthropic.lib.credentials import TokenCache  # noqa: PLC0415 - see source_for

        self.headers: Mapping[str, str] = result.extra_headers
        self.base_url = result.base_url
        self._cache = TokenCache(result.provider)

    def token(self) -> Token:
        """See `CredentialSource.token`: the SDK renews it in time."""
        from anthropic import AnthropicError  # noqa: PLC0415 - loaded by now

        try:
            token = Token(self._cache.get_token(), oauth=True)
        except AnthropicError as ex:
            raise MissingCredentialError(
                f"gave no token ({type(ex).__name__}): check the federation rule and the "
                "identity token",
                self.description,
            ) from None
        redaction.remember(token.value)
        return token

    def discard(self) -> None:
        """Have the SDK mint another token the next time one is asked for."""
        self._cache.invalidate()


class File:
    """The CLI's credentials file, the original's two shapes of it, or a bare token."""

    kind: Kind = "file"
    changes = True
    name = "the credentials file"
    headers: Mapping[str, str] = {}
    base_url: str | None = None

    def __init__(self, path: str) -> None:
        self.description = f"the file {path}"
        self._path = Path(path)
        self._files = files.Files(self._path, self._path.with_name("expires-at"))
        self._lock = threading.Lock()
        self._seen: tuple[files.Content, ...] = ()
        self._good: Token | None = None
        self._trouble = ""

    def token(self) -> Token:
        """The token that the file holds now, or the last good one while it holds none.

        Raises ``MissingCredentialError`` if it has never held one. A volume that does
        not respond costs one caller ``files.PATIENCE`` seconds.
        """
        found = self._files.read()
        with self._lock:
            if found != self._seen:
                self._use(*found)
                self._seen = found
            if self._good is None:
                raise MissingCredentialError(self._trouble, f"the file {self._path}")
            return self._good

    def discard(self) -> None:
        """The file is read for every call, so there is nothing to drop."""

    def _use(self, found: files.Content, expiry: files.Content) -> None:
        """Take over what was found, or keep the last good token and say so once."""
        before, self._trouble = self._trouble, ""
        token: Token | None = None
        if found.text is None:
            self._trouble = found.trouble
            if found.missing:
                self._trouble += f": set ANTHROPIC_API_KEY, or {_remedy(self._path)}"
        else:
            parsed = parse(found.text, _moment(expiry.text))
            if isinstance(parsed, Token):
                token = parsed
            else:
                self._trouble = parsed
                if parsed == WITHOUT:
                    self._trouble += f": {_remedy(self._path)}"
        if self._good is not None and self._trouble != before:
            if self._trouble:
                logger.warning(
                    "%s %s (the last good token stays in use)",
                    self.description,
                    self._trouble,
                )
            else:
                logger.info("%s is in order again", self.description)
        if token is not None:
            redaction.remember(token.value)
            self._good = token


def _remedy(path: Path) -> str:
    """What a person can do about a missing token; only the CLI's own file is logged in to."""
    if path.name == ".credentials.json":
        return "log in with 'claude auth login'"
    return (
        "see why the program that writes it has not done so (on Kubernetes: "
        "'kubectl get claudecredentials')"
    )


def _moment(text: str | None) -> float | None:
    """The expiry beside a bare token, in the form that a mounted Secret has."""
    try:
        return datetime.fromisoformat((text or "").strip()).timestamp()
    except ValueError:
        return None


class _OAuth(Struct):
    accessToken: str = ""  # noqa: N815 - the CLI's own word
    # whatever stands in these must not cost the token; times are in milliseconds
    expiresAt: object = None  # noqa: N815 - the CLI's own word
    refreshTokenExpiresAt: object = None  # noqa: N815 - the CLI's own word
    scopes: object = None


class _Credentials(Struct):
    claudeAiOauth: _OAuth | None = None  # noqa: N815 - the CLI's own word
    access_token: str = ""
    token: str = ""


WITHOUT = "holds no access token"
"""What `parse` says of a file that is in order and has no token in it."""


def parse(text: str, expires_at: float | None = None) -> Token | str:
    """The token in a credentials file's text, or what is wrong, as in ``is empty``.

    Knows the CLI's JSON (``claudeAiOauth.accessToken``, ``expiresAt`` in milliseconds),
    JSON with a top-level ``access_token`` or ``token``, and a bare token, whose expiry
    is ``expires_at`` (seconds). An ``expiresAt`` that is no time is an unknown expiry.
    """
    text = text.strip(_AROUND)
    if not text:
        return "is empty"
    ends_at: float | None = None
    scopes: tuple[str, ...] = ()
    value = text
    if text.startswith("{"):
        try:
            found = msgspec.json.decode(text, type=_Credentials)
        except msgspec.ValidationError:
            return WITHOUT
        except (msgspec.DecodeError, RecursionError):
            return "is not JSON: it may be truncated"
        if (login := found.claudeAiOauth) is not None:
            value = login.accessToken.strip(_AROUND)
            expires_at = _milliseconds(login.expiresAt)
            ends_at = _milliseconds(login.refreshTokenExpiresAt)
            scopes = _words(login.scopes)
        else:
            value = (found.access_token or found.token).strip(_AROUND)
        if not value:
            return WITHOUT
    return _mistaken(value) or Token(
        value, oauth=True, expires_at=expires_at, login_ends_at=ends_at, scopes=scopes
    )


_AROUND = "\ufeff \t\r\n"
_JSON_WORD = re.compile(r"null|true|false|-?[0-9.]+")
_ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=[^=].*")


def _mistaken(value: str) -> str:
    """What stands where an access token should, in words; empty if it looks like one."""
    if not is_usable(value) or _JSON_WORD.fullmatch(value):
        return "holds neither JSON nor a bare access token: one line, without quotes"
    if value.startswith("sk-ant-api"):
        return "holds an API key, not an access token: set ANTHROPIC_API_KEY to it"
    if value.startswith("sk-ant-ort"):
        return "holds a refresh token, not an access token"
    if _ASSIGNMENT.fullmatch(value):
        return "holds an assignment: it must hold the bare access token"
    return ""


_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def _milliseconds(value: object) -> float | None:
    """A time of the CLI's in seconds; ``None`` for anything else.

    The CLI reads it as JavaScript's ``Number`` does, so a string of digits is a time.
    """
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value / 1000 if 0 < value < _LATEST * 1000 else None


def _words(value: object) -> tuple[str, ...]:
    """The words of a list that have the form of OAuth scopes."""
    given = value if isinstance(value, list) else []
    return tuple(
        word for word in given if isinstance(word, str) and _SCOPE.fullmatch(word)
    )


def is_usable(value: str) -> bool:
    """Whether a value looks like a token: RFC 6750's characters after ``Bearer``."""
    return _TOKEN.fullmatch(value) is not None


def source_for(config: settings.Settings) -> CredentialSource:
    """The first source that the settings name. Opens nothing.

    Raises ``settings.SettingsError`` where the SDK's own settings name a broken profile,
    or a key holds what no key has.
    """
    for name in ("anthropic_api_key", "claude_access_token"):
        value = getattr(config, name)
        if value and not is_usable(value):
            raise settings.SettingsError(
                f"{name.upper()}: must be one line of letters, digits and ._~+/:=-, "
                "without quotes or spaces"
            )
    if config.anthropic_api_key:
        token = Token(config.anthropic_api_key, oauth=False)
        return Fixed(token, "ANTHROPIC_API_KEY")
    if config.claude_access_token:
        token = Token(config.claude_access_token, oauth=True)
        return Fixed(token, "CLAUDE_ACCESS_TOKEN")
    found = _federation(config.base_url) if _names_a_profile(os.environ) else None
    return found or File(config.claude_credentials_path)


def _names_a_profile(environ: Mapping[str, str]) -> bool:
    """Whether the SDK has to be asked, whose import takes a second of CPU."""
    names = ("PROFILE", "CONFIG_DIR", "FEDERATION_RULE_ID")
    folder = Path(environ.get("HOME", "/"), ".config", "anthropic")
    return any(environ.get(f"ANTHROPIC_{name}") for name in names) or folder.is_dir()


def _federation(base_url: str | None) -> Federation | None:
    from anthropic import AnthropicError  # noqa: PLC0415 - see _names_a_profile
    from anthropic.lib import credentials as sdk  # noqa: PLC0415

    if os.environ.get("ANTHROPIC_AUTH_TOKEN"):
        return None  # the SDK would prefer it, and it is not one of our sources
    for name, value in os.environ.items():
        if name.startswith("ANTHROPIC_") and settings.is_quoted(value):
            raise settings.SettingsError(f"{name}: must {settings.UNQUOTED}")
    try:
        result = (
            sdk.default_credentials(base_url=base_url)
            if base_url
            else sdk.default_credentials()
        )
    except AnthropicError as ex:
        raise settings.SettingsError(
            f"the SDK's profile settings are unusable ({type(ex).__name__})"
        ) from None
    return None if result is None else Federation(result)
