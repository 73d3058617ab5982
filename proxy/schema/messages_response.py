"""What Anthropic's Messages API sends back: messages, stream events, errors.

Known shapes are typed; everything else stays open. An event, a block or a delta that is
new becomes ``Unknown`` and never breaks a response: see ``messages_decoding``.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

# ------------------------------------------------------------------ messages


MOST = 1 << 53
"""Tokens: the most that a count may say."""
Count = Annotated[int, Meta(ge=0, le=MOST)]
"""Tokens. A count outside these bounds is nonsense, and is not reported."""


class OutputTokensDetails(Struct, frozen=True):
    thinking_tokens: Count | None = None


class CacheCreation(Struct, frozen=True):
    """``cache_creation_input_tokens`` by lifetime."""

    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class ServerToolUse(Struct, frozen=True):
    web_search_requests: Count | None = None


class Iteration(Struct, frozen=True):
    """One of the steps that a response took, with a usage of its own."""

    type: str = ""
    """``message``, ``compaction`` …"""
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: CacheCreation | None = None


class Usage(Struct, frozen=True):
    """``None`` means "not reported here": a message_delta repeats only some counts."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    output_tokens_details: OutputTokensDetails | None = None
    service_tier: str | None = None
    server_tool_use: ServerToolUse | None = None
    cache_creation: CacheCreation | None = None
    inference_geo: str | None = None
    speed: str | None = None
    iterations: list[Iteration] | None = None
    """A compaction on the way is in here alone: the other counts leave it out."""


class StopDetails(Struct, frozen=True):
    """Why a response was refused, where Anthropic says so."""

    category: str | None = None
    explanation: str | None = None


class _ErrorDetails(Struct, frozen=True):
    error_code: str | None = None


_error_details = msgspec.json.Decoder(_ErrorDetails | None).decode


class Error(Struct, frozen=True):
    """An error of Anthropic's, in a body or inside a stream."""

    type: str = ""
    """Empty where a gateway's error has none: then the status decides."""
    message: str = ""
    details: Raw = Raw(b"null")
    """What names the cause, as it came: Anthropic adds codes, and fields beside them."""

    @property
    def code(self) -> str | None:
        """The cause in a stable word, where there is one."""
        try:
            details = _error_details(self.details)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return details.error_code if details is not None else None


class ErrorResponse(Struct, frozen=True):
    """The body of a response with an error status."""

    error: Error
    request_id: str | None = None


class Citation(Struct, frozen=True):
    """What a text block cites; only the web's results have a URL."""

    type: str = ""
    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    encrypted_index: str | None = None


class InputTransformation(Struct, frozen=True):
    """What Anthropic did to a block of the request, such as ``thinking_dropped``."""

    type: str = ""
    path: str = ""
    """``messages.3.content.0``, of the request that was sent."""
    reason: str = ""


class TextBlock(Struct, frozen=True, tag="text"):
    text: str = ""
    citations: list[Citation] | None = None


class ToolUseBlock(Struct, frozen=True, tag="tool_use"):
    """A call of a client's tool; in a stream ``input`` is empty and deltas bring it."""

    id: str
    name: str
    input: Raw = Raw(b"{}")


class ThinkingBlock(Struct, frozen=True, tag="thinking"):
    """Signed thinking. ``thinking`` is a summary, or empty with ``display: omitted``."""

    thinking: str = ""
    signature: str = ""


class RedactedThinkingBlock(Struct, frozen=True, tag="redacted_thinking"):
    data: str = ""


ContentBlock = TextBlock | ToolUseBlock | ThinkingBlock | RedactedThinkingBlock


class OpaqueBlock(Struct, frozen=True):
    """A block that is Anthropic's own business: a server tool's use or result, a compaction.

    No OpenAI client can read it. Where it is sent back, it must be as it was received.
    """

    type: str
    received: Raw
    """The whole block, its ``type`` included."""
    whole: bool = True
    """``False`` where its input was cut: then it cannot be sent back."""


Block = ContentBlock | OpaqueBlock


class Message(Struct, frozen=True, kw_only=True):
    """A complete message, as accumulated from its events."""

    id: str
    model: str = ""
    usage: Usage = Usage()
    content: list[Block] = []
    stop_reason: str | None = None
    stop_details: StopDetails | None = None
    input_transformations: list[InputTransformation] = []


# ------------------------------------------------------------------ events


class StartedMessage(Struct, frozen=True):
    """A message before its content: what is known when its stream begins."""

    id: str
    model: str = ""
    usage: Usage = Usage()
    input_transformations: list[InputTransformation] | None = None


class MessageStart(Struct, frozen=True, tag="message_start"):
    message: StartedMessage


class ContentBlockStart(Struct, frozen=True, tag="content_block_start"):
    index: int
    content_block: ContentBlock


class OpaqueBlockStart(Struct, frozen=True):
    """A ``content_block_start`` of an opaque block."""

    index: int
    block: OpaqueBlock


# No cycle can go through a delta, so the collector need not know of it (``gc=False``):
# that takes 0.3 us off each that comes alone.
class TextDelta(Struct, frozen=True, gc=False, tag="text_delta"):
    text: str


class InputJSONDelta(Struct, frozen=True, gc=False, tag="input_json_delta"):
    """A piece of a call's arguments, cut anywhere in the JSON text."""

    partial_json: str


class ThinkingDelta(Struct, frozen=True, gc=False, tag="thinking_delta"):
    thinking: str


class SignatureDelta(Struct, frozen=True, tag="signature_delta"):
    """The signature of a thinking block, in one piece, at its end."""

    signature: str


class CitationsDelta(Struct, frozen=True, tag="citations_delta"):
    citation: Citation


class CompactionDelta(Struct, frozen=True, tag="compaction_delta"):
    """The summary, in one piece. Either value may be ``null``."""

    content: str | None = None
    encrypted_content: str | None = None


Delta = (
    TextDelta
    | InputJSONDelta
    | ThinkingDelta
    | SignatureDelta
    | CitationsDelta
    | CompactionDelta
)


class ContentBlockDelta(Struct, frozen=True, gc=False, tag="content_block_delta"):
    index: int
    delta: Delta


class ContentBlockStop(Struct, frozen=True, tag="content_block_stop"):
    index: int


class Stop(Struct, frozen=True):
    """``stop_reason`` is a plain string: a new value must not cost the whole event."""

    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class MessageDelta(Struct, frozen=True, tag="message_delta"):
    """Why the message ends. Counts in ``usage`` are totals, and replace those before."""

    delta: Stop = Stop()
    usage: Usage = Usage()
    input_transformations: list[InputTransformation] | None = None
    """Replaces the one of ``message_start`` where another model took over."""


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
    """An event, block or delta of a type that this version does not know."""


Event = KnownEvent | OpaqueBlockStart | Unknown
