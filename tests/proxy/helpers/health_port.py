"""Requests to the health port, which gives each connection one second."""

import httpx2

from loopback import PLAIN
from waiting import LONG

TRIES = 6
"""How many probes in a row must fail before Kubernetes restarts the proxy."""

_CUT = (httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.WriteError)


def get(url, **more):
    """The response, which is asked for again as a kubelet does.

    On a busy machine a second may pass between a client's connection and its request:
    then the port has closed the connection. Raises what broke the last one.
    """
    for _ in range(TRIES - 1):
        try:
            return _get(url, **more)
        except _CUT:
            continue
    return _get(url, **more)


def metric(base_url, name):
    """A metric's value, up to a tenth of a second ago: its page is used again."""
    for line in get(f"{base_url}/metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    return 0.0


def _get(url, **more):
    return httpx2.get(url, timeout=LONG, trust_env=False, verify=PLAIN, **more)
