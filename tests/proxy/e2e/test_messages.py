"""Anthropic's own SDK in front of the proxy: all of it works, and errors are its own."""

import json
import threading

import anthropic
import httpx2
import pydantic
import pytest

from anthropic_client import NEWEST, OLDER, WEATHER, ask, connect, user
from openai_client import KEY, sent
from upstream_events import message, text
from waiting import until

streamed = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


@pytest.fixture
def client(proxy):
    with connect(proxy, _strict_response_validation=True) as opened:
        yield opened


@streamed
def test_a_message_comes_back_with_its_usage_and_its_id(client, standin, streamed):
    told = ask(client, streamed=streamed, model="anthropic/claude-opus-5.5")
    assert "stand-in, not Claude" in told.content[-1].text
    assert told.content[0].type == "thinking"
    assert told.stop_reason == "end_turn"
    assert told.usage.input_tokens > 0
    (body,) = sent(standin)
    assert (body["model"], body["stream"]) == (NEWEST, True)


def test_a_plain_message_is_the_one_that_a_stream_adds_up_to(client):
    plain, streamed = ask(client), ask(client, streamed=True)
    for block in (told := streamed.to_dict(exclude_none=True))["content"]:
        block.pop("parsed_output", None)  # the streaming helper's own
    assert told == plain.to_dict(exclude_none=True)


def test_the_sdk_finds_anthropics_id_of_a_response(client, standin):
    raw = client.messages.with_raw_response.create(
        model=OLDER, max_tokens=9, messages=[user("Hello")]
    )
    assert raw.parse()._request_id == raw.headers["request-id"]
    assert raw.headers["request-id"].startswith("req_0000")
    assert raw.headers["x-request-id"] != raw.headers["request-id"]


@streamed
def test_a_tool_loop_with_thinking_goes_round(client, standin, streamed):
    request = {"streamed": streamed, "tools": [WEATHER], "model": OLDER}
    request["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    request["max_tokens"] = 4000
    messages = [user("How is the weather in Paris?")]
    called = ask(client, messages=messages, **request)
    use = called.content[-1]
    assert called.stop_reason == "tool_use"
    assert (use.name, use.input) == ("get_weather", {"city": "Paris"})
    assert called.content[0].signature

    result = {"type": "tool_result", "tool_use_id": use.id, "content": "22 and sunny"}
    turn = [block.to_dict() for block in called.content]
    for block in turn:
        block.pop("parsed_output", None)
    messages += [{"role": "assistant", "content": turn}, user([result])]
    answered = ask(client, messages=messages, **request)
    assert "22 and sunny" in answered.content[-1].text
    first, second = sent(standin)
    assert second["messages"][1]["content"] == turn
    assert second["thinking"] == first["thinking"] == request["thinking"]


class Plan(pydantic.BaseModel):
    title: str


def test_a_structured_output_is_parsed(client):
    told = client.messages.parse(
        model=NEWEST, max_tokens=500, messages=[user("Plan")], output_format=Plan
    )
    assert isinstance(told.parsed_output, Plan)


def test_a_search_comes_back_with_its_blocks_and_citations(proxy):
    with connect(proxy) as client:
        told = ask(
            client,
            model=OLDER,
            tools=[{"type": "web_search_20250305", "name": "web_search"}],
            messages=[user("Search for 'stand-in'")],
        )
    kinds = [block.type for block in told.content]
    assert kinds[:2] == ["server_tool_use", "web_search_tool_result"]
    assert told.content[0].input == {"query": "stand-in"}
    (cited,) = [block for block in told.content if getattr(block, "citations", None)]
    assert cited.citations[0].encrypted_index
    assert told.usage.server_tool_use.web_search_requests == 1


def test_tokens_are_counted(client, standin):
    counted = client.messages.count_tokens(model=OLDER, messages=[user("Hello")])
    assert counted.input_tokens == 11
    assert standin.requests[-1].path == "/v1/messages/count_tokens"


def test_betas_reach_anthropic(client, standin):
    told = client.beta.messages.create(
        model=OLDER,
        max_tokens=50,
        messages=[user("Hello")],
        betas=["context-management-2025-06-27"],
        context_management={"edits": [{"type": "clear_tool_uses_20250919"}]},
    )
    assert told.stop_reason == "end_turn"
    received = standin.requests[-1]
    assert received.headers["anthropic-beta"] == "context-management-2025-06-27"


def test_models_are_listed_and_found(client, standin):
    with anthropic.Anthropic(base_url=standin.base_url, api_key=KEY) as direct:
        assert list(client.models.list()) == list(direct.models.list(limit=1000))
    assert client.models.retrieve("claude-haiku-4.5").id == "claude-haiku-4-5-20251001"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("gpt-4")


# ------------------------------------------------------------------ errors

REFUSED = {
    "an unknown model": ({"model": "claude-none"}, anthropic.NotFoundError,
                         "not_found_error"),
    "no messages": ({"messages": []}, anthropic.BadRequestError,
                    "invalid_request_error"),
    "too many tokens": ({"max_tokens": 10**7}, anthropic.BadRequestError,
                        "invalid_request_error"),
    "a field of nobody's": ({"extra_body": {"n": 2}}, anthropic.BadRequestError,
                            "invalid_request_error"),
    "another stream": ({"extra_body": {"stream": "yes"}}, anthropic.BadRequestError,
                       "invalid_request_error"),
}  # fmt: skip


@streamed
@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_does_not_fit_is_refused_as_by_anthropic(client, streamed, name):
    request, raises, kind = REFUSED[name]
    if not streamed:
        request = request | {"timeout": 60}  # or the SDK asks for a stream itself
    elif "stream" in request.get("extra_body", {}):
        request = {"extra_body": {"stream": 1}}
    with pytest.raises(raises) as caught:
        ask(client, streamed=streamed, **request)
    assert caught.value.type == kind
    assert caught.value.request_id


@streamed
@pytest.mark.parametrize(
    ("status", "type_", "raises", "code"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError, None),
        (403, "permission_error", anthropic.PermissionDeniedError, "permission_denied"),
        (413, "request_too_large", anthropic.ContentTooLargeError, "request_too_large"),
        (429, "rate_limit_error", anthropic.RateLimitError, "rate_limit_exceeded"),
        (500, "api_error", anthropic.InternalServerError, "upstream_error"),
        (529, "overloaded_error", anthropic.ServiceUnavailableError, "overloaded"),
    ],
)
def test_anthropics_error_is_raised_as_the_sdks_class_for_it(
    start, standin, streamed, status, type_, raises, code
):
    proxy = start(ANTHROPIC_API_KEY=KEY)
    standin.fail_next(
        status=status,
        type=type_,
        message="In Anthropic's words",
        headers={"retry-after": "0"} if status in (429, 500, 529) else {},
        times=2 if status in (429, 500, 529) else 1,
    )
    with connect(proxy) as client, pytest.raises(raises) as caught:
        ask(client, streamed=streamed)
    assert (caught.value.type, caught.value.error_code) == (type_, code)
    assert caught.value.api_message == "In Anthropic's words"
    retried = "retry-after" in caught.value.response.headers
    assert retried == (status in (429, 500, 529))


