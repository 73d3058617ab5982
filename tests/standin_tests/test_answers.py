"""What the stand-in answers to good requests."""

import json

import pytest

from standin import answers, call, events, models, rules
from standin_tests.requests import (
    NEW,
    answered,
    assistant,
    body,
    formatted,
    loop,
    result,
    schema,
    system,
    text,
    thought,
    tool,
    use,
    user,
)

TIME = tool("get_time", input_schema=schema(zone={"enum": ["UTC", "CET"]}))
TOOLS = [tool(), TIME, tool("search_notes")]
ADAPTIVE = {"type": "adaptive"}


def streamed(request):
    return list(events.stream(answers.answer(call.Call(request, NEW)), {}, {}))


def calls(**fields):
    message = answered(body(tools=TOOLS, **fields))
    return [b["name"] for b in message["content"] if b["type"] == "tool_use"]


def kinds(request):
    return [block["type"] for block in answered(request)["content"]]


def test_the_same_request_gets_the_same_answer():
    assert answered(body()) == answered(body())
    assert answered(body())["id"] != answered(body(max_tokens=3999))["id"]


@pytest.mark.parametrize(
    ("words", "called"),
    [
        ("Hello", []),
        ("Please use get_time", ["get_time"]),
        ("How is the WEATHER in Paris?", ["get_weather"]),
        ("get_time, and the weather too", ["get_weather", "get_time"]),
        ("whether the forget_times", []),
        ("Use a tool", ["get_weather"]),
    ],
)
def test_tools_are_called_by_their_names_and_the_words_in_them(words, called):
    assert calls(messages=[user(words)]) == called


def test_the_choice_of_a_tool_is_honoured():
    weather = [user("Weather and get_time in Paris?")]
    one = {"disable_parallel_tool_use": True}
    assert calls(messages=weather, tool_choice={"type": "none"}) == []
    assert calls(messages=weather, tool_choice={"type": "auto"} | one) == [
        "get_weather"
    ]
    assert calls(tool_choice={"type": "any"}) == ["get_weather"]
    assert calls(tool_choice={"type": "tool", "name": "get_time"}) == ["get_time"]


def test_arguments_fit_the_schema_of_the_tool():
    asked = user("How is the weather in Paris, and get_time?")
    content = answered(body(tools=TOOLS, messages=[asked]))["content"]
    assert [b["input"] for b in content[1:]] == [{"city": "Paris"}, {"zone": "UTC"}]
    assert len({b["id"] for b in content[1:]}) == 2


def test_results_are_quoted_and_call_nothing_more():
    asked = loop(messages=[user("weather"), assistant(use()), user(result())])
    message = answered(asked)
    assert message["stop_reason"] == "end_turn"
    assert "sunny" in message["content"][0]["text"]
    late = asked | {"messages": [*asked["messages"], system("Be brief.")]}
    assert "sunny" in answered(late)["content"][0]["text"]


def test_an_answer_that_is_too_long_is_cut():
    short, whole = answered(body(max_tokens=3)), answered(body())
    assert short["stop_reason"] == "max_tokens"
    assert short["usage"]["output_tokens"] == 3
    assert whole["content"][0]["text"].startswith(short["content"][0]["text"])
    assert len(short["content"][0]["text"]) == 12


def test_an_answer_that_does_not_fit_into_the_context_window_is_cut():
    window = models.find("claude-haiku-4-5").max_input_tokens
    filler = user("x" * (4 * window - 100))
    asked = body(model="claude-haiku-4-5", messages=[filler])
    message = answered(asked)
    assert message["stop_reason"] == "model_context_window_exceeded"
    assert not message["content"][0]["text"].endswith(".")


def test_arguments_that_are_too_long_are_cut_in_the_stream():
    tools = [tool(input_schema=schema(**{f"property_{n}": {} for n in range(9)}))]
    forced = {"type": "any"}
    asked = body(tools=tools, tool_choice=forced, max_tokens=40)
    pieces = [
        event["delta"]["partial_json"]
        for event in streamed(asked)
        if event.get("delta", {}).get("type") == "input_json_delta"
    ]
    with pytest.raises(json.JSONDecodeError):
        json.loads("".join(pieces))
    assert answered(asked)["stop_reason"] == "max_tokens"
    assert answered(asked)["content"][-1]["input"] == {}


def test_a_stop_sequence_ends_the_text():
    message = answered(body(stop_sequences=["Claude", "stand-in"]))
    assert message["stop_reason"] == "stop_sequence"
    assert message["stop_sequence"] == "stand-in"
    assert message["content"][0]["text"].endswith("This is the ")
    assert answered(body(stop_sequences=["This is"]))["content"] == []


