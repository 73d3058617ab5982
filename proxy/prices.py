"""What Anthropic charges: one dated table, and the price of one response.

The table is Anthropic's price list for its API, in USD; what a subscription includes is
not charged by it. ``PRICES_FILE`` replaces it as a whole. What has no price has none here
either: unknown models, and fast mode, whose prices are a preview's.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from proxy import usage
from proxy.settings import SettingsError

US_ONLY = 1.1
"""Factor for ``inference_geo: us``, on every kind of token."""

_LARGEST = 1 << 20

USD = Annotated[float, Meta(ge=0, le=1e6)]


class Rates(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """USD per million tokens. Thinking is charged as output."""

    input: USD
    output: USD
    cache_write_5m: USD
    cache_write_1h: USD
    cache_read: USD

    def cost(self, spent: usage.Spent) -> float:
        """USD for these tokens."""
        return (
            spent.input * self.input
            + (spent.output + spent.thinking) * self.output
            + spent.cache_write_5m * self.cache_write_5m
            + spent.cache_write_1h * self.cache_write_1h
            + spent.cache_read * self.cache_read
        ) / 1e6


class LongPrompt(Rates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rates of every token of a request whose prompt is longer than ``above``."""

    above: Annotated[int, Meta(gt=0)]


class Price(Rates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model's rates."""

    long_prompt: LongPrompt | None = None


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price list."""

    date: str
    """The day on which it was right."""
    source: str
    """Where it is from."""
    web_search: USD = 0.01
    """USD per search."""
    models: dict[str, Price]
    """By name, without the date of a release."""

    def cost(
        self,
        model: str,
        spent: usage.Spent,
        *,
        us_only: bool = False,
        fast: bool = False,
    ) -> float | None:
        """USD for one response; ``None`` where it has no price."""
        price = self.models.get(model)
        if price is None or fast:
            return None
        longer = price.long_prompt
        rates = longer if longer and spent.prompt > longer.above else price
        tokens = rates.cost(spent) * (US_ONLY if us_only else 1.0)
        return tokens + spent.web_searches * self.web_search


def _price(  # the five columns of Anthropic's page
    input: float,  # noqa: A002 - a column's name
    output: float,
    write_5m: float,
    write_1h: float,
    read: float,
) -> Price:
    return Price(
        input=input,
        output=output,
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        cache_read=read,
    )


_FABLE_5_2 = _price(8, 40, 10, 16, 0.20)
_FABLE_5_1 = _price(10, 50, 12.5, 20, 0.25)
_FABLE_5 = _price(10, 50, 12.5, 20, 1)
_OPUS = _price(5, 25, 6.25, 10, 0.50)
_SONNET_4 = _price(3, 15, 3.75, 6, 0.30)

BUILT_IN = Table(
    date="2026-11-10",
    source="https://platform.claude.com/docs/en/about-claude/pricing",
    models={
        "claude-fable-5-2": _FABLE_5_2,
        "claude-fable-5-1": _FABLE_5_1,
        "claude-mythos-5-1": _FABLE_5_1,
        "claude-fable-5": _FABLE_5,
        "claude-mythos-5": _FABLE_5,
        "claude-opus-5-5": _price(4, 20, 5, 8, 0.20),
        "claude-opus-5": _OPUS,
        "claude-opus-4-8": _OPUS,
        "claude-opus-4-7": _OPUS,
        "claude-opus-4-6": _OPUS,
        "claude-opus-4-5": _OPUS,
        "claude-sonnet-5-5": _price(2, 10, 2.5, 4, 0.10),
        "claude-sonnet-5": _price(2, 10, 2.5, 4, 0.20),
        "claude-sonnet-4-6": _SONNET_4,
        "claude-sonnet-4-5": _SONNET_4,
        "claude-haiku-5-5": Price(
            input=0.10,
            output=0.50,
            cache_write_5m=0.125,
            cache_write_1h=0.20,
            cache_read=0.01,
            long_prompt=LongPrompt(
                above=100_000,
                input=0.50,
                output=2.50,
                cache_write_5m=0.625,
                cache_write_1h=1.00,
                cache_read=0.05,
            ),
        ),
        "claude-haiku-4-5": _price(1, 5, 1.25, 2, 0.10),
    },
)


def load(path: str) -> Table:
    """The table of ``PRICES_FILE``, or the built-in one for an empty path.

    Raises ``SettingsError`` for a file that holds none.
    """
    if not path:
        return BUILT_IN
    try:
        with Path(path).open("rb") as file:
            return msgspec.json.decode(file.read(_LARGEST), type=Table)
    except (OSError, msgspec.DecodeError) as ex:
        why = ex.strerror if isinstance(ex, OSError) else str(ex)
        raise SettingsError(
            "PRICES_FILE: must be a JSON file with date, source and models, as "
            f"docs/operations.md shows ({why})"
        ) from None
