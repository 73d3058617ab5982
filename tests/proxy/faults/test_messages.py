"""`/v1/messages` with an upstream that breaks and clients that leave, over either transport.

Each fault has the status and the code that a chat client gets.
"""

import json
import signal
from concurrent import futures

import pytest

import anthropic_client
from faults import BEFORE, FINAL, INSIDE
from gunicorn_process import read_all, read_until
from quick_proxy import MESSAGES
from scripted_upstream import ERROR_TYPES
from waiting import LONG, until

COUNT = MESSAGES + "/count_tokens"
BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])


def ask(proxy, model, **more):
    return proxy.ask(model, path=MESSAGES, **more)


def code(told):
    assert told.error["message"]
    return told.error.get("details", {}).get("error_code")


def kinds(told):
    return [json.loads(one)["type"] for one in told.events]


def is_whole(told):
    return told.complete and kinds(told)[-1:] == ["message_stop"]


@pytest.fixture
def sdk(proxy):
    with anthropic_client.connect(proxy) as one:
        yield one


@BOTH
def test_the_sdk_gets_a_whole_message(sdk, stream):
    request = {
        "model": "ok",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
    }
    if stream:
        with sdk.messages.stream(**request) as opened:
            told = opened.get_final_message()
    else:
        told = sdk.messages.create(**request)
    assert told.content[0].text == "word0 word1 word2 "
    assert told.usage.output_tokens == 9


