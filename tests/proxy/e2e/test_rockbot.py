"""RockBot's own shape: the requests of `golden/rockbot`, sent as its client sends them.

They were recorded from the agent and from a client that is built as it builds its own.
"""

import json
from concurrent import futures
from pathlib import Path

import pytest

import dotnet_client
from openai_client import sent
from waiting import LONG

GOLDEN = Path(__file__).parents[1] / "golden" / "rockbot"
NAMES = [
    path.name.removesuffix(".openai.json") for path in GOLDEN.glob("*.openai.json")
]
ANSWERED = sorted(set(NAMES) - {"unknown-model"})


def recorded(name):
    body = json.loads((GOLDEN / f"{name}.openai.json").read_text())
    return {key: body[key] for key in body if not key.startswith("stream")}


@pytest.mark.parametrize("name", ANSWERED)
def test_a_recorded_request_is_answered_the_same_plain_and_streamed(
    newer, standin, name
):
    body = recorded(name)
    whole, streamed = newer.ask(body), newer.stream(body)
    assert whole.finish_reason in {"stop", "tool_calls"}
    assert whole.text or whole.calls
    assert whole.usage["total_tokens"] > 0
    assert whole.model == body["model"]
    for call in (*whole.calls, *streamed.calls):
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])
        assert call["function"]["name"] in {
            tool["function"]["name"] for tool in body["tools"]
        }
    assert (streamed.text, streamed.calls) == (whole.text, whole.calls)
    assert streamed.finish_reason == whole.finish_reason
    assert streamed.usage["completion_tokens"] == whole.usage["completion_tokens"]
    assert len(sent(standin)) == 2
    assert newer.waits == []


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", ["tool-loop-1", "agent-turn-2", "parallel-tools-1"])
def test_a_tool_loop_ends_in_a_text(agent, standin, name, streamed):
    body = recorded(name)
    body["messages"].append({"role": "user", "content": "Use a tool, please."})
    ask = agent.stream if streamed else agent.ask
    rounds = 0
    while (answer := ask(body)).calls:
        assert answer.finish_reason == "tool_calls"
        body = dotnet_client.next_round(
            body, answer, lambda call: f"result of {call['id']}"
        )
        rounds += 1
        assert rounds < 12
    assert rounds >= 1
    assert answer.finish_reason == "stop"
    for call in body["messages"][-1:]:
        assert call["content"] in answer.text
    assert len(sent(standin)) == rounds + 1


def test_sixty_tools_reach_claude_with_their_schemas(newer, standin):
    body = recorded("tool-loop-1")
    newer.ask(body)
    tools = sent(standin)[0]["tools"]
    assert len(tools) == len(body["tools"]) == 60
    assert [tool["input_schema"] for tool in tools] == [
        tool["function"]["parameters"] for tool in body["tools"]
    ]


@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-opus-5-5"])
def test_ten_system_messages_after_the_last_user_turn_all_arrive_behind_it(
    newer, standin, model
):
    body = recorded("late-system") | {"model": model}
    newer.ask(body)
    late = [item["content"] for item in body["messages"][-10:]]
    (request,) = sent(standin)
    told = [
        block["text"]
        for item in request["messages"]
        for block in item["content"]
        if block["type"] == "text"
    ]
    assert all(
        text.endswith(words) for text, words in zip(told[-10:], late, strict=True)
    )
    assert told[-11] == body["messages"][-11]["content"]


def test_a_json_object_is_asked_for_and_nothing_is_refused(newer, standin):
    answer = newer.ask(recorded("json-object"))
    assert answer.finish_reason == "stop"
    assert "JSON object" in sent(standin)[0]["system"][-1]["text"]


def test_the_summary_without_tools_is_a_text_and_calls_none(newer):
    answer = newer.ask(recorded("summary-without-tools"))
    assert (answer.finish_reason, answer.calls) == ("stop", [])
    assert answer.text


@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-haiku-4-5"])
def test_a_history_that_ends_with_an_assistant_turn_is_answered(newer, model):
    answer = newer.ask(recorded("ends-with-assistant") | {"model": model})
    assert answer.finish_reason == "stop"


def test_many_requests_of_one_agent_are_answered_side_by_side(proxy):
    bodies = [recorded(name) for name in ANSWERED if name.startswith("agent-")]

    def ask(body):
        with dotnet_client.Client(proxy.url) as client:
            return client.ask(body)

    with futures.ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(ask, bodies, timeout=LONG))
    assert all(answer.finish_reason for answer in answers)
