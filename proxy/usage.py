"""What one response cost in tokens, by kind, from the usage that Anthropic reports."""

from typing import Self

from msgspec import Struct, structs

from proxy.schema import messages_response

KINDS = (
    "input",
    "output",
    "thinking",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
)
"""The kinds of token that have a price. No token is of two kinds."""


class Spent(Struct, frozen=True, kw_only=True):
    """Tokens by kind, and what is billed beside tokens."""

    input: int = 0
    """Neither read from the cache nor written to it."""
    output: int = 0
    """Without thinking."""
    thinking: int = 0
    """Billed as output. Anthropic does not report it for every model."""
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    web_searches: int = 0

    def __add__(self, other: Self) -> Self:
        if self is NOTHING:  # nearly all completions have one response to pay for
            return other
        return structs.replace(
            self,
            **{
                name: getattr(self, name) + getattr(other, name)
                for name in self.__struct_fields__
            },
        )

    @property
    def tokens(self) -> dict[str, int]:
        """Tokens by kind, for the kinds that occurred."""
        if self is NOTHING:
            return {}
        return {kind: count for kind in KINDS if (count := getattr(self, kind))}

    @property
    def prompt(self) -> int:
        """Tokens of the prompt, cached or not: what tiers of a price go by."""
        writes = self.cache_write_5m + self.cache_write_1h
        return self.input + self.cache_read + writes


NOTHING = Spent()


def billed(usage: messages_response.Usage) -> list[Spent]:
    """What is billed for one response: itself, and each compaction on its way.

    Anthropic's counts of a response leave its compactions out. They have prompts of their
    own, so each has a price of its own.
    """
    steps = usage.iterations or []
    compactions = [spent(step) for step in steps if step.type == "compaction"]
    return [spent(usage), *compactions]


def spent(usage: messages_response.Usage | messages_response.Iteration) -> Spent:
    """A usage by kind. What was not reported counts as none.

    ``output_tokens`` includes thinking, and ``cache_creation_input_tokens`` both
    lifetimes; where the lifetimes are not reported, all of it is of five minutes,
    Anthropic's default.
    """
    output = usage.output_tokens or 0
    whole = usage if isinstance(usage, messages_response.Usage) else None
    details = whole.output_tokens_details if whole else None
    thinking = min(output, (details.thinking_tokens or 0) if details else 0)
    written, longer = usage.cache_creation_input_tokens or 0, 0
    if (lifetimes := usage.cache_creation) is not None:
        longer = lifetimes.ephemeral_1h_input_tokens or 0
        written = max(written, longer + (lifetimes.ephemeral_5m_input_tokens or 0))
    searches = whole.server_tool_use if whole else None
    return Spent(
        input=usage.input_tokens or 0,
        output=output - thinking,
        thinking=thinking,
        cache_read=usage.cache_read_input_tokens or 0,
        cache_write_5m=written - longer,
        cache_write_1h=longer,
        web_searches=(searches.web_search_requests or 0) if searches else 0,
    )
