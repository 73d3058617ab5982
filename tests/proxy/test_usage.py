"""Tokens by kind: every token is of one kind, and nothing is counted twice."""

import pytest

from proxy import usage
from proxy.schema import messages_response as wire


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        (wire.Usage(), {}),
        (wire.Usage(input_tokens=3, output_tokens=5), {"input": 3, "output": 5}),
        (
            wire.Usage(
                output_tokens=9,
                output_tokens_details=wire.OutputTokensDetails(thinking_tokens=4),
            ),
            {"output": 5, "thinking": 4},
        ),
        (
            wire.Usage(
                output_tokens=2,
                output_tokens_details=wire.OutputTokensDetails(thinking_tokens=4),
            ),
            {"thinking": 2},
        ),
        (
            wire.Usage(cache_creation_input_tokens=7, cache_read_input_tokens=8),
            {"cache_write_5m": 7, "cache_read": 8},
        ),
        (
            wire.Usage(
                cache_creation_input_tokens=7,
                cache_creation=wire.CacheCreation(3, 4),
            ),
            {"cache_write_5m": 3, "cache_write_1h": 4},
        ),
        (
            wire.Usage(cache_creation=wire.CacheCreation(3, 4)),
            {"cache_write_5m": 3, "cache_write_1h": 4},
        ),
    ],
)
def test_a_response_is_counted_by_kind(
    reported: wire.Usage, expected: dict[str, int]
) -> None:
    assert usage.spent(reported).tokens == expected


def test_what_was_compacted_is_billed_apart_and_other_steps_are_not() -> None:
    steps = [
        wire.Iteration("message", input_tokens=3, output_tokens=4),
        wire.Iteration(
            "compaction",
            input_tokens=100,
            output_tokens=20,
            cache_read_input_tokens=8,
            cache_creation=wire.CacheCreation(1, 2),
        ),
    ]
    reported = wire.Usage(input_tokens=3, output_tokens=4, iterations=steps)

    assert usage.billed(reported) == [
        usage.Spent(input=3, output=4),
        usage.Spent(
            input=100, output=20, cache_read=8, cache_write_5m=1, cache_write_1h=2
        ),
    ]


def test_searches_are_counted_beside_tokens() -> None:
    spent = usage.spent(wire.Usage(server_tool_use=wire.ServerToolUse(2)))

    assert (spent.web_searches, spent.tokens) == (2, {})


def test_the_prompt_is_all_that_was_sent_cached_or_not() -> None:
    spent = usage.Spent(
        input=1, output=2, cache_read=4, cache_write_5m=8, cache_write_1h=16
    )

    assert spent.prompt == 29


def test_what_two_calls_spent_adds_up() -> None:
    one = usage.Spent(input=1, thinking=2, web_searches=3)

    assert one + one == usage.Spent(input=2, thinking=4, web_searches=6)
