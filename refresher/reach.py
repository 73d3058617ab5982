"""Can Anthropic's hosts be reached the way the CLI reaches them? Nothing secret is sent.

Any HTTP response is a yes: the question is about DNS, TLS and proxies on the way.
"""

import base64
import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from refresher.facts import Host

HOSTS = ("platform.claude.com", "api.anthropic.com")
"""Where the CLI refreshes a token, and where tokens are used."""

TIMEOUT = 10.0
"""Seconds for each of them."""


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Trust what the CLI trusts: the system, SSL_CERT_FILE and NODE_EXTRA_CA_CERTS."""
    context = ssl.create_default_context()
    extra = environ.get("NODE_EXTRA_CA_CERTS")
    if extra:
        with contextlib.suppress(OSError):  # as Node does with a file it cannot read
            context.load_verify_locations(extra)
    return context


def reach(name: str, environ: Mapping[str, str]) -> Host:
    """Ask for a host's front page and say what became of it. Never raises."""
    proxy = _proxy_for(name, environ)
    host = Host(name=name, network_proxy=proxy is not None)
    try:
        with _connected(name, proxy) as plain:
            context = tls_context(environ)
            bare = urlsplit(f"//{name}").hostname
            with context.wrap_socket(plain, server_hostname=bare) as encrypted:
                page = _ask(encrypted, f"HEAD / HTTP/1.1\r\nhost: {name}\r\n")
    except (OSError, http.client.HTTPException, ValueError, _RefusedError) as ex:
        obstacle, detail = _obstacle(ex, through_proxy=host.network_proxy)
        return msgspec.structs.replace(host, obstacle=obstacle, detail=detail)
    ahead = _ahead(page.headers.get("date", ""), datetime.now(tz=UTC))
    return msgspec.structs.replace(host, ahead=ahead)


def _connected(name: str, proxy: str | None) -> socket.socket:
    """Connect to a host, if need be by way of a network proxy.

    Raises OSError, HTTPException, _RefusedError, and ValueError where the proxy's
    address is none.
    """
    to = urlsplit(proxy if proxy and "//" in proxy else f"//{proxy or name}")
    port = to.port or (80 if proxy else 443)
    plain = socket.create_connection((to.hostname or "", port), TIMEOUT)
    if proxy:
        try:
            _tunnel(plain, name, to)
        except BaseException:
            plain.close()
            raise
    return plain


def _tunnel(plain: socket.socket, name: str, proxy: SplitResult) -> None:
    head = f"CONNECT {name}:443 HTTP/1.1\r\nhost: {name}:443\r\n"
    if proxy.username:
        login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        coded = base64.b64encode(login.encode()).decode()
        head += f"proxy-authorization: Basic {coded}\r\n"
    if _ask(plain, head, method="CONNECT").status != HTTPStatus.OK:
        raise _RefusedError


class _RefusedError(Exception):
    """A network proxy made no tunnel."""


def _ask(
    connection: socket.socket, head: str, method: str = "HEAD"
) -> http.client.HTTPResponse:
    """Send a request without a body and read the head of its response."""
    connection.sendall(f"{head}\r\n".encode())
    with http.client.HTTPResponse(connection, method=method) as response:
        response.begin()
        return response


def _proxy_for(name: str, environ: Mapping[str, str]) -> str | None:
    proxy = environ.get("https_proxy") or environ.get("HTTPS_PROXY")
    never = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    parts = [part.strip().partition(":")[0].lstrip("*.") for part in never.split(",")]
    if never.strip() == "*" or any(
        part and f".{name}".endswith(f".{part}") for part in parts
    ):
        return None
    return proxy


def _ahead(date: str, now: datetime) -> timedelta | None:
    with contextlib.suppress(ValueError, TypeError):  # TypeError: of no time zone
        return now - parsedate_to_datetime(date)
    return None


def _obstacle(reason: object, *, through_proxy: bool) -> tuple[str, str]:
    """Return a key of `OBSTACLES` and what is wrong with a certificate.

    No other text of an exception is used: a proxy's address can hold its password.
    """
    match reason:
        case ssl.SSLCertVerificationError():
            return "tls", reason.verify_message
        case ssl.SSLError():
            return "tls", ""
        case TimeoutError():
            return "timeout", ""
        case socket.gaierror():
            return ("network_proxy" if through_proxy else "dns"), ""
        case ConnectionRefusedError():
            return ("network_proxy" if through_proxy else "refused"), ""
        case ConnectionError() | http.client.HTTPException():
            return "closed", ""
        case _RefusedError() | ValueError():  # of an address that is none
            return "network_proxy", ""
        case _:
            return "closed", ""