def test_a_stream_is_what_the_upstream_sent(proxy):
    told = ask(proxy, "ok")
    assert is_whole(told)
    deltas = ["content_block_delta"] * 3
    assert kinds(told) == [
        "message_start", "content_block_start", "ping", *deltas,
        "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip


@BOTH
@pytest.mark.parametrize("model", BEFORE)
def test_a_fault_before_the_content_is_the_error_that_chat_clients_get(
    proxy, upstream, stream, model
):
    status, expected, calls = BEFORE[model]
    model += f";tag=messages-{stream}"
    told = ask(proxy, model, stream=stream)
    assert (told.status, code(told)) == (status, expected)
    assert told.complete
    assert json.loads(told.body)["type"] == "error"
    assert json.loads(told.body)["request_id"] == told.headers["request-id"]
    assert len(upstream.of(model)) == calls
    line = proxy.line(model)
    assert (line["api"], line["status"], line["code"]) == ("messages", status, expected)
    if any(one in model for one in FINAL):
        assert told.headers["x-should-retry"] == "false"
    elif status in {429, 500, 502, 503}:
        assert 1 <= int(told.headers["retry-after"]) <= 45


@BOTH
@pytest.mark.parametrize("status", ERROR_TYPES)
def test_an_error_of_anthropics_keeps_its_type_and_words(
    start, upstream, stream, status
):
    told = ask(start(), f"status;code={status};retry-after=0", stream=stream)
    assert told.error["type"] == ERROR_TYPES[status]
    words = told.error["message"]
    assert words == "scripted" if status != 401 else "the proxy's own" in words


@BOTH
@pytest.mark.parametrize(
    "model", ["fin0;times=1", "html;times=1", "status;code=503;times=1"]
)
def test_a_fault_that_passes_is_not_told(proxy, upstream, stream, model):
    told = ask(proxy, f"{model};tag=m{stream}", stream=stream)
    assert told.status == 200
    assert told.complete
    assert len(upstream.calls) == 2


@BOTH
def test_a_renewed_token_is_used(start, upstream, tmp_path, stream):
    token = tmp_path / "token"
    token.write_text("old")
    proxy = start(
        anthropic_api_key="",
        claude_credentials_path=token,
        before=f"from proxy import lease; lease.REFRESH_WAIT = {LONG}\n",
    )
    upstream.tokens = {"new"}
    with proxy.raw("ok;tag=renewed", path=MESSAGES, stream=stream) as sock:
        until(lambda: upstream.rejected)
        token.write_text("new")
        assert read_until(sock, b"word2").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("model", INSIDE)
def test_a_stream_that_breaks_ends_in_an_error_event_and_a_cut(proxy, upstream, model):
    told = ask(proxy, model)
    assert told.status == 200
    assert not told.complete
    assert "message_stop" not in kinds(told)
    assert kinds(told)[-1] == "error"
    assert kinds(told)[0] == "message_start"
    assert code(told) == INSIDE[model]
    assert len(upstream.of(model)) == 1, "what was generated is paid for"
    assert proxy.line(model)["code"] == INSIDE[model]


@pytest.mark.parametrize("model", INSIDE)
def test_a_plain_message_that_breaks_is_an_error_and_not_asked_again(
    proxy, upstream, model
):
    told = ask(proxy, model, stream=False)
    assert told.status >= 429
    assert code(told) == INSIDE[model]
    assert told.headers["request-id"] == "req_scripted"
    assert json.loads(told.body)["request_id"] == "req_scripted"
    assert len(upstream.of(model)) == 1


STUCK = ["stall", "stall;inside", "stall-last", "pings"]


@pytest.fixture(scope="module")
def stuck(together):
    """What comes of a response that stalls, by model and `stream`."""

    def ask_one(proxy, _, model, stream):
        return ask(proxy, f"{model};tag={stream}", stream=stream)

    return together(ask_one, [(one, how) for one in STUCK for how in (True, False)])


@pytest.mark.parametrize("model", STUCK)
@BOTH
def test_a_response_that_stalls_is_ended(stuck, model, stream):
    told = stuck[model, stream].result()
    if stream:
        assert not told.complete
        assert "message_stop" not in kinds(told)
        assert code(told) == "stream_incomplete"
    else:
        assert (told.status, code(told)) == (524, "upstream_timeout")
        assert told.error["type"] == "timeout_error"
        assert told.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("model", ["unknown", "huge;size=1000000"])
@BOTH
def test_what_is_only_unusual_is_passed_on(proxy, model, stream):
    told = ask(proxy, f"{model};tag=m{stream}", stream=stream)
    assert told.status == 200
    assert told.complete
    if stream and model == "unknown":
        assert "brand_new" in kinds(told)


def test_only_a_request_that_thinks_may_be_pinged_for_long(start, upstream):
    proxy = start(idle_timeout=5, progress_timeout=16)
    more = {"metadata": {"user_id": "pings;at=-0.5"}}
    with futures.ThreadPoolExecutor() as pool:
        asked = [
            pool.submit(ask, proxy, model, thinking={"type": thinking}, **more)
            for model, thinking in [
                ("claude-opus-5", "disabled"),
                ("anthropic/claude-opus-5", "adaptive"),
            ]
        ]
    for one in asked:
        assert (one.result().status, code(one.result())) == (524, "upstream_timeout")
    assert proxy.line("claude-opus-5")["duration_ms"] < 15_900
    assert proxy.line("anthropic/claude-opus-5")["duration_ms"] > 15_900


# Clients that leave, and a proxy that has to go.


@BOTH
@pytest.mark.parametrize("model", ["silent", "stall;at=-0.5", "drip"])
def test_a_client_that_leaves_ends_its_call(proxy, upstream, model, stream):
    model += f";tag=left-{stream}"
    with proxy.raw(model, path=MESSAGES, stream=stream) as sock:
        (call,) = upstream.wait_for_calls(1)
        if stream and "drip" in model:
            read_until(sock, b"drip")
    until(lambda: not call.open, what="upstream goes on")
    line = proxy.line(model)
    assert line["client_gone"]
    assert line["status"] == 499


@BOTH
@pytest.mark.parametrize("model", ["silent", "stall"])
def test_a_drain_ends_it_in_words(start, upstream, model, stream):
    proxy = start(drain_timeout=0.3)
    with proxy.raw(model, path=MESSAGES, stream=stream) as sock:
        upstream.wait_for_calls(1)
        if stream and model == "stall":
            read_until(sock, b"word0")
        proxy.signal(signal.SIGTERM)
        answer = read_all(sock)
    assert b'"shutting_down"' in answer
    assert b'"overloaded_error"' in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert b"message_stop" not in answer
    assert proxy.wait()[0] == 0


def test_no_more_are_served_than_there_are_slots(start, upstream):
    proxy = start(max_requests=1)
    with proxy.raw("hold", path=MESSAGES) as sock:
        read_until(sock, b"word0")
        for path in (MESSAGES, COUNT):
            told = proxy.ask("ok", stream=False, path=path)
            assert (told.status, code(told)) == (503, "at_capacity")
            assert told.error["type"] == "overloaded_error"
            assert int(told.headers["retry-after"]) >= 1
        upstream.release()
        read_until(sock, b"message_stop")


def test_a_silent_stream_is_pinged(start, upstream):
    quick = "from proxy import serving; serving.KEEP_ALIVE = 0.2\n"
    proxy = start(before=quick)
    with proxy.raw("hold", path=MESSAGES) as sock:
        read_until(sock, b"word0")
        for _ in range(3):
            read_until(sock, b'event: ping\ndata: {"type": "ping"}\n\n')
        upstream.release()
        read_until(sock, b'data: {"type": "message_stop"}\n\n\r\n0\r\n\r\n')


def test_a_body_that_stops_is_a_408(start):
    quick = "from proxy import admission; admission.PATIENCE = 0.3\n"
    proxy = start(before=quick)
    lines = [
        f"POST {MESSAGES} HTTP/1.1", "Host: localhost",
        "Content-Type: application/json", "Content-Length: 5", "", "{",
    ]  # fmt: skip
    with proxy.connect("\r\n".join(lines).encode()) as sock:
        answer = read_all(sock)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"timeout_error"' in answer


# Counting tokens.


def test_a_count_that_fails_has_the_same_errors(proxy, upstream):
    for model, (status, expected, calls) in {
        "fin0;tag=count": (502, "upstream_unreachable", 2),
        "status;code=529;tag=count": (503, "overloaded", 2),
        "status;code=400;tag=count": (400, None, 1),
        "html;code=200;tag=count": (502, "upstream_error", 1),
        "ok;tag=count": (502, "upstream_error", 1),  # a stream is no count
    }.items():
        told = proxy.ask(model, stream=False, path=COUNT)
        assert (told.status, code(told)) == (status, expected), model
        assert len(upstream.of(model)) == calls, model
        assert proxy.line(model)["api"] == "count_tokens"
    assert {call.path for call in upstream.calls} == {_seen(upstream, COUNT)}


def test_a_count_is_what_the_upstream_answered(proxy, upstream):
    told = proxy.ask("json;tag=count", stream=False, path=COUNT)
    assert (told.status, json.loads(told.body)) == (200, {"hello": "world"})


def test_a_client_that_leaves_ends_its_count(proxy, upstream):
    with proxy.raw("silent;tag=count", path=COUNT, stream=False):
        (call,) = upstream.wait_for_calls(1)
    until(lambda: not call.open)
    assert proxy.line("silent;tag=count")["client_gone"]


def _seen(upstream, path):
    """A path as the upstream sees it: a whole URL where it is a network proxy."""
    absolute = upstream.calls[0].path.startswith("http")
    return f"{upstream.url}{path}" if absolute else path
