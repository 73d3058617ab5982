"""How long a prefix is kept: the rule, the table, and what it costs on real traffic."""

import json
from pathlib import Path

import pytest
from falcon import testing

from proxy import body, cache_lifetime
from proxy.schema import chat_request
from proxy.translate import ask, warn
from proxy.translate.chat import request
from standin import caching, server

GOLDEN = Path(__file__).parent / "golden" / "rockbot"
TURNS = [
    ["agent-turn-2", "agent-turn-2-loop-1", "agent-turn-2-loop-2"],
    ["agent-turn-3", "agent-turn-3-loop-1", "agent-turn-3-loop-2"],
    ["agent-turn-4", "agent-turn-4-loop-1-failed-tool", "agent-turn-4-loop-2"],
    ["agent-turn-6", "agent-turn-6-unknown-tool"],
]
"""One recorded conversation: a user's turns, each with the rounds of its tool loop."""

PRICES = {"input": 1.0, "read": 0.1, "5m": 1.25, "1h": 2.0}
"""Of a token, in input tokens: Anthropic's list."""


@pytest.mark.parametrize(
    ("uses", "expected"),
    [
        ([0], "5m"),
        ([0, 3, 6], "5m"),
        ([0, 300], "5m"),
        ([0, 301], "1h"),
        ([0, 400, 403], "1h"),
        ([0, 400, 3_900], "1h"),
        ([0, 1_200, 2_400], "1h"),
        ([0, 3_600], "1h"),
        ([0, 3_601], "5m"),
        ([0, 400, *range(500, 4_200, 100)], "5m"),
    ],
)
def test_the_hour_is_for_what_came_back_after_a_pause_within_the_hour(
    uses: list[float], expected: str
) -> None:
    seen = None
    for now in uses:
        seen = cache_lifetime.seen_again(seen, now)

    assert cache_lifetime.lifetime(seen, uses[-1]) == expected


def chat(system: str = "S", **more: object) -> ask.Ask:
    given = [{"role": "system", "content": system}, {"role": "user", "content": "Hi"}]
    read = body.decode(
        json.dumps({"messages": given, **more}).encode(), chat_request.DECODER
    )
    return request.to_ask(read, "claude-sonnet-4-6", warn.Warnings())


def test_each_prefix_has_a_history_of_its_own() -> None:
    clock = [0.0]
    lifetimes = cache_lifetime.Lifetimes("auto", lambda: clock[0])
    tool = {"type": "function", "function": {"name": "f"}}
    lifetimes.of(chat())
    clock[0] = 400.0

    assert lifetimes.of(chat("another")) == "5m"
    assert lifetimes.of(chat(model="another")) == "5m"
    assert lifetimes.of(chat(tools=[tool])) == "5m"
    assert lifetimes.of(chat(user="another")) == "1h"


def test_without_a_system_message_there_is_nothing_to_keep() -> None:
    clock = [0.0]
    lifetimes = cache_lifetime.Lifetimes("auto", lambda: clock[0])
    read = body.decode(
        b'{"messages": [{"role": "user", "content": "Hi"}]}', chat_request.DECODER
    )
    one = request.to_ask(read, "claude-sonnet-4-6", warn.Warnings())

    for now in (0.0, 400.0, 800.0):
        clock[0] = now
        assert lifetimes.of(one) == "5m"


@pytest.mark.parametrize("setting", ["5m", "1h"])
def test_a_lifetime_that_is_set_is_the_lifetime(setting: str) -> None:
    assert cache_lifetime.Lifetimes(setting).of(chat()) == setting


def test_the_table_is_bounded() -> None:
    clock = [0.0]
    lifetimes = cache_lifetime.Lifetimes("auto", lambda: clock[0])
    for i in range(cache_lifetime.KNOWN + 1):
        lifetimes.of(chat(str(i)))
    clock[0] = 400.0

    assert lifetimes.of(chat("0")) == "5m"  # the oldest was forgotten
    assert lifetimes.of(chat("5")) == "1h"


def cost(usage: dict) -> float:
    written = usage["cache_creation"]
    return (
        usage["input_tokens"] * PRICES["input"]
        + usage["cache_read_input_tokens"] * PRICES["read"]
        + written["ephemeral_5m_input_tokens"] * PRICES["5m"]
        + written["ephemeral_1h_input_tokens"] * PRICES["1h"]
    )


def replay(
    client: testing.TestClient, standin: server.StandIn, clock: list[float], gap: float
) -> tuple[float, float]:
    """What the conversation costs with ``gap`` seconds between turns, and uncached."""
    paid = uncached = 0.0
    for turn in TURNS:
        for name in turn:
            given = json.loads((GOLDEN / f"{name}.openai.json").read_text())
            answer = client.simulate_post("/v1/chat/completions", json=given)
            assert answer.status_code == 200
            usage = standin.requests[-1].usage
            paid += cost(usage)
            uncached += answer.json["usage"]["prompt_tokens"]
            clock[0] += 3.0  # a round of the tool loop
        clock[0] += gap - 3.0
    return paid, uncached


@pytest.mark.parametrize(
    ("gap", "conversations", "most"),
    [(3.0, 1, 0.26), (400.0, 5, 0.27), (1200.0, 5, 0.34)],
)
def test_a_pause_between_a_users_turns_costs_little(
    make_client,
    standin: server.StandIn,
    monkeypatch: pytest.MonkeyPatch,
    gap: float,
    conversations: int,
    most: float,
) -> None:
    """Against the same without a cache: one conversation without pauses, a day with.

    With five minutes for everything, the pauses would cost 0.53.
    """
    clock = [10_000.0]
    standin.cache = caching.Cache(clock=lambda: clock[0])
    lifetimes = cache_lifetime.Lifetimes("auto", lambda: clock[0])
    monkeypatch.setattr(cache_lifetime, "Lifetimes", lambda _: lifetimes)
    client = make_client()

    rounds = [replay(client, standin, clock, gap) for _ in range(conversations)]

    share = sum(paid for paid, _ in rounds) / sum(whole for _, whole in rounds)
    print(f"{gap:.0f} s between turns: {share:.3f}")  # noqa: T201 - pytest -rP
    assert share <= most
