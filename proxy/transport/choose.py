"""Which transport serves an upstream."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxy.transport.sdk import SdkTransport
from proxy.transport.sockets import SocketTransport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.transport.interface import Transport


def transport(
    base_url: str, environ: Mapping[str, str], *, connect_timeout: float
) -> Transport:
    """Make the transport for an upstream: the SDK's stack where the environment asks."""
    kind = SdkTransport if wants_sdk(base_url, environ) else SocketTransport
    return kind(base_url, connect_timeout=connect_timeout)


def wants_sdk(base_url: str, environ: Mapping[str, str]) -> bool:
    """Tell whether the environment names a proxy for this upstream, or CAs of its own."""
    if environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR"):
        return True
    url = urlsplit(base_url)
    proxies = {
        name.lower().removesuffix("_proxy"): value
        for name, value in environ.items()
        if name.lower().endswith("_proxy") and value
    }
    if not proxies.keys() & {url.scheme, "all"}:
        return False
    host = url.hostname or ""
    return not urllib.request.proxy_bypass_environment(host, proxies)  # type: ignore[attr-defined]
