"""Settings: read once from the environment, frozen after.

Names have no prefix, because the original's names keep working. A pod has many
variables, so unknown ones are ignored; a known one with a bad value stops the start.
"""

import enum
import re
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from zoneinfo import ZoneInfo

import cronsim
import msgspec
from msgspec import Meta, Struct

from refresher import limits

Port = Annotated[int, Meta(ge=1, le=65535)]

OTHER_CREDENTIALS = ("ANTHROPIC_API_KEY", "CLAUDE_ACCESS_TOKEN")
"""With one of these set, the proxy does not use the login."""

PASSED_TO_CLI = (
    "PATH",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""How to reach the network, and nothing that could change what the CLI does there."""


class SettingsError(Exception):
    """Known variables with bad values: a line for each, ``NAME: must be …``."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Command(enum.StrEnum):
    """Which of the two configured commands an attempt runs."""

    REFRESH = "refresh"
    FALLBACK = "fallback"


class Settings(Struct, frozen=True, kw_only=True):
    """One field per variable, in capitals; the docstring below each is its meaning."""

    claude_config_dir: str = "~/.claude"
    """The directory of `.credentials.json`; in a cluster, the volume's root. It must be writable."""
    claude_bin: str = "claude"
    """The CLI: a name on `PATH`, or a path."""
    refresh_before: Annotated[
        int, Meta(ge=limits.SHORTEST_BEFORE, le=limits.LONGEST_BEFORE)
    ] = 240
    """Seconds before the expiry when attempts begin, 60 to 25200 (7 hours). Above 290, see [Refreshing early](#refreshing-early)."""
    refresh_interval: Annotated[int, Meta(ge=60, le=600)] = 60
    """The shortest time between two attempts in seconds, 60 to 600."""
    refresh_schedule: str = ""
    """Five cron fields, such as `0 3 * * *`: at each tick the token is refreshed, however long it is still valid."""
    refresh_time_zone: str = "UTC"
    """The time zone of the schedule, such as `Europe/Berlin`."""
    cli_timeout: Annotated[int, Meta(ge=limits.CLI_TIMEOUT, le=600)] = (
        limits.CLI_TIMEOUT
    )
    """Seconds that the CLI may take, 120 to 600. It is never ended while it waits for a token."""
    refresh_command: str = "mcp list"
    """The arguments of `claude`. Commands known to refresh nothing, or to lose logins, are refused."""
    fallback: Literal["on", "off"] = "on"
    """`off`: never run the fallback command."""
    fallback_command: str = (
        '-p ping --model haiku --max-turns 1 --tools "" --strict-mcp-config '
        "--safe-mode --no-session-persistence --output-format json"
    )
    """The arguments of `claude` after an attempt in which it asked for no token."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Level of the log on stderr."""
    credential_name: str = "claude"
    """`operator` only: the name of its ClaudeCredential."""
    pod_namespace: str = ""
    """`operator` only, and required there: the namespace of its ClaudeCredential."""
    health_port: Port = 8080
    """`operator` only: the port of `/healthz`, `/readyz` and `/metrics`, on all interfaces."""

    skipped_for: str | None = None
    """Not a variable: which of OTHER_CREDENTIALS is set, if any."""
    cli_environ: Mapping[str, str] = {}
    """Not a variable: those of PASSED_TO_CLI that are set."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the known variables of `environ`; an empty one counts as unset.

        Kubernetes puts `<SERVICE>_PORT=tcp://…` into every pod of a namespace, so a
        Service called `health` sets HEALTH_PORT: such a value counts as unset.

        Raises SettingsError for all values that do not fit, so that nobody has to start
        the program once for each typo.
        """
        given: dict[str, object] = {}
        for name in VARIABLES:
            value = environ.get(name, "").strip()
            if value and not (name.endswith("PORT") and "://" in value):
                given[name.lower()] = value.lower() if name in _WORDS else value
        quoted = [
            name
            for name in VARIABLES
            if name not in _SHELL_WORDS and _is_quoted(str(given.get(name.lower(), "")))
        ]
        given["claude_config_dir"] = _directory(
            str(given.get("claude_config_dir", "~/.claude")), environ.get("HOME")
        )
        given["skipped_for"] = next(filter(environ.get, OTHER_CREDENTIALS), None)
        given["cli_environ"] = {
            name: environ[name].strip() for name in PASSED_TO_CLI if environ.get(name)
        }
        kinds = {field.name: field.type for field in msgspec.structs.fields(cls)}
        problems = [f"{name}: must have no quotes around it" for name in quoted]
        problems += [
            f"{name.upper()}: must be {_requirement(kinds[name])}"
            for name, value in given.items()
            if name.upper() not in quoted and not _fits(value, kinds[name])
        ]
        if problems:
            raise SettingsError(*problems)
        settings = msgspec.convert(given, cls, strict=False)
        settings.check()
        return settings

    def check(self) -> None:
        """Check what the types cannot say. Raises SettingsError for all that is wrong."""
        found = {
            "REFRESH_COMMAND": _command_problem(self.refresh_command),
            "FALLBACK_COMMAND": _command_problem(self.fallback_command),
            "REFRESH_SCHEDULE": _schedule_problem(self.refresh_schedule),
            "REFRESH_TIME_ZONE": _time_zone_problem(self.refresh_time_zone),
        }
        problems = [f"{name}: {problem}" for name, problem in found.items() if problem]
        if problems:
            raise SettingsError(*problems)

    def renewing(self, before: str) -> Self:
        """Return these settings with another `refresh_before`, such as `1h30m`.

        Raises SettingsError, which says what is wrong with it.
        """
        seconds = _duration(before)
        low, high = limits.SHORTEST_BEFORE, limits.LONGEST_BEFORE
        if seconds is None or not low <= seconds <= high:
            raise SettingsError(
                f"`{before}`: must be a duration from {low // 60}m to {high // 3600}h, "
                "such as 4m or 1h30m"
            )
        return msgspec.structs.replace(self, refresh_before=seconds)

    def scheduled(self, schedule: str, time_zone: str) -> Self:
        """Return these settings with another schedule.

        Raises SettingsError, which says what is wrong with it.
        """
        if problem := _schedule_problem(schedule):
            raise SettingsError(f"schedule: `{schedule}`: {problem}")
        if problem := _time_zone_problem(time_zone):
            raise SettingsError(f"timeZone: `{time_zone}`: {problem}")
        return msgspec.structs.replace(
            self, refresh_schedule=schedule, refresh_time_zone=time_zone
        )

    @property
    def config_dir(self) -> Path:
        """The directory of the login, absolute."""
        return Path(self.claude_config_dir)

    @property
    def before(self) -> timedelta:
        """How long before the expiry attempts begin."""
        return timedelta(seconds=self.refresh_before)

    @property
    def interval(self) -> timedelta:
        """The shortest time between two attempts."""
        return timedelta(seconds=self.refresh_interval)

    @property
    def longest_cli_run(self) -> timedelta:
        """How long the CLI may take for one command."""
        return timedelta(seconds=self.cli_timeout)

    @property
    def time_zone(self) -> ZoneInfo:
        """The time zone of the schedule."""
        return ZoneInfo(self.refresh_time_zone)

    def arguments(self, command: Command) -> tuple[str, ...]:
        """Return the arguments of `claude` for a command."""
        match command:
            case Command.REFRESH:
                return tuple(shlex.split(self.refresh_command))
            case Command.FALLBACK:
                return tuple(shlex.split(self.fallback_command))


VARIABLES = tuple(
    field.name.upper()
    for field in msgspec.structs.fields(Settings)
    if field.name not in {"skipped_for", "cli_environ"}
)
"""The names of the settings; the other fields follow from the environment."""

_SHELL_WORDS = {"REFRESH_COMMAND", "FALLBACK_COMMAND"}
"""Quotes belong to these."""

_WORDS = {"FALLBACK", "LOG_LEVEL"}
"""Case does not matter in these: `INFO` is `info`."""

_BURNS = "can use up the refresh token without saving the new one"
_BY_CHANCE = "refreshes only by chance"
_NEVER = "refreshes nothing"
_HARMFUL_COMMANDS = {
    "agents": _BURNS,
    "auth": _BY_CHANCE,
    "doctor": _BURNS,
    "plugin": _BURNS,
}
_HARMFUL_WORDS = {
    "--version": _NEVER,
    "-v": _NEVER,
    "--help": _NEVER,
    "--bare": "never reads the login",
    "/cost": _BURNS,
    "/usage": _BURNS,
}


def _is_quoted(value: str) -> bool:
    """Whether an env file's quotes have become a part of the value."""
    return len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"


def _command_problem(text: str) -> str | None:
    try:
        words = shlex.split(text)
    except ValueError as ex:
        return f"must be shell words ({str(ex).lower()})"
    harm = None if words else _NEVER
    # Options may stand before the command, and only the CLI knows which take a value.
    commands = {} if {"-p", "--print"} & {*words} else _HARMFUL_COMMANDS
    for word in words:
        harm = harm or _HARMFUL_WORDS.get(word) or commands.get(word)
    return f"`claude {text}` {harm}" if harm else None


def _schedule_problem(text: str) -> str | None:
    if not text:
        return None
    if len(text.split()) != 5:  # noqa: PLR2004 - as `crontab` and CronJob have it
        return "must be five cron fields, such as `17 */4 * * *`"
    try:
        cronsim.CronSim(text, datetime(2000, 1, 1, tzinfo=UTC))
    except cronsim.CronSimError as ex:
        return f"must be five cron fields, such as `17 */4 * * *` ({ex})"
    return None


def _time_zone_problem(text: str) -> str | None:
    try:
        ZoneInfo(text)
    except (KeyError, OSError, ValueError):
        return "must be a name such as Europe/Berlin"
    return None


def _duration(text: str) -> int | None:
    """Read a duration as Kubernetes writes it, `1h30m` or `45s`, in whole seconds."""
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
    if not text or not found:
        return None
    hours, minutes, seconds = (int(number or 0) for number in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _directory(text: str, home: str | None) -> str:
    if text != "~" and not text.startswith("~/"):
        return str(Path(text).absolute())
    if not home:
        raise SettingsError("CLAUDE_CONFIG_DIR: must be set when HOME is not")
    return home + text[1:]


def _fits(value: object, kind: object) -> bool:
    """Whether the text of a variable is a value of its field's type."""
    try:
        msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        return False
    return True


def _requirement(kind: object) -> str:
    """What a field's type accepts, in words: `a whole number from 60 to 600`."""
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.LiteralType):
        words = get_args(kind)  # in their own order; `info` sorts them
        return f"{', '.join(words[:-1])} or {words[-1]}"
    assert isinstance(info, msgspec.inspect.IntType)  # noqa: S101 - text always fits
    return f"a whole number from {info.ge} to {info.le}"
