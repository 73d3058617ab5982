"""What an OpenAI client sends (API reference, OpenAPI 2.3.0).

Fields are typed, and ``null`` means "not given", as every OpenAI client takes it. Keys
that OpenAI does not know are Anthropic's own extensions (``top_k``, ``thinking``,
``cache_control`` …) or are passed over.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

LARGEST = 1_000_000_000
"""More is no number of tokens."""

Count = Annotated[int, Meta(ge=1, le=LARGEST)]

ABSENT = Raw(b"")
"""What a ``Raw`` field holds when the client did not send it (``bytes(raw)`` is empty)."""

# ------------------------------------------------------------------ cache marks


class CacheControl(Struct, frozen=True, kw_only=True):
    """Anthropic's own mark, accepted wherever a client puts it."""

    type: Literal["ephemeral"] | None = None
    ttl: Literal["5m", "1h"] | None = None


class CacheBreakpoint(Struct, frozen=True, kw_only=True):
    """OpenAI's mark for the same thing (``prompt_cache_breakpoint``)."""

    mode: Literal["explicit"] | None = None
    ttl: Literal["30m", "12h"] | None = None


class CacheOptions(Struct, frozen=True, kw_only=True):
    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m", "12h"] | None = None


class Marked(Struct, frozen=True, kw_only=True):
    """Anything that may carry a cache mark, in either API's words."""

    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


# ------------------------------------------------------------------ message parts


class TextPart(Marked, frozen=True, kw_only=True, tag_field="type", tag="text"):
    text: str


class ImageURL(Struct, frozen=True, kw_only=True):
    url: str
    detail: str | None = None


class ImagePart(Marked, frozen=True, kw_only=True, tag_field="type", tag="image_url"):
    image_url: ImageURL


class File(Struct, frozen=True, kw_only=True):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(Marked, frozen=True, kw_only=True, tag_field="type", tag="file"):
    file: File


class AudioPart(Marked, frozen=True, kw_only=True, tag_field="type", tag="input_audio"):
    """Read only to be refused by name: Claude hears nothing."""


class RefusalPart(Struct, frozen=True, kw_only=True, tag_field="type", tag="refusal"):
    refusal: str


UserPart = TextPart | ImagePart | FilePart | AudioPart
ToolPart = TextPart | ImagePart | FilePart
AssistantPart = TextPart | RefusalPart


# ------------------------------------------------------------------ messages


class FunctionCall(Struct, frozen=True, kw_only=True):
    name: str
    arguments: str | None = None


class ToolCall(Marked, frozen=True, kw_only=True):
    id: str | None = None
    type: str | None = None
    function: FunctionCall | None = None


class ThinkingBlock(Struct, frozen=True, kw_only=True):
    """A block of an earlier answer, handed back as it was given (LiteLLM's field)."""

    type: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class SystemMessage(Marked, frozen=True, kw_only=True, tag_field="role", tag="system"):
    content: str | list[TextPart] | None = None


class DeveloperMessage(
    Marked, frozen=True, kw_only=True, tag_field="role", tag="developer"
):
    content: str | list[TextPart] | None = None


class UserMessage(Marked, frozen=True, kw_only=True, tag_field="role", tag="user"):
    content: str | list[UserPart] | None = None


class AssistantMessage(
    Marked, frozen=True, kw_only=True, tag_field="role", tag="assistant"
):
    content: str | list[AssistantPart] | None = None
    refusal: str | None = None
    audio: dict[str, Raw] | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None
    thinking_blocks: list[ThinkingBlock] | None = None


class ToolMessage(Marked, frozen=True, kw_only=True, tag_field="role", tag="tool"):
    tool_call_id: str
    content: str | list[ToolPart] | None = None
    is_error: bool | None = None


class FunctionMessage(
    Marked, frozen=True, kw_only=True, tag_field="role", tag="function"
):
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


class Function(Marked, frozen=True, kw_only=True):
    name: str
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None


class FunctionTool(Marked, frozen=True, kw_only=True, tag_field="type", tag="function"):
    function: Function


class CustomTool(Struct, frozen=True, kw_only=True, tag_field="type", tag="custom"):
    """Read only to be refused by name: Claude has no free-text tools."""


class NamedFunction(Struct, frozen=True, kw_only=True):
    name: str


class FunctionChoice(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="function"
):
    function: NamedFunction


class AllowedTools(Struct, frozen=True, kw_only=True):
    mode: Literal["auto", "required"] | None = None


class AllowedToolsChoice(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="allowed_tools"
):
    allowed_tools: AllowedTools


class CustomChoice(Struct, frozen=True, kw_only=True, tag_field="type", tag="custom"):
    """Read only to be refused by name."""


ToolChoice = FunctionChoice | AllowedToolsChoice | CustomChoice


# ------------------------------------------------------------------ output format


class TextFormat(Struct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    pass


class JSONObjectFormat(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="json_object"
):
    pass


class JSONSchema(Struct, frozen=True, kw_only=True):
    name: str | None = None
    description: str | None = None
    schema: Raw = ABSENT
    strict: bool | None = None


class JSONSchemaFormat(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="json_schema"
):
    json_schema: JSONSchema


ResponseFormat = TextFormat | JSONObjectFormat | JSONSchemaFormat


# ------------------------------------------------------------------ the request


class Thinking(Struct, frozen=True, kw_only=True):
    """Anthropic's own ``thinking``, an extension here."""

    type: Literal["enabled", "adaptive", "disabled", "between_tools"]
    budget_tokens: Count | None = None
    display: Literal["summarized", "omitted"] | None = None


class OutputFormat(Struct, frozen=True, kw_only=True):
    type: Literal["json_schema"] | None = None
    schema: Raw = ABSENT


class OutputConfig(Struct, frozen=True, kw_only=True):
    """Anthropic's own ``output_config``, an extension here."""

    effort: str | None = None
    format: OutputFormat | None = None


class StreamOptions(Struct, frozen=True, kw_only=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(Struct, frozen=True, kw_only=True):
    """The body of ``POST /v1/chat/completions``."""

    messages: list[Message]
    model: Annotated[str, Meta(max_length=256)] | None = None
    max_completion_tokens: Count | None = None
    max_tokens: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    stop: str | list[str] | None = None
    n: int | None = None
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
    prompt_cache_options: CacheOptions | None = None

    # No equivalent: accepted, never sent, named in a warning where it could matter.
    logprobs: bool | None = None
    top_logprobs: int | None = None
    seed: int | None = None
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

    # Cannot be satisfied: refused.
    modalities: list[str] | None = None
    audio: dict[str, Raw] | None = None
    web_search_options: dict[str, Raw] | None = None

    # Anthropic's own, passed through.
    top_k: Annotated[int, Meta(ge=0, le=LARGEST)] | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    cache_control: CacheControl | None = None
    inference_geo: str | None = None
    speed: Literal["standard", "fast"] | None = None
    context_management: dict[str, Any] | None = None


decode_request = msgspec.json.Decoder(ChatRequest).decode
"""Bytes to ``ChatRequest``; raises ``msgspec.DecodeError`` (not JSON),
``msgspec.ValidationError`` (wrong shape, with a path) or ``RecursionError``."""
