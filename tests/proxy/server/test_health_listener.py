"""proxy.server.health_listener: whoever floods it, a probe gets in."""

import contextlib
import socket
import threading

import httpx2
import pytest

from gunicorn_process import read_all
from loopback import PLAIN
from moved_clock import MovedClock
from proxy.server import health_listener
from waiting import LONG, until


@pytest.fixture
def state():
    return {"trouble": None, "made": 0}


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """A connection of a test may wait: only one test is about how long."""
    monkeypatch.setattr(health_listener, "PATIENCE", 20 * LONG)


@pytest.fixture
def port(state):
    def page(_):
        state["made"] += 1
        return health_listener.Page(200, "text/plain", b"x" * 100_000)

    sock = health_listener.bind(0)
    served = {
        **health_listener.probes(lambda: state["trouble"]),
        "/metrics": page,
        "/broken": lambda _: 1 // 0,
    }
    health_listener.Listener(sock, served).start()
    return sock.getsockname()[1]  # the thread is a daemon, as in the worker


def get(port, path, method="GET"):
    return httpx2.request(
        method,
        f"http://127.0.0.1:{port}{path}",
        trust_env=False,
        timeout=LONG,
        verify=PLAIN,
    )


def connect(port, data=b""):
    sock = socket.create_connection(("127.0.0.1", port), LONG)
    with contextlib.suppress(ConnectionError):
        sock.sendall(data)
    return sock


def is_closed(sock):
    """Whether the listener has closed it; with a reset where it had not read all."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_each_page_has_its_status_and_type(port, state):
    assert get(port, "/healthz").json() == {"status": "ok"}
    assert get(port, "/readyz?verbose").json() == {"status": "ready"}
    assert get(port, "/metrics").text == "x" * 100_000
    assert get(port, "/none").status_code == 404
    assert get(port, "/healthz", "POST").status_code == 405
    assert get(port, "/healthz", "HEAD").content == b""
    assert get(port, "/broken").status_code == 500
    state["trouble"] = "no token"
    until(lambda: get(port, "/readyz").status_code == 503)
    assert get(port, "/readyz").json() == {"status": "no token"}


def test_a_request_in_pieces_is_answered(port):
    with connect(port, b"GET /healthz HT") as sock:
        sock.sendall(b"TP/1.1\r\nHost: x\r\n")
        sock.sendall(b"\r\n")
        assert b'{"status": "ok"}' in read_all(sock)


@pytest.mark.parametrize(
    "begin", [b"", b"GET /healthz", b"GET /healthz HTTP/1.1\r\nX: "]
)
def test_a_connection_that_waits_is_closed_soon(port, begin, monkeypatch):
    clock = MovedClock()
    monkeypatch.setattr(health_listener, "time", clock)
    monkeypatch.setattr(health_listener, "PATIENCE", 1.0)
    with connect(port, begin) as sock:
        for _ in range(2):  # the first response may overtake what was sent before
            assert get(port, "/healthz").status_code == 200
        clock.now += 1.0
        assert read_all(sock) == b""


def test_a_head_that_is_too_large_is_refused(port):
    begin = b"GET /healthz HTTP/1.1\r\nX: "
    with connect(port, begin + b"y" * (health_listener.HEAD - len(begin) + 1)) as sock:
        assert sock.recv(100).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("begin", [b"", b"GET /healthz HTTP/1.1\r\nX: y"])
def test_when_it_is_full_the_oldest_goes_and_a_probe_gets_in(port, begin, monkeypatch):
    monkeypatch.setattr(health_listener, "WAITING", 32)
    waiting = [connect(port, begin) for _ in range(4 * health_listener.WAITING)]
    assert get(port, "/healthz").status_code == 200
    gone = waiting[: 2 * health_listener.WAITING]
    assert [is_closed(sock) for sock in gone] == [True] * len(gone)
    for sock in waiting:
        sock.close()


def test_a_flood_of_a_page_has_it_made_a_few_times_only(port, state, monkeypatch):
    monkeypatch.setattr(health_listener, "MADE", 3600.0)
    threads = [
        threading.Thread(target=lambda: [get(port, "/metrics") for _ in range(10)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state["made"] == 1


def test_who_does_not_read_holds_up_nobody(port):
    unread = [connect(port, b"GET /metrics HTTP/1.1\r\n\r\n") for _ in range(10)]
    assert get(port, "/healthz").status_code == 200
    for sock in unread:
        sock.close()
