"""proxy.sse: payloads out of a byte stream, however it is written and cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy import sse

DELTA = b"event: content_block_delta\ndata: "


@pytest.mark.parametrize(
    ("pieces", "payloads"),
    [
        ([b"event: a\ndata: 1\n\n"], [b"1"]),
        ([b"data: 1\n\ndata: 2\n\n"], [b"1", b"2"]),
        ([b"data: 1\r\n\r\n"], [b"1"]),
        ([b"data: 1\r\r"], [b"1"]),
        ([b"data: 1\r", b"\n\r", b"\n"], [b"1"]),
        ([b"data: 1\r", b"data: 2\n\n"], [b"1\n2"]),
        ([b"data: 1\r", b"", b"\n\n"], [b"1"]),
        ([b"data: 1\r", b"", b"\n", b"data: 2\n\n"], [b"1\n2"]),
        ([b"data:1\ndata: 2\n\n"], [b"1\n2"]),
        ([b"event: a\nid: 7\ndata: 1\n\n"], [b"1"]),
        ([b"event: a\ndata: 1\nid: 7\n\n"], [b"1"]),
        ([b"data: 1\nevent: a\n\n"], [b"1"]),
        ([b"event: a\n\nevent: b\ndata: 1\n\n"], [b"1"]),
        ([b'event: a\ndata: "data: 1"\n\n'], [b'"data: 1"']),
        ([b": a comment\n\n"], []),
        ([b"data: never ends"], []),
        ([DELTA + b"1\n\n"], [b"1"]),
        ([DELTA + b"1\n\n" + DELTA + b"2\n\n" + DELTA + b"3"], [b"1", b"2"]),
        ([DELTA + b"1\n\n" + DELTA, b"2\n\n"], [b"1", b"2"]),
        ([DELTA + b"1\n\n" + DELTA + b"2\ndata: 3\n\n"], [b"1", b"2\n3"]),
        ([DELTA + b"1\n\nevent: ping\ndata: 2\n\n"], [b"1", b"2"]),
        ([DELTA + b"\n\n" + DELTA + b"1\n\n\n"], [b"1"]),
    ],
    ids=[
        "an event", "two at once", "CRLF", "CR", "CRLF in pieces", "CR in pieces",
        "an empty piece between CR and LF", "... and a line after it", "two data lines",
        "another field", "another field behind it", "the event's name behind it",
        "an event without data", "data within data", "a comment", "no end",
        "a delta", "deltas", "deltas in pieces", "a delta of two lines",
        "a delta and another event", "an empty delta and a blank line",
    ],
)  # fmt: skip
def test_an_event_is_its_data_lines(pieces: list[bytes], payloads: list[bytes]) -> None:
    decoder = sse.Decoder()

    assert [one for piece in pieces for one in decoder.feed(piece)] == payloads


LINES = st.sampled_from(
    [
        b"event: a",
        b"event: content_block_delta",
        b"data: 1",
        b"data:2",
        b"data: ",
        b": c",
        b"id: 3",
        b"",
        b"",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=20))
def test_events_that_arrive_together_are_read_as_those_that_arrive_alone(
    lines: list[bytes],
) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    together, alone = sse.Decoder(), sse.Decoder()

    one_by_one = [one for byte in whole for one in alone.feed(bytes([byte]))]

    assert together.feed(whole) == one_by_one


def test_an_event_that_does_not_end_is_given_up() -> None:
    decoder = sse.Decoder()
    decoder.feed(b"data: ")

    with pytest.raises(sse.EventTooLargeError):
        decoder.feed(b"x" * sse.MAX_EVENT)


def test_an_event_is_one_line_for_whoever_splits_text() -> None:
    text = "a\u2028b\u2029c\u0085d\u2019e"

    event = sse.one_line_each(sse.encode(f'"{text}"'.encode()))

    assert event == b'data: "a\\u2028b\\u2029c\\u0085d\xe2\x80\x99e"\n\n'


def test_an_event_may_come_in_any_number_of_parts() -> None:
    """Two hundred thousand: copying what is there for each of them is 20 GB."""
    decoder = sse.Decoder()
    payload = b"x" * 200_000
    for byte in b"data: " + payload + b"\n":
        assert decoder.feed(bytes([byte])) == []

    assert decoder.feed(b"\n") == [payload]


def test_a_blank_line_may_be_cut_in_two() -> None:
    decoder = sse.Decoder()

    assert decoder.feed(b"data: 1\n") == []
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\ndata: 2\n\ndata") == [b"1", b"2"]
    assert decoder.feed(b": 3\n\n") == [b"3"]


# ------------------------------------------------------------------ as they came

ONE = b"event: a\ndata: 1\n\n"
TWO = b"id: 7\ndata: 2\nretry: 3\n\n"
COMMENT = b": nothing\n\n"


def test_the_events_of_a_read_are_kept_as_they_came() -> None:
    decoder = sse.Decoder()

    assert decoder.feed(ONE[:7]) == []
    assert decoder.raw == b""
    assert decoder.feed(ONE[7:9]) == []
    assert decoder.raw == b""
    assert decoder.feed(ONE[9:] + COMMENT + TWO[:5]) == [b"1"]
    assert decoder.raw == ONE + COMMENT
    assert decoder.feed(TWO[5:]) == [b"2"]
    assert decoder.raw == TWO


def test_line_ends_of_a_middlebox_become_those_of_anthropic() -> None:
    decoder = sse.Decoder()

    decoder.feed(ONE.replace(b"\n", b"\r\n"))

    assert decoder.raw == ONE


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, b""), (1, COMMENT + ONE), (2, COMMENT + ONE + COMMENT + TWO)],
)
def test_the_first_of_some_events_are_cut_off_behind_them(
    count: int, expected: bytes
) -> None:
    events = COMMENT + ONE + COMMENT + TWO + COMMENT

    assert sse.first(events, count) == expected


def test_an_event_with_a_name_is_read_again() -> None:
    event = sse.encode_named("ping", b'{"type":"ping"}')

    assert event == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert sse.Decoder().feed(event) == [b'{"type":"ping"}']
