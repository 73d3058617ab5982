"""LangChain's standard suite for `ChatOpenAI` over Responses, and agents on top of it."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_openai import ChatOpenAI
from langchain_standard import PROXY, CannotForce, Standard
from upstream import sent, thoughts

MODELS = ["claude-sonnet-4-6", "claude-opus-5-5"]
COMMON = {
    "base_url": f"{PROXY}/v1",
    "api_key": "unused",
    "max_retries": 0,
    "use_responses_api": True,
    "output_version": "responses/v1",
}


class TestOlder(Standard):
    supports_json_mode = True

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {"model": self.model_name, "stream_usage": True} | COMMON


class TestNewest(CannotForce, TestOlder):
    pass


def get_weather(city: str) -> str:
    """Say how the weather is."""
    return f"sunny in {city}"


def read_clock() -> str:
    """Say what time it is."""
    return "noon"


@pytest.fixture(params=MODELS)
def chat_model(request):
    sent()
    thinking = {"reasoning": {"effort": "high", "summary": "auto"}}
    return ChatOpenAI(model=request.param, **thinking, **COMMON)


ASKED = {"messages": [("user", "The weather in Paris and the clock")]}


def test_an_agents_loop_keeps_its_thinking(chat_model):
    agent = create_agent(chat_model, tools=[get_weather, read_clock])
    messages = agent.invoke(ASKED)["messages"]
    results = [x.content for x in messages if isinstance(x, ToolMessage)]
    assert results == ["sunny in Paris", "noon"]
    assert "sunny in Paris; noon" in messages[-1].text
    assert thoughts() == [[], [1]]


def test_an_agents_streamed_loop_keeps_its_thinking(chat_model):
    agent = create_agent(chat_model, tools=[get_weather, read_clock])
    pieces = [piece for piece, _ in agent.stream(ASKED, stream_mode="messages")]
    assert "sunny in Paris; noon" in "".join(piece.text for piece in pieces)
    assert thoughts() == [[], [1]]


def test_the_previous_response_is_enough(chat_model):
    model = chat_model.bind_tools([get_weather, read_clock])
    called = model.invoke(ASKED["messages"])
    answers = {"get_weather": "sunny", "read_clock": "noon"}
    results = [
        ToolMessage(answers[call["name"]], tool_call_id=call["id"])
        for call in called.tool_calls
    ]
    id_ = called.response_metadata["id"]
    answered = model.invoke(results, previous_response_id=id_)
    assert "sunny; noon" in answered.text
    assert thoughts() == [[], [1]]
