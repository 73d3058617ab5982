"""OpenAI's own client for Python and its Responses API, as its documentation uses it."""

import json

import openai
import pydantic
import pytest

from openai_client import FLAT_WEATHER as WEATHER
from openai_client import NEWEST, OLDER, connect

TOOLS = {
    "get_weather": lambda city: f"sunny in {city}",
    "read_clock": lambda: "noon",
}
CLOCK = {
    "type": "function",
    "name": "read_clock",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}
THINKING = {"effort": "high", "summary": "auto"}
ASKED = {"role": "user", "content": "The weather in Paris and the clock"}

both = pytest.mark.parametrize("model", [OLDER, NEWEST])
how = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


class City(pydantic.BaseModel):
    name: str
    people: int


@pytest.fixture
def client(proxy, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with connect(proxy) as opened:
        yield opened


@pytest.fixture
def thoughts(standin):
    """For each call upstream: how many blocks of thinking each turn in it has."""

    def counted():
        received = [one for one in standin.requests if one.path == "/v1/messages"]
        assert [one.rule for one in received] == [None] * len(received)
        return [
            [
                sum(block["type"] == "thinking" for block in message["content"])
                for message in one.body["messages"]
                if message["role"] == "assistant"
            ]
            for one in received
        ]

    return counted


def ask(client, *, streamed=False, **request):
    """A response; a streamed one is put together by the client's own accumulator."""
    if not streamed:
        return client.responses.create(**request)
    with client.responses.stream(**request) as stream:
        return stream.get_final_response()


def outputs(response):
    """Run the tools that a response calls."""
    return [
        {
            "type": "function_call_output",
            "call_id": one.call_id,
            "output": TOOLS[one.name](**json.loads(one.arguments)),
        }
        for one in response.output
        if one.type == "function_call"
    ]


@both
@how
def test_a_text(client, thoughts, model, streamed):
    answer = ask(client, streamed=streamed, model=model, input="Hello")
    assert "stand-in, not Claude" in answer.output_text
    assert (answer.status, answer.model) == ("completed", model)
    assert answer.usage.total_tokens > 0
    assert thoughts() == [[]]


@both
@how
def test_a_loop_that_sends_everything_back(client, thoughts, model, streamed):
    request = {"model": model, "tools": [WEATHER, CLOCK], "reasoning": THINKING}
    request |= {"streamed": streamed, "store": False}
    said = [ASKED]
    called = ask(client, input=said, **request)
    assert "stand-in's thinking" in called.output[0].summary[0].text
    said += [one.to_dict() for one in called.output]
    answer = ask(client, input=[*said, *outputs(called)], **request)
    assert "sunny in Paris; noon" in answer.output_text
    assert thoughts() == [[], [1]]


@both
@how
def test_a_loop_by_the_previous_responses_id(client, thoughts, model, streamed):
    request = {"model": model, "tools": [WEATHER, CLOCK], "reasoning": THINKING}
    request |= {"streamed": streamed}
    called = ask(client, input=[ASKED], **request)
    answer = ask(
        client, input=outputs(called), previous_response_id=called.id, **request
    )
    assert "sunny in Paris; noon" in answer.output_text
    assert answer.previous_response_id == called.id
    thanked = ask(client, input="Thanks", previous_response_id=answer.id, **request)
    assert "Messages sent: 5" in thanked.output_text
    assert thoughts() == [[], [1], [1, 1]]


@both
def test_the_events_of_a_stream(client, model):
    with client.responses.create(model=model, input="Hello", stream=True) as stream:
        events = list(stream)
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(x.delta for x in events if x.type == "response.output_text.delta")
    assert text == events[-1].response.output_text


@both
@how
def test_a_parsed_answer(client, model, streamed):
    request = {"model": model, "input": "Which city is Paris?", "text_format": City}
    if streamed:
        answer = ask(client, streamed=True, **request)
    else:
        answer = client.responses.parse(**request)
    assert isinstance(answer.output_parsed, City)


def test_a_response_is_kept_lists_its_input_and_is_deleted(client):
    id_ = client.responses.create(model=OLDER, input="Hello").id
    assert client.responses.retrieve(id_).id == id_
    (item,) = client.responses.input_items.list(id_)
    assert item.content[0].text == "Hello"
    client.responses.delete(id_)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(id_)


def test_tokens_are_counted(client):
    counted = client.responses.input_tokens.count(model=OLDER, input="Hello")
    assert counted.input_tokens > 0


def test_errors_by_their_class_code_and_parameter(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=OLDER, input="")
    assert caught.value.param == "input"
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, model=OLDER, input="Hello", previous_response_id="resp_none")
    assert caught.value.code == "previous_response_not_found"
