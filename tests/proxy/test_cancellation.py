"""proxy.cancellation: whoever blocks on a call that is over is woken, with the reason."""

import contextlib
import socket
import struct
import threading
import time

import pytest

from moved_clock import MovedClock
from proxy import cancellation
from proxy.cancellation import Cancelled, Deadlines, Reason
from proxy.watchdog import Watchdog
from waiting import LONG, until


@pytest.fixture
def unstarted():
    """A function that makes a watchdog with the given deadlines; all end with the test.

    It watches once a test has started it: before that no deadline can pass too early.
    """
    watchdogs = []

    def make(**deadlines):
        watchdogs.append(Watchdog(Deadlines(**deadlines)))
        return watchdogs[-1]

    yield make
    for watchdog in watchdogs:
        assert len(watchdog) == 0, "a scope is left"
        watchdog.stop()


@pytest.fixture
def watching(unstarted):
    """The same, and starts it."""

    def start(**deadlines):
        watchdog = unstarted(**deadlines)
        watchdog.start()
        return watchdog

    return start


@pytest.fixture
def clock(monkeypatch):
    """The clock of all scopes of a test."""
    clock = MovedClock()
    monkeypatch.setattr(cancellation, "time", clock)
    return clock


def pass_time(clock, scope, seconds, *, then=lambda: None):
    """Let time pass in steps that are an event's pace, until the call is over.

    Each step ends with `then()` and with a look of the watchdog.
    """
    end = clock.now + seconds
    while clock.now < end and scope.reason is None:
        clock.now += 1
        then()
        scope.expire(clock.now)


@pytest.fixture
def pair():
    """Two connected TCP sockets: our end and the peer's."""
    listener = socket.create_server(("127.0.0.1", 0))
    peer = socket.create_connection(listener.getsockname())
    ours, _ = listener.accept()
    listener.close()
    for one in (ours, peer):
        one.settimeout(LONG)
    yield ours, peer
    ours.close()
    peer.close()


@pytest.fixture
def upstream():
    ours, theirs = socket.socketpair()
    ours.settimeout(LONG)
    yield ours
    ours.close()
    theirs.close()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(lambda peer: peer.close(), id="FIN"),
        pytest.param(reset, id="RST"),
        pytest.param(lambda peer: peer.shutdown(socket.SHUT_WR), id="half-close"),
    ],
)
def test_a_client_that_leaves_wakes_the_thread_that_reads_upstream(
    watching, pair, upstream, leave
):
    client, peer = pair
    with watching().scope(client) as scope:
        scope.attach(upstream)
        leave(peer)
        assert upstream.recv(1) == b""
        assert scope.reason is Reason.CLIENT_GONE
        assert scope.detach() is False


def test_a_client_that_left_before_the_guard_began_is_noticed(watching, pair, upstream):
    client, peer = pair
    peer.close()
    with watching().scope(client) as scope:
        with contextlib.suppress(Cancelled):  # it may be known already
            scope.attach(upstream)
            assert upstream.recv(1) == b""
        assert scope.reason is Reason.CLIENT_GONE


def test_a_closed_client_socket_is_a_client_that_left(watching, pair):
    client, _ = pair
    client.close()
    with watching().scope(client) as scope, pytest.raises(Cancelled):
        scope.check()


def test_bytes_sent_ahead_are_no_hang_up(watching, pair, upstream):
    client, peer = pair
    with watching(header=0.3).scope(client) as scope:
        peer.sendall(b"GET / HTTP/1.1\r\n")
        scope.attach(upstream)
        scope.waiting_for_headers()
        assert upstream.recv(1) == b""
        assert scope.reason is Reason.HEADER_TIMEOUT  # and not CLIENT_GONE


