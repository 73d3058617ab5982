"""`claude-refresher doctor`: gather facts, have them judged, print the report.

It refreshes nothing and calls the CLI only for its version, in an empty directory. Of the
volume it changes nothing, and no token is shown.
"""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import msgspec

from refresher import (
    claude_cli,
    credentials,
    diagnosis,
    early,
    facts,
    files,
    lock,
    mounts,
    preflight,
    reach,
    refresh,
)
from refresher.settings import Settings, SettingsError

_COLOURS = {"ok": "32", "warn": "33", "fail": "31"}


def run(environ: Mapping[str, str], out: TextIO, *, as_json: bool) -> int:
    """Examine this machine and these settings; returns the exit status, 0 or 1."""
    lines = diagnosis.examine(gather(environ))
    text = msgspec.json.encode(lines).decode() + "\n" if as_json else ""
    try:
        out.write(text or render(lines, colour=out.isatty()))
        out.flush()
    except OSError:  # nobody reads it, which changes no exit status
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
    return int(diagnosis.failed(lines))


def render(lines: list[diagnosis.Line], *, colour: bool) -> str:
    """Format it for people: a line for each check, and under it what to do."""
    width = max(len(line.check) for line in lines)
    text = []
    for line in lines:
        verdict = f"{line.verdict:4}"
        if colour:
            verdict = f"\033[{_COLOURS[line.verdict]}m{verdict}\033[0m"
        text.append(f"{verdict}  {line.check:{width}}  {line.why}")
        if line.do:
            text.append(f"      {'':{width}}  -> {line.do}")
    return "\n".join([*text, ""])


def gather(environ: Mapping[str, str]) -> facts.Facts:
    """Find out everything that the checks look at."""
    now = refresh.utc_now()
    try:
        settings = Settings.from_environ(environ)
    except SettingsError as ex:
        return facts.Facts(now=now, settings_errors=ex.problems)
    past = files.read_history(settings.config_dir)
    return facts.Facts(
        now=now,
        skipped_for=settings.skipped_for,
        volume=_volume(settings.config_dir),
        login=_login(settings.config_dir),
        failures=past.failures,
        last=str(past.last.outcome) if past.last else "",
        cli=_cli(settings),
        hosts=tuple(reach.reach(name, settings.cli_environ) for name in reach.HOSTS),
        cluster=_cluster(settings),
    )


def _volume(directory: Path) -> facts.Volume:
    found = facts.Volume(directory=str(directory))
    trouble = preflight.inspect_volume(directory)
    trouble = trouble or preflight.inspect_configuration(directory)
    if trouble:
        return msgspec.structs.replace(found, trouble=trouble)
    try:
        room = os.statvfs(directory)
        held = lock.state(directory)
    except OSError as ex:
        path = ex.filename or directory
        text = f"{path} cannot be used ({ex.strerror}); let this user write to it"
        return msgspec.structs.replace(found, trouble=text)
    return msgspec.structs.replace(
        found,
        kind=mounts.kind_of(directory),
        bytes_free=room.f_bavail * room.f_frsize,
        files_free=room.f_favail if room.f_files else None,
        lock=held,
    )


def _login(directory: Path) -> facts.Login:
    past = files.read_history(directory)
    found = early.own_expiry(files.read_credentials(directory), past.brought_forward)
    if not isinstance(found, credentials.Credential):
        return facts.Login(trouble=found.reason)
    try:
        scopes = credentials.scopes(files.read_credentials_bytes(directory))
    except OSError:  # it was replaced just now
        scopes = ()
    return facts.Login(
        expires_at=found.expires_at if found.expiry_known else None,
        ends_at=found.login_ends_at,
        scopes=scopes,
    )


def _cli(settings: Settings) -> facts.Cli:
    return facts.Cli(
        wanted=settings.claude_bin,
        path=claude_cli.find(settings),
        version=claude_cli.version(settings),
        tested=claude_cli.tested_version(),
    )


def _cluster(settings: Settings) -> facts.Cluster | None:
    if not settings.pod_namespace:  # only the operator has one
        return None
    if importlib.util.find_spec("kubernetes") is None:
        text = "it cannot be asked without pip install 'claude-code-proxy[refresher]'"
        return facts.Cluster(trouble=text)
    from refresher.operator import rights  # noqa: PLC0415 - the extra's imports

    return rights.examine(settings)
