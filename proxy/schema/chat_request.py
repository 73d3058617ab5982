"""What a chat completions client sends (OpenAI's API reference, OpenAPI 2.3.0).

Fields are typed, and ``null`` means "not given", as OpenAI clients expect. Keys that
OpenAI does not know are either Anthropic's own (``top_k``, ``thinking``,
``cache_control`` …), accepted as extensions, or ignored.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from proxy.schema import common

# ------------------------------------------------------------------ message parts


class TextPart(
    common.Cacheable, frozen=True, kw_only=True, tag_field="type", tag="text"
):
    text: str


class ImageURL(Struct, frozen=True, kw_only=True):
    """An https URL or a ``data:`` URI. ``detail`` means nothing to Claude."""

    url: str
    detail: str | None = None


class ImagePart(
    common.Cacheable, frozen=True, kw_only=True, tag_field="type", tag="image_url"
):
    image_url: ImageURL


class File(Struct, frozen=True, kw_only=True):
    """Content (``file_data``, a ``data:`` URI or base64) or the id of an uploaded file."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(
    common.Cacheable, frozen=True, kw_only=True, tag_field="type", tag="file"
):
    file: File


class AudioPart(
    common.Cacheable, frozen=True, kw_only=True, tag_field="type", tag="input_audio"
):
    """Decoded only so that it can be rejected by name: Claude takes no audio."""


class RefusalPart(Struct, frozen=True, kw_only=True, tag_field="type", tag="refusal"):
    refusal: str


UserPart = TextPart | ImagePart | FilePart | AudioPart
ToolPart = TextPart | ImagePart | FilePart
AssistantPart = TextPart | RefusalPart


# ------------------------------------------------------------------ messages


class FunctionCall(Struct, frozen=True, kw_only=True, gc=False):
    """A call in the history. ``arguments`` should be JSON text; not all clients send that."""

    name: str
    arguments: str | None = None


class ToolCall(common.Cacheable, frozen=True, kw_only=True):
    """A call in the history, which a ``ToolMessage`` with its id answers."""

    id: str | None = None
    type: str | None = None
    function: FunctionCall | None = None


class ThinkingBlock(Struct, frozen=True, kw_only=True, gc=False):
    """A block of an earlier response, sent back verbatim (LiteLLM's field)."""

    type: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class SystemMessage(
    common.Cacheable, frozen=True, kw_only=True, tag_field="role", tag="system"
):
    content: str | list[TextPart] | None = None


class DeveloperMessage(
    common.Cacheable, frozen=True, kw_only=True, tag_field="role", tag="developer"
):
    content: str | list[TextPart] | None = None


class UserMessage(
    common.Cacheable, frozen=True, kw_only=True, tag_field="role", tag="user"
):
    content: str | list[UserPart] | None = None


class AssistantMessage(
    common.Cacheable, frozen=True, kw_only=True, tag_field="role", tag="assistant"
):
    """A turn of the assistant's. ``thinking_blocks`` is LiteLLM's extension."""

    content: str | list[AssistantPart] | None = None
    refusal: str | None = None
    audio: dict[str, Raw] | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None
    thinking_blocks: list[ThinkingBlock] | None = None


class ToolMessage(
    common.Cacheable, frozen=True, kw_only=True, tag_field="role", tag="tool"
):
    """The result of a call. ``is_error`` is an extension: OpenAI's API has no such field."""

    tool_call_id: str
    content: str | list[ToolPart] | None = None
    is_error: bool | None = None


class FunctionMessage(
    common.Cacheable, frozen=True, kw_only=True, tag_field="role", tag="function"
):
    """The result of a ``function_call``, the older form of calls."""

    name: str
    content: str | None = None


Message = (
    SystemMessage
    | DeveloperMessage
    | UserMessage
    | AssistantMessage
    | ToolMessage
    | FunctionMessage
)


# ------------------------------------------------------------------ tools


