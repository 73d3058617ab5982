"""Reading one event of an answer's stream, whatever it holds."""

import msgspec

from proxy.schema import anthropic

_known: msgspec.json.Decoder[anthropic.KnownEvent] = msgspec.json.Decoder(
    anthropic.KnownEvent
)


def decode_event(data: bytes) -> anthropic.Event:
    """Read one SSE ``data`` payload.

    An event that is known but for an odd secondary field is read without that field:
    it may be the head of an answer that is paid for, or its only stop reason. Returns
    ``Unknown`` for anything else that is JSON. Raises ``msgspec.DecodeError`` when it
    is not JSON at all (a broken stream).
    """
    try:
        return _known.decode(data)
    except msgspec.ValidationError:
        return _recovered(msgspec.json.decode(data))


def _recovered(event: object) -> anthropic.Event:
    match event:
        case {"type": "message_start", "message": {"id": str(head), **rest}}:
            model = rest.get("model")
            named = model if isinstance(model, str) else ""
            return anthropic.MessageStart(
                anthropic.StartedMessage(head, named, _usage(rest.get("usage")))
            )
        case {"type": "message_delta", "delta": {**delta}, **rest}:
            reason = delta.get("stop_reason")
            stop = anthropic.Stop(reason if isinstance(reason, str) else None)
            return anthropic.MessageDelta(stop, _usage(rest.get("usage")))
        case {"type": "content_block_start", "index": int(index),
              "content_block": {"type": "text"}}:  # fmt: skip
            return anthropic.ContentBlockStart(index, anthropic.AnswerText())
        case _:
            return anthropic.Unknown()


def _usage(said: object) -> anthropic.Usage:
    """The counts of a usage that can be read."""
    counts = said if isinstance(said, dict) else {}
    readable = {
        name: count
        for name, count in counts.items()
        if name.endswith("_tokens") and type(count) is int
    }
    return msgspec.convert(readable, anthropic.Usage)
