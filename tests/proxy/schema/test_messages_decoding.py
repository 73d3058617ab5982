"""proxy.schema.messages_decoding: what is known of an event is read, however odd."""

import json

import msgspec
import pytest

from proxy.schema import messages_decoding
from proxy.schema.messages_response import (
    ContentBlockStart,
    MessageDelta,
    MessageStart,
    StartedMessage,
    Stop,
    TextBlock,
    Unknown,
    Usage,
)


@pytest.mark.parametrize(
    ("event", "read"),
    [
        ({"type": "message_start", "message": {"id": "m", "model": 5, "usage": 7}},
         MessageStart(StartedMessage("m", "", Usage()))),
        ({"type": "message_start", "message": {"id": "m", "model": "c", "usage": {
            "input_tokens": 3, "output_tokens": "many", "service_tier": 5}}},
         MessageStart(StartedMessage("m", "c", Usage(input_tokens=3)))),
        ({"type": "message_delta", "delta": {"stop_reason": "refusal",
                                             "stop_details": 5}},
         MessageDelta(Stop("refusal"), Usage())),
        ({"type": "message_delta", "delta": {"stop_reason": 5}},
         MessageDelta(Stop(None), Usage())),
        ({"type": "content_block_start", "index": 2,
          "content_block": {"type": "text", "text": 5}},
         ContentBlockStart(2, TextBlock())),
        ({"type": "content_block_start", "index": 2,
          "content_block": {"type": "hologram"}}, Unknown()),
        ({"type": "an_event_of_tomorrow"}, Unknown()),
        ([], Unknown()),
    ],
)  # fmt: skip
def test_a_known_event_with_an_odd_field_is_read_without_it(
    event: object, read: object
) -> None:
    assert messages_decoding.decode_event(json.dumps(event).encode()) == read


def test_what_is_not_json_is_a_broken_stream() -> None:
    with pytest.raises(msgspec.DecodeError):
        messages_decoding.decode_event(b"<html>")
