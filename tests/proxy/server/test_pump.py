"""The pump alone: what it does with connections whose responses arrive bit by bit."""

import queue
import socket

import pytest

from proxy.server.connection import Served
from proxy.server.pump import Pump
from waiting import LONG


class Flowing:
    """As much of a connection as the pump knows; each step says what comes next."""

    def __init__(self, source, *steps, silent=False):
        self.source = source
        self.silent = silent
        self.failure = None
        self.steps = list(steps)

    def flow(self):
        return self.steps.pop(0)

    def is_silent(self):
        return self.silent

    def fail(self, ex):
        self.failure = ex


@pytest.fixture
def done():
    return queue.SimpleQueue()


@pytest.fixture
def pump(done):
    return Pump(
        go_on=lambda one: done.put((one, "goes on")),
        give_back=lambda one, *, keep: done.put((one, "keep" if keep else "close")),
    )


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    ("last", "then"),
    [
        (Served.KEEP, "keep"),
        (Served.CLOSE, "close"),
        (Served.STUCK, "goes on"),
    ],
)
def test_a_response_flows_until_it_ends_or_may_take_time(pump, done, pair, last, then):
    ours, theirs = pair
    connection = Flowing(ours.fileno(), Served.FLOWS, Served.FLOWS, last)
    pump.add(connection)
    theirs.sendall(b"x")  # never read: so there is always more

    assert done.get(timeout=LONG) == (connection, then)
    assert connection.steps == []


def test_nothing_happens_while_nothing_comes(pump, done, pair):
    connection = Flowing(pair[0].fileno(), Served.KEEP)
    pump.add(connection)
    with pytest.raises(queue.Empty):
        done.get(timeout=0.3)
    pair[1].close()
    assert done.get(timeout=LONG) == (connection, "keep")


def test_one_that_is_silent_goes_on_in_a_thread_and_may_come_back(pump, done, pair):
    connection = Flowing(pair[0].fileno(), Served.CLOSE, silent=True)
    pump.add(connection)
    assert done.get(timeout=LONG) == (connection, "goes on")
    pair[1].sendall(b"x")
    connection.silent = False
    pump.add(connection)
    assert done.get(timeout=LONG) == (connection, "close")


def test_one_that_cannot_be_watched_fails(pump, done, tmp_path):
    with (tmp_path / "file").open("wb") as file:  # which the kernel does not watch
        connection = Flowing(file.fileno())
        pump.add(connection)
        assert done.get(timeout=LONG) == (connection, "goes on")
    assert isinstance(connection.failure, OSError)
