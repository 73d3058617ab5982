"""proxy.sse: payloads out of a byte stream, however it is written and cut."""

import pytest

from proxy import sse


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
        ([b": a comment\n\n"], []),
        ([b"data: never ends"], []),
    ],
    ids=[
        "an event", "two at once", "CRLF", "CR", "CRLF in pieces", "CR in pieces",
        "an empty piece between CR and LF", "... and a line after it", "two data lines",
        "another field", "a comment", "no end",
    ],
)  # fmt: skip
def test_an_event_is_its_data_lines(pieces: list[bytes], payloads: list[bytes]) -> None:
    decoder = sse.Decoder()

    assert [one for piece in pieces for one in decoder.feed(piece)] == payloads


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
