"""``/v1/messages`` in process, in front of the stand-in: what is relayed, what is decided."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from falcon import testing

from proxy import app, settings
from standin import server

HELLO = {"max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
OLDER = {"model": "claude-sonnet-4-6", **HELLO}
PATH = "/v1/messages"
COUNT = "/v1/messages/count_tokens"

Client = testing.TestClient

both = pytest.mark.parametrize("path", [PATH, COUNT])


def post(
    client: Client, body: object = OLDER, path: str = PATH, **headers: str
) -> testing.Result:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    json_type = {"content-type": "application/json"}
    return client.simulate_post(path, body=data, headers=json_type | sent)


def refused(answer: testing.Result) -> tuple[int, str, str]:
    """Status, type and message of an error, which is in Anthropic's envelope."""
    told = answer.json
    assert set(told) == {"type", "error", "request_id"}
    assert told["type"] == "error"
    assert told["request_id"] == answer.headers["request-id"]
    return answer.status_code, told["error"]["type"], told["error"]["message"]


# ------------------------------------------------------------------ what goes upstream


def test_the_body_goes_upstream_byte_for_byte_but_for_model_and_stream(
    client: Client, standin: server.StandIn
) -> None:
    messages = b'[ {"role": "user", "content": "Gr\\u00fc\xc3\x9fe\\n 1.0"} ]'
    body = b'{"max_tokens":1e2,"model":"anthropic/claude-sonnet-4.6","messages":%b}'
    standin.requests.clear()

    post(client, (body % messages).replace(b"1e2", b"100"))

    expected = (
        b'{"max_tokens":100,"model":"claude-sonnet-4-6","messages":%b,"stream":true}'
    )
    assert standin.requests[-1].raw == expected % messages


@both
@pytest.mark.parametrize("given", [{}, {"model": None}, {"model": " "}])
def test_without_a_model_the_default_is_asked(
    make_client: Callable[..., Client],
    standin: server.StandIn,
    path: str,
    given: dict[str, object],
) -> None:
    body = {"messages": HELLO["messages"], **given}
    if path == PATH:
        body["max_tokens"] = 9
    client = make_client(default_model="claude-opus-4-8")

    assert post(client, body, path).status_code == 200
    assert standin.requests[-1].body["model"] == "claude-opus-4-8"


@both
def test_version_and_betas_go_upstream_and_nothing_else_of_the_clients(
    client: Client, standin: server.StandIn, path: str
) -> None:
    body = {name: value for name, value in OLDER.items() if name != "max_tokens"}

    post(
        client,
        OLDER if path == PATH else body,
        path,
        anthropic_version="2023-06-01",
        anthropic_beta="a-2025-01-01, b-2025-01-01,a-2025-01-01",
        x_api_key="of the client",
        user_agent="claude-cli/2",
        x_stainless_lang="js",
        cookie="a=b",
        anthropic_organization_id="mine",
    )

    headers = standin.requests[-1].headers
    assert headers["anthropic-version"] == "2023-06-01"
    assert headers["anthropic-beta"] == "a-2025-01-01,b-2025-01-01"
    assert headers["user-agent"].startswith("Anthropic/Python ")
    assert headers["x-stainless-lang"] == "python"
    assert "of the client" not in str(headers)
    assert not {"cookie", "anthropic-organization-id"} & headers.keys()


def test_without_a_version_the_sdks_own_is_sent(
    client: Client, standin: server.StandIn
) -> None:
    post(client)

    assert standin.requests[-1].headers["anthropic-version"] == "2026-10-21"
    assert "anthropic-beta" not in standin.requests[-1].headers


@pytest.mark.parametrize("given", ["", "oauth-2025-04-20,c-1", "c-1"])
def test_the_betas_of_a_login_are_joined_with_the_clients(
    make_client: Callable[..., Client], standin: server.StandIn, given: str
) -> None:
    client = make_client(anthropic_api_key="", claude_access_token="sk-ant-oat01-test")

    post(client, anthropic_beta=given)

    sent = standin.requests[-1].headers["anthropic-beta"].split(",")
    assert sorted(sent) == sorted({"oauth-2025-04-20", *filter(None, given.split(","))})


@pytest.mark.parametrize(
    ("asked", "query"),
    [("?beta=true", "beta=true"), ("?beta=x", ""), ("?other=1", ""), ("", "")],
)
def test_the_sdks_beta_path_is_called_as_such(
    client: Client, standin: server.StandIn, asked: str, query: str
) -> None:
    post(client, path=PATH + asked)

    assert standin.requests[-1].query == query


def test_nothing_is_mended_after_a_400(client: Client, standin: server.StandIn) -> None:
    standin.requests.clear()
    words = "`temperature` is deprecated for this model."
    standin.fail_next(status=400, type="invalid_request_error", message=words)

    answer = post(client, OLDER | {"temperature": 0.3}, anthropic_version="2023-06-01")

    assert refused(answer) == (400, "invalid_request_error", words)
    assert len(standin.requests) == 1


