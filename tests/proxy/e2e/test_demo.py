"""`claude-proxy demo`: what a newcomer sees, and what a user's own CI can build on."""

import json
import subprocess
import sys
from typing import Literal

import anthropic
import openai
import pytest
from pydantic import BaseModel

import anthropic_client
import proxy_command
from openai_client import CLOCK, WEATHER, ask, chunks, connect, turn_of, user
from waiting import LONG

streamed = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
GREETING = "This is the built-in demo, not Claude."


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo")
    with proxy_command.running(directory, "demo") as running:
        yield running


@pytest.fixture
def client(demo):
    with connect(demo) as opened:
        yield opened


def test_the_command_that_it_prints_is_answered(demo):
    begin = demo.text.index("curl ")
    command = demo.text[begin : demo.text.index("\n\n", begin)]
    ended = subprocess.run(
        ["bash", "-c", command], capture_output=True, check=True, timeout=LONG
    )
    (choice,) = json.loads(ended.stdout)["choices"]
    assert choice["message"]["content"].startswith(GREETING)


@streamed
@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-6", "claude-opus-5-5", "claude-of-tomorrow"]
)
def test_a_text_is_answered_with_its_usage(client, model, streamed):
    more = {"stream_options": {"include_usage": True}} if streamed else {}
    answer = ask(client, streamed=streamed, model=model, **more)
    (choice,) = answer.choices
    assert choice.finish_reason == "stop"
    assert choice.message.content == (
        f"{GREETING} Messages sent: 1; characters of text in the last turn: 5."
    )
    usage = answer.usage
    assert min(usage.prompt_tokens, usage.completion_tokens) > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_a_stream_comes_in_pieces_that_add_up(client):
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks(client)]
    assert len([piece for piece in pieces if piece]) > 3
    assert "".join(pieces) == ask(client).choices[0].message.content


def test_the_same_request_gets_the_same_answer(client):
    def said(words):
        answer = ask(client, messages=[user(words)])
        return answer.id, answer.choices[0].message.content

    assert said("Hello") == said("Hello") != said("Good-bye")


@streamed
def test_a_tool_loop_ends_in_a_text_that_quotes_the_results(client, streamed):
    request = {"streamed": streamed, "tools": [WEATHER, CLOCK]}
    messages = [user("How is it in Paris?")]
    called = ask(client, messages=messages, **request).choices[0]
    assert called.finish_reason == "tool_calls"
    (call,) = called.message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "demo"}

    result = {"role": "tool", "tool_call_id": call.id, "content": "22 and sunny"}
    messages += [turn_of(called.message), result]
    answered = ask(client, messages=messages, **request).choices[0]
    assert answered.finish_reason == "stop"
    assert answered.message.content.startswith(GREETING)
    assert "22 and sunny" in answered.message.content


@pytest.mark.parametrize(
    ("request_", "called"),
    [
        ({"messages": [user("Please read_clock")]}, ["read_clock"]),
        (
            {
                "model": "claude-sonnet-4-6",
                "tool_choice": {
                    "type": "function",
                    "function": {"name": "read_clock"},
                },
            },
            ["read_clock"],
        ),
        ({"tool_choice": "required"}, ["get_weather"]),
        ({"tool_choice": "none"}, []),
    ],
    ids=["by its name", "the forced one", "any", "none"],
)
def test_the_tool_is_chosen_by_its_name_or_is_the_first(client, request_, called):
    message = ask(client, tools=[WEATHER, CLOCK], **request_).choices[0].message
    assert [call.function.name for call in message.tool_calls or []] == called


class Step(BaseModel):
    kind: Literal["walk", "ride"]
    minutes: int
    note: str | None


class Plan(BaseModel):
    title: str
    steps: list[Step]
    done: bool