@pytest.mark.parametrize(
    ("deadlines", "begin", "reason"),
    [
        ({"header": 0.2}, ["waiting_for_headers"], Reason.HEADER_TIMEOUT),
        ({"idle": 0.2}, ["content", "began"], Reason.IDLE_TIMEOUT),
        ({"progress": 0.2}, ["began"], Reason.PROGRESS_TIMEOUT),
        ({"idle": 0.1}, ["waiting_for_headers"], Reason.HEADER_TIMEOUT),
        ({"total": 0.2}, ["began"], Reason.TOTAL_TIMEOUT),
        ({"total": 0.2}, [], Reason.TOTAL_TIMEOUT),
    ],
)
def test_a_deadline_that_passes_wakes_the_thread(
    unstarted, upstream, deadlines, begin, reason
):
    watchdog = unstarted(**deadlines)
    with watchdog.scope(None) as scope:
        scope.attach(upstream)
        for step in begin:
            getattr(scope, step)()
        watchdog.start()
        assert upstream.recv(1) == b""
        assert scope.reason is reason


def test_progress_moves_its_deadline_and_not_the_total_one(unstarted, clock):
    with unstarted(progress=5, total=15).scope(None) as scope:
        scope.began()
        pass_time(clock, scope, 14, then=scope.progress)
        assert scope.reason is None
        pass_time(clock, scope, 1, then=scope.progress)
        assert scope.reason is Reason.TOTAL_TIMEOUT


def test_a_pause_ends_when_the_client_leaves(watching, pair):
    client, peer = pair
    with watching().scope(client) as scope:
        threading.Timer(0.05, peer.close).start()
        with pytest.raises(Cancelled) as caught:
            scope.wait(LONG)
        assert caught.value.reason is Reason.CLIENT_GONE


def test_a_pause_that_nothing_disturbs_just_ends(unstarted, clock):
    with unstarted(header=2).scope(None) as scope:

        class Pause(threading.Event):
            def wait(self, timeout):
                pass_time(clock, scope, timeout)
                return self.is_set()

        scope.waiting_for_headers()
        assert not scope.wait(4, Pause())  # the header deadline does not run meanwhile
        scope.check()


def test_draining_ends_what_still_runs_at_its_deadline(watching, upstream):
    watchdog = watching()
    with watchdog.scope(None) as scope:
        scope.attach(upstream)
        watchdog.drain(time.monotonic())
        assert upstream.recv(1) == b""
        assert scope.reason is Reason.DRAINING
        with watchdog.scope(None) as late, pytest.raises(Cancelled):
            late.wait(LONG)


def test_a_cancel_between_two_operations_is_raised_by_the_next(watching, upstream):
    with watching().scope(None) as scope:
        scope.cancel(Reason.DRAINING)
        with pytest.raises(Cancelled):
            scope.attach(upstream)
        with pytest.raises(Cancelled):
            scope.wait(LONG)


def test_a_late_cancel_leaves_a_connection_alone_that_was_given_back(watching):
    ours, theirs = socket.socketpair()
    with watching().scope(None) as scope:
        scope.attach(ours)
        assert scope.detach() is True
        scope.cancel(Reason.CLIENT_GONE)
        theirs.sendall(b"for somebody else")
        assert ours.recv(64) == b"for somebody else"
    ours.close()
    theirs.close()


def test_detaching_and_cancelling_at_once_never_disagree(watching):
    """Either the socket is whole and said to be, or it is cut and said to be."""
    watchdog = watching()
    for _ in range(300):
        ours, theirs = socket.socketpair()
        with watchdog.scope(None) as scope:
            scope.attach(ours)
            canceller = threading.Thread(target=scope.cancel, args=[Reason.CLIENT_GONE])
            canceller.start()
            whole = scope.detach()
            canceller.join()
        ours.setblocking(False)
        try:
            assert ours.recv(1) == b""
            cut = True
        except BlockingIOError:
            cut = False
        assert whole is not cut
        ours.close()
        theirs.close()


def test_the_first_reason_that_is_final_stays(watching):
    with watching().scope(None) as scope:
        scope.cancel(Reason.PROGRESS_TIMEOUT)
        scope.cancel(Reason.HEADER_TIMEOUT)
        assert scope.reason is Reason.PROGRESS_TIMEOUT
        scope.cancel(Reason.CLIENT_GONE)  # a deadline of one try hides no departure
        scope.cancel(Reason.DRAINING)
        assert scope.reason is Reason.CLIENT_GONE


