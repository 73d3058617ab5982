"""What a response costs, by Anthropic's price list or the user's own."""

import json
from pathlib import Path

import pytest

from proxy import capabilities, prices, settings, usage

EVERY_KIND = usage.Spent(
    input=1_000_000,
    output=100_000,
    thinking=900_000,
    cache_read=1_000_000,
    cache_write_5m=1_000_000,
    cache_write_1h=1_000_000,
)
"""A million of every kind that has a price of its own."""


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        ("claude-fable-5-2", 8 + 40 + 10 + 16 + 0.20),
        ("claude-fable-5-1", 10 + 50 + 12.5 + 20 + 0.25),
        ("claude-mythos-5", 10 + 50 + 12.5 + 20 + 1.00),
        ("claude-opus-5-5", 4 + 20 + 5 + 8 + 0.20),
        ("claude-opus-4-5", 5 + 25 + 6.25 + 10 + 0.50),
        ("claude-sonnet-5-5", 2 + 10 + 2.5 + 4 + 0.10),
        ("claude-sonnet-5", 2 + 10 + 2.5 + 4 + 0.20),
        ("claude-sonnet-4-6", 3 + 15 + 3.75 + 6 + 0.30),
        ("claude-haiku-4-5", 1 + 5 + 1.25 + 2 + 0.10),
    ],
)
def test_each_kind_of_token_has_its_price(model: str, cost: float) -> None:
    assert prices.BUILT_IN.cost(model, EVERY_KIND) == pytest.approx(cost)


@pytest.mark.parametrize(
    ("prompt", "cost"),
    [
        (usage.Spent(input=100_000, output=1000), (100_000 * 0.10 + 1000 * 0.50) / 1e6),
        (usage.Spent(input=100_001, output=1000), (100_001 * 0.50 + 1000 * 2.50) / 1e6),
        (usage.Spent(input=1, cache_read=100_000), (0.50 + 100_000 * 0.05) / 1e6),
    ],
    ids=["at the limit", "above it", "above it with what the cache held"],
)
def test_a_long_prompt_to_haiku_makes_every_token_dearer(
    prompt: usage.Spent, cost: float
) -> None:
    assert prices.BUILT_IN.cost("claude-haiku-5-5", prompt) == pytest.approx(cost)


def test_inference_in_the_us_costs_a_tenth_more() -> None:
    million = usage.Spent(input=1_000_000)

    assert prices.BUILT_IN.cost("claude-opus-5-5", million, us_only=True) == (
        pytest.approx(4.4)
    )


def test_searches_cost_a_cent_each_wherever_they_are_made() -> None:
    searched = usage.Spent(web_searches=3)

    assert prices.BUILT_IN.cost("claude-opus-5-5", searched, us_only=True) == (
        pytest.approx(0.03)
    )


def test_what_has_no_known_price_has_none() -> None:
    assert prices.BUILT_IN.cost("claude-unheard-of", EVERY_KIND) is None
    assert prices.BUILT_IN.cost("claude-opus-5-5", EVERY_KIND, fast=True) is None


def test_the_table_prices_only_models_of_the_capability_table() -> None:
    known = {model.id for model in capabilities.MODELS}

    assert prices.BUILT_IN.models.keys() <= known


OWN = {
    "date": "2026-12-01",
    "source": "our contract",
    "models": {
        "claude-house-model": {
            "input": 1,
            "output": 2,
            "cache_write_5m": 3,
            "cache_write_1h": 4,
            "cache_read": 5,
        }
    },
}


def test_a_file_replaces_the_whole_table(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(OWN))

    table = prices.load(str(file))

    assert table.cost("claude-house-model", EVERY_KIND) == pytest.approx(15)
    assert table.cost("claude-opus-5-5", EVERY_KIND) is None


def test_without_a_file_the_built_in_table_is_used() -> None:
    assert prices.load("") is prices.BUILT_IN


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        '{"models": {}}',
        json.dumps({**OWN, "models": {"m": {"input": -1}}}),
        json.dumps({**OWN, "prices": {}}),
    ],
    ids=["missing", "empty", "a list", "undated", "negative", "a typing error"],
)
def test_a_file_that_holds_no_table_stops_the_start(
    tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "prices.json"
    if text is not None:
        file.write_text(text)

    with pytest.raises(settings.SettingsError, match=r"^PRICES_FILE: must be"):
        prices.load(str(file))
