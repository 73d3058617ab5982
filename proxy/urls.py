"""Which URLs of the settings the credential and the prompts may be sent to."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from proxy import settings


def check_base_urls(config: settings.Settings, of_profile: str | None) -> None:
    """Check every base URL that is set: two settings and a profile's own.

    Raises ``settings.SettingsError``.
    """
    for name, url in (
        ("ANTHROPIC_API_BASE", config.anthropic_api_base),
        ("ANTHROPIC_BASE_URL", config.anthropic_base_url),
        ("the profile's base URL", of_profile),
    ):
        if url:
            check_base_url(name, url, allow_http=config.allow_http_upstream)


def check_base_url(name: str, url: str, *, allow_http: bool) -> None:
    """Refuse a URL that no request should go to. ``name`` says where it was set.

    Raises ``settings.SettingsError``.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # a bad port, or half an IPv6 address
        host = None
    if not host or parts.scheme not in {"https", "http"} or not url.isprintable():
        raise settings.SettingsError(
            f"{name}: must be a URL such as https://api.anthropic.com"
        )
    if parts.username is not None or parts.query or parts.fragment or " " in url:
        raise settings.SettingsError(
            f"{name}: must have no user, query, fragment or space in it; the "
            "credential has settings of its own"
        )
    if parts.path.rstrip("/").endswith(("/v1", "/v1/messages")):
        raise settings.SettingsError(
            f"{name}: must not end in /v1 or /v1/messages, which the proxy adds itself"
        )
    if parts.scheme == "http" and not (allow_http or _is_private(host)):
        raise settings.SettingsError(
            f"{name}: must start with https://, or prompts and the credential would "
            "cross the network unencrypted; http:// is for loopback, private addresses "
            "and names inside a cluster, or for ALLOW_HTTP_UPSTREAM=1"
        )


def check_network_proxies(environ: Mapping[str, str]) -> None:
    """Check what ``HTTPS_PROXY`` and its relatives name: HTTP proxies.

    Raises ``settings.SettingsError``.
    """
    for name, value in environ.items():
        if name.lower() not in {"https_proxy", "http_proxy", "all_proxy"} or not value:
            continue
        url = value if "://" in value else f"http://{value}"
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.scheme not in {"http", "https"} or not url.isprintable():
            raise settings.SettingsError(
                f"{name}: must be the URL of an HTTP proxy, such as "
                "http://proxy.example:3128, without quotes or a newline"
            )


def _is_private(host: str) -> bool:
    """Whether the public internet has no such host.

    A name counts if it has no dot, or ends as in a cluster (``.svc``, ``.svc.…``) or in
    a domain that is never public: ``.cluster.local``, ``.internal``, ``.localhost``.
    """
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        labels = host.lower().rstrip(".").split(".")
    return (
        len(labels) == 1
        or "svc" in labels[2:]
        or labels[-2:] == ["cluster", "local"]
        or labels[-1] in {"internal", "localhost"}
    )
