"""The calls to Anthropic's hosts: the only package that opens connections.

It speaks HTTP and nothing above it: a request's bytes go out, a reply's bytes come in,
and what went wrong on the way is told apart. Credentials, retries and meaning live in
``proxy.upstream``.

Every call goes through the SDK's client (``client``). In the plain case a middleware of
ours answers it over plain sockets (``sockets``); where the environment names a proxy or
CAs, the SDK's own HTTP stack does. One test suite passes over both.
"""

from proxy.transport.client import SDKTransport, create
from proxy.transport.interface import (
    ERROR_BODY,
    BadAnswerError,
    CutError,
    NoAnswerError,
    Reply,
    Transport,
    TransportError,
    UnreachedError,
)

__all__ = [
    "ERROR_BODY",
    "BadAnswerError",
    "CutError",
    "NoAnswerError",
    "Reply",
    "SDKTransport",
    "Transport",
    "TransportError",
    "UnreachedError",
    "create",
]