def test_the_sdk_asks_again_after_a_503(proxy, standin):
    standin.fail_next(times=2, headers={"retry-after": "0"})
    with connect(proxy, max_retries=1) as client:
        assert ask(client).stop_reason == "end_turn"
    paths = [one.path for one in standin.requests]
    assert paths.count("/v1/messages") == 3


def test_the_inbound_key_is_the_sdks_api_key(start, standin):
    proxy = start(ANTHROPIC_API_KEY=KEY, PROXY_API_KEY="key-of-the-door")
    with connect(proxy, api_key="key-of-the-door") as client:
        assert ask(client).stop_reason == "end_turn"
        assert client.models.retrieve(OLDER).id == OLDER
    with connect(proxy, api_key=None, auth_token="key-of-the-door") as client:
        assert ask(client).stop_reason == "end_turn"
    with connect(proxy, api_key="wrong") as client:
        with pytest.raises(anthropic.AuthenticationError) as caught:
            ask(client)
        assert caught.value.type == "authentication_error"
        with pytest.raises(anthropic.AuthenticationError):
            client.messages.count_tokens(model=OLDER, messages=[user("Hello")])


# ------------------------------------------------------------------ streams that break

BEGUN = message(text("Once upon"))[:3]


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "ended too early"])
@streamed
def test_a_message_that_breaks_is_never_complete(client, standin, streamed, cut):
    standin.answer_with(BEGUN, cut=cut)
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(client, streamed=streamed)
    assert caught.value.status_code == (200 if streamed else 502)
    assert (caught.value.type, caught.value.error_code) == (
        "api_error",
        "stream_incomplete",
    )


@streamed
def test_an_error_inside_a_stream_is_raised_in_anthropics_words(
    client, standin, streamed
):
    error = {"type": "overloaded_error", "message": "Overloaded, says Anthropic"}
    standin.answer_with([*BEGUN, {"type": "error", "error": error}])
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(client, streamed=streamed)
    assert caught.value.type == "overloaded_error"
    assert caught.value.api_message == "Overloaded, says Anthropic"


def test_a_stream_that_breaks_is_cut_without_its_last_chunk(http, standin):
    standin.answer_with(BEGUN)
    body = {"model": OLDER, "max_tokens": 9, "messages": [user("Hi")], "stream": True}
    parts = []
    with (
        http.stream("POST", "/v1/messages", json=body) as response,
        pytest.raises(httpx2.RemoteProtocolError),
    ):
        parts.extend(response.iter_raw())
    *_, last = b"".join(parts).decode().removesuffix("\n\n").split("\n\n")
    name, data = last.split("\n")
    assert name == "event: error"
    told = json.loads(data.removeprefix("data: "))
    assert told["error"]["type"] == "api_error"
    assert told["request_id"] == response.headers["request-id"]


def test_a_client_that_leaves_ends_the_call(proxy, standin):
    held = threading.Event()
    standin.answer_with([*BEGUN, held])
    before = standin.hangups
    with connect(proxy) as client:
        request = {"model": OLDER, "max_tokens": 9, "messages": [user("Hi")]}
        with client.messages.create(**request, stream=True) as stream:
            assert next(iter(stream)).type == "message_start"
    until(lambda: standin.hangups == before + 1, what="the call went on")
    held.set()


@streamed
def test_the_log_line_says_what_was_asked_and_nothing_that_was_said(proxy, streamed):
    with connect(proxy) as client:
        name = {"x-request-id": f"of-the-log-{streamed}"}
        told = ask(
            client,
            streamed=streamed,
            messages=[user("PROMPT-CANARY")],
            extra_headers=name,
        )
    (line,) = proxy.lines_of(name["x-request-id"])
    assert line["api"] == "messages"
    assert line["stream"] is streamed
    assert line["finish_reason"] == "end_turn"
    assert line["upstream_request_id"].startswith("req_0000")
    assert line["output_tokens"] == told.usage.output_tokens
    assert "PROMPT-CANARY" not in proxy.text
