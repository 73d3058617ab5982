"""From a name to a socket: bounded, cancellable, and past addresses that are dead."""

import contextlib
import socket
import threading

import pytest

from proxy.cancellation import Cancelled, Reason
from proxy.transport import Obstacle, UnreachedError, connecting
from waiting import LONG, until

V4, V6 = socket.AF_INET, socket.AF_INET6


def address(host, port, family=V4):
    where = (host, port) if family == V4 else (host, port, 0, 0)
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", where)


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0), backlog=64) as sock:
        yield sock


@pytest.fixture
def deaf():
    """An address that never accepts: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as sock:
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(sock.getsockname())
            waiting.append(one)
        yield sock.getsockname()
        for one in waiting:
            one.close()


@pytest.fixture
def names(monkeypatch):
    """What a name server would say: `names["host"]` is addresses, or a function.

    Nobody is asked about a name that is an address, and so nobody waited for.
    """
    known = {}
    real = socket.getaddrinfo

    def getaddrinfo(host, port, **kwargs):
        if host not in known:
            return real(host, port, **kwargs)
        if kwargs.get("flags") and not host[0].isdigit():
            raise socket.gaierror
        found = known[host]
        return found() if callable(found) else found

    monkeypatch.setattr(connecting.socket, "getaddrinfo", getaddrinfo)
    return known


def connect(connector, watchdog, seconds=LONG):
    with watchdog.scope(None) as scope:
        return connector.connect(seconds, scope)


def test_addresses_are_tried_with_the_families_in_turn_and_the_good_one_first():
    found = [address(h, 1, V6) for h in ("a", "b", "c")] + [address("d", 1)]
    hosts = [one[4][0] for one in connecting.ordered(found, None)]
    assert hosts == ["a", "d", "b", "c"]
    hosts = [one[4][0] for one in connecting.ordered(found, found[2][4])]
    assert hosts == ["c", "a", "d", "b"]


def test_a_dead_address_costs_its_head_start_once(names, deaf, listener, watchdog):
    tried = []
    good = listener.getsockname()
    names["many.test"] = [address(*deaf), address(*good)]
    connector = connecting.Connector("many.test", 0)
    begin = connecting._begin

    def begun(one):
        tried.append(one[4])
        return begin(one)

    connecting._begin = begun
    try:
        connect(connector, watchdog).close()
        connect(connector, watchdog).close()
    finally:
        connecting._begin = begin
    assert tried == [deaf, good, good]


def test_an_address_that_refuses_gives_way_at_once(names, listener, watchdog):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        refused = gone.getsockname()
    names["two.test"] = [address(*refused), address(*listener.getsockname())]
    connect(connecting.Connector("two.test", 0), watchdog).close()


def test_all_addresses_share_one_deadline(names, deaf, watchdog):
    names["192.0.2.1"] = [address(*deaf)] * 5
    with pytest.raises(UnreachedError) as caught:
        connect(connecting.Connector("192.0.2.1", 0), watchdog, seconds=0.5)
    assert caught.value.obstacle is Obstacle.TIMEOUT


@pytest.fixture
def silent(names):
    """A name server that says nothing until the test is over."""
    over, asked = threading.Event(), []

    def hang():
        asked.append(1)
        if not over.wait(LONG):
            asked.append("it was waited for")
        raise socket.gaierror

    names["silent.test"] = hang
    yield asked
    over.set()


def test_a_silent_name_server_is_waited_for_no_longer_than_allowed(silent, watchdog):
    connector = connecting.Connector("silent.test", 80)
    with pytest.raises(UnreachedError) as caught:
        connect(connector, watchdog, seconds=0.3)
    assert caught.value.obstacle is Obstacle.NAME_NOT_FOUND
    assert "it was waited for" not in silent


def test_many_calls_ask_a_silent_name_server_once(silent, watchdog, monkeypatch):
    monkeypatch.setattr(connecting, "LOOKUP_AGAIN", 20 * LONG)
    connector = connecting.Connector("silent.test", 80)
    failed = []

    def call():
        with contextlib.suppress(UnreachedError):
            connect(connector, watchdog, seconds=0.3)
        failed.append(1)

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failed) == 20
    assert len(silent) == 1


@pytest.mark.parametrize("reason", [Reason.CLIENT_GONE, Reason.DRAINING])
def test_a_cancel_ends_the_wait_for_a_name(silent, watchdog, reason):
    connector = connecting.Connector("silent.test", 80)
    with watchdog.scope(None) as scope:

        def cancel():
            until(lambda: silent)
            scope.cancel(reason)

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(Cancelled):
            connector.connect(LONG, scope)
        canceller.join()


def test_a_name_that_comes_back_is_found_again(names, listener, watchdog):
    def missing():
        raise socket.gaierror

    connector = connecting.Connector("back.test", 0)
    names["back.test"] = missing
    with pytest.raises(UnreachedError):
        connect(connector, watchdog)
    names["back.test"] = [address(*listener.getsockname())]
    connect(connector, watchdog).close()


def test_an_address_family_that_this_host_lacks_is_passed_over(
    names, listener, watchdog
):
    odd = (12345, socket.SOCK_STREAM, 0, "", ("x", 1))
    names["odd.test"] = [odd, address(*listener.getsockname())]
    connect(connecting.Connector("odd.test", 0), watchdog).close()
