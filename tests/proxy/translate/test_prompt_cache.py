"""What the automatic marks are worth over a real agent's recorded conversation."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from falcon import testing
from msgspec import structs

from proxy.translate import cache, warn
from request_translation import translated
from standin import server

CONVERSATION = [
    "agent-turn-2", "agent-turn-2-loop-1", "agent-turn-2-loop-2",
    "agent-turn-3", "agent-turn-3-loop-1", "agent-turn-3-loop-2",
    "agent-turn-4", "agent-turn-4-loop-1-failed-tool", "agent-turn-4-loop-2",
    "agent-turn-6", "agent-turn-6-unknown-tool",
]  # fmt: skip
"""One conversation, in the order in which it was recorded."""

GOLDEN = Path(__file__).parents[1] / "golden" / "rockbot"


def test_four_fifths_of_a_recorded_conversation_are_read_from_the_cache(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    """The stand-in counts as the real API does: a prefix up to a mark, looked back for.

    Summed over all requests after the first, which has nothing to read.
    """
    for name in CONVERSATION:
        given = json.loads((GOLDEN / f"{name}.openai.json").read_text())
        answer = client.simulate_post("/v1/chat/completions", json=given)
        assert answer.status_code == 200

    usages = [one.usage for one in standin.requests if one.path == "/v1/messages"][1:]
    read = sum(usage["cache_read_input_tokens"] for usage in usages)
    rest = sum(
        usage["input_tokens"] + usage["cache_creation_input_tokens"] for usage in usages
    )
    print(f"read from the cache: {read / (read + rest):.1%}")  # noqa: T201 - pytest -rP
    assert len(usages) == len(CONVERSATION) - 1
    assert read / (read + rest) >= 0.80


def test_the_client_sees_what_was_read_and_written(client: testing.TestClient) -> None:
    given = json.loads((GOLDEN / "agent-turn-2.openai.json").read_text())

    first, second = (
        client.simulate_post("/v1/chat/completions", json=given).json["usage"]
        for _ in range(2)
    )

    assert first["prompt_tokens_details"]["cached_tokens"] == 0
    assert first["prompt_tokens_details"]["cache_write_tokens"] > 0
    assert second["prompt_tokens"] == first["prompt_tokens"]
    assert second["prompt_tokens_details"] == {
        "cached_tokens": first["prompt_tokens_details"]["cache_write_tokens"],
        "cache_write_tokens": 0,
    }


# ------------------------------------------------------------------ long loops

RULES = "Facts and rules to keep in mind. " * 200
READ = {
    "type": "function",
    "function": {
        "name": "read",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
    },
}


def loop(
    client: testing.TestClient,
    standin: server.StandIn,
    *,
    calls: int = 1,
    adapted: Callable[[int, dict], None] = lambda _turn, _request: None,
    **given: object,
) -> float:
    """Run twelve turns of an agent; the share of input that the last eight read.

    `adapted` changes what a turn's request says, and not the history.
    """
    messages = [
        {"role": "system", "content": RULES},
        {"role": "user", "content": "Mend it."},
    ]
    whole = {"messages": messages, "tools": [READ], **given}
    for turn in range(12):
        standin.say_next(*[("read", {"path": f"{turn}/{i}.py"}) for i in range(calls)])
        request = copy.deepcopy(whole)
        adapted(turn, request)
        answer = client.simulate_post("/v1/chat/completions", json=request)
        assert answer.status_code == 200, answer.text
        said = answer.json["choices"][0]["message"]
        messages.append({k: said[k] for k in ("role", "content", "tool_calls")})
        messages += [
            {
                "role": "tool",
                "tool_call_id": call["id"],
                "content": "line of code " * 50,
            }
            for call in said["tool_calls"]
        ]

    usages = [one.usage for one in standin.requests if one.usage is not None][-8:]
    read = sum(usage["cache_read_input_tokens"] for usage in usages)
    rest = sum(
        usage["input_tokens"] + usage["cache_creation_input_tokens"] for usage in usages
    )
    return read / (read + rest)


@pytest.mark.parametrize("effort", [None, "high"])
@pytest.mark.parametrize("calls", [1, 9, 10, 25])
def test_a_step_of_many_parallel_calls_is_read_from_the_cache(
    client: testing.TestClient, standin: server.StandIn, calls: int, effort: str | None
) -> None:
    """Anthropic looks back over 20 blocks, and such a step has more."""
    assert loop(client, standin, calls=calls, reasoning_effort=effort) > 0.8


@pytest.mark.parametrize(
    "reminders",
    [
        [("system", "It is {} o'clock.")],
        [("user", "<env>It is {} o'clock.</env>")],
        [("user", "Memory {}."), ("user", "It is {} o'clock.")],
        [("system", "Memory {}."), ("system", "It is {} o'clock.")],
    ],
)
@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-opus-5-5"])
@pytest.mark.parametrize("calls", [1, 12])
def test_a_reminder_at_the_end_of_each_request_does_not_cost_the_conversation(
    client: testing.TestClient,
    standin: server.StandIn,
    reminders: list[tuple[str, str]],
    model: str,
    calls: int,
) -> None:
    def adapted(turn: int, request: dict) -> None:
        request["messages"] += [
            {"role": role, "content": text.format(turn)} for role, text in reminders
        ]

    assert loop(client, standin, adapted=adapted, model=model, calls=calls) > 0.8


def test_nor_does_one_inside_the_last_message(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    def adapted(turn: int, request: dict) -> None:
        request["messages"][-1]["content"] += f" It is {turn} o'clock."

    assert loop(client, standin, adapted=adapted) > 0.8


@pytest.mark.parametrize("limit", [3000, 5000, 9000])
def test_a_limit_that_shrinks_with_each_turn_does_not_cost_the_conversation(
    client: testing.TestClient, standin: server.StandIn, limit: int
) -> None:
    """On a model with a thinking budget, another budget is another prompt."""

    def adapted(turn: int, request: dict) -> None:
        request["max_completion_tokens"] = limit - 5 * turn

    share = loop(
        client, standin, adapted=adapted, model="claude-sonnet-4-5",
        reasoning_effort="max",
    )  # fmt: skip

    assert share > 0.8


def test_results_that_are_parts_only_while_they_are_marked_do_not_change(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    """As Cline sends them: the system prompt and the last two messages are marked."""

    def adapted(_turn: int, request: dict) -> None:
        theirs = [m for m in request["messages"] if m["role"] in {"user", "tool"}]
        for message in (request["messages"][0], *theirs[-2:]):
            part = {"type": "text", "text": message["content"]}
            message["content"] = [part | {"cache_control": {"type": "ephemeral"}}]

    assert loop(client, standin, adapted=adapted) > 0.8


def test_another_conversation_reads_the_whole_system_prompt(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    for question in ("What?", "Why?"):
        messages = [
            {"role": "system", "content": "You are terse."},
            {"role": "system", "content": RULES},
            {"role": "user", "content": question},
        ]
        client.simulate_post(
            "/v1/chat/completions", json={"messages": messages, "tools": [READ]}
        )

    first, second = (one.usage for one in standin.requests if one.usage is not None)
    assert (
        second["cache_read_input_tokens"] > 0.9 * first["cache_creation_input_tokens"]
    )


def test_without_a_system_prompt_another_conversation_reads_the_tools(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    tool = {"type": "function", "function": {**READ["function"], "description": RULES}}
    for question in ("What?", "Why?"):
        client.simulate_post(
            "/v1/chat/completions",
            json={"messages": [{"role": "user", "content": question}], "tools": [tool]},
        )

    usages = [one.usage for one in standin.requests if one.usage is not None]
    assert usages[1]["cache_read_input_tokens"] > 1000


def test_a_clock_in_the_system_prompt_costs_the_tools_no_more_than_once(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    tool = {"type": "function", "function": {**READ["function"], "description": RULES}}

    def adapted(turn: int, request: dict) -> None:
        request["tools"] = [tool]
        request["messages"][0]["content"] = f"It is {turn} o'clock."

    loop(client, standin, adapted=adapted)

    usages = [one.usage for one in standin.requests if one.usage is not None]
    assert all(usage["cache_read_input_tokens"] > 1000 for usage in usages[1:])


def test_an_hour_for_the_head_is_an_hour_for_the_tools_before_it() -> None:
    one = translated(
        {"messages": [{"role": "system", "content": RULES},
                      {"role": "user", "content": "What?"}], "tools": [READ]},
    ).request  # fmt: skip

    hour = cache.place(
        structs.replace(
            one,
            tools=[structs.replace(t, cache_control=None) for t in one.tools],
            system=[structs.replace(b, cache_control=None) for b in one.system],
            cache_control=None,
        ),
        automatic=True, ttl=None, prefix_ttl="1h", warnings=warn.Warnings(),
    )  # fmt: skip

    assert [t.cache_control.ttl for t in hour.tools] == ["1h"]
    assert [b.cache_control.ttl for b in hour.system] == ["1h"]
    assert hour.cache_control.ttl is None
