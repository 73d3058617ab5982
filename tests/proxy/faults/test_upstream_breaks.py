"""Each place where the upstream can stop, for clients that stream and that do not."""

from concurrent import futures
from typing import NamedTuple

import pytest

from faults import BEFORE, FINAL, INSIDE
from gunicorn_process import read_until
from quick_proxy import Received
from scripted_upstream import ERROR_TYPES
from waiting import until

BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])


class Outcome(NamedTuple):
    """What a client received, how many calls that cost, and the log line."""

    told: Received
    calls: int
    line: dict


def ask(proxy, upstream, model, stream):
    asked = f"{model};tag={stream}"
    told = proxy.ask(asked, stream=stream)
    return Outcome(told, len(upstream.of(asked)), proxy.line(asked))


@pytest.fixture(scope="module")
def late(together):
    """What comes of each scenario in which a deadline passes, by model and `stream`."""
    models = [*LATE, *DEAD, *STUCK]
    return together(ask, [(model, how) for model in models for how in (True, False)])


@BOTH
def test_a_whole_answer_is_told_whole(proxy, upstream, stream):
    told = proxy.ask("ok", stream=stream)
    assert told.status == 200
    assert told.complete
    assert len(upstream.calls) == 1
    if stream:
        assert told.is_done
        assert told.text == "word0 word1 word2 "
    else:
        assert b'"word0 word1 word2 "' in told.body


# Before the answer began: an ordinary error, after at most one more try.


@BOTH
@pytest.mark.parametrize("model", BEFORE)
def test_a_fault_before_the_answer_is_an_error_with_its_status(
    proxy, upstream, stream, model
):
    status, code, calls = BEFORE[model]
    model += f";tag={stream}"  # what is learned of one model is kept for a while
    told = proxy.ask(model, stream=stream)
    assert (told.status, told.error["code"]) == (status, code)
    assert told.complete
    assert "[DONE]" not in told.events
    assert len(upstream.of(model)) == calls
    line = proxy.line(model)
    assert (line["status"], line["code"]) == (status, code)
    retries = {429, 500, 502, 503} & {status}
    if any(one in model for one in FINAL):
        assert told.headers["x-should-retry"] == "false"
        assert "retry-after" not in told.headers
    elif retries:
        assert 1 <= int(told.headers["retry-after"]) <= 45
    else:
        assert "retry-after" not in told.headers
    for seconds in ("60", "3600"):
        if f"retry-after={seconds};" in model:
            assert f"{seconds} seconds" in told.error["message"]


def test_a_refused_credential_is_said_to_be_the_proxys_own_and_not_tried_again(
    start, upstream
):
    proxy = start()
    for _ in range(3):
        told = proxy.ask("status;code=401")
        assert (told.status, told.error["code"]) == (401, "invalid_api_key")
        assert "the proxy's own credential" in told.error["message"]
    assert len(upstream.calls) == 3, "one call for each, and no retry"


@BOTH
@pytest.mark.parametrize(
    "model",
    [
        "fin0;times=1",
        "rst0;times=1",
        "cut-head;times=1",
        "html;times=1",
        *[f"status;code={code};retry-after=0;times=1" for code in (429, 500, 529)],
        "status;code=503;times=1",
    ],
)
def test_a_fault_that_passes_is_not_told(proxy, upstream, stream, model):
    told = proxy.ask(model, stream=stream)
    assert told.status == 200
    assert told.complete
    assert len(upstream.of(model)) == 2
    assert proxy.line(model)["calls"] == 2


LATE = {  # scenario: calls, and why, for the log
    "silent": (2, "header_timeout"),
    "half-head": (2, "header_timeout"),
    "stall;at=-1": (2, "idle_timeout"),
    "stall;at=-0.5": (2, "idle_timeout"),
    "pings;at=-1": (1, "progress_timeout"),
    "pings;at=-0.5": (1, "progress_timeout"),
}


