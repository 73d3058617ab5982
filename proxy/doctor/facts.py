"""What the doctor finds out, as values: ``diagnosis`` judges them."""

from typing import Literal

from msgspec import Struct


class Port(Struct, frozen=True):
    """One of the proxy's ports. ``taken_by`` is what answers there."""

    name: str
    number: int
    state: Literal["free", "proxy", "other", "forbidden"]


class Call(Struct, frozen=True, kw_only=True):
    """What became of the one call, to ``/v1/models``."""

    url: str
    authenticated: bool = True
    """Whether there was a token to call with; without one, any response is news."""
    network_proxy: bool = False
    obstacle: str = ""
    """What stood in the way: a name of ``transport.Obstacle``, or ``unreadable``."""
    tls_error: str = ""
    """What is wrong with the certificate, in OpenSSL's words."""
    status: int = 0
    seconds: float = 0.0
    skew: float | None = None
    """Seconds by which this clock is ahead of Anthropic's."""


class Facts(Struct, frozen=True, kw_only=True):
    """Everything that the checks look at. Times are seconds, since the epoch or long."""

    now: float
    settings_errors: tuple[str, ...] = ()
    """Why the proxy would not start; then nothing else is known."""
    ports: tuple[Port, ...] = ()
    keys_file: bool = False
    """PROXY_API_KEYS_FILE is set."""
    keys_trouble: str = ""
    """What is wrong with that file, in words."""
    shortest_key: int | None = None
    """Characters of the shortest key that clients may send; ``None``: there is none."""
    source: str = ""
    kind: str = ""
    """The kind of that source: ``credentials.Kind``."""
    begins: str = ""
    """The beginning of the credential, which says what it is: ``sk-ant-api``."""
    token_trouble: str = ""
    expires_at: float | None = None
    login_ends_at: float | None = None
    scopes: tuple[str, ...] = ()
    call: Call | None = None
    idle_timeout: float = 45.0
    total_timeout: float = 3600.0
    max_requests: int = 512
    fitting_requests: int = 512
    """How many fit in this process's file descriptors."""
    descriptors: int = 0
    max_body_bytes: int = 0
    memory_bytes: int = 0
    memory_limit: int | None = None
    """Bytes that the container may use; ``None``: no limit was found."""
