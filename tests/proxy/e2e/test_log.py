"""The log line: one JSON object a completion, and nothing private in it."""

import json
import re

import openai
import pytest

from openai_client import WEATHER, ask, connect, user
from waiting import until

CANARY = "canary-of-a-prompt"
CALL = {
    "id": CANARY,
    "type": "function",
    "function": {"name": "get_weather", "arguments": json.dumps({"city": CANARY})},
}
PRIVATE = {
    "messages": [
        {"role": "system", "content": f"system {CANARY}"},
        user(f"Weather {CANARY}"),
        {"role": "assistant", "content": CANARY, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": CANARY, "content": CANARY},
    ],
    "tools": [WEATHER],
    "user": CANARY,
    "stop": [CANARY],
    "extra_headers": {"x-canary": CANARY, "cookie": CANARY},
}
BAD = {
    "wrong role": {"messages": [{"role": CANARY, "content": CANARY}]},
    "wrong type": {"messages": [user({CANARY: CANARY})]},
    "wrong part": {"messages": [user([{"type": CANARY}])]},
    "wrong image": {
        "messages": [user([{"type": "image_url", "image_url": {"url": CANARY}}])]
    },
    "wrong effort": {"reasoning_effort": CANARY},
    "wrong choice": {
        "tools": [WEATHER],
        "tool_choice": {"type": "function", "function": {"name": CANARY}},
    },
}


@pytest.fixture
def running(start):
    return start(
        ANTHROPIC_API_KEY="sk-ant-canary-upstream",
        PROXY_API_KEY="canary-inbound",
        LOG_LEVEL="debug",
    )


def test_each_completion_writes_one_line_that_holds_nothing_private(running, standin):
    ids = [f"{CANARY.partition('-')[2]}-{i}" for i in range(4 + len(BAD))]
    names = iter(ids)

    def request(**fields):
        headers = fields.pop("extra_headers", {}) | {"x-request-id": next(names)}
        return fields | {"extra_headers": headers}

    with connect(running, api_key="canary-inbound") as client:
        ask(client, **request(**PRIVATE))
        ask(client, streamed=True, **request(**PRIVATE))
        for fields in BAD.values():
            with pytest.raises(openai.BadRequestError) as caught:
                ask(client, **request(**fields))
            assert CANARY not in caught.value.message
        standin.fail_next(status=400, type="invalid_request_error", message=CANARY)
        with pytest.raises(openai.BadRequestError):
            ask(client, **request(**PRIVATE))
        standin.fail_next(status=413, type=CANARY, message=CANARY)
        with pytest.raises(openai.APIStatusError):
            ask(client, **request(**PRIVATE))
    with (
        connect(running, api_key=CANARY) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        ask(client)
    until(lambda: len(running.completions) >= len(ids))
    running.stop()
    assert sorted(line["request_id"] for line in running.completions) == sorted(ids)
    assert "canary" not in running.text


def test_the_line_tells_the_facts_of_a_completion(running, standin):
    with connect(running, api_key="canary-inbound") as client:
        raw = client.chat.completions.with_raw_response.create(
            model="anthropic/claude-haiku-4.5",
            messages=[user("Hello")],
            seed=1,
        )
        (line,) = running.lines_of(raw.headers["x-request-id"])
    usage = raw.parse().usage
    assert line["model"] == "anthropic/claude-haiku-4.5"
    assert line["upstream_model"].startswith("claude-haiku-4-5")
    assert (line["stream"], line["status"], line["code"]) == (False, 200, None)
    assert line["finish_reason"] == "stop"
    assert line["warnings"] == ["seed_ignored"]
    assert line["input_tokens"] == usage.prompt_tokens
    assert line["output_tokens"] == usage.completion_tokens
    assert line["calls"] == 1
    assert 0 <= line["first_event_ms"] <= line["duration_ms"]
    assert line["upstream_request_id"].startswith("req_")
    assert line["client_gone"] is False


def test_a_retried_and_failed_completion_tells_its_error_and_its_calls(
    running, standin
):
    standin.fail_next(times=2, headers={"retry-after": "0"})
    with (
        connect(running, api_key="canary-inbound") as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        ask(client)
    (line,) = running.lines_of(caught.value.response.headers["x-request-id"])
    assert (line["status"], line["code"], line["calls"]) == (503, "overloaded", 2)
    assert line["upstream_request_id"].startswith("req_")


@pytest.mark.parametrize("bad", ["", "a b", "x" * 200, "ä"])
def test_a_request_id_that_is_none_is_replaced(http, bad):
    answer = http.get("/health", headers={"x-request-id": bad.encode()})
    assert answer.headers["x-request-id"].startswith("req_")


def test_text_is_for_people_and_without_colour_where_it_is_no_terminal(start):
    running = start(ANTHROPIC_API_KEY="sk-ant-canary", LOG_FORMAT="text")
    with connect(running) as client:
        ask(client, messages=[user(CANARY)], extra_headers={"x-request-id": "mine"})
    until(lambda: "mine" in running.text)
    [line] = [one for one in running.text.splitlines() if "mine" in one]
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d 200 claude-\S+  \d+\.\d s  \d+ in.*, \d+ out  \$[\d.]+ .*mine",
        line,
    )
    assert CANARY not in running.text
    assert "\033" not in running.text