# ------------------------------------------------------------------ what comes back


def events(*blocks: dict) -> list[dict]:
    """A stream with things in it that this version does not know."""
    head = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [], "stop_reason": None, "of_tomorrow": {"x": 1.0},
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }  # fmt: skip
    return [
        {"type": "message_start", "message": head},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0,
         "content_block": {"type": "of_tomorrow", "said": ""}},
        {"type": "content_block_delta", "index": 0,
         "delta": {"type": "tomorrows_delta", "said": "L\u2028ine"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "event_of_tomorrow", "index": 7},
        *blocks,
        {"type": "message_delta", "usage": {"output_tokens": 9, "iterations": []},
         "delta": {"stop_reason": "pause_turn", "stop_sequence": None,
                   "container": {"id": "c"}}},
        {"type": "message_stop"},
    ]  # fmt: skip


def test_a_stream_reaches_the_client_byte_for_byte(
    client: Client, standin: server.StandIn
) -> None:
    pieces = [
        f"event: {one['type']}\ndata:  {json.dumps(one, ensure_ascii=False)}\n\n"
        for one in events()
    ]
    standin.answer_with([": a comment\n\n", *pieces[:3], ": another\n\n", *pieces[3:]])

    answer = post(client, OLDER | {"stream": True})

    assert answer.headers["content-type"].startswith("text/event-stream")
    written = answer.text.replace(": a comment\n\n", "").replace(": another\n\n", "")
    assert written == "".join(pieces)


def test_a_plain_message_loses_nothing(client: Client, standin: server.StandIn) -> None:
    standin.answer_with(events())

    assert post(client).json == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "of_tomorrow", "said": "L\u2028ine"}],
        "stop_reason": "pause_turn",
        "stop_sequence": None,
        "container": {"id": "c"},
        "of_tomorrow": {"x": 1.0},
        "usage": {"input_tokens": 3, "output_tokens": 9, "iterations": []},
    }


HALF = {
    "type": "content_block_delta",
    "index": 0,
    "delta": {"type": "tomorrows_delta", "said": "\ud83d"},
}
"""Half of an emoji, as a client's own text may end."""


def test_half_a_surrogate_pair_does_not_break_a_stream(
    client: Client, standin: server.StandIn
) -> None:
    pieces = [f"data: {json.dumps(one)}\n\n" for one in events()]
    pieces.insert(4, f"data: {json.dumps(HALF)}\n\n")
    standin.answer_with(pieces)

    assert post(client, OLDER | {"stream": True}).text == "".join(pieces)


def test_in_a_plain_message_half_a_surrogate_pair_is_a_replacement(
    client: Client, standin: server.StandIn
) -> None:
    told = events()
    half = f"data: {json.dumps(HALF)}\n\n"
    standin.answer_with([*told[:4], half, *told[4:]])

    assert post(client).json["content"][0]["said"] == "L\u2028ine\ufffd"


def test_a_call_whose_arguments_are_no_json_is_no_whole_message(
    client: Client, standin: server.StandIn
) -> None:
    call = [
        {"type": "content_block_start", "index": 1,
         "content_block": {"type": "tool_use", "id": "t", "name": "n", "input": {}}},
        {"type": "content_block_delta", "index": 1,
         "delta": {"type": "input_json_delta", "partial_json": '{"path": "/", "al'}},
        {"type": "content_block_stop", "index": 1},
    ]  # fmt: skip
    told = events(*call)
    told[-2]["delta"]["stop_reason"] = "tool_use"
    standin.answer_with(told)

    answer = post(client)

    assert refused(answer)[:2] == (502, "api_error")
    assert answer.json["error"]["details"] == {"error_code": "stream_incomplete"}
    assert "/" not in answer.json["error"]["message"]


def test_the_cause_of_an_error_is_named_by_anthropics_own_code(
    client: Client, standin: server.StandIn
) -> None:
    standin.fail_next(status=409, type="conflict_error", error_code="of_tomorrow")

    assert post(client).json["error"]["details"] == {"error_code": "of_tomorrow"}


