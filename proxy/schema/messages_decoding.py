"""Anthropic's bytes as the types of ``messages_response``, by readers that are lenient.

What is unknown is passed over, and what is malformed costs no more than its own field:
a response has been paid for by the time it is read.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from proxy.schema import messages_response

decode_error_response = msgspec.json.Decoder(messages_response.ErrorResponse).decode
"""An error body; raises ``msgspec.DecodeError`` for HTML and ``ValidationError``
(a subclass) for JSON of another shape."""

_known: msgspec.json.Decoder[messages_response.KnownEvent] = msgspec.json.Decoder(
    messages_response.KnownEvent
)
_known_events = msgspec.json.Decoder(list[messages_response.KnownEvent])


def decode_events(
    payloads: list[bytes],
) -> tuple[Sequence[messages_response.Event], msgspec.DecodeError | None]:
    """Decode payloads that arrived together: the events, and what ended them early.

    The events before one that cannot be read are good. All are decoded in one call where
    they are as expected, which halves the time of a short delta.
    """
    try:
        if len(payloads) == 1:
            known = [_known.decode(payloads[0])]
        else:
            known = _known_events.decode(b"[%b]" % b",".join(payloads))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        known = []
    if len(known) == len(payloads):  # else a payload held a comma between two values
        return known, None
    events: list[messages_response.Event] = []
    try:
        for payload in payloads:
            events.append(decode_event(payload))  # noqa: PERF401 - kept on an error
    except msgspec.DecodeError as ex:
        return events, ex
    return events, None


def decode_event(data: bytes) -> messages_response.Event:
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
            return _opaque(data) or _recovered(msgspec.json.decode(data))
    except (UnicodeDecodeError, RecursionError) as ex:  # no text; nested without end
        raise msgspec.DecodeError(type(ex).__name__) from None


class _Start(Struct, frozen=True, tag="content_block_start"):
    index: int
    content_block: Raw


class _OfAnyType(Struct, frozen=True):
    type: str


_start = msgspec.json.Decoder(_Start)
_of_any_type = msgspec.json.Decoder(_OfAnyType)


def is_opaque(block_type: str) -> bool:
    """Whether a block of this type is kept as it is: any server tool's result is."""
    known = block_type in {"server_tool_use", "compaction"}
    return known or block_type.endswith("_tool_result")


def _opaque(data: bytes) -> messages_response.OpaqueBlockStart | None:
    """The start of an opaque block, if it is one, its bytes untouched."""
    try:
        start = _start.decode(data)
        block_type = _of_any_type.decode(start.content_block).type
    except msgspec.ValidationError:
        return None
    if not is_opaque(block_type):
        return None
    return messages_response.OpaqueBlockStart(
        start.index, messages_response.OpaqueBlock(block_type, start.content_block)
    )


def _recovered(event: object) -> messages_response.Event:
    match event:
        case {"type": "message_start", "message": {"id": str(head), **rest}}:
            model = rest.get("model")
            named = model if isinstance(model, str) else ""
            return messages_response.MessageStart(
                messages_response.StartedMessage(head, named, _usage(rest.get("usage")))
            )
        case {"type": "message_delta", "delta": {**delta}, **rest}:
            reason = delta.get("stop_reason")
            stop = messages_response.Stop(reason if isinstance(reason, str) else None)
            return messages_response.MessageDelta(stop, _usage(rest.get("usage")))
        case {"type": "content_block_start", "index": int(index),
              "content_block": {"type": "text"}}:  # fmt: skip
            return messages_response.ContentBlockStart(
                index, messages_response.TextBlock()
            )
        case _:
            return messages_response.Unknown()


def _usage(said: object) -> messages_response.Usage:
    """The counts of a usage object that can be read."""
    counts = said if isinstance(said, dict) else {}
    readable = {
        name: count
        for name, count in counts.items()
        if name.endswith("_tokens")
        and type(count) is int
        and 0 <= count <= messages_response.MOST
    }
    return msgspec.convert(readable, messages_response.Usage)
