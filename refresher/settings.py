"""The environment as a value: read once, checked, frozen."""

import enum
import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import cronsim
import msgspec

CLI_WINDOW = timedelta(seconds=300)
"""The CLI renews a token only in the last five minutes of its life. Measured."""

OTHER_CREDENTIALS = ("ANTHROPIC_API_KEY", "CLAUDE_ACCESS_TOKEN")
"""With one of these set the login is not what the proxy uses."""


class SettingsError(ValueError):
    """A known variable has a bad value. The message names it and says what to do."""


class Command(enum.StrEnum):
    """Which of the two configured commands a try runs."""

    REFRESH = "refresh"
    FALLBACK = "fallback"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a person can choose. The table in docs/refresher.md explains each one."""

    config_dir: Path
    claude_bin: str
    window: timedelta
    interval: timedelta
    cli_timeout: timedelta
    refresh_command: tuple[str, ...]
    fallback: bool
    fallback_command: tuple[str, ...]
    schedule: str | None
    time_zone: ZoneInfo
    log_level: str
    credential_name: str
    namespace: str
    health_port: int
    skipped_for: str | None
    """The variable that makes this login unneeded, if one is set."""
    cli_environ: Mapping[str, str]
    """The variables of our own environment that the CLI may see."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the variables of `VARIABLES`; an empty one counts as unset.

        Raises SettingsError for the first bad value.
        """
        values: dict[str, Any] = {}
        for variable in VARIABLES:
            text = environ.get(variable.name) or variable.default
            try:
                values[variable.field] = variable.parse(text)
            except (ValueError, cronsim.CronSimError) as ex:
                raise SettingsError(f"{variable.name}: {ex}") from ex
        values["config_dir"] = _home(values["config_dir"], environ)
        values["skipped_for"] = next(filter(environ.get, OTHER_CREDENTIALS), None)
        values["cli_environ"] = {
            name: environ[name] for name in PASSED_TO_CLI if environ.get(name)
        }
        return cls(**values)

    def scheduled(self, schedule: str | None, time_zone: str) -> "Settings":
        """Give these settings with another schedule.

        Raises SettingsError, which names what is wrong with it.
        """
        try:
            return msgspec.structs.replace(
                self,
                schedule=_schedule(schedule or ""),
                time_zone=_time_zone(time_zone),
            )
        except (ValueError, cronsim.CronSimError) as ex:
            text = f"`{schedule}` in `{time_zone}` is no schedule: {ex}"
            raise SettingsError(text) from ex

    def arguments(self, command: Command) -> tuple[str, ...]:
        """Give the words after `claude`."""
        match command:
            case Command.REFRESH:
                return self.refresh_command
            case Command.FALLBACK:
                return self.fallback_command


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

_BURNS = "can use up the refresh token without saving the new one"
_BY_CHANCE = "renews only by chance"
_HARMFUL_COMMANDS = {
    "agents": _BY_CHANCE,
    "auth": _BY_CHANCE,
    "doctor": _BURNS,
    "plugin": _BURNS,
}
_HARMFUL_WORDS = {
    "--version": "renews nothing",
    "-v": "renews nothing",
    "--help": "renews nothing",
    "--bare": "never reads the login",
    "/cost": _BURNS,
    "/usage": _BURNS,
}


class Variable(NamedTuple):
    """One setting: its variable, the field it fills, its default as a person writes it."""

    name: str
    field: str
    default: str
    parse: Callable[[str], object]


def _seconds(least: int, most: int) -> Callable[[str], timedelta]:
    def parse(text: str) -> timedelta:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"expected whole seconds from {least} to {most}")
        return timedelta(seconds=int(text))

    return parse


def _command(text: str) -> tuple[str, ...]:
    words = tuple(shlex.split(text))
    harm = _HARMFUL_COMMANDS.get(words[0]) if words else "renews nothing"
    for word in words:
        harm = harm or _HARMFUL_WORDS.get(word)
    if harm:
        raise ValueError(f"`claude {text}` {harm}")
    return words


def _switch(text: str) -> bool:
    if text not in {"on", "off"}:
        raise ValueError("expected on or off")
    return text == "on"


def _schedule(text: str) -> str | None:
    if not text:
        return None
    if len(text.split()) != 5:  # noqa: PLR2004 - as `crontab` and CronJob have it
        raise ValueError("expected five fields, as in `17 */4 * * *`")
    cronsim.CronSim(text, datetime(2000, 1, 1, tzinfo=UTC))
    return text


def _time_zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, OSError, ValueError) as ex:
        raise ValueError("expected a name such as Europe/Berlin") from ex


def _log_level(text: str) -> str:
    if text.lower() not in {"debug", "info", "warning", "error"}:
        raise ValueError("expected debug, info, warning or error")
    return text.upper()


def _port(text: str) -> int:
    # Kubernetes sets HEALTH_PORT=tcp://… for a Service named `health`.
    if text.startswith("tcp://"):
        return _HEALTH_PORT
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise ValueError("expected a port, 1 to 65535")
    return int(text)


def _home(path: object, environ: Mapping[str, str]) -> Path:
    text = str(path)
    if text != "~" and not text.startswith("~/"):
        return Path(text).absolute()
    home = environ.get("HOME")
    if not home:
        raise SettingsError("CLAUDE_CONFIG_DIR: set it, since HOME is not set")
    return Path(home + text[1:])


_HEALTH_PORT = 8080

VARIABLES: tuple[Variable, ...] = (
    Variable("CLAUDE_CONFIG_DIR", "config_dir", "~/.claude", str),
    Variable("CLAUDE_BIN", "claude_bin", "claude", str),
    Variable("REFRESH_WINDOW", "window", "240", _seconds(60, 290)),
    Variable("REFRESH_INTERVAL", "interval", "60", _seconds(60, 600)),
    Variable("REFRESH_SCHEDULE", "schedule", "", _schedule),
    Variable("REFRESH_TIME_ZONE", "time_zone", "UTC", _time_zone),
    Variable("CLI_TIMEOUT", "cli_timeout", "120", _seconds(120, 600)),
    Variable("REFRESH_COMMAND", "refresh_command", "mcp list", _command),
    Variable("FALLBACK", "fallback", "on", _switch),
    Variable(
        "FALLBACK_COMMAND",
        "fallback_command",
        '-p ping --model haiku --max-turns 1 --tools "" --strict-mcp-config '
        "--safe-mode --no-session-persistence --output-format json",
        _command,
    ),
    Variable("LOG_LEVEL", "log_level", "info", _log_level),
    Variable("CREDENTIAL_NAME", "credential_name", "claude", str),
    Variable("POD_NAMESPACE", "namespace", "", str),
    Variable("HEALTH_PORT", "health_port", str(_HEALTH_PORT), _port),
)
"""The table in docs/refresher.md shows these names and defaults; a test compares them."""
