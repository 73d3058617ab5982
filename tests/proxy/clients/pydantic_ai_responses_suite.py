"""pydantic-ai's agents over Responses. `PROXY_URL` is the proxy.

Once with the profile that it takes for a Claude's name by itself, which returns
reasoning as text, and once with the one that its own documentation gives to servers with
encrypted reasoning.
"""

import asyncio
import os

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ModelHTTPError, NativeOutput, ToolOutput
from pydantic_ai.messages import FunctionToolCallEvent, ThinkingPart
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from upstream import sent, thoughts

MODELS = ["claude-sonnet-4-6", "claude-opus-5-5"]
PROFILES = {
    "by name": None,
    "with reasoning": OpenAIModelProfile(
        openai_supports_encrypted_reasoning_content=True, openai_supports_reasoning=True
    ),
}
ASKED = "The weather in Paris and the clock"
THINKING = {"openai_reasoning_effort": "high", "openai_reasoning_summary": "auto"}
REMEMBERED = THINKING | {"openai_previous_response_id": "auto"}


class City(BaseModel):
    name: str
    people: int


def responses_model(name, profile="by name"):
    provider = OpenAIProvider(
        base_url=os.environ["PROXY_URL"] + "/v1", api_key="unused"
    )
    return OpenAIResponsesModel(name, provider=provider, profile=PROFILES[profile])


@pytest.fixture(params=PROFILES)
def profile(request):
    return request.param


@pytest.fixture
def kept(profile):
    """How many blocks of thinking come back for a turn: as text, none of them."""
    return 1 if profile == "with reasoning" else 0


@pytest.fixture(params=MODELS)
def model(request, profile):
    sent()
    return responses_model(request.param, profile)


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


def thinking_of(messages):
    parts = [part for message in messages for part in message.parts]
    return [part.content for part in parts if isinstance(part, ThinkingPart)]


def test_a_text(model):
    result = Agent(model, instructions="Be brief.").run_sync("Hello")
    assert "stand-in, not Claude" in result.output
    assert result.usage.input_tokens > 0
    assert result.usage.output_tokens > 0
    assert len(sent()) == 1


def test_a_loop_of_parallel_tools(model, kept):
    result = with_tools(model).run_sync(ASKED, model_settings=THINKING)
    assert "sunny in Paris; noon" in result.output
    assert "stand-in's thinking" in thinking_of(result.all_messages())[0]
    assert thoughts() == [[], [kept]]


def test_a_loop_whose_first_step_the_proxy_remembers(model):
    result = with_tools(model).run_sync(ASKED, model_settings=REMEMBERED)
    assert "sunny in Paris; noon" in result.output
    assert thoughts() == [[], [1]]


def test_streamed_tools(model, kept):
    async def run():
        async with with_tools(model).run_stream_events(
            ASKED, model_settings=THINKING
        ) as events:
            return [event async for event in events]

    *events, last = asyncio.run(run())
    called = [e.part for e in events if isinstance(e, FunctionToolCallEvent)]
    assert [call.tool_name for call in called] == ["get_weather", "read_clock"]
    assert called[0].args_as_dict() == {"city": "Paris"}
    assert "sunny in Paris; noon" in last.result.output
    assert thoughts() == [[], [kept]]


def test_a_conversation_goes_on(model, kept):
    agent = with_tools(model)
    first = agent.run_sync(ASKED, model_settings=THINKING)
    history = first.all_messages()
    agent.run_sync("Thanks", message_history=history, model_settings=THINKING)
    assert thoughts() == [[], [kept], [kept, kept]]


def test_a_streamed_text(model):
    async def run():
        async with Agent(model).run_stream("Hello") as result:
            return [text async for text in result.stream_text(debounce_by=None)]

    texts = asyncio.run(run())
    assert len(texts) > 1
    assert "stand-in, not Claude" in texts[-1]


@pytest.mark.parametrize("how", [NativeOutput, ToolOutput])
def test_structured_output(model, how):
    result = Agent(model, output_type=how(City)).run_sync("Which city is Paris?")
    assert isinstance(result.output, City)


def test_a_picture(model):
    picture = BinaryContent(
        data=b"\x89PNG\r\n\x1a\n" + bytes(32), media_type="image/png"
    )
    result = Agent(model).run_sync(["What is it?", picture])
    assert "stand-in, not Claude" in result.output


def test_an_error_keeps_its_status_and_its_code():
    with pytest.raises(ModelHTTPError) as caught:
        Agent(responses_model("claude-none")).run_sync("Hello")
    assert caught.value.status_code == 404
    assert caught.value.body["code"] == "model_not_found"
