"""Tool calls, plain and streamed, through the official client."""

import json

import openai
import pytest
from pydantic import BaseModel

from openai_client import (
    CLOCK,
    NEWEST,
    OLDER,
    WEATHER,
    ask,
    chunks,
    sent,
    turn_of,
    user,
)
from upstream_events import message, tool_use

streamed = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
ASKED = "What is the weather in Paris, and what says the clock?"


@streamed
def test_a_loop_with_two_parallel_calls_ends_in_a_text(client, standin, streamed):
    messages = [user(ASKED)]
    tools = [WEATHER, CLOCK]
    called = ask(client, streamed=streamed, messages=messages, tools=tools)
    assert called.choices[0].finish_reason == "tool_calls"
    weather, clock = called.choices[0].message.tool_calls
    assert weather.function.name == "get_weather"
    assert json.loads(weather.function.arguments) == {"city": "Paris"}
    assert clock.function.name == "read_clock"
    assert json.loads(clock.function.arguments) == {"zone": "UTC"}

    messages += [
        turn_of(called.choices[0].message),
        {"role": "tool", "tool_call_id": clock.id, "content": "noon"},
        {"role": "tool", "tool_call_id": weather.id, "content": "22 and sunny"},
    ]
    answered = ask(client, streamed=streamed, messages=messages, tools=tools)
    assert answered.choices[0].finish_reason == "stop"
    assert "22 and sunny; noon" in answered.choices[0].message.content

    _, assistant, results = sent(standin)[1]["messages"]
    uses = [block for block in assistant["content"] if block["type"] == "tool_use"]
    assert [use["id"] for use in uses] == [weather.id, clock.id]
    assert [result["tool_use_id"] for result in results["content"]] == [
        weather.id,
        clock.id,
    ]


SCRIPTED = '{"b": 1.50, "a": {"z": "naïve \\u00e9", "big": 12345678901234567890}}'


"""Arguments as no JSON library would write them in just this way."""


def _script(standin):
    half = len(SCRIPTED) // 2
    call = tool_use("get_weather", SCRIPTED[:half], SCRIPTED[half:])
    standin.answer_with(message(call, "tool_use"))


def test_streamed_arguments_are_the_models_own_bytes(client, standin):
    _script(standin)
    called = ask(client, streamed=True, tools=[WEATHER])
    (call,) = called.choices[0].message.tool_calls
    assert call.function.arguments == SCRIPTED


def test_plain_arguments_keep_key_order_numbers_and_escapes(client, standin):
    _script(standin)
    called = ask(client, tools=[WEATHER])
    (call,) = called.choices[0].message.tool_calls
    assert call.function.arguments == SCRIPTED.replace(": ", ":").replace(", ", ",")


def test_arguments_of_the_history_keep_key_order_and_numbers(http, standin):
    call = {"name": "get_weather", "arguments": SCRIPTED}
    turn = {"id": "call_1", "type": "function", "function": call}
    messages = [
        user("Hello"),
        {"role": "assistant", "tool_calls": [turn]},
        {"role": "tool", "tool_call_id": "call_1", "content": ""},
    ]
    answer = http.post(
        "/v1/chat/completions",
        json={"model": NEWEST, "messages": messages, "tools": [WEATHER]},
    )
    assert answer.status_code == 200
    use = sent(standin)[0]["messages"][1]["content"][0]["input"]
    assert json.dumps(use) == json.dumps(json.loads(SCRIPTED))


def test_every_call_of_a_stream_has_its_own_index_and_starts_with_its_name(client):
    told = chunks(client, messages=[user(ASKED)], tools=[WEATHER, CLOCK])
    deltas = [
        call
        for chunk in told
        if chunk.choices
        for call in chunk.choices[0].delta.tool_calls or []
    ]
    starts = [call for call in deltas if call.id]
    assert [(call.index, call.function.name) for call in starts] == [
        (0, "get_weather"),
        (1, "read_clock"),
    ]
    assert all(call.function.arguments == "" for call in starts)


