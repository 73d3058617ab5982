"""What a client gets when a request fails, and what is tried before that."""

import httpx2
import openai
import pytest

from openai_client import ask, connect, sent, user
from upstream_events import message, text

REFUSED = {
    "two choices": ({"n": 2}, "n"),
    "audio": ({"modalities": ["text", "audio"]}, "modalities"),
    "no messages": ({"messages": []}, "messages"),
    "no such role": ({"messages": [{"role": "robot"}]}, "messages[0]"),
    "no token": ({"max_tokens": 0}, "max_tokens"),
    "too hot": ({"temperature": 3}, "temperature"),
    "stream options alone": (
        {"stream_options": {"include_usage": True}},
        "stream_options",
    ),
    "a custom tool": (
        {"tools": [{"type": "custom", "custom": {"name": "x"}}]},
        "tools",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_honoured_is_refused_by_name_and_not_sent(client, standin, name):
    request, param = REFUSED[name]
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, **request)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param.startswith(param)
    assert sent(standin) == []


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, model="claude-none")
    assert caught.value.code == "model_not_found"
    assert caught.value.type == "invalid_request_error"


def test_an_unknown_path_is_not_found_in_the_envelope(http):
    answer = http.get("/v2/nothing")
    assert answer.status_code == 404
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def _received(standin):
    return [one for one in standin.requests if one.path == "/v1/messages"]


def test_an_overloaded_upstream_is_asked_once_more(client, standin):
    standin.fail_next(headers={"retry-after": "0"})
    assert ask(client).choices[0].finish_reason == "stop"
    assert len(_received(standin)) == 2


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_an_upstream_that_stays_overloaded_is_a_503_with_retry_after(
    client, standin, streamed
):
    standin.fail_next(times=2, headers={"retry-after": "0"})
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, streamed=streamed)
    assert caught.value.status_code == 503
    assert caught.value.code == "overloaded"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 12
    assert len(_received(standin)) == 2


def test_the_official_client_asks_again_after_a_503(proxy, standin):
    standin.fail_next(times=2, headers={"retry-after": "0"})
    with connect(proxy, max_retries=1) as client:
        assert ask(client).choices[0].finish_reason == "stop"
    assert len(_received(standin)) == 3


STATUSES = {
    "billing": (402, "billing_error", 402, "insufficient_quota"),
    "permission": (403, "permission_error", 403, "permission_denied"),
    "too large": (413, "request_too_large", 413, "request_too_large"),
    "theirs": (500, "api_error", 500, "upstream_error"),
    "timeout": (504, "timeout_error", 524, "upstream_timeout"),
}


@pytest.mark.parametrize("name", STATUSES)
def test_an_error_of_anthropics_keeps_its_meaning(client, standin, name):
    status, kind, told, code = STATUSES[name]
    standin.fail_next(
        status=status,
        type=kind,
        message="Words of Anthropic's",
        times=2,
        headers={"retry-after": "30"},
    )
    with pytest.raises(openai.APIStatusError, match="Words of Anthropic's") as caught:
        ask(client)
    standin.scripted.clear()
    assert (caught.value.status_code, caught.value.code) == (told, code)
    waits = caught.value.response.headers.get("retry-after")
    assert waits == ("30" if told == 500 else None)


def test_a_long_wait_is_told_in_words_and_not_asked_for(start, standin):
    """By a proxy of its own, which remembers it."""
    standin.fail_next(
        status=429, type="rate_limit_error", headers={"retry-after": "3600"}
    )
    with (
        connect(start(ANTHROPIC_API_KEY="key")) as client,
        pytest.raises(openai.RateLimitError, match="3600 seconds") as caught,
    ):
        ask(client)
    assert "retry-after" not in caught.value.response.headers
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_a_page_of_html_is_a_502_in_the_envelope(client, standin):
    page = {"content-type": "text/html", "retry-after": "0"}
    standin.fail_next(status=502, body=b"<html>SECRET</html>", headers=page, times=2)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_error")
    assert "SECRET" not in str(caught.value)


BEGUN = message(text("Half of it"))[:3]
OVERLOADED = {
    "type": "error",
    "error": {"type": "overloaded_error", "message": "Overloaded"},
}
BROKEN = {
    "cut": (BEGUN, True, "stream_incomplete"),
    "ended too early": (BEGUN, False, "stream_incomplete"),
    "an error inside": ([*BEGUN, OVERLOADED], False, "overloaded"),
}


def collect(told, stream):
    """Keep what came also where the stream ends in an exception."""
    for piece in stream:
        told.append(piece)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_stream_raises_in_the_client_after_its_text(client, standin, name):
    events, cut, code = BROKEN[name]
    standin.answer_with(events, cut=cut)
    told = []
    request = {"model": "claude-opus-5-5", "messages": [user("Hello")]}
    with (
        client.chat.completions.create(**request, stream=True) as stream,
        pytest.raises(openai.APIError) as caught,
    ):
        collect(told, stream)
    assert caught.value.code == code
    assert [chunk.choices[0].delta.content for chunk in told] == ["", "Half of it"]
    assert len(_received(standin)) == 1


@pytest.mark.parametrize("name", BROKEN)
def test_a_plain_answer_that_broke_is_an_error_and_is_not_asked_for_again(
    client, standin, name
):
    events, cut, code = BROKEN[name]
    standin.answer_with(events, cut=cut)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert caught.value.code == code
    assert caught.value.status_code == (503 if code == "overloaded" else 502)
    assert len(_received(standin)) == 1


def test_a_broken_stream_is_cut_without_its_last_chunk_and_without_done(http, standin):
    events, cut, _ = BROKEN["cut"]
    standin.answer_with(events, cut=cut)
    told = []
    request = {"messages": [user("Hello")], "stream": True}
    with http.stream("POST", "/v1/chat/completions", json=request) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx2.RemoteProtocolError):
            collect(told, answer.iter_raw())
    body = b"".join(told)
    assert b"Half of it" in body
    assert b'"stream_incomplete"' in body.rstrip().split(b"\n")[-1]
    assert b"[DONE]" not in body
