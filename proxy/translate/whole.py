"""A whole message as the events of a stream.

Some gateways ignore ``stream`` and respond with the message itself. It has been paid for,
so it is the response.
"""

import msgspec
from msgspec import Raw, Struct

from proxy.schema import messages_response


class _Whole(Struct, frozen=True):
    id: str
    type: str
    content: list[Raw]
    model: str = ""
    usage: Raw = Raw(b"{}")
    input_transformations: Raw = Raw(b"null")
    stop_reason: Raw = Raw(b"null")
    stop_details: Raw = Raw(b"null")


def to_events(body: bytes) -> list[messages_response.Event]:
    """The events that a stream of this message would have had, with all in the starts.

    Raises ``msgspec.DecodeError`` for anything that is not a message.
    """
    try:
        whole = msgspec.json.decode(body, type=_Whole)
    except (UnicodeDecodeError, RecursionError) as ex:
        raise msgspec.DecodeError(type(ex).__name__) from None
    if whole.type != "message":
        raise msgspec.DecodeError("not a message")
    head = {
        "id": whole.id,
        "model": whole.model,
        "usage": whole.usage,
        "input_transformations": whole.input_transformations,
    }
    stop = {"stop_reason": whole.stop_reason, "stop_details": whole.stop_details}
    events: list[dict[str, object]] = [{"type": "message_start", "message": head}]
    for index, block in enumerate(whole.content):
        start = {"type": "content_block_start", "index": index, "content_block": block}
        events += [start, {"type": "content_block_stop", "index": index}]
    events += [{"type": "message_delta", "delta": stop}, {"type": "message_stop"}]
    encode = msgspec.json.Encoder().encode
    return [messages_response.decode_event(encode(event)) for event in events]
