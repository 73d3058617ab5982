"""What a Responses API client sends (OpenAI's Python package 3.57, Open Responses).

``null`` means "not given", as in ``chat_request``. ``input`` and ``tools`` are decoded
member by member: see ``responses_items`` and ``responses_tools``.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from proxy.schema import common, responses_items, responses_tools


class StreamOptions(Struct, frozen=True, kw_only=True):
    include_obfuscation: bool | None = None


class CacheOptions(common.CacheOptions, frozen=True, kw_only=True):
    prewarm: bool | None = None


class ContextEdit(Struct, frozen=True, kw_only=True):
    type: Literal["compaction"]
    compact_threshold: common.Count | None = None


class ResponsesRequest(Struct, frozen=True, kw_only=True):
    """The body of ``POST /v1/responses``."""

    model: Annotated[str, Meta(max_length=256)] | None = None
    input: Raw = common.ABSENT
    """A string or a list of items (``responses_items.INPUT``)."""
    instructions: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: common.Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    tools: list[Raw] | None = None
    tool_choice: str | responses_tools.ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: common.Count | None = None
    reasoning: responses_items.ReasoningConfig | None = None
    text: responses_items.TextConfig | None = None
    include: list[str] | None = None
    metadata: dict[str, str] | None = None
    safety_identifier: str | None = None
    user: str | None = None
    service_tier: str | None = None
    prompt_cache_options: CacheOptions | None = None
    truncation: Literal["auto", "disabled"] | None = None
    context_management: list[ContextEdit] | dict[str, Any] | None = None

    # No equivalent: reported in a warning where it could matter.
    top_logprobs: float | None = None
    moderation: dict[str, Raw] | None = None

    # Cannot be satisfied: rejected.
    background: bool | None = None
    conversation: Any = None
    prompt: Any = None

    # Anthropic's own, passed through.
    top_k: Annotated[float, Meta(ge=0, le=common.LARGEST)] | None = None
    thinking: common.Thinking | None = None
    output_config: common.OutputConfig | None = None
    cache_control: common.CacheControl | None = None
    inference_geo: str | None = None
    speed: Literal["standard", "fast"] | None = None


DECODER = msgspec.json.Decoder(ResponsesRequest)
"""Bytes to ``ResponsesRequest``; raises what ``chat_request.DECODER`` does."""