@streamed
def test_a_tool_without_parameters_is_called_with_an_empty_object(client, streamed):
    tool = {"type": "function", "function": {"name": "ring_bell"}}
    called = ask(client, streamed=streamed, messages=[user("bell")], tools=[tool])
    (call,) = called.choices[0].message.tool_calls
    assert call.function.arguments == "{}"


@streamed
def test_a_name_that_claude_cannot_have_comes_back_as_it_was(client, standin, streamed):
    tool = {"type": "function", "function": {"name": "files/read.all"}}
    called = ask(
        client, streamed=streamed, messages=[user("files please")], tools=[tool]
    )
    (call,) = called.choices[0].message.tool_calls
    assert call.function.name == "files/read.all"
    assert "/" not in sent(standin)[0]["tools"][0]["name"]


@pytest.mark.parametrize("model", [OLDER, NEWEST])
@pytest.mark.parametrize("named", [True, False], ids=["named", "required"])
def test_a_forced_call_is_forced_where_the_model_can_be(client, standin, model, named):
    choice = "required"
    if named:
        choice = {"type": "function", "function": {"name": "get_weather"}}
    ask(client, model=model, tools=[CLOCK, WEATHER], tool_choice=choice)
    (body,) = sent(standin)
    if model == OLDER:
        kind = {"type": "tool", "name": "get_weather"} if named else {"type": "any"}
        assert body["tool_choice"] == kind
    else:
        assert body["tool_choice"] == {"type": "auto"}
        told = body["system"][-1]["text"]
        assert "get_weather" in told if named else "at least one" in told


def test_serial_calls_are_asked_for(client, standin):
    called = ask(
        client,
        messages=[user(ASKED)],
        tools=[WEATHER, CLOCK],
        parallel_tool_calls=False,
    )
    assert len(called.choices[0].message.tool_calls) == 1
    assert sent(standin)[0]["tool_choice"]["disable_parallel_tool_use"] is True


def test_no_call_is_made_when_none_is_wanted(client):
    answer = ask(client, messages=[user(ASKED)], tools=[WEATHER], tool_choice="none")
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].finish_reason == "stop"


@streamed
def test_legacy_functions_are_called_the_legacy_way(client, standin, streamed):
    request = {"functions": [WEATHER["function"]], "messages": [user(ASKED)]}
    called = ask(client, streamed=streamed, **request)
    assert called.choices[0].finish_reason == "function_call"
    call = called.choices[0].message.function_call
    assert call.name == "get_weather"
    assert json.loads(call.arguments) == {"city": "Paris"}
    request["messages"] += [
        {"role": "assistant", "content": None, "function_call": call.to_dict()},
        {"role": "function", "name": "get_weather", "content": "22 and sunny"},
    ]
    answered = ask(client, streamed=streamed, **request)
    assert "22 and sunny" in answered.choices[0].message.content


class GetWeather(BaseModel):
    """Says how the weather is."""

    city: str


@streamed
def test_strict_tools_are_parsed_by_the_client(client, streamed):
    request = {
        "model": NEWEST,
        "messages": [user("The weather in Paris")],
        "tools": [openai.pydantic_function_tool(GetWeather, name="get_weather")],
    }
    if streamed:
        with client.chat.completions.stream(**request) as stream:
            called = stream.get_final_completion()
    else:
        called = client.chat.completions.parse(**request)
    (call,) = called.choices[0].message.tool_calls
    assert call.function.parsed_arguments == GetWeather(city="Paris")


def test_a_result_without_its_call_is_refused_and_not_sent(client, standin):
    orphan = {"role": "tool", "tool_call_id": "call_9", "content": "22"}
    with pytest.raises(openai.BadRequestError, match="role 'tool'") as caught:
        ask(client, messages=[user("Hello"), orphan])
    assert caught.value.param.startswith("messages[1]")
    assert sent(standin) == []


def test_a_call_without_its_result_is_refused_by_its_id_and_not_sent(client, standin):
    call = {
        "id": "call_7",
        "type": "function",
        "function": {"name": "get_weather", "arguments": "{}"},
    }
    turn = {"role": "assistant", "tool_calls": [call]}
    with pytest.raises(openai.BadRequestError, match="call_7"):
        ask(client, messages=[user("Hello"), turn, user("And?")])
    assert sent(standin) == []
