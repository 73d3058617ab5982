"""b6 and b7: responses, plain and streamed, row by row."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from falcon import testing

from proxy import sse
from proxy.schema import messages_decoding, messages_response
from proxy.translate import arguments, finish
from proxy.translate.chat import response
from response_translation import as_data, chunks_of, completion_of, events_of
from standin import server
from waiting import until

ANSWERS = Path(__file__).parents[2] / "golden" / "answers"
HI = {"messages": [{"role": "user", "content": "Hi"}]}


def completion(case: str) -> dict:
    """What a plain client gets for a recorded response."""
    return as_data(completion_of(recorded(case)))


def choice(case: str) -> dict:
    return completion(case)["choices"][0]


def chunks(case: str) -> list[dict]:
    """What a streaming client gets for it."""
    return [as_data(chunk) for chunk in chunks_of(recorded(case))]


def deltas(case: str) -> list[dict]:
    return [one["choices"][0]["delta"] for one in chunks(case) if one["choices"]]


def recorded(case: str) -> list[messages_response.Event]:
    return events_of([(ANSWERS / f"{case}.anthropic.sse").read_bytes()])


# ------------------------------------------------------------------ b6


def test_b6_content_is_the_text_blocks_joined_with_nothing() -> None:
    assert choice("server-tools")["message"]["content"] == "According to that."
    assert choice("parallel-tools")["message"]["content"] is None


def test_b6_content_holds_nothing_of_unknown_kinds() -> None:
    assert choice("unknown-kinds")["message"]["content"] == "Hi"
    assert "tool_calls" not in choice("server-tools")["message"]


def test_b6_tool_calls_carry_the_clients_own_names_and_no_index() -> None:
    answer = completion_of(
        recorded("tool-use"), names=response.ClientNames({"get_weather": "get.weather"})
    )

    (call,) = as_data(answer)["choices"][0]["message"]["tool_calls"]

    assert call.keys() == {"id", "type", "function"}
    assert call["function"]["name"] == "get.weather"
    assert call["function"]["arguments"] == '{"city":"Paris","days":1.50}'


def test_b6_tool_calls_without_arguments_have_an_object() -> None:
    (call,) = choice("tool-without-arguments")["message"]["tool_calls"]

    assert call["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (b"", "{}"),
        (b" \n", "{}"),
        (b"null", "{}"),
        (b"[" * 50_000, "[" * 50_000),
        (b'{"a": 1}', '{"a":1}'),
    ],
    ids=["nothing", "white space", "null", "a loop until the limit", "an object"],
)
def test_b6_tool_calls_are_told_whatever_their_arguments_are(
    given: bytes, told: str
) -> None:
    assert arguments.whole(msgspec.Raw(given), {}) == told


def test_b6_tool_calls_cut_by_the_limit_are_not_repaired() -> None:
    cut = choice("tool-arguments-cut")
    (call,) = cut["message"]["tool_calls"]

    assert cut["finish_reason"] == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(call["function"]["arguments"])


@pytest.mark.parametrize(
    ("stop_reason", "has_calls", "expected"),
    [
        ("end_turn", False, "stop"),
        ("stop_sequence", False, "stop"),
        ("tool_use", True, "tool_calls"),
        ("tool_use", False, "stop"),
        ("max_tokens", False, "length"),
        ("model_context_window_exceeded", False, "length"),
        ("pause_turn", False, "length"),
        ("refusal", False, "content_filter"),
        (None, False, "stop"),
        ("a_reason_of_tomorrow", True, "stop"),
    ],
)
def test_b6_finish_reason_is_one_that_every_client_knows(
    stop_reason: str | None, has_calls: bool, expected: str
) -> None:
    got = response.finish_reason(stop_reason, has_calls=has_calls, legacy=False)

    assert got == expected


def test_b6_refusal_has_a_text_and_is_the_content_where_there_is_no_other() -> None:
    whole, partial = choice("refusal"), choice("refusal-after-text")

    assert whole["finish_reason"] == "content_filter"
    assert whole["message"]["content"] == "I cannot help with that."
    assert whole["message"]["refusal"] == "I cannot help with that."
    assert partial["message"]["content"] == "Well, "
    assert partial["message"]["refusal"] == finish.DECLINED


def tool_stream(*pieces: str) -> str:
    """The arguments that a client has in the end, for these pieces of input."""
    start = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    events = [
        {"type": "message_start", "message": {"id": "m"}},
        {"type": "content_block_start", "index": 0, "content_block": start},
        *[
            {"type": "content_block_delta", "index": 0,
             "delta": {"type": "input_json_delta", "partial_json": piece}}
            for piece in pieces
        ],
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    ]  # fmt: skip
    decoded = [
        messages_decoding.decode_event(json.dumps(event).encode()) for event in events
    ]
    [call] = as_data(completion_of(decoded))["choices"][0]["message"]["tool_calls"]
    streamed = "".join(
        told["function"].get("arguments", "")
        for chunk in map(as_data, chunks_of(decoded))
        for choice in chunk["choices"]
        for told in choice["delta"].get("tool_calls", ())
    )
    assert json.loads(streamed) == json.loads(call["function"]["arguments"])
    return streamed


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ((), "{}"),
        ((" ", "\n"), "{}"),
        (("nu", "ll"), "{}"),
        ((" ", '{"a"', ": 1}"), ' {"a": 1}'),
        (("", "{}"), "{}"),
    ],
)
def test_b7_tools_without_arguments_have_an_object_whichever_way_they_say_so(
    pieces: tuple[str, ...], told: str
) -> None:
    assert tool_stream(*pieces) == told


def test_b6_content_is_empty_rather_than_null_where_nothing_else_is_there() -> None:
    assert choice("no-text")["message"]["content"] == ""
    assert choice("tool-without-arguments")["message"]["content"] is None


def test_b6_model_has_no_fingerprint_rather_than_null() -> None:
    assert "system_fingerprint" not in completion("text")


def test_b6_usage_counts_cached_tokens_as_prompt_tokens() -> None:
    assert completion("cached-usage")["usage"] == {
        "prompt_tokens": 2103,
        "completion_tokens": 15,
        "total_tokens": 2118,
        "prompt_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    assert completion("cached-usage")["service_tier"] == "priority"


def test_b6_usage_is_cumulative_and_never_added() -> None:
    assert completion("usage-in-two-deltas")["usage"]["completion_tokens"] == 9


@pytest.mark.parametrize("stream", [False, True])
def test_b6_model_is_the_name_that_was_asked_for(
    client: testing.TestClient, stream: bool
) -> None:
    asked = "anthropic/claude-haiku-4.5"

    answer = client.simulate_post(
        "/v1/chat/completions", json={**HI, "model": asked, "stream": stream}
    )

    assert f'"model":"{asked}"' in answer.text
    assert answer.headers["x-anthropic-model"] == "claude-haiku-4-5-20251001"


def test_b6_headers_tell_ids_limits_and_warnings(client: testing.TestClient) -> None:
    answer = client.simulate_post(
        "/v1/chat/completions",
        json={**HI, "seed": 7, "temperature": 1.5},
        headers={"x-request-id": "mine-1"},
    )

    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["x-anthropic-request-id"].startswith("req_")
    assert answer.headers["x-proxy-warnings"] == "seed_ignored, temperature_clamped"
    assert answer.headers["x-ratelimit-remaining-requests"].isdigit()


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "é"])
def test_b6_headers_take_no_odd_request_id_from_a_client(
    client: testing.TestClient, given: str
) -> None:
    answer = client.simulate_get("/health", headers={"x-request-id": given})

    assert answer.headers["x-request-id"].startswith("req_")


# ------------------------------------------------------------------ b2 reasoning


def test_b2_reasoning_is_readable_in_message_and_deltas() -> None:
    message = choice("thinking")["message"]
    told = [one["reasoning_content"] for one in deltas("thinking")
            if "reasoning_content" in one]  # fmt: skip

    assert message["reasoning_content"] == "Let me see."
    assert message["thinking_blocks"] == [
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}
    ]
    assert told == ["Let me ", "see."]
    assert completion("thinking")["usage"]["completion_tokens_details"] == {
        "reasoning_tokens": 7
    }


def test_b2_reasoning_of_many_blocks_is_handed_back_in_one_chunk() -> None:
    """openai-python's accumulator merges lists of a delta only by an index."""
    told = [one for one in deltas("thinking-between-tools") if "thinking_blocks" in one]
    whole = choice("thinking-between-tools")["message"]["thinking_blocks"]

    assert [one["thinking_blocks"] for one in told] == [whole]
    assert [one["type"] for one in whole] == [
        "thinking", "redacted_thinking", "thinking",
    ]  # fmt: skip