def test_the_documented_test_string_is_refused():
    message = answered(body(messages=[user(answers.REFUSAL_TRIGGER + "_1FAEFB61")]))
    assert message["stop_reason"] == "refusal"
    assert message["content"] == []
    assert message["stop_details"]["type"] == "refusal"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": "claude-opus-4-8"}, ["text"]),
        ({"model": "claude-opus-4-8", "thinking": ADAPTIVE}, ["thinking", "text"]),
        ({"model": "claude-opus-5-5"}, ["thinking", "text"]),
        ({"model": "claude-opus-5", "thinking": {"type": "disabled"}}, ["text"]),
        (
            {"model": "claude-sonnet-5-5", "thinking": {"type": "between_tools"}},
            ["text"],
        ),
    ],
)
def test_a_model_thinks_as_it_is_told(fields, expected):
    assert kinds(body(**fields)) == expected


def test_between_tools_thinks_after_results_only():
    asked = loop(model="claude-sonnet-5-5", thinking={"type": "between_tools"})
    assert kinds(asked) == ["thinking", "text"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-opus-5-5", ["thinking", "tool_use"]),
        ("claude-opus-5", ["thinking", "text", "tool_use"]),
        ("claude-sonnet-4-6", ["text", "tool_use"]),
    ],
)
def test_a_quiet_model_calls_without_a_word(model, expected):
    asked = body(model=model, tools=TOOLS, messages=[user("How is the weather?")])
    assert kinds(asked) == expected


def test_a_forced_call_comes_without_thinking_or_a_word():
    asked = body(model="claude-haiku-5-5", tools=TOOLS, tool_choice={"type": "any"})
    assert kinds(asked) == ["tool_use"]


def test_thinking_is_readable_only_where_it_is_shown():
    hidden = answered(body(model="claude-opus-5-5"))
    shown = answered(
        body(model="claude-opus-5-5", thinking=ADAPTIVE | {"display": "summarized"})
    )
    assert hidden["content"][0]["thinking"] == ""
    assert hidden["content"][0]["signature"]
    assert "thinking" in shown["content"][0]["thinking"]
    for message in (hidden, shown):
        details = message["usage"]["output_tokens_details"]
        assert 0 < details["thinking_tokens"] < message["usage"]["output_tokens"]


def test_the_documented_test_string_redacts_the_thinking():
    words = "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING_46C9A13E193C177646C7398A"
    asked = body(model="claude-opus-5-5", messages=[user(words)])
    assert kinds(asked) == ["redacted_thinking", "text"]
    assert streamed(asked)[2]["content_block"]["data"]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ({"type": "string"}, "Paris"),
        ({"type": ["string", "null"]}, "Paris"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "integer"}, 1),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"enum": ["x", "y"]}, "x"),
        ({"const": 7}, 7),
        ({"default": 8}, 8),
        ({"type": "array", "items": {"type": "number"}}, [1]),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, True),
        ({"allOf": [schema(a={"const": 1}), schema(b={"const": 2})]}, {"a": 1, "b": 2}),
        ({"$ref": "#/$defs/point"}, {"x": 1}),
        ({"$ref": "#/$defs/none"}, None),
        ({"$ref": "#/properties/it"}, None),
        ({}, None),
    ],
)
def test_a_structured_answer_is_an_instance_of_its_schema(part, value):
    points = {"point": schema(x={"type": "integer"})}
    asked = formatted(
        {**schema(it=part), "required": [], "$defs": points},
        messages=[user("How about Paris?")],
    )
    assert json.loads(answered(asked)["content"][0]["text"]) == {"it": value}


@pytest.mark.parametrize(
    "request_",
    [
        body(),
        body(tools=TOOLS, messages=[user("weather and get_time, äöü €")]),
        body(model="claude-opus-5-5", thinking=ADAPTIVE | {"display": "summarized"}),
        body(max_tokens=3),
        body(messages=[user(answers.REFUSAL_TRIGGER)]),
    ],
    ids=["text", "tools", "thinking", "cut", "refusal"],
)
def test_a_stream_adds_up_to_the_plain_message(request_):
    plain, stream = answered(request_), streamed(request_)
    assert [stream[0]["type"], stream[-1]["type"]] == ["message_start", "message_stop"]
    deltas = [event for event in stream if event["type"] == "message_delta"]
    assert [d["delta"]["stop_reason"] for d in deltas] == [plain["stop_reason"]]
    assert deltas[0]["usage"] == plain["usage"]
    assert [_joined(stream, n) for n in range(len(plain["content"]))] == plain[
        "content"
    ]


