"""Whose patience ends first: keep-alive comments, storms, rotations, names that do not resolve."""

import contextlib
import signal
import time
from concurrent import futures

import openai
import pytest

import dotnet_client
from gunicorn_process import read_all, read_until
from ports import free_port
from quick_proxy import Proxy, Received
from waiting import LONG, until

BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
KEEP_ALIVE = "from proxy import serving; serving.KEEP_ALIVE = 0.2\n"

# Keep-alive comments.


@pytest.fixture(scope="module")
def _chatty(tmp_path_factory, _upstream):
    proxy = Proxy(tmp_path_factory.mktemp("chatty"), _upstream, before=KEEP_ALIVE)
    yield proxy
    proxy.stop()


@pytest.fixture
def chatty(_chatty, upstream):
    """A proxy that sends a comment after each 0.2 s of silence instead of 15."""
    with _chatty.lent(upstream):
        yield _chatty


def test_a_silent_stream_sends_comments_and_goes_on(chatty, upstream):
    with chatty.raw("hold") as sock:
        told = read_until(sock, b"word0")
        for _ in range(3):
            told += read_until(sock, b": ping\n\n")
        upstream.release()
        told += read_until(sock, b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert len(upstream.calls) == 1
    assert chatty.line("hold")["finish_reason"] == "stop"


def test_before_its_content_a_stream_sends_nothing(chatty, upstream):
    with chatty.raw("hold;at=-0.5") as sock:
        upstream.wait_for_calls(1)
        sock.settimeout(0.7)  # three silences
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(LONG)
        upstream.release()
        assert read_until(sock, b"[DONE]").startswith(b"HTTP/1.1 200 ")


def test_a_plain_response_sends_nothing_before_its_status_line(chatty, upstream):
    with chatty.raw("hold", stream=False) as sock:
        upstream.wait_for_calls(1)
        sock.settimeout(0.7)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(LONG)
        upstream.release()
        read_until(sock, b'"total_tokens"')


def test_a_client_that_leaves_a_silent_stream_ends_its_call(chatty, upstream):
    with chatty.raw("stall") as sock:
        read_until(sock, b": ping\n\n")
        (call,) = upstream.calls
    until(lambda: not call.open)
    assert chatty.line("stall")["client_gone"]


def test_the_connection_of_a_silent_stream_is_kept(chatty, upstream):
    chatty.ask("ok;tag=first")
    chatty.line("ok;tag=first")  # by then its connection is kept
    before = upstream.connections
    with chatty.raw("hold") as sock:
        read_until(sock, b": ping\n\n")
        upstream.release()
        read_until(sock, b"[DONE]")
    chatty.line("hold")
    assert chatty.ask("ok").is_done
    assert upstream.connections == before


def test_comments_disturb_no_client_and_reset_its_timer(chatty, upstream):
    """The official one and the .NET one, at the same time."""
    with futures.ThreadPoolExecutor() as pool:
        reading = [
            pool.submit(read, chatty.url)
            for read in (_read_with_openai, _read_with_dotnet)
        ]
        upstream.wait_for_calls(2, "hold")
        time.sleep(PATIENCE + 2)
        upstream.release("hold")
        assert [one.result() for one in reading] == ["word0 word1 word2 "] * 2


PATIENCE = 8
"""Seconds of silence after which either client would give up."""


def _read_with_openai(url):
    with openai.OpenAI(
        base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=PATIENCE
    ) as client:
        stream = client.chat.completions.create(
            model="hold", stream=True, messages=[{"role": "user", "content": "hi"}]
        )
        deltas = [chunk.choices[0].delta.content or "" for chunk in stream]
    return "".join(deltas)


def _read_with_dotnet(url):
    with dotnet_client.Client(url, timeout=PATIENCE) as client:
        return client.stream({"model": "hold", "messages": MESSAGES}).text


MESSAGES = [{"role": "user", "content": "hi"}]

# An upstream that stops at any byte.


@BOTH
def test_wherever_the_upstream_falls_silent_the_client_is_told_in_time(
    start, upstream, stream
):
    """Every fifteenth byte of a whole answer."""
    proxy = start(header_timeout=1, idle_timeout=1)
    models = [f"short;bytes={n};tag={stream}" for n in range(0, 1900, 15)]
    with futures.ThreadPoolExecutor(32) as pool:
        told = list(pool.map(lambda m: proxy.ask(m, stream=stream), models))
    assert {one.status for one in told} == {200, 524}
    for model, one in zip(models, told, strict=True):
        calls = len(upstream.of(model))
        if stream and one.status == 200:
            whole = b'"finish_reason":"stop"' in one.body
            assert whole is one.is_done, model
            assert whole or one.error["code"] == "stream_incomplete", model
            assert calls <= 2, model  # a busy machine makes the first one late
        elif one.status == 200:
            assert b'"word0 word1 word2 "' in one.body, model
        else:
            assert one.error["code"] == "upstream_timeout", model
            assert calls <= 2, model


# Storms.


@BOTH
def test_a_rate_limit_of_many_clients_costs_one_call(start, upstream, stream):
    proxy = start()
    model = f"status;code=429;retry-after=44;tag={stream}"
    first = proxy.ask(model, stream=stream)
    proxy.line(model)
    assert (first.status, first.headers["retry-after"]) == (429, "44")
    with futures.ThreadPoolExecutor(30) as pool:
        told = list(pool.map(lambda _: proxy.ask(model, stream=stream), range(30)))
    assert {one.status for one in told} == {429}
    assert all(1 <= int(one.headers["retry-after"]) <= 44 for one in told)
    assert len(upstream.of(model)) == 1
    lines = until(lambda: len(found := proxy.lines(model)) == 31 and found)
    assert {one["reason"] for one in lines[1:]} == {"limit_known"}
    proxy.check_nothing_is_left()


def test_an_overload_is_ridden_out_by_waits_that_grow(start, upstream, tmp_path):
    """Twenty seconds of 529; the .NET client asks four times, and time passes meanwhile."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    proxy = start(
        before=(
            "from pathlib import Path\n"
            "from proxy import patience, retry\n"
            "retry.FIRST_PAUSE = 0.05\n"
            f"now = lambda: float(Path({str(clock)!r}).read_text())\n"
            "patience.Troubles.__init__.__defaults__ = (now,)\n"
        )
    )
    model = "status;code=529;times=1000"

    def wait(seconds):
        now = float(clock.read_text()) + seconds
        clock.write_text(str(now))
        if now > 20:
            upstream.pardon(model)

    with dotnet_client.Client(proxy.url, wait=wait) as client:
        answer = client.ask({"model": model, "messages": MESSAGES})
    assert answer.finish_reason == "stop"
    assert client.waits == [3, 8, 12]
    assert len(upstream.of(model)) == 7, "two each while it lasts"


@BOTH
def test_a_token_that_rotates_under_an_overload_loses_nothing(
    start, upstream, tmp_path, stream
):
    """Each first call is a 529, and by the second one the token is dead."""
    token = tmp_path / "token"
    token.write_text("old")
    proxy = start(
        anthropic_api_key="",
        claude_credentials_path=token,
        before=f"from proxy import lease; lease.REFRESH_WAIT = {LONG}\n",
    )
    models = [
        f"status;code=529;retry-after=1;times=1;tag={stream}{i}" for i in range(8)
    ]

    def rotate():
        upstream.wait_for_calls(8, "status")
        upstream.tokens = {"new"}
        until(lambda: upstream.rejected)
        token.write_text("new")

    with futures.ThreadPoolExecutor(9) as pool:
        rotating = pool.submit(rotate)
        told = list(pool.map(lambda m: proxy.ask(m, stream=stream), models))
        rotating.result()
    assert {one.status for one in told} == {200}
    assert all(len(upstream.of(model)) <= 3 for model in models)


# Names.

SILENT_DNS = """
import socket, threading
_real = socket.getaddrinfo
def _hang(host, *args, **kwargs):
    if host == "silent.test" and not kwargs.get("flags"):
        threading.Event().wait()
    return _real(host, *args, **kwargs)
socket.getaddrinfo = _hang
"""


@pytest.fixture
def lost(start, upstream):
    """A proxy whose name server says nothing."""

    def begin(**settings):
        proxy = start(
            before=SILENT_DNS,
            warm=False,
            http_proxy="",
            anthropic_api_base="http://silent.test",
            allow_http_upstream=1,
            **{"connect_timeout": LONG} | settings,
        )
        proxy.idle = (proxy.threads() + 3, proxy.descriptors())  # the hanging look-ups
        return proxy

    return begin


@BOTH
def test_a_name_server_that_hangs_is_given_up_and_named(lost, stream):
    proxy = lost(connect_timeout=0.5)
    told = proxy.ask("x", stream=stream)
    assert (told.status, told.error["code"]) == (502, "upstream_unreachable")
    assert "its name could not be resolved" in told.error["message"]
    line = proxy.line("x")
    assert line["reason"] == "name_not_found"
    assert line["duration_ms"] < 9_000, "the usual patience would be 10 seconds"


@BOTH
def test_a_client_that_leaves_while_a_name_is_looked_up_gives_its_slot_back(
    lost, stream
):
    proxy = lost(max_requests=1)
    with proxy.raw("x", stream=stream):
        until(lambda: proxy.metric("claude_proxy_requests_in_flight") == 1)
    until(lambda: proxy.metric("claude_proxy_requests_in_flight") == 0)
    assert proxy.line("x")["client_gone"]


@BOTH
def test_a_drain_ends_the_wait_for_a_name_in_words(lost, stream):
    proxy = lost(drain_timeout=0.5)
    with proxy.raw("x", stream=stream) as sock:
        until(lambda: proxy.metric("claude_proxy_requests_in_flight") == 1)
        proxy.signal(signal.SIGTERM)
        answer = read_all(sock)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"shutting_down"' in answer
    assert b"Retry-After: 5" in answer or b"retry-after: 5" in answer
    assert proxy.wait()[0] == 0


def test_an_upstream_that_is_not_there_says_so(start):
    base = f"http://127.0.0.1:{free_port()}"
    proxy = start(warm=False, anthropic_api_base=base, http_proxy="")
    told = proxy.ask("x")
    assert (told.status, told.error["code"]) == (502, "upstream_unreachable")
    assert "the connection was refused" in told.error["message"]
    assert proxy.line("x")["reason"] == "refused"
    series = 'claude_proxy_errors_total{code="upstream_unreachable",reason="refused"}'
    until(lambda: proxy.metric(series) == 1)


# A restart in the middle of a tool loop.


def test_a_sidecar_that_restarts_is_invisible_to_the_agent(start, upstream):
    """The client comes back when it was told to, and the next process is there."""
    port = free_port()
    first = start(listen=port, drain_timeout=300)
    restarted = []

    def wait(seconds):
        assert seconds == 5
        upstream.release()
        if not restarted:
            assert first.wait()[0] == 0
            restarted.append(start(listen=port))

    with first.raw("hold") as running:
        read_until(running, b"word0")
        with dotnet_client.Client(first.url, wait=wait) as client:
            assert client.ask({"model": "ok", "messages": MESSAGES}).text
            first.signal(signal.SIGTERM)
            until(first.is_draining)
            assert client.ask({"model": "ok", "messages": MESSAGES}).text
        assert b"[DONE]" in read_all(running)
    assert restarted


# Moments at which a client leaves, or the proxy has to go.

MOMENTS = ["silent", "half-head", "pings;at=-1", "stall;at=-0.5", "pings;at=-0.5"]


@BOTH
@pytest.mark.parametrize("model", MOMENTS)
def test_who_leaves_before_the_content_ends_the_call(proxy, upstream, model, stream):
    with proxy.raw(f"{model};tag={stream}", stream=stream):
        (call,) = upstream.wait_for_calls(1)
    until(lambda: not call.open)
    assert proxy.line(f"{model};tag={stream}")["client_gone"]
    assert len(upstream.calls) == 1


@BOTH
@pytest.mark.parametrize("model", [*MOMENTS, "status;code=429;retry-after=45"])
def test_a_drain_before_the_content_is_a_status(start, upstream, model, stream):
    long_pauses = "from proxy import retry; retry.PATIENCE = 60\n"
    proxy = start(drain_timeout=0.3, before=long_pauses)
    with proxy.raw(model, stream=stream) as sock:
        upstream.wait_for_calls(1)
        proxy.signal(signal.SIGTERM)
        answer = read_all(sock)
    head, _, body = answer.partition(b"\r\n\r\n")
    told = Received(int(head.split()[1]), {}, body, complete=True)
    assert (told.status, told.error["code"]) == (503, "shutting_down")
    assert proxy.wait()[0] == 0


@BOTH
def test_a_client_that_leaves_between_two_tries_is_noticed(start, upstream, stream):
    """In the second one, that is, which would go on for longer."""
    proxy, model = start(header_timeout=1), "silent;times=1;then=stall;at=-1"
    with contextlib.closing(proxy.raw(model, stream=stream)) as sock:
        upstream.wait_for_calls(2, model)
        sock.close()
    until(lambda: upstream.open_calls == 0)
    assert proxy.line(model)["client_gone"]
