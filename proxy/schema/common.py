"""What both of OpenAI's APIs take, and Anthropic's own fields that both accept."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct

LARGEST = 1_000_000_000
"""Anything larger is not a plausible number of tokens."""

Count = (
    Annotated[int, Meta(ge=1, le=LARGEST)] | Annotated[float, Meta(ge=1, le=LARGEST)]
)
"""A whole number, which some languages write as ``4096.0``."""

ABSENT = Raw(b"")
"""The value of a ``Raw`` field that the client did not send (``bytes(raw)`` is empty)."""

# ------------------------------------------------------------------ caching


class CacheControl(Struct, frozen=True, kw_only=True):
    """Anthropic's own field, accepted wherever a client puts it."""

    type: Literal["ephemeral"] | None = None
    ttl: Literal["5m", "1h"] | None = None


class CacheBreakpoint(Struct, frozen=True, kw_only=True):
    """OpenAI's equivalent, ``prompt_cache_breakpoint``."""

    mode: Literal["explicit"] | None = None
    ttl: Literal["30m", "12h"] | None = None


class CacheOptions(Struct, frozen=True, kw_only=True):
    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m", "12h"] | None = None


class Cacheable(Struct, frozen=True, kw_only=True, gc=False):
    """Anything that may carry a cache breakpoint, in either API's terms."""

    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


# ------------------------------------------------------------------ Anthropic's own


class Thinking(Struct, frozen=True, kw_only=True):
    """Anthropic's own ``thinking``."""

    type: Literal["enabled", "adaptive", "disabled", "between_tools"]
    budget_tokens: Count | None = None
    display: Literal["summarized", "omitted"] | None = None


class OutputFormat(Struct, frozen=True, kw_only=True):
    type: Literal["json_schema"] | None = None
    schema: Raw = ABSENT


class OutputConfig(Struct, frozen=True, kw_only=True):
    """Anthropic's own ``output_config``."""

    effort: str | None = None
    format: OutputFormat | None = None
    task_budget: dict[str, Any] | None = None


# ------------------------------------------------------------------ web search


class ApproximateLocation(Struct, frozen=True, kw_only=True):
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None