class Function(common.Cacheable, frozen=True, kw_only=True):
    """A function, flat in ``functions`` and nested in ``tools``."""

    name: str
    description: str | None = None
    parameters: Raw = common.ABSENT
    strict: bool | None = None


class FunctionTool(
    common.Cacheable, frozen=True, kw_only=True, tag_field="type", tag="function"
):
    function: Function


class CustomTool(Struct, frozen=True, kw_only=True, tag_field="type", tag="custom"):
    """Decoded only so that it can be rejected by name: Claude has no free-text tools."""


class NamedFunction(Struct, frozen=True, kw_only=True):
    name: str


class FunctionChoice(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="function"
):
    function: NamedFunction


class AllowedTools(Struct, frozen=True, kw_only=True):
    """Which of its tools the model may call; only ``mode`` is looked at."""

    mode: Literal["auto", "required"] | None = None
    tools: list[Any] | None = None
    """Each as in `FunctionChoice`. Only one that is alone makes a difference."""


class AllowedToolsChoice(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="allowed_tools"
):
    allowed_tools: AllowedTools


class CustomChoice(Struct, frozen=True, kw_only=True, tag_field="type", tag="custom"):
    """Decoded only so that it can be rejected by name."""


ToolChoice = FunctionChoice | AllowedToolsChoice | CustomChoice


# ------------------------------------------------------------------ output format


class TextFormat(Struct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    pass


class JSONObjectFormat(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="json_object"
):
    pass


class JSONSchema(Struct, frozen=True, kw_only=True):
    """The format asked for; ``name`` and ``description`` are never sent."""

    name: str | None = None
    description: str | None = None
    schema: Raw = common.ABSENT
    strict: bool | None = None


class JSONSchemaFormat(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="json_schema"
):
    json_schema: JSONSchema


ResponseFormat = TextFormat | JSONObjectFormat | JSONSchemaFormat


# ------------------------------------------------------------------ the request


class StreamOptions(Struct, frozen=True, kw_only=True):
    """``include_usage`` asks for one more chunk, with the token counts."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class UserLocation(Struct, frozen=True, kw_only=True):
    type: Literal["approximate"] | None = None
    approximate: common.ApproximateLocation | None = None


class WebSearchOptions(Struct, frozen=True, kw_only=True):
    user_location: UserLocation | None = None
    search_context_size: str | None = None


class ChatRequest(Struct, frozen=True, kw_only=True):
    """The body of ``POST /v1/chat/completions``."""

    messages: list[Message]
    model: Annotated[str, Meta(max_length=256)] | None = None
    max_completion_tokens: common.Count | None = None
    max_tokens: common.Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    stop: str | list[str] | None = None
    n: float | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[FunctionTool | CustomTool] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Function] | None = None
    function_call: str | NamedFunction | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    prompt_cache_options: common.CacheOptions | None = None
    web_search_options: WebSearchOptions | None = None

    # No equivalent: accepted, never sent, reported in a warning where it could matter.
    logprobs: bool | None = None
    top_logprobs: float | None = None
    seed: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float | None] | None = None
    prediction: dict[str, Raw] | None = None
    verbosity: str | None = None
    store: bool | None = None
    metadata: dict[str, Raw] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    moderation: dict[str, Raw] | None = None

    # Cannot be satisfied: rejected.
    modalities: list[str] | None = None
    audio: dict[str, Raw] | None = None

    # Anthropic's own, passed through.
    top_k: Annotated[float, Meta(ge=0, le=common.LARGEST)] | None = None
    thinking: common.Thinking | None = None
    output_config: common.OutputConfig | None = None
    cache_control: common.CacheControl | None = None
    inference_geo: str | None = None
    speed: Literal["standard", "fast"] | None = None
    context_management: dict[str, Any] | None = None


DECODER = msgspec.json.Decoder(ChatRequest)
"""Bytes to ``ChatRequest``; raises ``msgspec.DecodeError`` (not JSON),
``msgspec.ValidationError`` (wrong shape, with a path) or ``RecursionError``."""
