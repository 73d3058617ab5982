"""Anthropic's Messages wire types (API version 2026-10-21).

Requests are written: ``omit_defaults`` leaves out what was not asked for, because the
API refuses unknown and empty fields. Events are read, and stay open: see ``events``.
"""

from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

SAMPLING_VERSION = "2023-06-01"
"""The only version under which sampling parameters are accepted, by older models.

Under 2026-10-21, what SDK 2.x sends by itself, no model takes ``temperature``,
``top_p`` or ``top_k``.
"""


class CacheControl(Struct, frozen=True, omit_defaults=True, tag="ephemeral"):
    ttl: Literal["5m", "1h"] | None = None


# ------------------------------------------------------------------ request blocks


class Block(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every block that may end a cached prefix has."""

    cache_control: CacheControl | None = None


class Text(Block, frozen=True, kw_only=True, tag="text"):
    text: str


class Base64Source(Struct, frozen=True, kw_only=True, tag="base64"):
    media_type: str
    data: str


class URLSource(Struct, frozen=True, kw_only=True, tag="url"):
    url: str


class TextSource(Struct, frozen=True, kw_only=True, tag="text"):
    media_type: str = "text/plain"
    data: str


class FileSource(Struct, frozen=True, kw_only=True, tag="file"):
    file_id: str


class Image(Block, frozen=True, kw_only=True, tag="image"):
    source: Base64Source | URLSource | FileSource


class Document(Block, frozen=True, kw_only=True, omit_defaults=True, tag="document"):
    source: Base64Source | URLSource | TextSource | FileSource
    title: str | None = None


class ToolUse(Block, frozen=True, kw_only=True, tag="tool_use"):
    id: str
    name: str
    input: Raw


class ToolResult(
    Block, frozen=True, kw_only=True, omit_defaults=True, tag="tool_result"
):
    tool_use_id: str
    content: str | list[Text | Image | Document] | None = None
    is_error: bool | None = None


class Thinking(Struct, frozen=True, kw_only=True, tag="thinking"):
    thinking: str
    signature: str


class RedactedThinking(Struct, frozen=True, kw_only=True, tag="redacted_thinking"):
    data: str


ContentBlock = (
    Text | Image | Document | ToolUse | ToolResult | Thinking | RedactedThinking
)


class Message(Struct, frozen=True, kw_only=True):
    role: Literal["user", "assistant", "system"]
    content: list[ContentBlock]


# ------------------------------------------------------------------ request fields


class Tool(Block, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    description: str | None = None
    input_schema: Raw
    strict: bool | None = None


class ToolChoice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class BlockBinding(Struct, frozen=True, kw_only=True):
    """What happens to a replayed thinking block whose prefix has changed."""

    prefix_mismatch_behavior: str


class ThinkingConfig(Struct, frozen=True, kw_only=True, omit_defaults=True):
    type: Literal["enabled", "adaptive", "disabled", "between_tools"]
    budget_tokens: int | None = None
    display: str | None = None
    block_binding: BlockBinding | None = None


class JSONSchemaFormat(Struct, frozen=True, kw_only=True, tag="json_schema"):
    schema: Raw


class OutputConfig(Struct, frozen=True, kw_only=True, omit_defaults=True):
    effort: str | None = None
    format: JSONSchemaFormat | None = None


class Metadata(Struct, frozen=True, kw_only=True):
    user_id: str


class MessagesRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of ``POST /v1/messages``, its fields in the order of the prompt."""

    model: str
    max_tokens: int
    stream: bool = False
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    system: list[Text] | None = None
    messages: list[Message]
    stop_sequences: list[str] | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    cache_control: CacheControl | None = None
    metadata: Metadata | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    speed: str | None = None
    context_management: dict[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None


# ------------------------------------------------------------------ what is read


class OutputTokensDetails(Struct, frozen=True):
    thinking_tokens: int | None = None


class Usage(Struct, frozen=True):
    """``None`` means "not said here": a message_delta repeats only some counts."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: OutputTokensDetails | None = None
    service_tier: str | None = None


class StopDetails(Struct, frozen=True):
    category: str | None = None
    explanation: str | None = None


class ErrorDetails(Struct, frozen=True):
    error_code: str | None = None


class Error(Struct, frozen=True):
    type: str = "api_error"
    message: str = ""
    details: ErrorDetails | None = None


class ErrorResponse(Struct, frozen=True):
    error: Error
    request_id: str | None = None


class AnswerText(Struct, frozen=True, tag="text"):
    text: str = ""


class AnswerToolUse(Struct, frozen=True, tag="tool_use"):
    id: str
    name: str
    input: Raw = Raw(b"{}")


class AnswerThinking(Struct, frozen=True, tag="thinking"):
    thinking: str = ""
    signature: str = ""


class AnswerRedactedThinking(Struct, frozen=True, tag="redacted_thinking"):
    data: str = ""


AnswerBlock = AnswerText | AnswerToolUse | AnswerThinking | AnswerRedactedThinking


class AnswerMessage(Struct, frozen=True, kw_only=True):
    """The head of an answer (``message_start``), or a whole one after folding."""

    id: str
    model: str = ""
    usage: Usage = Usage()
    content: list[AnswerBlock] = []
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


# ------------------------------------------------------------------ events


class StartedMessage(Struct, frozen=True):
    id: str
    model: str = ""
    usage: Usage = Usage()


class MessageStart(Struct, frozen=True, tag="message_start"):
    message: StartedMessage


class ContentBlockStart(Struct, frozen=True, tag="content_block_start"):
    index: int
    content_block: AnswerBlock


class TextDelta(Struct, frozen=True, tag="text_delta"):
    text: str


class InputJSONDelta(Struct, frozen=True, tag="input_json_delta"):
    partial_json: str


class ThinkingDelta(Struct, frozen=True, tag="thinking_delta"):
    thinking: str


class SignatureDelta(Struct, frozen=True, tag="signature_delta"):
    signature: str


class ContentBlockDelta(Struct, frozen=True, tag="content_block_delta"):
    index: int
    delta: TextDelta | InputJSONDelta | ThinkingDelta | SignatureDelta


class ContentBlockStop(Struct, frozen=True, tag="content_block_stop"):
    index: int


class Stop(Struct, frozen=True):
    """``stop_reason`` is a plain string: a new word must not cost the whole event."""

    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class MessageDelta(Struct, frozen=True, tag="message_delta"):
    delta: Stop = Stop()
    usage: Usage = Usage()


class MessageStop(Struct, frozen=True, tag="message_stop"):
    pass


class Ping(Struct, frozen=True, tag="ping"):
    pass


class ErrorEvent(Struct, frozen=True, tag="error"):
    error: Error


KnownEvent = (
    MessageStart
    | ContentBlockStart
    | ContentBlockDelta
    | ContentBlockStop
    | MessageDelta
    | MessageStop
    | Ping
    | ErrorEvent
)


class Unknown(Struct, frozen=True):
    """An event, block or delta of a kind that this version does not know."""


Event = KnownEvent | Unknown

decode_error_response = msgspec.json.Decoder(ErrorResponse).decode
"""An error body; raises ``msgspec.DecodeError`` for HTML and ``ValidationError``
(a subclass) for JSON of another shape."""
