"""A client that leaves: nobody pays for words that nobody reads."""

import json
import socket
import struct
import subprocess
import sys

import pytest

from gunicorn_process import read_until
from quick_proxy import head
from waiting import LONG, until


def fin(sock):
    sock.close()


def rst(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def half_close(sock):
    sock.shutdown(socket.SHUT_WR)


WAYS = pytest.mark.parametrize("leave", [fin, rst, half_close])
MOMENTS = pytest.mark.parametrize(
    ("model", "stream"),
    [
        pytest.param("silent", True, id="before headers"),
        pytest.param("silent", False, id="before headers, plain"),
        pytest.param("stall;at=-1", True, id="before the first event"),
        pytest.param("stall", True, id="stalled"),
        pytest.param("stall;inside", False, id="stalled inside an event, plain"),
        pytest.param("pings", True, id="only pings"),
        pytest.param("drip", True, id="streaming"),
        pytest.param("drip", False, id="streaming, plain"),
        pytest.param("drip;gap=0", True, id="streaming at full speed"),
    ],
)


@WAYS
@MOMENTS
def test_its_upstream_call_is_cancelled(proxy, upstream, model, stream, leave):
    sock = proxy.raw(model, stream=stream)
    (call,) = upstream.wait_for_calls(1)
    if stream and "silent" not in model and "at=-1" not in model:
        read_until(sock, b"word0" if "drip" not in model else b"drip")
    leave(sock)
    until(lambda: not call.open, what="upstream goes on")
    line = proxy.line(model)
    assert line["client_gone"]
    assert line["status"] == 499
    sock.close()


@pytest.mark.parametrize("stream", [True, False])
def test_it_leaves_while_a_retry_is_waited_for(start, upstream, stream):
    proxy = start(before="from proxy import retry; retry.PATIENCE = 60\n")
    model = "status;code=429;retry-after=45"
    sock = proxy.raw(model, stream=stream)
    upstream.wait_for_calls(1)
    upstream.wait_until_idle()
    sock.close()
    line = proxy.line(model)
    assert line["client_gone"]
    assert line["duration_ms"] < 45_000
    assert len(upstream.calls) == 1


def test_bytes_sent_ahead_are_not_taken_for_leaving(proxy, upstream):
    with proxy.raw("hold") as sock:
        read_until(sock, b"word0")
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        upstream.release()
        read_until(sock, b'{"status":"ok"}')


def test_a_request_in_one_piece_with_that_of_a_stream_is_answered_after_it(
    proxy, upstream
):
    """Nothing more comes that could remind the server of it."""
    body = json.dumps(proxy.request("hold")).encode()
    ahead = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with proxy.connect(head(len(body)) + body + ahead) as sock:
        read_until(sock, b"word0")
        upstream.release()
        read_until(sock, b'{"status":"ok"}')


def test_a_hundred_leave_at_once(proxy, upstream):
    socks = [proxy.raw("stall") for _ in range(100)]
    for sock in socks:
        read_until(sock, b"word0")
    for sock in socks:
        sock.close()
    upstream.wait_until_idle()
    until(lambda: len(proxy.lines("stall")) == 100)
    assert all(one["client_gone"] for one in proxy.lines("stall"))


CLIENT = """
import sys
from openai import OpenAI
client = OpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)
for chunk in client.chat.completions.create(
    model=sys.argv[2], stream=True, messages=[{"role": "user", "content": "hi"}]
):
    print("chunk", flush=True)
"""


@pytest.mark.parametrize("model", ["drip", "stall"])
def test_a_real_client_is_killed_in_the_middle(proxy, upstream, model):
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT, proxy.url, model], stdout=subprocess.PIPE
    ) as client:
        assert client.stdout.readline() == b"chunk\n"
        client.kill()
        (call,) = upstream.calls
        until(lambda: not call.open)
        client.wait(LONG)


def test_a_client_that_leaves_with_the_last_byte_harms_nobody(proxy, upstream):
    """Its cancel races with the connection's way back to the pool."""
    for i in range(100):
        with proxy.raw(f"ok;n=1;tag={i}") as sock:
            read_until(sock, b"[DONE]")
        assert proxy.ask("ok;tag=other", stream=False).status == 200
    assert len(upstream.of("ok;tag=other")) == 100