def test_the_prompt_cache_can_be_warmed_without_an_answer(
    client: Client, standin: server.StandIn
) -> None:
    long = {"type": "text", "text": "x" * 8000, "cache_control": {"type": "ephemeral"}}
    asked = OLDER | {"system": [long]}

    warmed = post(client, asked | {"max_tokens": 0}).json
    answered = post(client, asked).json

    assert (warmed["content"], warmed["stop_reason"]) == ([], "max_tokens")
    assert warmed["usage"]["output_tokens"] == 0
    written = warmed["usage"]["cache_creation_input_tokens"]
    assert answered["usage"]["cache_read_input_tokens"] == written > 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_gateway_that_ignores_stream_is_understood(
    client: Client, standin: server.StandIn, stream: bool
) -> None:
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": "Hi"}, {"type": "of_tomorrow"}],
        "stop_reason": "end_turn", "new": 1, "usage": {"output_tokens": 2},
    }  # fmt: skip
    standin.fail_next(status=200, body=json.dumps(message).encode())

    answer = post(client, OLDER | {"stream": stream})

    if stream:
        names = [line for line in answer.text.split("\n") if line.startswith("event: ")]
        assert names[0] == "event: message_start"
        assert names[-1] == "event: message_stop"
    else:
        assert answer.json == message


def test_a_count_is_passed_on_as_it_came(
    client: Client, standin: server.StandIn
) -> None:
    body = {"model": "claude-sonnet-4.6", "messages": HELLO["messages"]}

    answer = post(client, body, COUNT)

    assert answer.json == {"input_tokens": 11}
    assert standin.requests[-1].path == COUNT
    assert standin.requests[-1].body == body | {"model": "claude-sonnet-4-6"}


@both
@pytest.mark.parametrize("stream", [False, True])
def test_the_head_of_anthropics_response_is_passed_on(
    client: Client, standin: server.StandIn, path: str, stream: bool
) -> None:
    body = {"model": "claude-sonnet-4-6", "messages": HELLO["messages"]}
    if path == PATH:
        body |= {"max_tokens": 9, "stream": stream}

    answer = post(client, body, path, x_request_id="mine")

    assert answer.headers["request-id"].startswith("req_0000")
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "4000"
    assert "x-ratelimit-limit-requests" not in answer.headers


# ------------------------------------------------------------------ errors


@both
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "The body is not valid JSON"),
        (b"{", "The body is not valid JSON"),
        (b'{"a": "\xff"}', "The body is not valid JSON"),
        (b'{"a":' + b"[" * 100_000, "The body is nested too deeply"),
        (b"[]", "The body must be a JSON object"),
        (b'{"model": 7}', "model: must be a string"),
        (b'{"a":[' + b"1," * 250_000 + b"1]}", "250000 JSON values"),
    ],
)
def test_a_body_that_cannot_be_sent_is_refused_in_anthropics_envelope(
    client: Client, standin: server.StandIn, path: str, body: bytes, words: str
) -> None:
    standin.requests.clear()

    status, type_, message = refused(post(client, body, path))

    assert (status, type_) == (400, "invalid_request_error")
    assert words in message
    assert not standin.requests


@both
@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"content_type": "text/plain"}, 415, "Content-Type: must be"),
        ({"content_encoding": "gzip"}, 415, "Content-Encoding: must be identity"),
        ({"anthropic_version": "a b"}, 400, "anthropic-version: must be"),
        ({"anthropic_beta": "a b"}, 400, "anthropic-beta: must be"),
        ({"origin": "https://evil.example"}, 403, "Origin"),
        ({"host": "evil.example"}, 421, "Host: must be"),
    ],
)
def test_headers_that_do_not_fit_are_refused_likewise(
    client: Client, path: str, headers: dict[str, str], status: int, words: str
) -> None:
    found, type_, message = refused(post(client, OLDER, path, **headers))

    assert found == status
    assert type_ == ("permission_error" if status == 403 else "invalid_request_error")
    assert words in message


def test_a_body_that_is_too_large_is_refused_likewise(
    make_client: Callable[..., Client],
) -> None:
    answer = post(make_client(max_body_bytes=1000), OLDER | {"x": "y" * 1000})

    assert refused(answer)[:2] == (413, "request_too_large")
    assert answer.json["error"]["details"] == {"error_code": "request_too_large"}


@pytest.mark.parametrize(
    ("method", "path", "status", "type_"),
    [
        ("GET", PATH, 405, "invalid_request_error"),
        ("POST", "/v1/messages/batches", 404, "not_found_error"),
        ("GET", "/v1/messages/batches", 404, "not_found_error"),
    ],
)
def test_what_is_not_served_is_refused_likewise(
    client: Client, method: str, path: str, status: int, type_: str
) -> None:
    assert refused(client.simulate_request(method, path))[:2] == (status, type_)


def test_an_unknown_model_is_anthropics_to_refuse(client: Client) -> None:
    answer = post(client, OLDER | {"model": "gpt-4"})

    assert refused(answer) == (404, "not_found_error", "model: gpt-4")


def test_no_secret_is_in_what_anthropic_is_quoted_with(
    client: Client, standin: server.StandIn
) -> None:
    key = "sk-ant-api03-test"
    standin.fail_next(status=400, type="invalid_request_error", message=f"key {key}")

    answer = post(client)

    assert refused(answer)[2] == "key [redacted]"
    assert key not in answer.text


