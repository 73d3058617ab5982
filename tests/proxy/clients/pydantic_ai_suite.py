"""pydantic-ai's agents in front of the proxy.

Run by `test_clients.py` in an environment of its own; `PROXY_URL` is the proxy.
"""

import asyncio
import os

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ModelHTTPError, NativeOutput, ToolOutput
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

MODELS = ["claude-sonnet-4-6", "claude-opus-5-5"]


class City(BaseModel):
    name: str
    people: int


@pytest.fixture(params=MODELS)
def model(request):
    return chat_model(request.param)


def chat_model(name):
    provider = OpenAIProvider(
        base_url=os.environ["PROXY_URL"] + "/v1", api_key="unused"
    )
    return OpenAIChatModel(name, provider=provider)


def with_tools(model):
    agent = Agent(model, instructions="Be brief.")

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """Say how the weather is."""
        return f"sunny in {city}"

    @agent.tool_plain
    def read_clock() -> str:
        return "noon"

    return agent


def parts(messages, kind):
    return [
        part for message in messages for part in message.parts if isinstance(part, kind)
    ]


def test_a_text(model):
    result = Agent(model, instructions="Be brief.").run_sync("Hello")
    assert "stand-in, not Claude" in result.output
    assert result.usage.input_tokens > 0
    assert result.usage.output_tokens > 0


def test_a_conversation_goes_on(model):
    agent = Agent(model)
    first = agent.run_sync("Hello")
    second = agent.run_sync("And now?", message_history=first.all_messages())
    assert "Messages sent: 3" in second.output


def test_parallel_tools(model):
    result = with_tools(model).run_sync("The weather in Paris and the clock")
    calls = parts(result.all_messages(), ToolCallPart)
    assert [call.tool_name for call in calls] == ["get_weather", "read_clock"]
    assert calls[0].args_as_dict() == {"city": "Paris"}
    assert "sunny in Paris; noon" in result.output


def test_a_streamed_text(model):
    async def run():
        async with Agent(model).run_stream("Hello") as result:
            return [text async for text in result.stream_text(debounce_by=None)]

    texts = asyncio.run(run())
    assert len(texts) > 1
    assert "stand-in, not Claude" in texts[-1]


def test_streamed_tools(model):
    async def run():
        asked = "The weather in Paris and the clock"
        async with with_tools(model).run_stream_events(asked) as events:
            return [event async for event in events]

    *events, last = asyncio.run(run())
    called = [e.part for e in events if isinstance(e, FunctionToolCallEvent)]
    assert [call.tool_name for call in called] == ["get_weather", "read_clock"]
    assert called[0].args_as_dict() == {"city": "Paris"}
    assert "sunny in Paris; noon" in last.result.output


@pytest.mark.parametrize("how", [NativeOutput, ToolOutput])
def test_structured_output(model, how):
    result = Agent(model, output_type=how(City)).run_sync("Which city is Paris?")
    assert isinstance(result.output, City)


def test_streamed_structured_output(model):
    async def run():
        agent = Agent(model, output_type=NativeOutput(City))
        async with agent.run_stream("Which city is Paris?") as result:
            return await result.get_output()

    assert isinstance(asyncio.run(run()), City)


def test_a_picture(model):
    picture = BinaryContent(
        data=b"\x89PNG\r\n\x1a\n" + bytes(32), media_type="image/png"
    )
    result = Agent(model).run_sync(["What is it?", picture])
    assert "stand-in, not Claude" in result.output


def test_reasoning_is_a_thinking_part(model):
    result = with_tools(model).run_sync(
        "The weather in Paris", model_settings={"openai_reasoning_effort": "high"}
    )
    thoughts = parts(result.all_messages(), ThinkingPart)
    assert any("stand-in's thinking" in thought.content for thought in thoughts)
    assert parts(result.all_messages(), ToolReturnPart)


def test_an_error_keeps_its_status_and_its_code():
    with pytest.raises(ModelHTTPError) as caught:
        Agent(chat_model("claude-none")).run_sync("Hello")
    assert caught.value.status_code == 404
    assert caught.value.body["code"] == "model_not_found"
