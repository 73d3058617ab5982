"""Ports for programs that must be told one before they start."""

import functools
import itertools
import random
import socket
from collections.abc import Iterator

ABOVE_KUBERNETES = 11_000
"""Kubelet and its neighbours listen from 10248 to 10259."""
BELOW_OTHERS = 28_600
"""The benchmark's ports begin there, Kubernetes' node ports at 30000, and from 32768 on
Linux gives ports to outgoing connections."""
BLOCK = 200
"""Ports of one process. The first of them is bound for as long as it runs."""

_bound: list[socket.socket] = []


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, and that nobody is given meanwhile.

    A port that was bound as 0 and let go is no such port: until the program binds it,
    any connection of another test may get it as its own end. Nor is any port that is
    free now: on a busy machine a program takes seconds until it binds it, and the tests
    of another process may have found it, too. So each process has ports of its own.
    """
    found: list[int] = []
    for port in _own():
        if _is_free(port):
            found.append(port)
        if len(found) == count:
            break
    return sorted(found)


def free_port() -> int:
    [port] = free_ports(1)
    return port


@functools.cache
def _own() -> Iterator[int]:
    """This process's ports, round and round."""
    firsts = range(ABOVE_KUBERNETES, BELOW_OTHERS, BLOCK)
    for first in random.sample(firsts, len(firsts)):
        sock = socket.socket()
        try:
            sock.bind(("", first))
        except OSError:
            sock.close()
            continue
        _bound.append(sock)
        return itertools.cycle(range(first + 1, first + BLOCK))
    raise OSError("no block of ports is free")


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("", port))
        except OSError:
            return False
    return True
