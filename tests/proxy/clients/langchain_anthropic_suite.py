"""LangChain's standard suite for `ChatAnthropic`, which speaks Anthropic's own API.

Only for a model that can be forced to call: nothing is translated here, so Anthropic's
own refusal would be the result for others.
"""

import pytest
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_standard import PROXY, Standard
from upstream import sent, thoughts

COMMON = {"base_url": PROXY, "api_key": "unused", "max_retries": 0, "max_tokens": 4000}


class TestOlder(Standard):
    @property
    def chat_model_class(self):
        return ChatAnthropic

    @property
    def chat_model_params(self):
        return {"model": self.model_name} | COMMON


def get_weather(city: str) -> str:
    """Say how the weather is."""
    return f"sunny in {city}"


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", ["claude-sonnet-4-6", "claude-opus-5-5"])
def test_an_agents_loop_keeps_its_thinking(name, streamed):
    sent()
    thinking = {"type": "adaptive"}
    model = ChatAnthropic(model=name, thinking=thinking, streaming=streamed, **COMMON)
    agent = create_agent(model, tools=[get_weather])
    asked = {"messages": [("user", "The weather in Paris")]}
    messages = agent.invoke(asked)["messages"]
    results = [x.content for x in messages if isinstance(x, ToolMessage)]
    assert results == ["sunny in Paris"]
    assert "sunny in Paris" in messages[-1].text
    assert thoughts() == [[], [1]]


def test_tokens_are_counted():
    model = ChatAnthropic(model="claude-sonnet-4-6", **COMMON)
    assert model.get_num_tokens_from_messages([HumanMessage("Hello")]) == 11
