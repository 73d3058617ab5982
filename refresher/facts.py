"""What `claude-refresher doctor` finds out before it concludes anything. Only values."""

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct


class Volume(Struct, frozen=True, kw_only=True):
    """The directory of the login."""

    directory: str
    trouble: str = ""
    """Why no token could be saved there: what it is, and what to do."""
    kind: str = ""
    """The file system, such as `ext4`; empty where it is not known."""
    bytes_free: int = 0
    files_free: int | None = None
    """Inodes; None on a file system that does not count them."""
    lock: Literal["free", "held", "unused", "unsupported"] = "free"
    """The refresher's lock. `unused`: there is no lock file yet."""


class Login(Struct, frozen=True, kw_only=True):
    """What the credentials file holds, without its tokens."""

    trouble: str = ""
    """Why there is no usable login."""
    expires_at: datetime | None = None
    ends_at: datetime | None = None
    scopes: tuple[str, ...] = ()


class Cli(Struct, frozen=True, kw_only=True):
    """The `claude` CLI."""

    wanted: str
    """CLAUDE_BIN."""
    path: str | None
    """None: it was not found."""
    version: str | None = None
    """What `claude --version` says; None: it does not run."""
    tested: str
    """The version that this refresher was tested with."""


class Host(Struct, frozen=True, kw_only=True):
    """The way to one of Anthropic's hosts."""

    name: str
    obstacle: str = ""
    """A key of `diagnosis.OBSTACLES`; empty: it responded."""
    detail: str = ""
    """What is wrong with the certificate, in OpenSSL's words."""
    network_proxy: bool = False
    ahead: timedelta | None = None
    """How far this clock is ahead of the host's."""


class Cluster(Struct, frozen=True, kw_only=True):
    """What the API server says."""

    trouble: str = ""
    """Why it could not be asked."""
    absent: str = ""
    """Why there is no ClaudeCredential."""
    name: str = ""
    suspended: bool = False
    ready: tuple[str, str, str] | None = None
    """Status, reason and message of its condition Ready."""
    missing: tuple[str, ...] = ()
    """Rights that the refresher lacks, such as `patch secrets claude-access-token`."""
    unknown: str = ""
    """Why its rights are not known."""


class Facts(Struct, frozen=True, kw_only=True):
    """Everything that the checks look at."""

    now: datetime
    settings_errors: tuple[str, ...] = ()
    """Why nothing would start; then nothing else is known."""
    skipped_for: str | None = None
    """The variable because of which the login is not used."""
    volume: Volume = Volume(directory="")
    login: Login = Login()
    failures: int = 0
    """Failed attempts in a row."""
    last: str = ""
    """How the last attempt ended."""
    cli: Cli | None = None
    hosts: tuple[Host, ...] = ()
    cluster: Cluster | None = None
    """None outside of a cluster."""
