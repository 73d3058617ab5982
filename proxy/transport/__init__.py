"""The calls to Anthropic: the only package that opens connections.

It speaks HTTP and nothing above it: a request's bytes go out, a response's bytes come in,
and each way to fail has its own error. Credentials, retries and meaning are
``proxy.upstream``'s.

There are two transports behind one Protocol, chosen once. One test suite passes over
both. The headers by which the SDK identifies itself go with every call of either.

    factory            chooses: httpcore where the environment names a proxy, else sockets
    httpcore           over the SDK's own HTTP library
      socket_stream    a connected socket as that library wants it
    sockets            over plain sockets
      socket_response  one response, parsed as it arrives
    connecting         from a host's name to a connection, in time
    identity           the SDK's headers, without importing it
    interface          what both transports promise
"""

from proxy.transport.factory import create, proxy_for
from proxy.transport.interface import (
    ERROR_BODY,
    BadResponseError,
    CutError,
    NoResponseError,
    Obstacle,
    Response,
    StaleError,
    Transport,
    TransportError,
    UnreachedError,
)
from proxy.transport.sockets import SocketTransport

__all__ = [
    "ERROR_BODY",
    "BadResponseError",
    "CutError",
    "NoResponseError",
    "Obstacle",
    "Response",
    "SocketTransport",
    "StaleError",
    "Transport",
    "TransportError",
    "UnreachedError",
    "create",
    "proxy_for",
]