def _joined(stream, index):
    """Build a content block from its events, by the letter of the API's pages."""
    events_ = [event for event in stream if event.get("index") == index]
    block, written = dict(events_[0]["content_block"]), ""
    for event in events_[1:-1]:
        match event["delta"]:
            case {"type": "text_delta", "text": piece}:
                block["text"] += piece
            case {"type": "thinking_delta", "thinking": piece}:
                block["thinking"] += piece
            case {"type": "signature_delta", "signature": signature}:
                block["signature"] = signature
            case {"type": "input_json_delta", "partial_json": piece}:
                written += piece
    assert events_[-1]["type"] == "content_block_stop"
    return block | ({"input": json.loads(written)} if written else {})


def test_no_answer_repeats_the_prompt():
    message = answered(body(system="secret one", messages=[user(text("secret two"))]))
    assert "secret" not in json.dumps(message)


@pytest.mark.parametrize(
    "words",
    [
        "Answer by calling the tool get_time.",
        "Answer by calling at least one of the tools.",
        "Reply with one JSON object and nothing else.",
        'Reply with JSON of this schema: {"type": "object"}',
    ],
)
def test_a_system_prompt_stands_for_no_field_of_the_api(words):
    told = answered(body(tools=TOOLS, system=words))
    assert told["content"] == answered(body(tools=TOOLS))["content"]


def test_a_user_who_asks_for_json_gets_an_object_of_the_quoted_words():
    asked = user("Tell a joke as a JSON with 'setup' and 'punchline' keys.")
    written = answered(body(messages=[asked]))["content"][0]["text"]
    assert json.loads(written).keys() == {"setup", "punchline"}


SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def test_a_search_of_the_web_is_answered_with_what_it_found():
    message = answered(body(messages=[user("Search for Paris")], tools=[SEARCH]))
    call, result, *texts = message["content"]
    assert (call["type"], call["name"]) == ("server_tool_use", "web_search")
    assert (result["type"], result["tool_use_id"]) == (
        "web_search_tool_result",
        call["id"],
    )
    [page] = result["content"]
    cited = [block for block in texts if "citations" in block]
    assert [block["citations"][0]["url"] for block in cited] == [page["url"]]
    assert message["usage"]["server_tool_use"] == {"web_search_requests": 1}
    assert message["stop_reason"] == "end_turn"


def test_nothing_is_searched_that_is_not_asked_for():
    message = answered(body(messages=[user("Hello")], tools=[SEARCH]))
    assert [block["type"] for block in message["content"]] == ["text"]
    assert message["usage"]["server_tool_use"] is None


def test_thinking_between_calls_goes_back_in_its_place():
    asked = body(
        model="claude-opus-4-8",
        messages=[user("STAND_IN_INTERLEAVED_THINKING: weather and time")],
        tools=[tool(), tool("get_time")],
        thinking={"type": "adaptive"},
    )
    turn = thought(asked)
    kinds = [block["type"] for block in turn["content"]]
    assert kinds == ["thinking", "text", "tool_use", "thinking", "tool_use"]
    results = [result(b["id"]) for b in turn["content"] if b["type"] == "tool_use"]
    messages = [*asked["messages"], turn, user(*results)]
    replay = call.Call(asked | {"messages": messages}, NEW)
    assert list(rules.violations(replay)) == []


def test_a_search_comes_before_the_calls_and_goes_back_as_it_was():
    asked = body(messages=[user("Search for the weather")], tools=[tool(), SEARCH])
    turn = {"role": "assistant", "content": answered(asked)["content"]}
    kinds = [block["type"] for block in turn["content"]]
    assert kinds[:2] == ["server_tool_use", "web_search_tool_result"]
    assert kinds[-1] == "tool_use"
    results = user(result(turn["content"][-1]["id"]))
    replay = call.Call(asked | {"messages": [*asked["messages"], turn, results]}, NEW)
    assert list(rules.violations(replay)) == []


def test_a_result_that_says_so_is_followed_by_another_call():
    asked = body(messages=[user("weather")], tools=[tool(), tool("get_time")])
    turn = {"role": "assistant", "content": answered(asked)["content"]}
    again = result(turn["content"][-1]["id"], "STAND_IN_CALL_AGAIN: the time")
    message = answered(asked | {"messages": [*asked["messages"], turn, user(again)]})
    assert [b["name"] for b in message["content"] if b["type"] == "tool_use"] == [
        "get_time"
    ]
