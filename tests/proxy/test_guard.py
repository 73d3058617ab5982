"""proxy.guard: whoever blocks on a call that is over is woken and told why."""

import contextlib
import socket
import struct
import threading
import time

import pytest

from proxy.guard import Cancelled, Deadlines, Reason, Watch

LONG = 20.0  # seconds until a test gives up


@pytest.fixture
def watching():
    """A function that starts a watch with the given deadlines; all end with the test."""
    watches = []

    def start(**deadlines):
        watch = Watch(Deadlines(**deadlines))
        watch.start()
        watches.append(watch)
        return watch

    yield start
    for watch in watches:
        assert len(watch) == 0, "a guard is left"
        watch.stop()


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


def until(condition):
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.002)


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
    with watching().guard(client) as guard:
        guard.attach(upstream)
        leave(peer)
        assert upstream.recv(1) == b""
        assert guard.reason is Reason.CLIENT_GONE
        assert guard.detach() is False


def test_a_client_that_left_before_the_guard_began_is_noticed(watching, pair, upstream):
    client, peer = pair
    peer.close()
    with watching().guard(client) as guard:
        with contextlib.suppress(Cancelled):  # it may be known already
            guard.attach(upstream)
            assert upstream.recv(1) == b""
        assert guard.reason is Reason.CLIENT_GONE


def test_a_closed_client_socket_is_a_client_that_left(watching, pair):
    client, _ = pair
    client.close()
    with watching().guard(client) as guard, pytest.raises(Cancelled):
        guard.check()


def test_bytes_sent_ahead_are_no_hang_up(watching, pair, upstream):
    client, peer = pair
    with watching(header=0.3).guard(client) as guard:
        peer.sendall(b"GET / HTTP/1.1\r\n")
        guard.attach(upstream)
        guard.waiting_for_headers()
        assert upstream.recv(1) == b""
        assert guard.reason is Reason.HEADER_TIMEOUT  # and not CLIENT_GONE


@pytest.mark.parametrize(
    ("deadlines", "begin", "reason"),
    [
        ({"header": 0.2}, "waiting_for_headers", Reason.HEADER_TIMEOUT),
        ({"progress": 0.2}, "progress", Reason.PROGRESS_TIMEOUT),
        ({"total": 0.2}, "progress", Reason.TOTAL_TIMEOUT),
        ({"total": 0.2}, "check", Reason.TOTAL_TIMEOUT),
    ],
)
def test_a_deadline_that_passes_wakes_the_thread(
    watching, upstream, deadlines, begin, reason
):
    with watching(**deadlines).guard(None) as guard:
        guard.attach(upstream)
        getattr(guard, begin)()
        assert upstream.recv(1) == b""
        assert guard.reason is reason


def test_progress_moves_its_deadline_and_not_the_total_one(watching, upstream):
    with watching(progress=0.5, total=1.5).guard(None) as guard:
        guard.attach(upstream)
        end = time.monotonic() + LONG
        while guard.reason is None and time.monotonic() < end:
            guard.progress()
            time.sleep(0.01)  # an event's pace, far below the progress deadline
        assert guard.reason is Reason.TOTAL_TIMEOUT


def test_a_pause_ends_when_the_client_leaves(watching, pair):
    client, peer = pair
    with watching().guard(client) as guard:
        threading.Timer(0.05, peer.close).start()
        with pytest.raises(Cancelled) as caught:
            guard.wait(LONG)
        assert caught.value.reason is Reason.CLIENT_GONE


def test_a_pause_that_nothing_disturbs_just_ends(watching):
    with watching(header=0.2).guard(None) as guard:
        guard.waiting_for_headers()
        guard.wait(0.4)  # the header deadline does not run in a pause
        guard.check()


def test_draining_ends_what_still_runs_at_its_deadline(watching, upstream):
    watch = watching()
    with watch.guard(None) as guard:
        guard.attach(upstream)
        watch.drain(time.monotonic())
        assert upstream.recv(1) == b""
        assert guard.reason is Reason.DRAINING
        with watch.guard(None) as late, pytest.raises(Cancelled):
            late.wait(LONG)


def test_a_cancel_between_two_operations_is_raised_by_the_next(watching, upstream):
    with watching().guard(None) as guard:
        guard.cancel(Reason.DRAINING)
        with pytest.raises(Cancelled):
            guard.attach(upstream)
        with pytest.raises(Cancelled):
            guard.wait(LONG)


def test_a_late_cancel_leaves_a_connection_alone_that_was_given_back(watching):
    ours, theirs = socket.socketpair()
    with watching().guard(None) as guard:
        guard.attach(ours)
        assert guard.detach() is True
        guard.cancel(Reason.CLIENT_GONE)
        theirs.sendall(b"for somebody else")
        assert ours.recv(64) == b"for somebody else"
    ours.close()
    theirs.close()


def test_detaching_and_cancelling_at_once_never_disagree(watching):
    """Either the socket is whole and said to be, or it is cut and said to be."""
    watch = watching()
    for _ in range(300):
        ours, theirs = socket.socketpair()
        with watch.guard(None) as guard:
            guard.attach(ours)
            canceller = threading.Thread(target=guard.cancel, args=[Reason.CLIENT_GONE])
            canceller.start()
            whole = guard.detach()
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


def test_the_first_reason_stays(watching):
    with watching().guard(None) as guard:
        guard.cancel(Reason.PROGRESS_TIMEOUT)
        guard.cancel(Reason.CLIENT_GONE)
        assert guard.reason is Reason.PROGRESS_TIMEOUT


def test_a_guard_may_be_closed_twice_and_the_socket_is_free_again(watching, pair):
    client, peer = pair
    watch = watching()
    for _ in range(3):
        guard = watch.guard(client)
        guard.close()
        guard.close()
    peer.close()
    with watch.guard(client) as guard:
        until(lambda: guard.reason is Reason.CLIENT_GONE)


def test_without_a_watching_thread_a_guard_still_keeps_its_rules(upstream):
    with Watch(Deadlines()).guard(None) as guard:
        guard.attach(upstream)
        assert guard.detach() is True


def test_many_clients_leaving_at_once_are_all_noticed(watching):
    watch = watching()
    listener = socket.create_server(("127.0.0.1", 0), backlog=200)
    peers, ours, guards = [], [], []
    for _ in range(100):
        peers.append(socket.create_connection(listener.getsockname()))
        ours.append(listener.accept()[0])
        guards.append(watch.guard(ours[-1]))
    for peer in peers:
        peer.close()
    until(lambda: all(guard.reason is Reason.CLIENT_GONE for guard in guards))
    for guard in guards:
        guard.close()
    for sock in [*ours, listener]:
        sock.close()
