"""What a .NET client makes of each answer, and so what the proxy must answer.

One test for each line of the measured table that a proxy can honour.
"""

import threading
from concurrent import futures

import httpx2
import pytest

import dotnet_client
from openai_client import sent
from upstream_events import message, text, tool_use
from waiting import LONG, until

PLAIN = {"model": "claude-sonnet-4-6", "messages": [{"role": "user", "content": "Hi"}]}

# ------------------------------------------------------------------ what it tries again


TRIED = {
    "429": (429, "rate_limit_error", "rate_limit_exceeded", 429),
    "500": (500, "api_error", "upstream_error", 500),
    "529": (529, "overloaded_error", "overloaded", 503),
}


@pytest.mark.parametrize("name", TRIED)
def test_what_is_tried_again_tells_when(agent, standin, name):
    status, kind, code, told = TRIED[name]
    standin.fail_next(status=status, type=kind, times=8, headers={"retry-after": "0"})
    with pytest.raises(dotnet_client.ClientResultError, match=code) as caught:
        agent.ask(PLAIN)
    assert caught.value.status == told
    assert len(agent.waits) == 3
    assert all(1 <= wait <= 12 for wait in agent.waits)


def test_a_broken_upstream_is_a_502_that_tells_when_to_try_again(agent, standin):
    begun = message(text("Half of it"))[:3]
    standin.answer_with(begun, cut=True, times=4)
    with pytest.raises(
        dotnet_client.ClientResultError, match="stream_incomplete"
    ) as caught:
        agent.ask(PLAIN)
    assert caught.value.status == 502
    assert len(agent.waits) == 3
    assert all(1 <= wait <= 12 for wait in agent.waits)


LIMIT = {"status": 429, "type": "rate_limit_error", "message": "Rate limit reached"}


@pytest.fixture
def limited(start):
    """A client of a proxy of its own, which remembers a rate limit until it is over."""
    with dotnet_client.Client(start(ANTHROPIC_API_KEY="key").url) as client:
        yield client


def test_a_wait_of_anthropics_is_passed_on_and_nothing_is_sent_before(limited, standin):
    standin.fail_next(**LIMIT, headers={"retry-after": "44"})
    with pytest.raises(dotnet_client.ClientResultError, match="rate_limit_exceeded"):
        limited.ask(PLAIN)
    assert len(limited.waits) == 3
    assert all(25 <= wait <= 44 for wait in limited.waits)
    assert len(sent(standin)) == 1


def test_no_client_is_asked_to_wait_for_longer_than_its_user_does(limited, standin):
    standin.fail_next(**LIMIT, headers={"retry-after": "60"})
    with pytest.raises(dotnet_client.ClientResultError, match=r"in .. seconds"):
        limited.ask(PLAIN)
    assert limited.waits == [45, 45, 45]
    assert len(sent(standin)) == 1


def test_a_longer_wait_is_not_made_by_a_client_that_waits_without_a_cap(
    limited, standin
):
    standin.fail_next(**LIMIT, headers={"retry-after": "7200"})
    with pytest.raises(dotnet_client.ClientResultError, match=r"in 7... seconds"):
        limited.ask(PLAIN)
    assert max(limited.waits) == 0
    assert len(sent(standin)) == 1


def test_an_upstream_that_is_not_there_is_a_502_that_tells_when(start):
    running = start(ANTHROPIC_API_KEY="key", ANTHROPIC_API_BASE="http://127.0.0.1:9")
    with dotnet_client.Client(running.url) as client:
        with pytest.raises(
            dotnet_client.ClientResultError, match="upstream_unreachable"
        ):
            client.ask(PLAIN)
        assert len(client.waits) == 3
        assert all(3 <= wait <= 12 for wait in client.waits)


def test_a_full_proxy_is_a_503_that_tells_when(start, standin):
    no_time_passes = (
        "from proxy import patience\n"
        "patience.Troubles.__init__.__defaults__ = (lambda: 0.0,)\n"
    )
    running = start(ANTHROPIC_API_KEY="key", MAX_REQUESTS=1, before=no_time_passes)
    go_on = threading.Event()
    standin.answer_with([go_on, *message(text("slow"))])
    with (
        dotnet_client.Client(running.url) as first,
        dotnet_client.Client(running.url) as second,
        futures.ThreadPoolExecutor() as pool,
    ):
        slow = pool.submit(first.ask, PLAIN)
        try:
            until(lambda: not standin.scripted)
            with pytest.raises(
                dotnet_client.ClientResultError, match="at_capacity"
            ) as caught:
                second.ask(PLAIN)
        finally:
            go_on.set()
        assert slow.result(LONG).text == "slow"
        assert caught.value.status == 503
        assert second.waits == [3, 3, 3]
        until(lambda: running.metric("claude_proxy_requests_in_flight") == 0)
        assert second.ask(PLAIN).finish_reason == "stop"


