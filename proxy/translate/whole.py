"""A whole message as the events of a stream.

Some gateways ignore ``stream`` and respond with the message itself. It has been paid for,
so it is the response.
"""

import msgspec
from msgspec import Raw, Struct

Fields = dict[str, Raw]

_AT_THE_END = ("stop_reason", "stop_sequence", "stop_details")
_encode = msgspec.json.Encoder().encode


class _Named(Struct, frozen=True):
    """What is needed of it; all else is in the events too, as it came."""

    id: str
    type: str
    content: list[Raw]
    usage: Raw = Raw(b"{}")


def to_payloads(body: bytes) -> list[bytes]:
    """The payloads of the events that a stream of this message would have had.

    All of a block is in its start. Raises ``msgspec.DecodeError`` for anything that is
    not a message.
    """
    try:
        whole = msgspec.json.decode(body, type=Fields)
        named = msgspec.json.decode(body, type=_Named)
    except (UnicodeDecodeError, RecursionError) as ex:
        raise msgspec.DecodeError(type(ex).__name__) from None
    if named.type != "message":
        raise msgspec.DecodeError("not a message")
    stop = {name: whole[name] for name in _AT_THE_END if name in whole}
    head: dict[str, object] = {**whole, "content": [], **dict.fromkeys(stop)}
    events: list[object] = [{"type": "message_start", "message": head}]
    for index, block in enumerate(named.content):
        start = {"type": "content_block_start", "index": index, "content_block": block}
        events += [start, {"type": "content_block_stop", "index": index}]
    ended = {"type": "message_delta", "delta": stop, "usage": named.usage}
    events += [ended, {"type": "message_stop"}]
    return [_encode(event) for event in events]
