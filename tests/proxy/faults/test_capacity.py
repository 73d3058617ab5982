"""More completions than slots, and a full house."""

import json
import resource

import pytest

from gunicorn_process import read_until
from waiting import LONG, until


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
def test_beyond_the_slots_it_is_503_at_once_and_the_others_go_on(
    start, upstream, stream
):
    proxy = start(max_requests=3)
    held = [proxy.raw("hold", stream=stream) for _ in range(3)]
    upstream.wait_for_calls(3, "hold")
    for _ in range(5):
        told = proxy.ask("ok", stream=stream)
        assert (told.status, told.error["code"]) == (503, "at_capacity")
        assert int(told.headers["retry-after"]) >= 1
    assert upstream.of("ok") == []
    upstream.release("hold")
    for sock in held:
        read_until(sock, b"[DONE]" if stream else b'"total_tokens"')
        sock.close()
    until(lambda: proxy.metric("claude_proxy_requests_in_flight") == 0)
    assert proxy.ask("ok", stream=stream).status == 200
    proxy.check_nothing_is_left()


def test_a_refusal_does_not_wait_for_a_large_body(start, upstream):
    patient = f"from proxy.server import worker; worker.CLOSE_WAIT = {LONG}\n"
    proxy = start(before=patient, max_requests=1)
    with proxy.raw("hold") as held:
        read_until(held, b"word0")
        big = "x" * (8 << 20)
        told = proxy.ask("ok", user=big)
        assert (told.status, told.error["code"]) == (503, "at_capacity")
        upstream.release()
        read_until(held, b"[DONE]")


def test_large_bodies_on_their_way_are_bounded_and_small_ones_pass(start, upstream):
    proxy = start(max_body_bytes=1 << 20)
    big = {"messages": [{"role": "user", "content": "x" * 900_000}]}
    held = [proxy.raw("silent", **big) for _ in range(2)]
    upstream.wait_for_calls(2, "silent")

    told = proxy.ask("ok", **big)
    assert (told.status, told.error["code"]) == (503, "at_capacity")
    assert int(told.headers["retry-after"]) >= 1
    assert proxy.ask("ok").status == 200

    for sock in held:
        sock.close()  # a client that leaves gives its room back
    until(lambda: proxy.ask("ok", **big).status == 200)
    proxy.check_nothing_is_left()


def test_a_body_gives_its_room_back_when_its_answer_begins(start, upstream):
    proxy = start(max_body_bytes=1 << 20)
    big = {"messages": [{"role": "user", "content": "x" * 900_000}]}
    streams = []
    for _ in range(4):
        streams.append(proxy.raw("hold", **big))
        read_until(streams[-1], b"word0")
    upstream.release()
    for sock in streams:
        read_until(sock, b"[DONE]")
        sock.close()


@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.fail(f"this test needs 4096 descriptors, and the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_512_streams_are_held_and_health_answers(start, upstream, many_descriptors):
    proxy = start(header_timeout=600, idle_timeout=600)
    streams = [proxy.raw("hold") for _ in range(512)]
    for sock in streams:
        read_until(sock, b"word0")
    until(lambda: proxy.metric("claude_proxy_requests_in_flight") == 512)
    assert proxy.ask("ok").error["code"] == "at_capacity"
    for path in ("/healthz", "/readyz", "/metrics"):
        assert proxy.health(path) == 200
    answer = proxy.get("/health")
    assert answer.startswith(b"HTTP/1.1 200")
    assert proxy.get("/v1/models").startswith(b"HTTP/1.1 200")
    upstream.release()
    for sock in streams:
        told = read_until(sock, b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert told.count(b'"content":"word') == 2  # word0 was read above
        sock.close()
    proxy.check_nothing_is_left()


def test_few_descriptors_lower_the_limit_and_the_start_line_says_so(start):
    proxy = start(max_requests=100_000_000)
    assert proxy.ask("ok").is_done
    said = [json.loads(one)["message"] for one in proxy.log.splitlines()]
    assert any(one.startswith("MAX_REQUESTS lowered from 100000000") for one in said)