def test_bytes_move_the_idle_deadline_and_not_the_one_for_progress(unstarted, clock):
    with unstarted(idle=5, progress=8).scope(None) as scope:
        scope.began()
        pass_time(clock, scope, 7, then=scope.heard)
        assert scope.reason is None
        pass_time(clock, scope, 1, then=scope.heard)
        assert scope.reason is Reason.PROGRESS_TIMEOUT


@pytest.mark.parametrize(
    ("thinks", "lasts"), [(False, 4), (True, 60)], ids=["plain", "thinking"]
)
def test_pings_may_go_on_for_longer_where_the_request_thinks(
    unstarted, clock, thinks, lasts
):
    """Without thinking for twice the idle deadline, with it for as long as is set."""
    with unstarted(idle=2, progress=60).scope(None) as scope:
        scope.thinks = thinks
        scope.began()
        pass_time(clock, scope, lasts - 1, then=scope.heard)
        assert scope.reason is None
        pass_time(clock, scope, 1, then=scope.heard)
        assert scope.reason is Reason.PROGRESS_TIMEOUT


def test_a_deadline_of_one_try_can_be_forgotten_until_there_is_content(watching):
    with watching().scope(None) as scope:
        for reason in (
            Reason.HEADER_TIMEOUT,
            Reason.IDLE_TIMEOUT,
            Reason.PROGRESS_TIMEOUT,
        ):
            scope.cancel(reason)
            assert scope.try_again()
            scope.check()
        scope.content()
        scope.cancel(Reason.IDLE_TIMEOUT)
        assert not scope.try_again()


@pytest.mark.parametrize(
    "reason", [Reason.CLIENT_GONE, Reason.DRAINING, Reason.TOTAL_TIMEOUT]
)
def test_what_ends_the_completion_is_never_forgotten(watching, reason):
    with watching().scope(None) as scope:
        scope.cancel(reason)
        assert not scope.try_again()
        with pytest.raises(Cancelled):
            scope.check()


def test_all_tries_share_one_budget(unstarted, upstream):
    watchdog = unstarted(header=LONG, idle=0.1)
    with watchdog.scope(None) as scope:
        scope.attach(upstream)
        scope.waiting_for_headers()
        watchdog.start()
        assert upstream.recv(1) == b""
        assert scope.reason is Reason.HEADER_TIMEOUT
        assert not scope.try_again()


def test_a_wait_for_an_event_ends_with_it_or_with_the_call(watching):
    with watching().scope(None) as scope:
        event = threading.Event()
        threading.Timer(0.05, event.set).start()
        assert scope.wait(LONG, event)
        assert not scope.wait(0.01, threading.Event())
        threading.Timer(0.05, scope.cancel, [Reason.CLIENT_GONE]).start()
        with pytest.raises(Cancelled):
            scope.wait(LONG, threading.Event())


def test_a_guard_may_be_closed_twice_and_the_socket_is_free_again(watching, pair):
    client, peer = pair
    watchdog = watching()
    for _ in range(3):
        scope = watchdog.scope(client)
        scope.close()
        scope.close()
    peer.close()
    with watchdog.scope(client) as scope:
        until(lambda: scope.reason is Reason.CLIENT_GONE)


def test_without_a_watching_thread_a_guard_still_keeps_its_rules(upstream):
    with Watchdog(Deadlines()).scope(None) as scope:
        scope.attach(upstream)
        assert scope.detach() is True


def test_many_clients_leaving_at_once_are_all_noticed(watching):
    watchdog = watching()
    listener = socket.create_server(("127.0.0.1", 0), backlog=200)
    peers, ours, scopes = [], [], []
    for _ in range(100):
        peers.append(socket.create_connection(listener.getsockname()))
        ours.append(listener.accept()[0])
        scopes.append(watchdog.scope(ours[-1]))
    for peer in peers:
        peer.close()
    until(lambda: all(scope.reason is Reason.CLIENT_GONE for scope in scopes))
    for scope in scopes:
        scope.close()
    for sock in [*ours, listener]:
        sock.close()
