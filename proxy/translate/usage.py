"""What a message cost, as both of OpenAI's APIs count it."""

from typing import Literal

from msgspec import Struct

from proxy.schema import messages_response

_SERVICE_TIERS: dict[str, Literal["default", "priority"]] = {
    "standard": "default",
    "priority": "priority",
}


class Counts(Struct, frozen=True, kw_only=True):
    """Tokens. OpenAI's input includes what the cache held, Anthropic's does not."""

    input: int
    read: int
    """Of the input: read from the cache."""
    written: int
    """Of the input: written to the cache."""
    output: int
    reasoning: int
    """Of the output."""

    @property
    def total(self) -> int:
        """What the request and its response took together."""
        return self.input + self.output


def counts(usage: messages_response.Usage) -> Counts:
    """Anthropic's counts in OpenAI's terms; what was not reported is 0."""
    read = usage.cache_read_input_tokens or 0
    written = usage.cache_creation_input_tokens or 0
    details = usage.output_tokens_details
    return Counts(
        input=(usage.input_tokens or 0) + read + written,
        read=read,
        written=written,
        output=usage.output_tokens or 0,
        reasoning=(details.thinking_tokens if details else None) or 0,
    )


def service_tier(
    usage: messages_response.Usage,
) -> Literal["default", "priority"] | None:
    """The tier that served it, in OpenAI's word; ``None`` for one without a word."""
    return _SERVICE_TIERS.get(usage.service_tier or "")
