"""Ports for programs that must be told one before they start."""

import random
import socket

ABOVE_KUBERNETES = 11_000
"""Kubelet and its neighbours listen from 10248 to 10259."""
BELOW_OUTGOING = 30_000
"""Node ports begin there; from 32768 on, Linux gives ports to outgoing connections."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, and that nobody is given by the kernel meanwhile.

    A port that was bound as 0 and let go is no such port: until the program binds it,
    any connection of another test may get it as its own end.
    """
    found: set[int] = set()
    while len(found) < count:
        port = random.randrange(ABOVE_KUBERNETES, BELOW_OUTGOING)
        with socket.socket() as sock:
            try:
                sock.bind(("", port))
            except OSError:
                continue
        found.add(port)
    return sorted(found)


def free_port() -> int:
    [port] = free_ports(1)
    return port
