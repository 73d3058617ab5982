"""Settings: read once from the environment, frozen after.

Names have no prefix, because the original's names keep working. A pod has many
variables, so unknown ones are ignored; a known one with a bad value stops the start.
"""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta, Struct, inspect

Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=7 * 24 * 3600)]
Count = Annotated[int, Meta(ge=1)]


class SettingsError(Exception):
    """Known variables with bad values: a line for each, ``NAME: must be …``.

    A line names the variable and what is expected, never the value, which may be a key.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(Struct, frozen=True, kw_only=True):
    """One field per variable (in capitals); docs/operations.md has its docstring."""

    host: str = "127.0.0.1"
    """Address to listen on; `::` is every address of the machine, IPv4 and IPv6. Any address but loopback requires an inbound key."""
    port: Port = 8080
    """Port of the API."""
    health_port: Port | None = None
    """Port for `/healthz`, `/readyz`, `/metrics` and the status page, on all interfaces, without a key. Unset: they are not served."""

    proxy_api_key: str = ""
    """The key that clients must send as `Authorization: Bearer`. Empty: no key, and loopback only."""
    proxy_api_keys_file: str = ""
    """A file of such keys, one per line; lines that begin with `#` are comments. It is reread when it changes."""

    anthropic_api_key: str = ""
    """Anthropic API key. The first credential that the proxy looks for."""
    claude_access_token: str = ""
    """An access token, used as it is. The second credential."""
    claude_credentials_path: str = ""
    """The file that `claude auth login` writes, or one that holds a bare token. Empty: `$HOME/.claude/.credentials.json`."""
    anthropic_api_base: str = ""
    """Base URL of the Messages API. Empty: `ANTHROPIC_BASE_URL`, or else Anthropic's own."""
    anthropic_base_url: str = ""
    """The SDK's name for the same setting. `ANTHROPIC_API_BASE` takes precedence."""
    allow_http_upstream: bool = False
    """`1`: accept a base URL that starts with `http://` for any host. Otherwise only for loopback, private addresses and names inside a cluster, because prompts and the credential would cross the network unencrypted."""

    default_model: str = "claude-sonnet-4-6"
    """Model for requests that name none."""
    default_max_tokens: Count = 16384
    """Token limit for requests that set none. Never more than the model allows."""
    prompt_caching: Literal["auto", "always", "off"] = "auto"
    """When to add `cache_control` to a request that has none: `auto` (if it has tools or earlier turns), `always` or `off`."""
    cache_ttl: Literal["auto", "5m", "1h"] = "auto"
    """How long Anthropic keeps the tools and the first system message of a request whose `cache_control` the proxy sets: `5m`, `1h`, or `auto` (an hour if the same ones came back after more than five minutes within the last hour)."""
    reasoning_display: Literal["", "summarized", "omitted"] = ""
    """`summarized`: ask every model that thinks by default for readable reasoning. Empty: only when the client asks for reasoning."""
    strict_params: bool = False
    """`1`: refuse (400) requests that would otherwise be changed in a way that affects the response; [the table of warnings](translation.md#warnings) lists the changes."""

    max_requests: Count = 512
    """Completions in flight. Any more get an immediate 503."""
    max_body_bytes: Count = 32 * 1024 * 1024
    """Largest request body in bytes; a larger one gets a 413, unread. Twice this many bytes may be arriving or on their way upstream at once; any more get a 503."""

    memory_bytes: Annotated[int, Meta(ge=0)] = 64 * 1024 * 1024
    """Bytes of [memory](memory.md) between requests: half for the turns of tool loops, half for responses and answers. `0`: nothing is remembered."""

    retry_grace: Annotated[float, Meta(ge=0, le=7 * 24 * 3600)] = 10.0
    """Seconds for which the call of a plain completion goes on after its client has left, so that [a retry can join it](memory.md#retries-that-join). `0`: it is cancelled at once."""

    connect_timeout: Seconds = 10.0
    """Seconds to connect to Anthropic, looking up its name included."""
    header_timeout: Seconds = 60.0
    """Seconds to wait for Anthropic's response headers."""
    idle_timeout: Seconds = 45.0
    """Seconds without a single byte of a response, not even a ping, after which the line counts as dead. The first content must come within twice that time, a second try included."""
    progress_timeout: Seconds = 600.0
    """Seconds for which Anthropic may send nothing but pings while the model thinks; without thinking it is twice `IDLE_TIMEOUT`, if that is less."""
    total_timeout: Seconds = 3600.0
    """Seconds for a whole completion."""
    drain_timeout: Seconds = 25.0
    """Seconds that running completions have to finish after SIGTERM."""

    status_page: Literal["local", "open"] = "local"
    """Who may see the [status page](#the-status-page) on `HEALTH_PORT`: `local`, only this machine, `kubectl port-forward` included; `open`, anybody who can reach the port."""
    prices_file: str = ""
    """A JSON file that replaces the built-in table of prices; see [Prices](#prices)."""
    log_format: Literal["json", "text"] = "json"
    """`text`: log lines for people at a terminal, in colour there, instead of JSON."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Level of every log line but the one that each completion writes: `debug`, `info`, `warning` or `error`."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the known variables of ``environ``; an empty one counts as unset.

        Kubernetes puts ``<SERVICE>_PORT=tcp://…`` into every pod of a namespace, so a
        Service called ``health`` sets ``HEALTH_PORT``: such a value counts as unset.

        Raises ``SettingsError`` for all values that do not fit, so that nobody has to
        start the proxy once for each typo.
        """
        given: dict[str, str] = {}
        for field in msgspec.structs.fields(cls):
            value = environ.get(field.name.upper(), "").strip()
            if value and not (field.name.endswith("port") and "://" in value):
                is_path = field.name.endswith(("_path", "_file"))
                given[field.name] = _at_home(value, environ) if is_path else value
        if "host" in given:
            given["host"] = given["host"].removeprefix("[").removesuffix("]")
        given.setdefault("claude_credentials_path", _default_path(environ))
        given = _lowered(given)
        kinds = {field.name: field.type for field in msgspec.structs.fields(cls)}
        problems = [
            f"{name.upper()}: must {UNQUOTED}"
            if is_quoted(value)
            else f"{name.upper()}: must be {_requirement(kinds[name])}"
            for name, value in given.items()
            if is_quoted(value) or not _fits(value, kinds[name])
        ]
        if problems:
            raise SettingsError(*problems)
        config = msgspec.convert(given, cls, strict=False)
        config.check()
        return config

    def __repr__(self) -> str:
        return "Settings(…)"  # holds keys

    @property
    def base_url(self) -> str | None:
        """The Messages API to call; ``None`` leaves it to the SDK (a profile's)."""
        return self.anthropic_api_base or self.anthropic_base_url or None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the API."""
        return is_loopback(self.host)

    @property
    def has_inbound_key(self) -> bool:
        """Whether clients must send a key, of the setting's or of the file's."""
        return bool(self.proxy_api_key or self.proxy_api_keys_file)

    def longer_than_clients_wait(self) -> list[str]:
        """Sentences on deadlines that known clients do not wait for."""
        limits = (
            ("IDLE_TIMEOUT", 2 * self.idle_timeout, "twice ", 100, "a .NET client"),
            ("PROGRESS_TIMEOUT", self.progress_timeout, "", 600, "OpenAI's for Python"),
        )
        return [
            f"{name}: {twice}its value is {seconds:g} s, and {who} gives up after {limit} s"
            for name, seconds, twice, limit, who in limits
            if seconds > limit
        ]

    def check(self) -> None:
        """Refuse values that have the right type and still cannot work.

        Raises ``SettingsError`` for all of them.
        """
        problems = []
        if self.health_port == self.port:
            problems.append("HEALTH_PORT: must be another port than PORT")
        if not self.proxy_api_key.isprintable():
            problems.append("PROXY_API_KEY: must be one line of printable text")
        if not self.default_model.isprintable() or " " in self.default_model:
            problems.append("DEFAULT_MODEL: must be the name of one model")
        if problems:
            raise SettingsError(*problems)

    def check_exposure(self) -> None:
        """Refuse to serve strangers: a wider address needs an inbound key.

        Raises ``SettingsError`` with what to do.
        """
        if not self.is_loopback and not self.has_inbound_key:
            raise SettingsError(
                "HOST is not loopback, so anyone who reaches it could spend your "
                "tokens: set PROXY_API_KEY (or PROXY_API_KEYS_FILE), or leave HOST "
                "at 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address and without brackets, is this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


UNQUOTED = "have no quotes around it"
"""What `is_quoted` asks of a value, after ``must``."""


def is_quoted(value: str) -> bool:
    """Whether an env file's quotes have become a part of the value.

    ``docker run --env-file``, Compose's lists and Kubernetes keep them. A key with them
    would refuse every client that sends it without.
    """
    return len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"


def _at_home(value: str, environ: Mapping[str, str]) -> str:
    """A path below ``~``, which no shell has expanded in an env file; else the value."""
    if not value.startswith("~/"):
        return value
    return environ.get("HOME", "/").rstrip("/") + value[1:]


def _default_path(environ: Mapping[str, str]) -> str:
    return environ.get("HOME", "/").rstrip("/") + "/.claude/.credentials.json"


def _lowered(given: dict[str, str]) -> dict[str, str]:
    """Words are case-insensitive: ``INFO`` is ``info``."""
    words = {
        "allow_http_upstream",
        "cache_ttl",
        "log_format",
        "log_level",
        "prompt_caching",
        "reasoning_display",
        "status_page",
        "strict_params",
    }
    return {k: v.lower() if k in words else v for k, v in given.items()}


def _fits(value: str, kind: object) -> bool:
    """Whether the text of a variable is a value of its field's type."""
    try:
        msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        return False
    return True


def _requirement(kind: object) -> str:
    """What a field's type accepts, in words: ``an integer from 1 to 65535``."""
    return _in_words(inspect.type_info(kind))


def _in_words(kind: inspect.Type) -> str:
    match kind:
        case inspect.UnionType(types=(wanted, inspect.NoneType())):
            return _in_words(wanted)
        case inspect.LiteralType(values=values):
            *others, last = (str(one) for one in values if one)
            return f"{', '.join(others)} or {last}"
        case inspect.BoolType():
            return "0, 1, true or false"
        case inspect.IntType(ge=least, le=None):
            return f"an integer of at least {least}"
        case inspect.IntType(ge=least, le=most):
            return f"an integer from {least} to {most}"
        case inspect.FloatType(ge=int() | float() as least, le=most):
            return f"a number from {least:g} to {most:g}"
        case inspect.FloatType(gt=limit, le=most):
            return f"a number above {limit:g} and at most {most:g}"
        case _:  # a field of another type needs words of its own
            raise TypeError(kind)