def test_b2_reasoning_that_is_omitted_can_still_be_handed_back() -> None:
    message = choice("thinking-omitted")["message"]

    assert "reasoning_content" not in message
    assert message["thinking_blocks"][0]["signature"] == "c2ln"
    assert choice("redacted-thinking")["message"]["thinking_blocks"] == [
        {"type": "redacted_thinking", "data": "ZGF0YQ=="}
    ]


def test_b2_reasoning_goes_round_a_real_tool_loop(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    """The stand-in's signatures are bound to their prefix; it refuses foreign ones."""
    tool = {"type": "function", "function": {"name": "get_weather"}}
    given = {
        "model": "claude-opus-5-5",
        "messages": [{"role": "user", "content": "Call get_weather"}],
        "tools": [tool],
        "reasoning_effort": "low",
    }
    first = client.simulate_post("/v1/chat/completions", json=given).json
    message = first["choices"][0]["message"]
    result = {
        "role": "tool",
        "tool_call_id": message["tool_calls"][0]["id"],
        "content": "Sunny.",
    }
    given["messages"] += [message, result]

    second = client.simulate_post("/v1/chat/completions", json=given)

    assert second.status_code == 200
    assert standin.requests[-1].body["messages"][1]["content"][0]["type"] == "thinking"
    assert standin.requests[-1].rule is None


# ------------------------------------------------------------------ b7


@pytest.mark.parametrize("scripted", [[], [{"type": "ping"}], [b": nothing\n\n"]])
def test_b7_first_event_is_seen_before_the_status_line(
    client: testing.TestClient, standin: server.StandIn, scripted: list
) -> None:
    """A stream that ends before its message_start is an ordinary error."""
    standin.answer_with(scripted, times=2)

    answer = client.simulate_post("/v1/chat/completions", json={**HI, "stream": True})

    assert answer.status_code == 502
    assert answer.json["error"]["code"] == "stream_incomplete"


def test_b7_role_comes_first_and_one_id_goes_through_all() -> None:
    told = chunks("text")

    assert told[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert {(one["id"], one["created"], one["model"]) for one in told} == {
        ("msg_01XyZ", 1_790_000_000, "claude-sonnet-4-6")
    }


def test_b7_deltas_are_never_empty() -> None:
    assert deltas("empty-deltas")[1:] == [{"content": "Hi"}, {}]


def test_b7_tools_are_numbered_from_0_by_content_block() -> None:
    told = [one for delta in deltas("interleaved-tools")
            for one in delta.get("tool_calls", [])]  # fmt: skip

    assert [(one["index"], one["function"]["arguments"]) for one in told] == [
        (0, ""), (1, ""), (1, '{"n": 2}'), (0, '{"n": 1}'),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "arguments"),
    [("tool-without-arguments", "{}"), ("tool-input-at-start", '{"city":"Oslo"}')],
)
def test_b7_tools_told_without_deltas_get_their_arguments_at_the_end(
    case: str, arguments: str
) -> None:
    told = [one["function"].get("arguments") for delta in deltas(case)
            for one in delta.get("tool_calls", [])]  # fmt: skip

    assert told == ["", arguments]


def test_b7_end_is_the_reason_then_the_usage() -> None:
    *_, reason, usage = chunks("max-tokens")

    assert reason["choices"][0]["finish_reason"] == "length"
    assert reason["usage"] is None
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 15


def test_b7_end_without_usage_has_no_key_for_it() -> None:
    told = [as_data(one) for one in chunks_of(recorded("text"), include_usage=False)]

    assert all("usage" not in one for one in told)
    assert told[-1]["choices"][0]["finish_reason"] == "stop"


def test_b5_legacy_answers_hold_one_function_call() -> None:
    plain = as_data(completion_of(recorded("parallel-tools"), legacy=True))
    streamed = [
        as_data(one) for one in chunks_of(recorded("parallel-tools"), legacy=True)
    ]

    answer = plain["choices"][0]
    told = [one["choices"][0]["delta"].get("function_call") for one in streamed
            if one["choices"]]  # fmt: skip

    assert answer["finish_reason"] == "function_call"
    assert answer["message"]["function_call"]["name"] == "get_weather"
    assert "tool_calls" not in answer["message"]
    assert [one for one in told if one] == [
        {"name": "get_weather", "arguments": ""},
        {"arguments": '{"city": "Paris"}'},
    ]


ENDED = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}


