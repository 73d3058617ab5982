"""What Anthropic's Messages API sends back: messages, stream events, errors.

Known shapes are typed; everything else stays open. An event, a block or a delta that is
new becomes ``Unknown`` and never breaks a response.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

# ------------------------------------------------------------------ messages


_MOST = 1 << 53
Count = Annotated[int, Meta(ge=0, le=_MOST)]
"""Tokens. A count outside these bounds is nonsense, and is not reported."""


class OutputTokensDetails(Struct, frozen=True):
    thinking_tokens: Count | None = None


class CacheCreation(Struct, frozen=True):
    """``cache_creation_input_tokens`` by lifetime."""

    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class ServerToolUse(Struct, frozen=True):
    web_search_requests: Count | None = None


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


class StopDetails(Struct, frozen=True):
    category: str | None = None
    explanation: str | None = None


class ErrorDetails(Struct, frozen=True):
    error_code: str | None = None


class Error(Struct, frozen=True):
    type: str = ""
    """Empty where a gateway's error has none: then the status decides."""
    message: str = ""
    details: ErrorDetails | None = None


class ErrorResponse(Struct, frozen=True):
    error: Error
    request_id: str | None = None


class Citation(Struct, frozen=True):
    """What a text block cites; only the web's results have a URL."""

    type: str = ""
    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    encrypted_index: str | None = None


class TextBlock(Struct, frozen=True, tag="text"):
    text: str = ""
    citations: list[Citation] | None = None


class ToolUseBlock(Struct, frozen=True, tag="tool_use"):
    id: str
    name: str
    input: Raw = Raw(b"{}")


class ThinkingBlock(Struct, frozen=True, tag="thinking"):
    thinking: str = ""
    signature: str = ""


class RedactedThinkingBlock(Struct, frozen=True, tag="redacted_thinking"):
    data: str = ""


class ServerToolUseBlock(Struct, frozen=True, tag="server_tool_use"):
    """A call that Anthropic itself answers: no OpenAI client sees it."""


class WebSearchResultBlock(Struct, frozen=True, tag="web_search_tool_result"):
    """What the search found; the text that follows cites it."""


ContentBlock = (
    TextBlock
    | ToolUseBlock
    | ThinkingBlock
    | RedactedThinkingBlock
    | ServerToolUseBlock
    | WebSearchResultBlock
)


class Message(Struct, frozen=True, kw_only=True):
    """A complete message, as accumulated from its events."""

    id: str
    model: str = ""
    usage: Usage = Usage()
    content: list[ContentBlock] = []
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
    content_block: ContentBlock


class TextDelta(Struct, frozen=True, tag="text_delta"):
    text: str


class InputJSONDelta(Struct, frozen=True, tag="input_json_delta"):
    partial_json: str


class ThinkingDelta(Struct, frozen=True, tag="thinking_delta"):
    thinking: str


class SignatureDelta(Struct, frozen=True, tag="signature_delta"):
    signature: str


class CitationsDelta(Struct, frozen=True, tag="citations_delta"):
    citation: Citation


Delta = TextDelta | InputJSONDelta | ThinkingDelta | SignatureDelta | CitationsDelta


class ContentBlockDelta(Struct, frozen=True, tag="content_block_delta"):
    index: int
    delta: Delta


class ContentBlockStop(Struct, frozen=True, tag="content_block_stop"):
    index: int


class Stop(Struct, frozen=True):
    """``stop_reason`` is a plain string: a new value must not cost the whole event."""

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
    """An event, block or delta of a type that this version does not know."""


Event = KnownEvent | Unknown

decode_error_response = msgspec.json.Decoder(ErrorResponse).decode
"""An error body; raises ``msgspec.DecodeError`` for HTML and ``ValidationError``
(a subclass) for JSON of another shape."""

# ------------------------------------------------------------------ decoding

_known: msgspec.json.Decoder[KnownEvent] = msgspec.json.Decoder(KnownEvent)


_known_events = msgspec.json.Decoder(list[KnownEvent])


def decode_events(
    payloads: list[bytes],
) -> tuple[list[Event], msgspec.DecodeError | None]:
    """Decode payloads that arrived together: the events, and what ended them early.

    The events before one that cannot be read are good. All are decoded in one call where
    they are as expected, which halves the time of a short delta.
    """
    try:
        known = _known_events.decode(b"[%b]" % b",".join(payloads))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        known = []
    if len(known) == len(payloads):  # else a payload held a comma between two values
        return [*known], None
    events: list[Event] = []
    try:
        for payload in payloads:
            events.append(decode_event(payload))  # noqa: PERF401 - kept on an error
    except msgspec.DecodeError as ex:
        return events, ex
    return events, None


def decode_event(data: bytes) -> Event:
    """Decode one SSE ``data`` payload.

    A known event with a malformed secondary field is read without that field: it may
    be the start of a response that has been paid for, or carry its only stop reason.
    Returns ``Unknown`` for any other JSON. Raises ``msgspec.DecodeError`` for what is
    not JSON at all (a broken stream).
    """
    try:
        try:
            return _known.decode(data)
        except msgspec.ValidationError:
            return _recovered(msgspec.json.decode(data))
    except (UnicodeDecodeError, RecursionError) as ex:  # no text; nested without end
        raise msgspec.DecodeError(type(ex).__name__) from None


def _recovered(event: object) -> Event:
    match event:
        case {"type": "message_start", "message": {"id": str(head), **rest}}:
            model = rest.get("model")
            named = model if isinstance(model, str) else ""
            return MessageStart(StartedMessage(head, named, _usage(rest.get("usage"))))
        case {"type": "message_delta", "delta": {**delta}, **rest}:
            reason = delta.get("stop_reason")
            stop = Stop(reason if isinstance(reason, str) else None)
            return MessageDelta(stop, _usage(rest.get("usage")))
        case {"type": "content_block_start", "index": int(index),
              "content_block": {"type": "text"}}:  # fmt: skip
            return ContentBlockStart(index, TextBlock())
        case _:
            return Unknown()


def _usage(said: object) -> Usage:
    """The counts of a usage object that can be read."""
    counts = said if isinstance(said, dict) else {}
    readable = {
        name: count
        for name, count in counts.items()
        if name.endswith("_tokens") and type(count) is int and 0 <= count <= _MOST
    }
    return msgspec.convert(readable, Usage)