ONCE = {
    "400": (400, "invalid_request_error", 400),
    "403": (403, "permission_error", 403),
    "404": (404, "not_found_error", 404),
    "409": (409, "conflict_error", 409),
    "413": (413, "request_too_large", 413),
}


@pytest.mark.parametrize("name", ONCE)
def test_what_cannot_get_better_is_asked_once_with_all_words(agent, standin, name):
    status, kind, told = ONCE[name]
    standin.fail_next(status=status, type=kind, message="Anthropic's own words")
    with pytest.raises(
        dotnet_client.ClientResultError, match="Anthropic's own words"
    ) as ex:
        agent.ask(PLAIN)
    assert ex.value.status == told
    assert agent.waits == []


def test_an_unknown_model_is_told_by_its_code(agent):
    with pytest.raises(
        dotnet_client.ClientResultError, match="model_not_found"
    ) as caught:
        agent.ask(PLAIN | {"model": "claude-does-not-exist"})
    assert caught.value.status == 404
    assert agent.waits == []


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_a_context_overflow_is_told_in_the_words_that_are_looked_for(
    agent, standin, streamed
):
    standin.fail_next(
        status=400,
        type="invalid_request_error",
        message="prompt is too long: 210000 tokens > 200000 maximum",
    )
    with pytest.raises(dotnet_client.ClientResultError) as caught:
        (agent.stream if streamed else agent.ask)(PLAIN)
    assert caught.value.status == 400
    assert "maximum context length is 200000" in str(caught.value)
    assert "resulted in 210000 tokens" in str(caught.value)
    assert "context_length_exceeded" in str(caught.value)


# ------------------------------------------------------------------ what it reads


REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "content_filter",
    "a_word_of_tomorrow": "stop",
}


@pytest.mark.parametrize("reason", REASONS)
def test_every_stop_reason_is_a_finish_reason_that_it_knows(newer, standin, reason):
    standin.answer_with(message(text("Hello"), reason), times=2)
    for answer in (newer.ask(PLAIN), newer.stream(PLAIN)):
        assert answer.finish_reason == REASONS[reason]
        assert answer.text == "Hello"
        assert bool(answer.refusal) is (reason == "refusal")


@pytest.mark.parametrize(
    ("pieces", "read"),
    [((), "{}"), (("",), "{}"), (('{"a', '": 1}'), '{"a":1}')],
    ids=["none", "empty", "cut in two"],
)
def test_arguments_are_never_null_or_empty(newer, standin, pieces, read):
    standin.answer_with(message(tool_use("ring", *pieces), "tool_use"), times=2)
    body = PLAIN | {"tools": [{"type": "function", "function": {"name": "ring"}}]}
    for answer in (newer.ask(body), newer.stream(body)):
        (call,) = answer.calls
        assert call["function"]["arguments"].replace(" ", "") == read


def test_arguments_that_the_token_limit_cut_do_not_parse_in_the_client(newer, standin):
    standin.answer_with(message(tool_use("ring", '{"a": "hal'), "max_tokens"), times=2)
    body = PLAIN | {"tools": [{"type": "function", "function": {"name": "ring"}}]}
    for answer in (newer.ask(body), newer.stream(body)):
        assert answer.finish_reason == "length"
        assert answer.calls[0]["function"]["arguments"] == '{"a": "hal'


def test_reasoning_is_read_from_the_message_and_from_the_chunks(newer):
    body = PLAIN | {"reasoning_effort": "medium"}
    whole, streamed = newer.ask(body), newer.stream(body)
    assert whole.reasoning
    assert whole.reasoning == streamed.reasoning


def test_pings_are_comments_that_disturb_nobody(newer, standin):
    begin, *rest = message(text("Hello"))
    ping = {"type": "ping"}
    standin.answer_with([ping, begin, ping, ping, *rest])
    assert newer.stream(PLAIN).text == "Hello"


ENDS = {
    "cut": ([], True),
    "ended too early": ([], False),
    "an error inside": (
        [{"type": "error", "error": {"type": "api_error", "message": "Broke"}}],
        False,
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_stream_that_broke_raises_since_it_is_cut(newer, standin, name):
    """The error object alone does not: before a proper end it is passed over."""
    more, cut = ENDS[name]
    standin.answer_with([*message(text("Half of it"))[:3], *more], cut=cut)
    seen = dotnet_client.Answer()
    with pytest.raises(httpx2.RemoteProtocolError):
        newer.stream(PLAIN, seen)
    assert (seen.text, seen.finish_reason) == ("Half of it", None)
