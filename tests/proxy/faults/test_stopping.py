"""SIGTERM with completions in every state, and a worker that is killed."""

import signal
import socket
import threading
import time

import httpx2
import pytest

from gunicorn_process import read_all, read_until
from loopback import PLAIN
from quick_proxy import Received
from waiting import LONG, until


def told(sock):
    """Parse what a raw client got until its connection ended."""
    raw = read_all(sock)
    head, _, rest = raw.partition(b"\r\n\r\n")
    chunked = b"chunked" in head.lower()
    body, complete = unchunked(rest) if chunked else (rest, True)
    return Received(int(head.split()[1]), {}, body, complete)


def unchunked(data):
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return body, True
        body, data = body + data[:length], data[length + 2 :]
    return body, False


def test_completions_in_every_state(start, upstream):
    """The drain takes so long that what ends in it is sure to, on a busy machine, too."""
    long_pauses = "from proxy import retry; retry.PATIENCE = 60\n"
    proxy = start(drain_timeout=10, before=long_pauses)
    states = {
        "ends in time": proxy.raw("hold"),
        "ends in time, plain": proxy.raw("hold;tag=p", stream=False),
        "stalls": proxy.raw("stall"),
        "streams": proxy.raw("drip"),
        "pings": proxy.raw("pings"),
        "waits": proxy.raw("silent"),
        "waits, plain": proxy.raw("silent;tag=p", stream=False),
        "retries": proxy.raw("status;code=429;retry-after=45"),
        "sends": proxy.connect(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        ),
        "nothing": proxy.connect(),
    }
    upstream.wait_for_calls(8)
    proxy.signal(signal.SIGTERM)
    results = {}

    def listen(name):
        results[name] = told(states[name]) if name not in ("sends", "nothing") else None

    threads = [threading.Thread(target=listen, args=[name]) for name in states]
    for thread in threads:
        thread.start()
    until(proxy.is_draining, what="new connections are not refused in words")
    upstream.release("hold")
    for thread in threads:
        thread.join(LONG)
    assert proxy.wait()[0] == 0
    assert results["ends in time"].is_done
    assert results["ends in time, plain"].status == 200
    for name in ("stalls", "streams", "pings"):
        assert results[name].error["code"] == "shutting_down", name
        assert not results[name].complete, name
        assert "[DONE]" not in results[name].events, name
    for name in ("waits", "waits, plain", "retries"):
        assert results[name].status == 503, name
        assert results[name].error["code"] == "shutting_down", name
    for sock in states.values():
        sock.close()


def test_the_last_completion_ends_the_drain(start, upstream):
    proxy = start(drain_timeout=300)
    with proxy.raw("hold") as sock, proxy.connect() as silent:
        read_until(sock, b"word0")
        proxy.signal(signal.SIGTERM)
        until(proxy.is_draining)
        upstream.release()
        read_until(sock, b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert proxy.wait()[0] == 0
        silent.close()


def test_a_second_sigterm_tells_all_at_once(start, upstream):
    proxy = start(drain_timeout=300)
    streams = [proxy.raw("stall") for _ in range(50)]
    for sock in streams:
        read_until(sock, b"word0")
    proxy.signal(signal.SIGTERM)
    until(proxy.is_draining)
    proxy.signal(signal.SIGTERM)
    for sock in streams:
        assert b'"shutting_down"' in read_all(sock)
        sock.close()
    assert proxy.wait()[0] == 0


def test_a_killed_worker_costs_its_own_streams_only(start, upstream):
    proxy = start()
    with proxy.raw("stall") as sock:
        read_until(sock, b"word0")
        proxy.signal(signal.SIGKILL, worker=True)
        rest = read_all(sock)
        assert b"[DONE]" not in rest
        assert b"0\r\n\r\n" not in rest
    until(lambda: upstream.open_calls == 0)
    assert proxy.ask("ok").is_done


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
def test_sigterm_under_load_loses_nothing_that_could_be_finished(
    start, upstream, stream
):
    """Every answer is whole, or says that it is not, or was never begun."""
    proxy = start(drain_timeout=300)
    outcomes, started = [], threading.Event()

    def keep_asking(i):
        client = httpx2.Client(trust_env=False, verify=PLAIN)
        for j in range(1000):
            try:
                one = proxy.ask(
                    f"ok;gap=0.05;tag={i}", stream=stream, client=Keep(client)
                )
            except (httpx2.ConnectError, httpx2.ReadError) as ex:
                outcomes.append(type(ex).__name__)
                break
            except httpx2.RemoteProtocolError:
                outcomes.append("no answer")
                break
            if one.status == 503:
                outcomes.append(one.error["code"])
                break
            whole = one.is_done if stream else b'"total_tokens"' in one.body
            outcomes.append("whole" if whole else repr(one.body))
            if j == 2:
                started.set()
        client.close()

    threads = [threading.Thread(target=keep_asking, args=[i]) for i in range(8)]
    for thread in threads:
        thread.start()
    assert started.wait(LONG)
    proxy.signal(signal.SIGTERM)
    for thread in threads:
        thread.join(LONG)
    assert proxy.wait()[0] == 0
    asked, whole = len(upstream.calls), outcomes.count("whole")
    assert set(outcomes) <= {
        "whole",
        "shutting_down",
        "ConnectError",
        "ReadError",
        "no answer",
    }
    assert whole == asked, "an answer that upstream gave was lost"


class Keep:
    """A client that a `with` does not close."""

    def __init__(self, client):
        self._client = client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def stream(self, *args, **kwargs):
        return self._client.stream(*args, **kwargs)


def test_interrupting_stops_at_once(start):
    proxy = start(drain_timeout=300)
    with proxy.raw("stall") as sock:
        read_until(sock, b"word0")
        proxy.signal(signal.SIGINT)
        assert b'"shutting_down"' in read_all(sock)
    assert proxy.wait()[0] == 0


def test_a_client_that_stays_open_delays_nothing(start):
    proxy = start(drain_timeout=300)
    with socket.create_connection(("127.0.0.1", proxy.port)) as sock:
        sock.sendall(
            b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        read_all(sock)
        began = time.monotonic()
        proxy.signal(signal.SIGTERM)
        assert proxy.wait()[0] == 0
        assert time.monotonic() - began < LONG