@streamed
def test_a_structured_output_fits_its_schema(client, streamed):
    request = {
        "model": "claude-opus-5-5",
        "messages": [user("Plan a walk")],
        "response_format": Plan,
    }
    if streamed:
        with client.chat.completions.stream(**request) as stream:
            answer = stream.get_final_completion()
    else:
        answer = client.chat.completions.parse(**request)
    assert answer.choices[0].message.parsed == Plan(
        title="demo", steps=[Step(kind="walk", minutes=1, note="demo")], done=True
    )


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 7}, 7),
        ({"type": ["string", "null"]}, "demo"),
        ({"type": "null"}, None),
        ({"type": "number"}, 1),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "array", "items": {"type": "boolean"}}, [True]),
        ({"oneOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"$ref": "#/$defs/unit"}, "C"),
        ({"$ref": "#/properties/it"}, None),
        ({}, None),
    ],
)
def test_the_arguments_of_a_call_fit_the_required_properties(client, schema, value):
    parameters = {
        "type": "object",
        "properties": {"it": schema, "more": {"type": "string"}},
        "required": ["it"],
        "$defs": {"unit": {"enum": ["C", "F"]}},
    }
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    (call,) = ask(client, tools=[tool]).choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"it": value}


def test_the_models_are_listed(client):
    listed = {model.id: model.created for model in client.models.list()}
    assert {"claude-sonnet-4-6", "claude-opus-5-5"} <= listed.keys()
    assert all(listed.values())
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("claude-none")


@streamed
def test_anthropics_own_sdk_is_answered_too(demo, streamed):
    with anthropic_client.connect(demo) as client:
        called = anthropic_client.ask(
            client, streamed=streamed, tools=[anthropic_client.WEATHER]
        )
        assert called.stop_reason == "tool_use"
        assert called.content[-1].input == {"city": "demo"}
        counted = client.messages.count_tokens(
            model="claude-opus-5-5", messages=[user("Hello")]
        )
        told = anthropic_client.ask(client, streamed=streamed)
        assert told.content[0].text.startswith(GREETING)
        assert counted.input_tokens == told.usage.input_tokens > 0
        assert client.models.retrieve("claude-opus-5.5").display_name
        search = {"type": "web_search_20250305", "name": "web_search"}
        told = anthropic_client.ask(client, streamed=streamed, tools=[search])
        assert told.stop_reason == "end_turn"


FLAT = {"type": "function", **WEATHER["function"]}


@streamed
def test_the_responses_api_is_answered_too(client, streamed):
    def respond(**request):
        if not streamed:
            return client.responses.create(model="claude-opus-5-5", **request)
        with client.responses.stream(model="claude-opus-5-5", **request) as stream:
            return stream.get_final_response()

    called = respond(input=f"Paris, {streamed}?", tools=[FLAT])
    (call,) = [one for one in called.output if one.type == "function_call"]
    assert json.loads(call.arguments) == {"city": "demo"}
    result = {"type": "function_call_output", "call_id": call.call_id}
    answered = respond(
        input=[result | {"output": "22 and sunny"}],
        previous_response_id=called.id,
        tools=[FLAT],
    )
    assert "22 and sunny" in answered.output_text

    counted = client.responses.input_tokens.count(model="claude-opus-5-5", input="Hi")
    assert counted.input_tokens > 0
    given = [user("A long story"), {"type": "compaction_trigger"}]
    compacted = respond(input=given)
    assert [one.type for one in compacted.output] == ["compaction"]
    goes_on = [one.to_dict(mode="json") for one in compacted.output]
    assert GREETING in respond(input=[*goes_on, user("And then?")]).output_text


def test_what_the_demo_cannot_read_it_refuses(demo):
    with (
        anthropic_client.connect(demo) as client,
        pytest.raises(anthropic.BadRequestError, match="cannot read"),
    ):
        anthropic_client.ask(client, messages="Hello")


@pytest.mark.parametrize("end", ["the end of its input", "SIGTERM"])
def test_it_ends_with_the_proxy_that_started_it(end):
    with subprocess.Popen(
        [sys.executable, "-m", "proxy.demo"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as program:
        assert json.loads(program.stdout.readline()).keys() == {"base_url"}
        if end == "SIGTERM":
            program.terminate()
        else:
            program.stdin.close()
        assert program.wait(LONG) == 0
        assert program.stdout.read() == b""