def test_a_login_that_anthropic_refuses_here_is_explained_as_ever(
    make_client: Callable[..., Client], standin: server.StandIn
) -> None:
    client = make_client(anthropic_api_key="", claude_access_token="sk-ant-oat01-test")
    standin.fail_next(
        status=403,
        type="permission_error",
        message="This credential is only authorized for use with Claude Code and cannot "
        "be used for other API requests.",
    )

    answer = post(client)

    status, type_, message = refused(answer)
    assert (status, type_) == (403, "permission_error")
    assert "Use an API key" in message
    assert answer.json["error"]["details"] == {"error_code": "credential_not_allowed"}
    assert answer.headers["x-should-retry"] == "false"


def test_without_a_credential_the_refusal_is_anthropic_shaped(
    make_client: Callable[..., Client],
) -> None:
    client = make_client(anthropic_api_key="", claude_credentials_path="/nowhere")

    answer = post(client)

    assert refused(answer)[:2] == (503, "api_error")
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert answer.headers["x-should-retry"] == "false"


# ------------------------------------------------------------------ who may call


@both
@pytest.mark.parametrize(
    "headers",
    [{"x_api_key": "right"}, {"authorization": "Bearer right"},
     {"x_api_key": "right", "authorization": "Bearer wrong"},
     {"x_api_key": "wrong", "authorization": "Bearer right"}],
)  # fmt: skip
def test_the_inbound_key_is_taken_either_way(
    make_client: Callable[..., Client], path: str, headers: dict[str, str]
) -> None:
    body = {"messages": HELLO["messages"]} | ({"max_tokens": 9} if path == PATH else {})

    client = make_client(proxy_api_key="right")

    assert post(client, body, path, **headers).status_code == 200
    listing = {"anthropic-version": "1", "x-api-key": "right"}
    assert client.simulate_get("/v1/models", headers=listing).status_code == 200


@both
@pytest.mark.parametrize("headers", [{}, {"x_api_key": "wrong"}, {"x_api_key": ""}])
def test_without_the_inbound_key_nobody_is_asked(
    make_client: Callable[..., Client],
    standin: server.StandIn,
    path: str,
    headers: dict[str, str],
) -> None:
    client = make_client(proxy_api_key="right")
    standin.requests.clear()

    assert refused(post(client, OLDER, path, **headers))[:2] == (
        401,
        "authentication_error",
    )
    assert not standin.requests


# ------------------------------------------------------------------ limits, log, metrics


def test_a_limit_on_messages_is_none_on_counting(
    make_client: Callable[..., Client], standin: server.StandIn
) -> None:
    client = make_client()
    standin.fail_next(
        status=429, type="rate_limit_error", headers={"retry-after": "40"}
    )
    counting = {"model": OLDER["model"], "messages": HELLO["messages"]}

    assert post(client).status_code == 429
    standin.requests.clear()
    again = post(client)
    counted = post(client, counting, COUNT)

    assert refused(again)[:2] == (429, "rate_limit_error")
    assert counted.status_code == 200
    assert [one.path for one in standin.requests] == [COUNT]


def test_a_message_is_logged_and_a_count_has_spent_nothing(
    client: Client, log_lines: Callable[[], list[dict]]
) -> None:
    counting = {"model": OLDER["model"], "messages": HELLO["messages"]}

    post(client, OLDER | {"model": "anthropic/claude-sonnet-4.6"})
    post(client, counting, COUNT)

    message, count = [one for one in log_lines() if one["message"] == "completion"]
    assert (message["api"], count["api"]) == ("messages", "count_tokens")
    assert message["model"] == "anthropic/claude-sonnet-4.6"
    assert message["upstream_model"] == count["upstream_model"] == "claude-sonnet-4-6"
    assert message["finish_reason"] == "end_turn"
    assert message["input_tokens"] == 11
    assert message["output_tokens"] > 0
    assert message["cost_usd"] > 0
    assert (count["input_tokens"], count["output_tokens"]) == (0, 0)
    assert count["cost_usd"] == 0
    assert (count["status"], count["calls"]) == (200, 1)


def test_metrics_tell_the_apis_apart(standin: server.StandIn, tmp_path: Path) -> None:
    proxy = app.create_app(
        settings.Settings(
            anthropic_api_key="sk-ant-api03-test", anthropic_api_base=standin.base_url
        )
    )
    proxy.catalogue.refresh()
    client = Client(proxy.wsgi, headers={"host": "localhost"})

    post(client)
    post(client, {"messages": HELLO["messages"]}, COUNT)
    _, exposition = proxy.metrics.exposition()
    proxy.close()

    name = b'claude_proxy_requests_total{api="%b",code="",model="claude-sonnet-4-6"'
    assert name % b"messages" in exposition
    assert name % b"count_tokens" in exposition
