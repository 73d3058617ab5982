"""proxy.sse: an event stream's payloads, however its bytes arrive."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy import sse


def payloads(*reads):
    decoder = sse.Decoder()
    return [payload for data in reads for payload in decoder.feed(data)]


STREAMS = {
    "as Anthropic sends them": (b'event: a\ndata: {"x":1}\n\nevent: b\ndata: {}\n\n', [b'{"x":1}', b"{}"]),
    "data alone": (b"data: 1\n\ndata: 2\n\n", [b"1", b"2"]),
    "two data lines": (b"event: a\ndata: 1\ndata: 2\n\n", [b"1\n2"]),
    "two data lines and no event": (b"data: 1\ndata: 2\n\n", [b"1\n2"]),
    "data before the event's name": (b"data: 1\nevent: a\n\n", [b"1"]),
    "no space": (b"event: a\ndata:1\n\n", [b"1"]),
    "a line without a space before one with": (b"data:1\ndata: 2\n\n", [b"1\n2"]),
    "a field behind the data": (b"event: a\ndata: 1\nid: 3\n\n", [b"1"]),
    "a comment": (b": ping\n\nevent: a\ndata: 1\n\n", [b"1"]),
    "no data": (b"event: a\n\nevent: b\ndata: 1\n\n", [b"1"]),
    "an unfinished event": (b"event: a\ndata: 1\n\nevent: b\ndata: 2\n", [b"1"]),
    "data within data": (b'event: a\ndata: "data: 1"\n\n', [b'"data: 1"']),
    "CRLF": (b"event: a\r\ndata: 1\r\n\r\n", [b"1"]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), STREAMS.values(), ids=STREAMS)
def test_the_payloads_are_the_joined_data_lines(data, expected):
    assert payloads(data) == expected


LINES = st.sampled_from(
    [b"event: a", b"data: 1", b"data:2", b"data: ", b": c", b"id: 3", b"", b""]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=20))
def test_events_that_arrive_together_are_read_as_those_that_arrive_alone(lines):
    whole = b"".join(line + b"\n" for line in lines)
    assert payloads(whole) == payloads(*(bytes([byte]) for byte in whole))
