"""Microsoft's Agent Framework, whose second request names the first one's response.

`PROXY_URL` is the proxy.
"""

import asyncio
import os

import pytest
from agent_framework import Agent
from agent_framework.openai import OpenAIChatClient
from pydantic import BaseModel
from upstream import sent, thoughts

ASKED = "The weather in Paris and the clock"
THINKING = {"reasoning": {"effort": "high", "summary": "auto"}}


class City(BaseModel):
    name: str
    people: int


def get_weather(city: str) -> str:
    """Say how the weather is."""
    return f"sunny in {city}"


def read_clock() -> str:
    """Say what time it is."""
    return "noon"


@pytest.fixture(params=["claude-sonnet-4-6", "claude-opus-5-5"])
def agent(request):
    sent()
    url = os.environ["PROXY_URL"] + "/v1"
    client = OpenAIChatClient(model=request.param, base_url=url, api_key="unused")
    return Agent(
        client,
        instructions="Be brief.",
        tools=[get_weather, read_clock],
        default_options=THINKING,
    )


def test_a_loop_of_parallel_tools(agent):
    result = asyncio.run(agent.run(ASKED))
    assert "sunny in Paris; noon" in result.text
    assert thoughts() == [[], [1]]


def test_a_streamed_loop_of_parallel_tools(agent):
    async def run():
        return "".join([x.text async for x in agent.run(ASKED, stream=True)])

    assert "sunny in Paris; noon" in asyncio.run(run())
    assert thoughts() == [[], [1]]


def test_a_session_of_three_turns(agent):
    async def run():
        session = agent.create_session()
        for turn in (ASKED, "Thanks", "The clock again"):
            result = await agent.run(turn, session=session)
        return result

    assert "noon" in asyncio.run(run()).text
    assert thoughts() == [[], [1], [1, 1], [1, 1, 1], [1, 1, 1, 1]]


def test_a_loop_that_sends_everything_back(agent):
    result = asyncio.run(agent.run(ASKED, options={"store": False}))
    assert "sunny in Paris; noon" in result.text
    assert thoughts() == [[], [1]]


def test_an_output_of_a_type(agent):
    options = {"response_format": City}
    result = asyncio.run(agent.run("Which city is Paris?", options=options))
    assert isinstance(result.value, City)
