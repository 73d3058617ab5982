"""The paths of the Responses API in process: what is asked for, refused, counted, logged."""

from collections.abc import Callable

import pytest
from falcon import testing

import responses_requests
from responses_client import (
    ASK,
    MODEL,
    PATH,
    WEATHER,
    Stream,
    created,
    events,
    outputs,
    post,
)
from standin import server
from upstream_events import message, text

COMPACT = f"{PATH}/compact"
COUNT = f"{PATH}/input_tokens"

MakeClient = Callable[..., testing.TestClient]

streamed = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


@pytest.fixture
def client(make_client: MakeClient) -> testing.TestClient:
    return make_client()


# ------------------------------------------------------------------ tokens are counted


def test_r6_count_counts_what_would_be_sent(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    request = {
        "input": ASK,
        "instructions": "Be brief.",
        "tools": [WEATHER],
        "reasoning": {"effort": "low"},
        "max_output_tokens": 100,
        "stream": True,
    }
    answer = post(client, COUNT, **request)
    counted = standin.requests[-1]
    response = created(client, **request)
    sent = standin.requests[-1]

    assert answer.json == {
        "object": "response.input_tokens",
        "input_tokens": response["usage"]["input_tokens"],
    }
    assert (counted.path, counted.rule) == ("/v1/messages/count_tokens", None)
    assert "max_tokens" not in counted.body
    assert counted.body.items() <= sent.body.items()


def test_r6_count_takes_a_previous_response(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    first = created(client, input=ASK, tools=[WEATHER])
    goes_on = {"input": outputs(first), "previous_response_id": first["id"],
               "tools": [WEATHER]}  # fmt: skip
    counted = post(client, COUNT, **goes_on).json["input_tokens"]

    assert counted == created(client, **goes_on)["usage"]["input_tokens"]


def test_r6_count_has_the_same_checks_warnings_and_headers(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    refused = post(client, COUNT, input="Hi", text={"format": {"type": "xml"}})
    warned = post(client, COUNT, input="Hi", truncation="auto")

    assert refused.json["error"]["param"].startswith("text.format")
    assert warned.headers["x-proxy-warnings"] == "truncation_ignored"
    assert warned.headers["x-ratelimit-limit-requests"] == "4000"
    assert "anthropic-ratelimit-requests-limit" not in warned.headers


# ------------------------------------------------------------------ compaction


def test_r6_compact_gives_one_item_that_stands_for_the_conversation(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    first = created(client, input=ASK)
    answer = post(
        client, COMPACT, input="And now?", previous_response_id=first["id"],
        instructions="Be brief.",
    )  # fmt: skip
    asked = standin.requests[-1]

    assert answer.status_code == 200, answer.text
    [item] = answer.json["output"]
    assert answer.json == {
        "id": answer.json["id"],
        "object": "response.compaction",
        "created_at": answer.json["created_at"],
        "output": [{"type": "compaction", "id": item["id"],
                    "encrypted_content": item["encrypted_content"]}],
        "usage": answer.json["usage"],
    }  # fmt: skip
    assert answer.json["usage"]["total_tokens"] > 0
    assert asked.body["compaction"] == {"type": "summarize"}
    assert "compact-2026-09-04" in asked.headers["anthropic-beta"]

    goes_on = created(client, input=[item, {"role": "user", "content": "Go on"}])
    summary, question = standin.requests[-1].body["messages"]
    assert goes_on["status"] == "completed"
    assert summary["content"][0]["content"].startswith("This is the stand-in's summary")
    assert question["content"][0]["text"] == "Go on"
    assert standin.requests[-1].rule is None


@pytest.mark.parametrize("given", [{}, {"input": None}, {"input": "Hello"}])
def test_r6_compact_needs_no_input_of_its_own_behind_a_response(
    client: testing.TestClient, standin: server.StandIn, given: dict[str, object]
) -> None:
    first = created(client, input=ASK)
    before = len(standin.requests)
    answer = post(client, COMPACT, previous_response_id=first["id"], **given)

    assert answer.status_code == 200, answer.text
    assert len(standin.requests) == before + 1
    said = standin.requests[-1].body["messages"]
    assert [one["role"] for one in said] == ["user", "assistant", "user"][
        : 3 if given.get("input") else 2
    ]
    assert post(client, COMPACT).json["error"]["param"] == "input"


def test_r6_compact_is_never_stored(client: testing.TestClient) -> None:
    answer = post(client, COMPACT, input=ASK, store=True)
    kept = answer.json["id"]

    assert client.simulate_get(f"{PATH}/{kept}").status_code == 404


def test_r6_compact_is_never_streamed(client: testing.TestClient) -> None:
    answer = post(client, COMPACT, input=ASK, stream=True)

    assert answer.json["object"] == "response.compaction"


TRIGGER = [
    {"role": "user", "content": ASK},
    {"type": "compaction_trigger"},
]


@streamed
def test_a_trigger_gives_a_response_of_one_compaction(
    client: testing.TestClient, stream: bool
) -> None:
    response = created(client, input=TRIGGER, stream=stream)

    assert [one["type"] for one in response["output"]] == ["compaction"]
    assert (response["status"], response["store"]) == ("completed", False)


@pytest.mark.parametrize("path", [COMPACT, PATH])
def test_a_compaction_that_holds_no_summary_is_an_error(
    client: testing.TestClient, path: str
) -> None:
    answer = post(client, path, input=TRIGGER[: 2 if path == PATH else 1],
                  max_output_tokens=1)  # fmt: skip

    assert answer.status_code == 502
    assert answer.json["error"]["code"] == "upstream_error"


def test_a_streamed_compaction_that_holds_no_summary_fails(
    client: testing.TestClient, make_stream_of: Callable[[dict], list[dict]]
) -> None:
    *_, error, failed = make_stream_of({"input": TRIGGER, "max_output_tokens": 1})

    assert (error["type"], error["code"]) == ("error", "upstream_error")
    assert failed["type"] == "response.failed"


@pytest.fixture
def make_stream_of(client: testing.TestClient) -> Callable[[dict], list[dict]]:

    return lambda fields: Stream(client, **fields).rest()


# ------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("field", "value"),
    [("background", True), ("conversation", "conv_1"), ("prompt", {"id": "pmpt_1"})],
)
@streamed
def test_what_this_proxy_does_not_have_is_refused(
    client: testing.TestClient,
    standin: server.StandIn,
    field: str,
    value: object,
    stream: bool,
) -> None:
    before = len(standin.requests)
    answer = post(client, input="Hi", stream=stream, **{field: value})

    error = answer.json["error"]
    assert answer.status_code == 400
    assert (error["param"], error["code"]) == (field, "unsupported_value")
    assert len(standin.requests) == before


def test_r6_others_are_refused(client: testing.TestClient) -> None:
    upgrade = {"upgrade": "websocket", "connection": "Upgrade"}
    socket = client.simulate_get(PATH, headers=upgrade)
    assert socket.status_code == 426
    assert socket.json["error"]["code"] == "upgrade_not_supported"
    for method, path in (
        ("GET", PATH),
        ("DELETE", PATH),
        ("GET", COMPACT),
        ("DELETE", COUNT),
        ("POST", f"{PATH}/resp_1"),
        ("POST", f"{PATH}/resp_1/input_items"),
        ("GET", f"{PATH}/resp_1/cancel"),
    ):
        answer = client.simulate_request(method, path)
        assert answer.status_code == 405, (method, path)
        assert answer.json["error"]["code"] == "method_not_allowed"
    assert client.simulate_get(f"{PATH}/resp_1/output").status_code == 404


PARAMS = [
    ("input[1].content[0].image_url",
     {"input": [{"role": "user", "content": "Hi"}, {"role": "user", "content": [
         {"type": "input_image", "image_url": "http://example.com/a.png"}]}]}),
    ("tools[1].name", {"input": "Hi", "tools": [WEATHER, {"type": "function"}]}),
    ("text.format.schema",
     {"input": "Hi", "text": {"format": {"type": "json_schema", "name": "a"}}}),
    ("reasoning.effort", {"input": "Hi", "reasoning": {"effort": "colossal"}}),
    ("input", {}),
    ("input", {"input": [{"type": "function_call", "call_id": "c", "name": "f",
                          "arguments": "{}"}, {"role": "user", "content": "Hi"}]}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("param", "fields", "path"),
    [
        (param, fields, path)
        for path in (PATH, COUNT, COMPACT)
        for param, fields in PARAMS
        if not (path == COMPACT and param.startswith("text"))  # it has no format
    ],
)
def test_r9_param_is_a_path_of_this_api(
    client: testing.TestClient, param: str, fields: dict, path: str
) -> None:
    answer = post(client, path, **fields)

    assert answer.status_code == 400
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert answer.json["error"]["param"] == param


def test_r9_param_counts_the_requests_own_items_alone(
    client: testing.TestClient,
) -> None:
    first = created(client, input=ASK)
    bad = [{"role": "user", "content": "Hi"}, {"type": "hologram"}]
    answer = post(client, input=bad, previous_response_id=first["id"])

    assert answer.json["error"]["param"] == "input[1].type"


@pytest.mark.parametrize(
    "fields",
    [
        {"input": [{"type": "CANARY"}]},
        {"input": [{"role": "CANARY", "content": "CANARY"}]},
        {"input": [{"role": "user", "content": [{"type": "CANARY"}]}]},
        {"input": "Hi", "tools": [{"type": "CANARY"}]},
        {"input": "Hi", "tool_choice": {"type": "CANARY"}},
        {"input": "Hi", "reasoning": {"effort": "CANARY"}},
        {"input": "Hi", "metadata": ["CANARY"]},
        {"input": {"CANARY": 1}},
    ],
)
def test_r9_words_never_repeat_what_was_sent(
    client: testing.TestClient, log_lines: Callable[[], list[dict]], fields: dict
) -> None:
    answer = post(client, **fields)

    assert answer.status_code == 400
    assert "CANARY" not in answer.text
    assert "CANARY" not in str(log_lines())


# ------------------------------------------------------------------ repairs


@streamed
def test_r4_reported_is_thinking_that_anthropic_rejected(
    client: testing.TestClient, standin: server.StandIn, stream: bool
) -> None:
    forged = responses_requests.reasoning(id="rs_1")
    turn = [forged, responses_requests.assistant()]
    asked = [responses_requests.user(), *turn, responses_requests.user("More")]

    response = created(client, input=asked, stream=stream)

    rejected, repaired = standin.requests[-2], standin.requests[-1]
    assert rejected.rule == "thinking.foreign"
    assert repaired.rule is None
    assert response["input_transformations"] == [
        {"type": "reasoning", "id": "rs_1", "action": "removed",
         "reason": "prefix_mismatch"},
    ]  # fmt: skip


@streamed
def test_r4_reported_is_thinking_that_anthropic_has_rejected_before(
    client: testing.TestClient, standin: server.StandIn, stream: bool
) -> None:
    """It is left out at once, and what the model thought since goes back."""
    forged = responses_requests.reasoning(id="rs_1")
    turn = [forged, responses_requests.assistant()]
    asked = [responses_requests.user(), *turn, responses_requests.user("More")]
    thinks = {
        "reasoning": {"effort": "high"},
        "include": ["reasoning.encrypted_content"],
    }
    first = created(client, input=asked, **thinks)
    assert first["output"][0]["type"] == "reasoning"
    more = [*asked, *first["output"], responses_requests.user("And more")]
    standin.requests.clear()

    response = created(client, input=more, stream=stream, **thinks)

    (only,) = standin.requests
    sent = [
        block["type"]
        for message in only.body["messages"]
        if message["role"] == "assistant"
        for block in message["content"]
    ]
    assert sent == ["text", "thinking", "text"]
    assert response["input_transformations"] == [
        {"type": "reasoning", "id": "rs_1", "action": "removed",
         "reason": "prefix_mismatch"},
    ]  # fmt: skip


@streamed
def test_r7_echo_is_the_sampling_of_the_request_that_was_accepted(
    client: testing.TestClient, standin: server.StandIn, stream: bool
) -> None:
    standin.fail_next(
        status=400, type="invalid_request_error", message="`temperature` is deprecated"
    )
    response = created(
        client, model="claude-sonnet-4-6", input="Hi", temperature=0.5, stream=stream
    )

    assert "temperature" not in standin.requests[-1].body
    assert response["temperature"] == 1.0


# ------------------------------------------------------------------ failures


@pytest.mark.parametrize("path", [PATH, COMPACT, COUNT])
def test_anthropics_error_comes_in_openais_envelope(
    client: testing.TestClient, standin: server.StandIn, path: str
) -> None:
    if path == COUNT:
        answer = post(client, path, model="claude-none", input="Hi")
        expected = (404, "model_not_found")
    else:
        standin.fail_next(status=413, type="request_too_large", message="Too large")
        answer = post(client, path, input="Hi")
        expected = (413, "request_too_large")

    assert (answer.status_code, answer.json["error"]["code"]) == expected


def test_a_plain_response_that_broke_is_never_a_200(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    standin.answer_with(message(text("Once"))[:3], cut=True)
    answer = post(client, input="Hi")

    assert answer.status_code == 502
    assert answer.json["error"]["code"] == "stream_incomplete"


# ------------------------------------------------------------------ log and metrics


@pytest.mark.parametrize(
    ("path", "api", "stored"),
    [(PATH, "responses", True), (COMPACT, "compact", False),
     (COUNT, "input_tokens", False)],
)  # fmt: skip
def test_the_log_line_says_which_api_and_whether_the_response_was_kept(
    client: testing.TestClient,
    log_lines: Callable[[], list[dict]],
    path: str,
    api: str,
    stored: bool,
) -> None:
    post(client, path, input="CANARY")
    post(client, path, input="CANARY!", store=False)

    first, second = (one for one in log_lines() if one["message"] == "completion")
    assert (first["api"], first["stored"], second["stored"]) == (api, stored, False)
    assert (first["status"], first["model"]) == (200, MODEL)
    assert "CANARY" not in str([first, second])


def test_the_log_line_of_a_stream_says_how_it_ended(
    client: testing.TestClient, log_lines: Callable[[], list[dict]]
) -> None:
    post(client, input=ASK, stream=True)
    post(client, input=ASK, stream=True, max_output_tokens=5)

    whole, cut = (one for one in log_lines() if one["message"] == "completion")
    assert (whole["finish_reason"], whole["stored"]) == ("completed", True)
    assert (cut["finish_reason"], cut["stored"]) == ("max_output_tokens", True)


def test_r7_headers_are_those_of_chat_completions(client: testing.TestClient) -> None:
    hello = {"role": "user", "content": "Hello"}
    chat = post(client, "/v1/chat/completions", messages=[hello], seed=1)
    response = post(client, input="Hello", truncation="auto")

    names = chat.headers.keys()
    assert response.headers.keys() == names
    assert response.headers["x-anthropic-model"] == MODEL
    assert response.headers["x-proxy-warnings"] == "truncation_ignored"


def test_a_stream_ends_with_done_and_says_what_it_is(
    client: testing.TestClient,
) -> None:
    answer = post(client, input="Hello", stream=True)

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.text.endswith("data: [DONE]\n\n")
    numbers = [one["sequence_number"] for one in events(answer.text)]
    assert numbers == list(range(len(numbers)))