@BOTH
@pytest.mark.parametrize("model", LATE)
def test_no_content_in_time_is_a_524_after_one_more_try_within_one_budget(
    late, stream, model
):
    """No client repeats a 524, whose work has been paid for."""
    told, calls, line = late[model, stream].result()
    assert (told.status, told.error["code"]) == (524, "upstream_timeout")
    assert told.headers["x-should-retry"] == "false"
    assert "retry-after" not in told.headers
    assert "Anthropic" in told.error["message"]
    assert (calls, line["reason"]) == LATE[model]
    assert line["duration_ms"] < 24_000, "the budget is 16 seconds, and one more try 8"


DEAD = ["silent;times=1", "stall;at=-1;times=1", "half-head;times=1"]


@BOTH
@pytest.mark.parametrize("model", DEAD)
def test_a_dead_line_is_replaced_by_another_try(late, stream, model):
    told, calls, line = late[model, stream].result()
    assert told.status == 200
    assert told.complete
    assert calls == line["calls"] == 2


@pytest.mark.parametrize("at", [-1, -0.5])
def test_only_a_request_that_thinks_may_be_pinged_for_long(start, upstream, at):
    """The same pings: a model that does not think ends with the budget of a dead line."""
    proxy = start(idle_timeout=5, progress_timeout=16)
    models = ("claude-haiku-4-5", "claude-opus-5-5")
    with futures.ThreadPoolExecutor() as pool:
        asked = [pool.submit(proxy.ask, one, user=f"pings;at={at}") for one in models]
    for one in asked:
        told = one.result()
        assert (told.status, told.error["code"]) == (524, "upstream_timeout")
    lines = [proxy.line(model) for model in models]
    for line in lines:
        assert (line["reason"], line["calls"]) == ("progress_timeout", 1)
    not_thinking, thinking = (line["duration_ms"] for line in lines)
    assert not_thinking < thinking
    assert thinking > 15_900


@BOTH
def test_after_a_dead_line_no_kept_connection_is_trusted(start, upstream, stream):
    """A network that changed leaves all of them half dead."""
    proxy = start(header_timeout=5)
    models = [f"hold;tag={i}" for i in range(3)]
    socks = [proxy.raw(model) for model in models]
    upstream.wait_for_calls(3, "hold")
    upstream.release("hold")
    for sock in socks:
        read_until(sock, b"[DONE]")
        sock.close()
    for model in models:
        proxy.line(model)  # by then its connection is kept
    kept = {call.connection for call in upstream.calls}
    model = "silent;times=1"
    assert proxy.ask(model, stream=stream).status == 200
    first, second = upstream.of(model)
    assert first.connection in kept
    assert second.connection not in kept


@BOTH
def test_an_error_whose_body_drips_is_told_by_its_status(start, upstream, stream):
    quick = "from proxy import opening; opening.ERROR_BODY_TIMEOUT = 0.3\n"
    proxy = start(before=quick)
    model = f"drip-error;code=413;tag={stream}"
    told = proxy.ask(model, stream=stream)
    assert (told.status, told.error["code"]) == (413, "request_too_large")
    assert len(upstream.of(model)) == 1


# After it began: reported in the stream, which then has no end.


@pytest.mark.parametrize("model", INSIDE)
def test_a_stream_that_breaks_says_so_and_has_no_end(proxy, upstream, model):
    told = proxy.ask(model)
    check_broken(told, INSIDE[model])
    assert len(upstream.of(model)) == 1, "what was generated is paid for"
    assert proxy.line(model)["code"] == INSIDE[model]


def check_broken(told, code):
    assert told.status == 200
    assert not told.complete
    assert "[DONE]" not in told.events
    assert told.error["code"] == code


