"""proxy.translate.frames: the short way to a chunk's bytes is the long way's."""

from pathlib import Path

import msgspec
import pytest

from proxy import sse
from proxy.schema import anthropic
from proxy.schema import events as wire
from proxy.translate import frames, stream

ANSWERS = sorted(Path(__file__).parent.glob("golden/answers/*.anthropic.sse"))


def chunks():
    return stream.ChunkStream(model='"\x00', created=7, client_names={})


def long_way(events):
    told, parts = chunks(), []
    for event in events:
        if isinstance(event, anthropic.Ping):
            parts.append(sse.PING)
        parts += [sse.encode(msgspec.json.encode(one)) for one in told.feed(event)]
        if isinstance(event, anthropic.MessageStop):
            parts.append(sse.DONE)
    return sse.one_line_each(b"".join(parts))


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.name)
def test_all_recorded_answers_are_told_as_their_chunks_say(path):
    payloads = sse.Decoder().feed(path.read_bytes())
    events = [wire.decode_event(one) for one in payloads]
    assert frames.Frames(chunks()).feed(events) == long_way(events)
    singly = frames.Frames(chunks())
    assert b"".join(singly.feed([one]) for one in events) == long_way(events)


@pytest.mark.parametrize(
    "text", ["a", '"', "\\", "\x00", "\n\n", "data: x", "é\u2028😀"]
)
def test_any_text_is_told_as_its_chunk_says(text):
    start = wire.decode_event(
        b'{"type":"message_start","message":{"id":"msg_1","type":"message","role":'
        b'"assistant","model":"m","content":[],"usage":{}}}'
    )
    block = anthropic.ContentBlockStart(0, anthropic.AnswerText(""))
    events = [
        start,
        block,
        anthropic.ContentBlockDelta(0, anthropic.TextDelta(text)),
        anthropic.ContentBlockDelta(9, anthropic.TextDelta(text)),  # of no block
    ]
    assert frames.Frames(chunks()).feed(events) == long_way(events)
