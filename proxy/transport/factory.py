"""Which transport an upstream gets."""

import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpcore2

from proxy.transport import identity
from proxy.transport.interface import Transport
from proxy.transport.sockets import SocketTransport


def create(
    base_url: str | None, environ: Mapping[str, str], *, connect_timeout: float
) -> Transport:
    """The transport for an upstream: plain sockets, unless ``environ`` names a proxy.

    ``base_url`` ``None`` is the SDK's own default. Both trust the CAs of
    ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` where one is set, else the system's.
    """
    tls = httpcore2.default_ssl_context()  # made once: it takes 20 ms
    tls.set_alpn_protocols(["http/1.1"])
    url, headers = base_url or identity.BASE_URL, identity.headers(environ)
    proxy = proxy_for(url, environ)
    if proxy is None:
        return SocketTransport(url, headers, connect_timeout=connect_timeout, tls=tls)
    # here, because few need it
    from proxy.transport.httpcore import HTTPCoreTransport  # noqa: PLC0415

    return HTTPCoreTransport(
        url, headers, connect_timeout=connect_timeout, tls=tls, proxy=proxy
    )


def proxy_for(base_url: str, environ: Mapping[str, str]) -> str | None:
    """The URL of the proxy that ``environ`` names for this upstream, if any.

    Reads ``HTTPS_PROXY`` (``HTTP_PROXY`` for an upstream of plain HTTP), ``ALL_PROXY``
    and ``NO_PROXY``, in either case, as curl and the SDK do.
    """
    url = urlsplit(base_url)
    proxies = {
        name.lower().removesuffix("_proxy"): value
        for name, value in environ.items()
        if name.lower().endswith("_proxy") and value
    }
    proxy = proxies.get(url.scheme) or proxies.get("all")
    bypass = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined]
    if proxy is None or bypass(url.hostname or "", proxies):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
