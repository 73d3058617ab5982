"""What the automatic marks are worth over a real agent's recorded conversation."""

import json
from pathlib import Path

from falcon import testing

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
