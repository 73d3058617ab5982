"""Tool loops of the official client, which sends back only what OpenAI's API knows."""

import pytest

from openai_client import CLOCK, WEATHER, ask, connect, sent, user

ASKED = "What is the weather in Paris, and what says the clock?"
AGAIN = "STAND_IN_CALL_AGAIN: the weather"
THINKING = ("thinking", "redacted_thinking")


def step(client, messages, *, said="sunny", **request):
    """Ask, and add to the history what a stock client does: text, calls, results."""
    answer = ask(client, messages=messages, tools=[WEATHER, CLOCK], **request)
    message = answer.choices[0].message
    calls = message.tool_calls or []
    messages.append(
        {
            "role": "assistant",
            "content": message.content,
            "tool_calls": [call.to_dict() for call in calls],
        }
    )
    messages += [
        {"role": "tool", "tool_call_id": call.id, "content": said} for call in calls
    ]
    return answer


def thoughts(body):
    """How many blocks of thinking each turn of a request has."""
    turns = [one["content"] for one in body["messages"] if one["role"] == "assistant"]
    return [sum(block["type"] in THINKING for block in turn) for turn in turns]


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-haiku-4-5"])
def test_every_step_of_a_loop_thinks_and_has_what_was_thought_before(
    client, standin, model, streamed
):
    request = {"model": model, "reasoning_effort": "high", "streamed": streamed}
    messages = [user(ASKED)]
    for said in (AGAIN, AGAIN, "sunny"):
        step(client, messages, said=said, **request)
    answer = step(client, messages, **request)

    assert answer.choices[0].finish_reason == "stop"
    if not streamed:
        assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    assert [thoughts(body) for body in sent(standin)] == [[], [1], [1, 1], [1, 1, 1]]


def test_what_one_key_was_told_does_not_exist_for_another(start, standin, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("first-key\nsecond-key\n")
    proxy = start(PROXY_API_KEYS_FILE=keys, ANTHROPIC_API_KEY="sk-ant-of-the-test")
    messages = [user(ASKED)]
    with connect(proxy, api_key="first-key") as first:
        step(first, messages)
        with connect(proxy, api_key="second-key") as second:
            step(second, list(messages))
        step(first, list(messages))

    assert [thoughts(body) for body in sent(standin)] == [[], [0], [1]]


def test_without_memory_a_loop_goes_on_without_its_thinking(start, standin):
    proxy = start(MEMORY_BYTES=0, ANTHROPIC_API_KEY="sk-ant-of-the-test")
    messages = [user(ASKED)]
    with connect(proxy) as client:
        step(client, messages)
        step(client, messages)

    assert [thoughts(body) for body in sent(standin)] == [[], [0]]