def started(*rest: object) -> list[object]:
    head = {
        "id": "msg_1",
        "model": "m",
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }
    text = {"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": ""}}  # fmt: skip
    once = {"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": "Once"}}  # fmt: skip
    return [{"type": "message_start", "message": head}, text, once, *rest]


def test_b7_deltas_survive_a_client_that_splits_text_lines(
    standin: server.StandIn, client: testing.TestClient
) -> None:
    odd = "a\u2028b\u2029c\x85d"
    text = {"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": odd}}  # fmt: skip
    stop = {"type": "message_stop"}
    standin.answer_with(started(text, ENDED, stop))

    answer = client.simulate_post("/v1/chat/completions", json={**HI, "stream": True})

    lines = [one[6:] for one in answer.text.splitlines() if one.startswith("data: {")]
    told = [json.loads(one)["choices"][0]["delta"].get("content") for one in lines]
    assert odd in told


ODD_EVENTS = {
    "usage null": {"message": {"id": "msg_1", "model": "m", "usage": None}},
    "an odd tier": {"message": {"id": "msg_1", "usage": {"service_tier": 5,
                                                         "input_tokens": 3}}},
    "model null": {"message": {"id": "msg_1", "model": None}},
}  # fmt: skip


@pytest.mark.parametrize("head", ODD_EVENTS.values(), ids=ODD_EVENTS)
def test_b7_first_event_with_odd_secondary_fields_is_still_one(
    standin: server.StandIn, client: testing.TestClient, head: dict
) -> None:
    odd_end = {"type": "message_delta", "delta": {"stop_reason": "max_tokens",
               "stop_details": {"category": 5}}, "usage": {"output_tokens": "many"}}  # fmt: skip
    events = [{"type": "message_start", **head}, *started(odd_end)[1:],
              {"type": "message_stop"}]  # fmt: skip
    standin.answer_with(events)

    answer = client.simulate_post("/v1/chat/completions", json=HI).json["choices"][0]

    assert answer["message"]["content"] == "Once"
    assert answer["finish_reason"] == "length"
    assert len(standin.requests) == 1


