"""OpenAI's Agents SDK, which speaks the Responses API. `PROXY_URL` is the proxy."""

import asyncio
import os

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from openai.types.shared import Reasoning
from pydantic import BaseModel
from upstream import sent, thoughts

set_tracing_disabled(disabled=True)
ASKED = "The weather in Paris and the clock"


class City(BaseModel):
    name: str
    people: int


@function_tool
def get_weather(city: str) -> str:
    """Say how the weather is."""
    return f"sunny in {city}"


@function_tool
def read_clock() -> str:
    """Say what time it is."""
    return "noon"


@pytest.fixture(params=["claude-sonnet-4-6", "claude-opus-5-5"])
def make_agent(request):
    sent()
    url = os.environ["PROXY_URL"] + "/v1"

    def make(name="Guide", **given):
        client = AsyncOpenAI(base_url=url, api_key="unused", max_retries=0)
        model = OpenAIResponsesModel(model=request.param, openai_client=client)
        thinking = Reasoning(effort="high", summary="auto")
        settings = ModelSettings(reasoning=thinking)
        return Agent(name=name, model=model, model_settings=settings, **given)

    return make


@pytest.fixture
def agent(make_agent):
    return make_agent(instructions="Be brief.", tools=[get_weather, read_clock])


def test_a_loop_of_parallel_tools(agent):
    result = asyncio.run(Runner.run(agent, ASKED))
    assert "sunny in Paris; noon" in result.final_output
    assert thoughts() == [[], [1]]


def test_a_streamed_loop_of_parallel_tools(agent):
    async def run():
        result = Runner.run_streamed(agent, ASKED)
        kinds = [event.type async for event in result.stream_events()]
        return result, kinds

    result, kinds = asyncio.run(run())
    assert "sunny in Paris; noon" in result.final_output
    assert "raw_response_event" in kinds
    assert thoughts() == [[], [1]]


def test_a_session_of_three_turns(agent):
    async def run():
        session = SQLiteSession("three turns")
        for turn in (ASKED, "Thanks", "The clock again"):
            result = await Runner.run(agent, turn, session=session)
        return result

    assert "noon" in asyncio.run(run()).final_output
    assert thoughts() == [[], [1], [1, 1], [1, 1, 1], [1, 1, 1, 1]]


def test_a_conversation_that_the_proxy_remembers(agent):
    async def run():
        given = {"auto_previous_response_id": True}
        first = await Runner.run(agent, ASKED, **given)
        last = first.last_response_id
        return await Runner.run(agent, "Thanks", previous_response_id=last, **given)

    assert "Messages sent: 5" in asyncio.run(run()).final_output
    assert thoughts() == [[], [1], [1, 1]]


def test_an_output_of_a_type(make_agent):
    agent = make_agent(output_type=City)
    result = asyncio.run(Runner.run(agent, "Which city is Paris?"))
    assert isinstance(result.final_output, City)


def test_a_handoff(make_agent):
    first = make_agent("First", handoffs=[make_agent("Expert")])
    result = asyncio.run(Runner.run(first, "Ask the expert"))
    assert result.last_agent.name == "Expert"
    # Other tools and another prompt: no model may see what the first one thought.
    assert len(sent(thinking_may_be_dropped=True)) == 2
