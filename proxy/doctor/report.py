"""``claude-proxy doctor``: gather facts, have them judged, print the report.

It makes one call, to ``/v1/models``, over the transport that completions use, with the
credential that they use. It renews nothing and writes nothing; no credential, and no
path but the credentials file's, is shown.
"""

import contextlib
import errno
import http.client
import logging
import os
import resource
import socket
import ssl
import sys
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import msgspec
from msgspec import structs

from proxy import app, errors, settings, transport
from proxy.credentials import MissingCredentialError
from proxy.doctor import diagnosis, facts, network
from proxy.doctor.line import Line
from proxy.server import application

ANTHROPIC = "https://api.anthropic.com"
"""The base URL of the SDK, where no setting names another."""

CALL_TIMEOUT = 15.0
"""Seconds for the one call."""

_MEMORY_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_UNLIMITED = 1 << 60
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


def render(lines: list[Line], *, colour: bool) -> str:
    """The report for people: a line for each check, and under it what to do."""
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
    """Everything that the checks look at."""
    now = time.time()
    try:
        config = settings.Settings.from_environ(environ)
        config.check_exposure()
        proxy = app.create_app(config, environ)
    except settings.SettingsError as ex:
        return facts.Facts(now=now, settings_errors=ex.problems)
    try:
        return structs.replace(
            _of_credential(proxy, facts.Facts(now=now)),
            ports=_ports(config),
            keys_file=bool(config.proxy_api_keys_file),
            keys_trouble=proxy.keys.trouble() or "",
            shortest_key=proxy.keys.shortest(),
            call=_call(proxy, environ),
            idle_timeout=config.idle_timeout,
            total_timeout=config.total_timeout,
            max_body_bytes=config.max_body_bytes,
            memory_bytes=config.memory_bytes,
            memory_limit=memory_limit(),
            **_descriptors(config),
        )
    finally:
        proxy.close()


def _of_credential(proxy: app.Proxy, found: facts.Facts) -> facts.Facts:
    source = proxy.credential.source
    try:
        token = source.token()
    except MissingCredentialError as ex:
        return structs.replace(found, token_trouble=f"There is none: {ex}.")
    return structs.replace(
        found,
        source=source.description,
        kind=source.kind,
        begins=token.value[: len(network.ACCESS_TOKEN)],
        expires_at=token.expires_at,
        login_ends_at=token.login_ends_at,
        scopes=token.scopes,
    )


def _descriptors(config: settings.Settings) -> dict[str, int]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {
        "max_requests": config.max_requests,
        "fitting_requests": application.fitting(config.max_requests, hard),
        "descriptors": hard,
    }


def memory_limit(files: tuple[Path, ...] = _MEMORY_LIMITS) -> int | None:
    """Bytes that this container may use, from cgroup v2 or v1."""
    for file in files:
        with contextlib.suppress(OSError, ValueError):
            limit = int(file.read_text(encoding="ascii"))
            return limit if limit < _UNLIMITED else None
    return None


def _ports(config: settings.Settings) -> tuple[facts.Port, ...]:
    host = application.listening_host(config.host)
    ports = [_port("PORT", host, config.port, "/health")]
    if config.health_port is not None:
        ports.append(_port("HEALTH_PORT", "", config.health_port, "/healthz"))
    return tuple(ports)


def _port(name: str, host: str, number: int, path: str) -> facts.Port:
    """Whether a port is free, the proxy's, or somebody else's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, number))
        except OSError as ex:
            if ex.errno in {errno.EACCES, errno.EPERM}:
                return facts.Port(name, number, "forbidden")
            here = host if host not in {"", "0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104 - compared
            ours = _is_ours(here, number, path)
            return facts.Port(name, number, "proxy" if ours else "other")
    return facts.Port(name, number, "free")


def _is_ours(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=3)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return b'"ok"' in answer.read(100)
        except (OSError, http.client.HTTPException):
            return False


def _call(proxy: app.Proxy, environ: Mapping[str, str]) -> facts.Call:
    """Ask for the models list, with the token that completions would use, if any."""
    url = proxy.config.base_url or proxy.credential.source.base_url or ANTHROPIC
    try:
        token = proxy.credential.token()
    except errors.ProxyError:
        token = None
    call = facts.Call(
        url=url,
        authenticated=token is not None,
        network_proxy=transport.proxy_for(url, environ) is not None,
    )
    proxy.watchdog.start()
    began = time.monotonic()
    try:
        status, headers = proxy.upstream.reach(token, CALL_TIMEOUT)
    except transport.UnreachedError as ex:
        name = ex.obstacle.name
        tls_error = _tls_error(url) if name == "TLS" else ""
        return structs.replace(call, obstacle=name, tls_error=tls_error)
    except transport.TransportError:
        return structs.replace(call, obstacle="unreadable")
    return structs.replace(
        call,
        status=status,
        seconds=time.monotonic() - began,
        skew=skew(headers.get("date", ""), time.time()),
    )


def skew(date: str, now: float) -> float | None:
    """Seconds by which ``now`` is ahead of a ``Date`` header; ``None`` without one."""
    try:
        return now - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


def _tls_error(url: str) -> str:
    """What is wrong with a host's certificate: the transport only says that it is."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    try:
        with (
            socket.create_connection((host, port), timeout=5) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host),
        ):
            return ""
    except ssl.SSLCertVerificationError as ex:
        return ex.verify_message
    except ssl.SSLError as ex:
        return ex.reason or ""
    except OSError:
        return ""


def main(*, as_json: bool) -> int:
    """``claude-proxy doctor`` for this process's environment."""
    logging.getLogger("proxy").addHandler(logging.NullHandler())  # the report says it
    return run(os.environ, sys.stdout, as_json=as_json)
