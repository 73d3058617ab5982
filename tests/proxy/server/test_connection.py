"""A connection alone, as the worker and the pump drive it."""

import gc
import logging
import socket
import weakref

import pytest

from proxy.errors import ClientGoneError, StreamCut
from proxy.server.connection import Arrived, Connection, Served


class Flowing:
    """A response that has to wait, and then ends as it is told to."""

    def __init__(self, error):
        self.error = error

    def flow(self):
        return 0

    def __iter__(self):
        yield b"first"
        yield b""
        raise self.error()

    def close(self):
        pass


@pytest.fixture
def _no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("error", [StreamCut, ClientGoneError, KeyError])
@pytest.mark.usefixtures("_no_collector")
def test_a_response_that_breaks_while_it_flows_leaves_nothing_for_the_collector(error):
    bodies = weakref.WeakSet()

    def application(_environ, start_response):
        start_response("200 OK", [])
        body = Flowing(error)
        bodies.add(body)
        return body

    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection(
            ours, "", application, logging.getLogger(), lambda: False
        )
        theirs.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.receive() is Arrived.A_REQUEST
        assert connection.serve() is Served.FLOWS
        assert len(bodies) == 1
        assert connection.flow() is Served.STUCK
        assert connection.go_on() is Served.CLOSE
        assert len(bodies) == 0