def test_b7_ping_is_a_comment(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    opening, *rest = started()
    ping, end = {"type": "ping"}, {"type": "message_stop"}
    standin.answer_with([ping, opening, ping, *rest, ping, ENDED, end])

    answer = client.simulate_post("/v1/chat/completions", json={**HI, "stream": True})

    assert answer.text.count(": ping\n\n") == 1
    assert answer.text.index("Once") < answer.text.index(": ping")


@pytest.mark.parametrize(
    ("rest", "cut", "code"),
    [
        ([], False, "stream_incomplete"),
        ([], True, "stream_incomplete"),
        ([{"type": "message_stop"}], False, "stream_incomplete"),
        ([{**ENDED, "delta": {"stop_reason": None}}, {"type": "message_stop"}], False,
         "stream_incomplete"),
        ([b"data: {bad\n\n"], False, "stream_incomplete"),
        ([{"type": "error", "error": {"type": "overloaded_error", "message": "O"}}],
         False, "overloaded"),
    ],
    ids=["proper end", "cut", "no stop reason", "null for a stop reason", "not JSON",
         "error event"],
)  # fmt: skip
def test_b7_error_is_an_object_then_a_cut_and_never_done(
    standin: server.StandIn,
    make_stream: Callable[[dict], tuple[list[bytes], bool]],
    rest: list,
    cut: bool,
    code: str,
) -> None:
    standin.answer_with(started(*rest), cut=cut)

    pieces, was_cut = make_stream({**HI, "stream": True})

    payloads = sse.Decoder().feed(b"".join(pieces))
    assert was_cut
    assert msgspec.json.decode(payloads[-1])["error"]["code"] == code
    assert [
        json.loads(one)["choices"][0]["finish_reason"] for one in payloads[:-1]
    ] == [None] * len(payloads[:-1])
    assert b"[DONE]" not in b"".join(pieces)


def test_b7_gone_clients_close_the_upstream_and_are_logged_as_such(
    client: testing.TestClient,
    standin: server.StandIn,
    log_lines: Callable[[], list[dict]],
) -> None:
    """A server closes the body of an answer whose client left."""
    never = threading.Event()
    standin.answer_with(started(never))
    environ = testing.create_environ(
        "/v1/chat/completions",
        host="localhost",
        method="POST",
        body=json.dumps({**HI, "stream": True}),
    )
    body = client.app(environ, lambda *_: None)
    assert b"assistant" in next(iter(body))

    body.close()

    (line,) = [one for one in log_lines() if one["message"] == "completion"]
    assert (line["status"], line["client_gone"]) == (499, True)
    assert until(lambda: standin.hangups)