@pytest.mark.parametrize("model", INSIDE)
def test_a_plain_answer_that_breaks_is_an_error_and_not_asked_again(
    proxy, upstream, model
):
    told = proxy.ask(model, stream=False)
    assert told.status >= 429
    assert told.error["code"] == INSIDE[model]
    assert len(upstream.of(model)) == 1


def test_what_came_before_the_break_is_told(proxy):
    assert proxy.ask("fin;at=2").text.startswith("word0 word1 ")


STUCK = ["stall", "stall;inside", "stall;at=0", "stall-last", "pings", "drip"]


@pytest.mark.parametrize("model", STUCK)
def test_a_stream_that_stalls_is_ended(late, model):
    """Pings keep nothing alive, and a drip not for ever."""
    told = late[model, True].result().told
    assert told.status == 200
    assert not told.complete
    assert "[DONE]" not in told.events
    assert told.error["code"] == "stream_incomplete"


@pytest.mark.parametrize("model", STUCK)
def test_a_plain_answer_that_stalls_is_a_524(late, model):
    told, calls, _ = late[model, False].result()
    assert (told.status, told.error["code"]) == (524, "upstream_timeout")
    assert calls == 1


def test_pings_reach_the_client_as_comments(late):
    assert b": ping\n\n" in late["pings", True].result().told.body


@BOTH
@pytest.mark.parametrize("model", ["unknown", "huge;size=1000000"])
def test_what_is_only_unusual_is_no_fault(proxy, stream, model):
    told = proxy.ask(model, stream=stream)
    assert told.status == 200
    assert told.complete
    assert len(told.body) > (900_000 if "huge" in model else 100)


# Connections to the upstream.


@BOTH
def test_connections_are_used_again(proxy, upstream, stream):
    before = upstream.connections
    for i in range(5):
        model = f"ok;tag=again-{stream}-{i}"
        proxy.ask(model, stream=stream)
        proxy.line(model)  # by then its connection is kept
    assert upstream.connections <= before + 1


def test_a_connection_that_died_idle_is_replaced(proxy, upstream):
    """Before it is used, or by a second post where it was used a moment ago."""
    for i in range(5):
        assert proxy.ask(f"ok;tag={i}").is_done
        until(lambda: upstream.drop_idle_connections() or not upstream.open_connections)
    lines = [one for i in range(5) for one in proxy.lines(f"ok;tag={i}")]
    assert all(one["calls"] <= 2 for one in lines)
    assert all(len(upstream.of(f"ok;tag={i}")) == 1 for i in range(5))


@BOTH
def test_a_kept_connection_that_dies_under_a_request_is_replaced_and_counted(
    proxy, upstream, stream
):
    model = f"rst0;times=1;tag=kept-{stream}"
    proxy.ask("ok")
    assert proxy.ask(model, stream=stream).status == 200
    assert len(upstream.of(model)) == 2
    assert proxy.line(model)["calls"] == 2


@BOTH
@pytest.mark.parametrize("fault", ["fin0", "rst0"])
def test_no_completion_is_posted_more_than_three_times_and_each_post_is_counted(
    proxy, upstream, stream, fault
):
    """Connections that were kept die one after the other."""
    model = f"{fault};tag=always-{stream}"
    socks = [proxy.raw(f"hold;tag={fault}{stream}{i}") for i in range(4)]
    upstream.wait_for_calls(4, "hold")
    upstream.release("hold")
    for sock in socks:
        read_until(sock, b"[DONE]")
        sock.close()
    told = proxy.ask(model, stream=stream)
    assert (told.status, told.error["code"]) == (502, "upstream_unreachable")
    assert "the connection was closed without a response" in told.error["message"]
    posts = len(upstream.of(model))
    assert posts <= 3
    assert proxy.line(model)["calls"] == posts


def test_every_error_type_has_an_answer_in_a_stream(proxy):
    for kind in set(ERROR_TYPES.values()):
        told = proxy.ask(f"error;type={kind}")
        assert told.error["type"], kind
        assert not told.complete, kind
