"""Slow readers, slow senders, silent ones: none takes anything from the others."""

import contextlib
import json

import pytest

from gunicorn_process import read_all, read_until
from quick_proxy import head, is_direct
from waiting import until


def test_a_body_in_chunks_and_in_bytes_arrives(proxy):
    body = json.dumps(proxy.request("ok", stream=False)).encode()
    lines = [
        b"POST /v1/chat/completions HTTP/1.1",
        b"Host: localhost",
        b"Connection: close",
    ]
    lines += [
        b"Content-Type: application/json",
        b"Transfer-Encoding: chunked",
        b"",
        b"",
    ]
    with proxy.connect(b"\r\n".join(lines)) as sock:
        for byte in body:
            sock.sendall(b"1\r\n%c\r\n" % byte)
        sock.sendall(b"0\r\n\r\n")
        assert b"word0" in read_all(sock)


@pytest.mark.parametrize(
    "begin", [b"", b"POST /v1/chat", head(1000), head(1000) + b'{"model"']
)
def test_those_who_send_slowly_hold_up_nobody(start, begin):
    """Five slots, twenty who take none of them."""
    proxy = start(max_requests=5)
    slow = [proxy.connect(begin) for _ in range(20)]
    for _ in range(5):
        assert proxy.ask("ok").is_done
    assert proxy.health("/healthz") == 200
    for sock in slow:
        sock.close()
    proxy.check_nothing_is_left()


def test_a_body_that_stops_is_a_408(start, upstream):
    quick = "from proxy import admission; admission.PATIENCE = 0.5\n"
    proxy = start(before=quick, warm=False)
    with proxy.connect(head(1000) + b'{"model"') as sock:
        answer = read_all(sock)
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert b'"code":"request_timeout"' in answer
    assert upstream.calls == []


def test_a_body_that_drips_is_a_408(start, upstream):
    """Every byte comes in time, and all of them too late."""
    proxy = start()
    with proxy.connect(head(100_000) + b"{") as sock:
        sock.settimeout(0.05)
        answer = b""
        while not answer:
            try:
                answer = sock.recv(65536)
            except TimeoutError:
                sock.sendall(b" ")
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert b'"code":"request_timeout"' in answer
    assert upstream.calls == []


def test_bodies_that_stopped_give_way_to_a_good_one(start, upstream):
    """The room holds two of the largest bodies, and three have stopped just before."""
    patient = "from proxy import admission; admission.PATIENCE = 8\n"
    proxy = start(before=patient, max_body_bytes=1 << 20)
    stopped = [proxy.connect(head(1 << 20) + b"x" * 700_000) for _ in range(3)]
    big = {"messages": [{"role": "user", "content": "x" * 1_000_000}]}
    assert proxy.ask("ok").is_done
    until(lambda: proxy.ask("ok", **big).is_done)
    answers = [read_all(sock) for sock in stopped]
    assert all(b" 503 " in one or b" 408 " in one for one in answers)
    assert any(b'"code":"at_capacity"' in one for one in answers)
    for sock in stopped:
        sock.close()
    proxy.check_nothing_is_left()


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_that_is_cut_short_is_no_request(proxy, upstream, framing):
    begin = head(1000) + b'{"model": "ok"}'
    if framing == "chunks":
        begin = begin.replace(b"Content-Length: 1000", b"Transfer-Encoding: chunked")
        begin = begin.replace(b'{"model"', b'zz\r\n{"model"')
    with proxy.connect(begin) as sock:
        if framing == "length":
            sock.shutdown(1)
        answer = read_all(sock)
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert b"invalid_body" in answer
    assert upstream.calls == []


def test_a_body_that_is_too_long_is_refused_unread(proxy, upstream):
    with proxy.connect(head(10**12)) as sock:
        answer = read_all(sock)
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b"Connection: close" in answer
    assert upstream.calls == []


def test_who_does_not_read_is_given_up_and_its_call_with_it(start, upstream):
    proxy = start(client_timeout=5)
    with proxy.raw("drip;gap=0;tag=unread"):
        (call,) = upstream.wait_for_calls(1)
        until(lambda: not call.open)
    until(lambda: proxy.lines("drip;gap=0;tag=unread"))


def test_who_reads_slowly_takes_nothing_from_others(proxy, upstream):
    with proxy.raw("huge;size=8000000") as sock:
        upstream.wait_for_calls(1)
        for _ in range(5):
            assert proxy.ask("ok").is_done
        read_until(sock, b"[DONE]")


def test_who_pauses_in_a_stream_loses_no_byte_of_it(proxy, upstream):
    """More comes meanwhile than anybody's buffers hold."""
    with proxy.raw("huge;size=4000000") as sock:
        read_until(sock, b"xxx")
        for _ in range(5):
            assert proxy.ask("ok").is_done
        told = read_until(sock, b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert 12_000_000 - 65536 < told.count(b"x") <= 12_000_000


def test_streams_that_wait_hold_no_thread(proxy, upstream):
    """Unless they come through a network proxy: then each holds one."""
    held = 0 if is_direct() else 30
    before = proxy.threads()
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(proxy.raw(f"hold;tag={i}")) for i in range(30)]
        for sock in socks:
            read_until(sock, b"word0")
        until(lambda: proxy.threads() <= before + 2 + held)
        upstream.release()
        for sock in socks:
            assert b"word2" in read_until(sock, b"[DONE]\n\n\r\n0\r\n\r\n")


def test_many_requests_go_over_one_connection(proxy):
    body = json.dumps(proxy.request("ok", stream=False)).encode()
    with proxy.connect() as sock:
        for _ in range(20):
            sock.sendall(head(len(body)) + body)
            assert b"word0" in read_until(sock, b'"total_tokens"')
