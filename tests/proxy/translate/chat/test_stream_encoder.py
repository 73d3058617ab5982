"""proxy.translate.chat.stream_encoder: its fast path gives the same bytes as the slow one."""

from pathlib import Path

import msgspec
import pytest

from proxy import sse
from proxy.schema import messages_decoding, messages_response
from proxy.translate.chat import response, stream, stream_encoder

ANSWERS = sorted(Path(__file__).parents[2].glob("golden/answers/*.anthropic.sse"))


def chunks():
    return stream.ChunkStream(model='"\x00', created=7, names=response.ClientNames())


def long_way(events):
    told, parts = chunks(), []
    for event in events:
        if isinstance(event, messages_response.Ping):
            parts.append(sse.PING)
        parts += [sse.encode(msgspec.json.encode(one)) for one in told.feed(event)]
        if isinstance(event, messages_response.MessageStop):
            parts.append(sse.DONE)
    return sse.one_line_each(b"".join(parts))


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.name)
def test_all_recorded_answers_are_told_as_their_chunks_say(path):
    payloads = sse.Decoder().feed(path.read_bytes())
    events = [messages_decoding.decode_event(one) for one in payloads]
    assert stream_encoder.StreamEncoder(chunks()).feed(events) == long_way(events)
    singly = stream_encoder.StreamEncoder(chunks())
    assert b"".join(singly.feed([one]) for one in events) == long_way(events)


@pytest.mark.parametrize(
    "text", ["a", '"', "\\", "\x00", "\n\n", "data: x", "é\u2028😀"]
)
def test_any_text_is_told_as_its_chunk_says(text):
    start = messages_decoding.decode_event(
        b'{"type":"message_start","message":{"id":"msg_1","type":"message","role":'
        b'"assistant","model":"m","content":[],"usage":{}}}'
    )
    block = messages_response.ContentBlockStart(0, messages_response.TextBlock(""))
    events = [
        start,
        block,
        messages_response.ContentBlockDelta(0, messages_response.TextDelta(text)),
        messages_response.ContentBlockDelta(
            9, messages_response.TextDelta(text)
        ),  # of no block
    ]
    assert stream_encoder.StreamEncoder(chunks()).feed(events) == long_way(events)


def test_a_sign_of_life_is_a_comment():
    encoder = stream_encoder.StreamEncoder(chunks())
    assert encoder.keep_alive() == sse.PING
    assert sse.Decoder().feed(encoder.keep_alive()) == []
