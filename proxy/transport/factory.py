"""Which transport an upstream gets, and what the SDK would send with every request."""

import ssl
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit

import anthropic
import httpx2

from proxy.transport.httpcore import HTTPCoreTransport
from proxy.transport.interface import Transport
from proxy.transport.sockets import SocketTransport


def create(
    base_url: str | None, environ: Mapping[str, str], *, connect_timeout: float
) -> Transport:
    """The transport for an upstream: plain sockets, unless ``environ`` names a proxy.

    ``base_url`` ``None`` is the SDK's own default. Both trust the CAs of
    ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` where one is set, else the system's.
    """
    tls = httpx2.create_ssl_context()  # made once: it takes 20 ms
    tls.set_alpn_protocols(["http/1.1"])
    url, headers = sdk_request_defaults(base_url, tls)
    proxy = proxy_for(url, environ)
    if proxy is None:
        return SocketTransport(url, headers, connect_timeout=connect_timeout, tls=tls)
    return HTTPCoreTransport(
        url, headers, connect_timeout=connect_timeout, tls=tls, proxy=proxy
    )


def sdk_request_defaults(
    base_url: str | None, tls: ssl.SSLContext
) -> tuple[str, dict[str, str]]:
    """The base URL that the SDK would call, and the headers it would always send.

    They name the SDK and its version (``user-agent``, ``x-stainless-*``) and the API
    version. Names are in lower case; the credential is not among them.
    """
    client = anthropic.Anthropic(
        api_key="each call brings its own",
        base_url=base_url,
        open_telemetry=False,
        http_client=anthropic.DefaultHttpxClient(verify=tls),
    )
    headers = {
        name.lower(): value
        for name, value in client.default_headers.items()
        if isinstance(value, str) and name.lower() != "authorization"
    }
    client.close()
    return str(client.base_url), headers


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
