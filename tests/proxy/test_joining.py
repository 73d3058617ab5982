"""proxy.joining: what becomes of a call whose client may leave, and which requests are equal."""

import itertools
import json

import pytest

from proxy.joining import Event, State, after, data_of, name_of
from proxy.schema import chat_request

CHANGES = {
    # (state, event): what comes of it where there is room, and where there is none
    (State.ASKED, Event.LEFT): (State.HELD, State.OVER),
    (State.ASKED, Event.ANSWER): (State.OVER, State.OVER),
    (State.ASKED, Event.ERROR): (State.OVER, State.OVER),
    (State.HELD, Event.JOIN): (State.JOINED, State.JOINED),
    (State.HELD, Event.ANSWER): (State.KEPT, State.OVER),
    (State.HELD, Event.ERROR): (State.OVER, State.OVER),
    (State.HELD, Event.GRACE_OVER): (State.OVER, State.OVER),
    (State.HELD, Event.SLOT_WANTED): (State.OVER, State.OVER),
    (State.HELD, Event.DRAIN): (State.OVER, State.OVER),
    (State.JOINED, Event.LEFT): (State.HELD, State.OVER),
    (State.JOINED, Event.ANSWER): (State.READY, State.READY),
    (State.JOINED, Event.ERROR): (State.READY, State.READY),
    (State.READY, Event.LEFT): (State.KEPT, State.OVER),
    (State.READY, Event.TAKEN): (State.OVER, State.OVER),
    (State.KEPT, Event.JOIN): (State.READY, State.READY),
    (State.KEPT, Event.GRACE_OVER): (State.OVER, State.OVER),
    (State.KEPT, Event.DRAIN): (State.OVER, State.OVER),
}


@pytest.mark.parametrize(("state", "event"), [*itertools.product(State, Event)])
def test_what_an_event_makes_of_a_call(state, event):
    """What is not in the table changes nothing: it comes too late, or does not matter."""
    room, no_room = CHANGES.get((state, event), (state, state))
    assert after(state, event) is room
    assert after(state, event, room=False) is no_room


BODY = b'{"model": "m", "messages": [{"role": "user", "content": "\xc3\xa4"}], "n": 1}'

EQUAL = {
    "spaces": BODY.replace(b" ", b""),
    "the order of keys": (
        b'{"n":1,"messages":[{"content":"\xc3\xa4","role":"user"}],"model":"m"}'
    ),
    "escapes": BODY.replace(b"\xc3\xa4", b"\\u00e4"),
    "unknown fields": BODY.replace(b"{", b'{"unknown": 1, ', 1),
    "nulls": BODY.replace(b"{", b'{"temperature": null, ', 1),
    "names of messages": BODY.replace(b'"role"', b'"name": "bob", "role"'),
}
OTHER = {
    "another value": BODY.replace(b"1", b"2"),
    "another tool": BODY.replace(
        b"{", b'{"tools": [{"type": "function", "function": {"name": "f"}}], ', 1
    ),
    "another word": BODY.replace(b"\xc3\xa4", b"a"),
    "one more key": BODY.replace(b"{", b'{"stream": false, ', 1),
    "another order of messages": json.dumps(
        {"model": "m", "messages": [{"role": "user"}, {"role": "system"}], "n": 1}
    ).encode(),
}
PATH = ("chat", "/v1/chat/completions")


def name(body, path=PATH):
    """The name that the chat API gives a request."""
    return name_of(path, chat_request.DECODER.decode(body))


@pytest.mark.parametrize("what", EQUAL)
def test_requests_are_equal_whatever_their(what):
    assert name(EQUAL[what]) == name(BODY)


@pytest.mark.parametrize("what", OTHER)
def test_requests_differ_by(what):
    assert name(OTHER[what]) != name(BODY)


def test_requests_differ_by_what_counts_beside_the_body():
    names = {name(BODY, one) for one in (PATH, ("chat", "/v1"), ("messages", "/v1"))}
    assert len(names) == 3
    assert name(BODY, ("ab", "c")) != name(BODY, ("a", "bc"))


SENT = b'{"model": "m", "input": [{"role": "user", "content": "\xc3\xa4"}]}'


def test_spaces_and_the_order_of_keys_do_not_count_in_what_is_read_for_this_alone():
    other = b'{"input":[{"content":"\\u00e4","role":"user"}],"model":"m"}'
    assert name_of(PATH, data_of(other)) == name_of(PATH, data_of(SENT))
    assert name_of(PATH, data_of(other.replace(b"m", b"n"))) != name_of(
        PATH, data_of(SENT)
    )


def test_whole_numbers_of_any_size_count():
    one, other = (b'{"a": {"b": %d}}' % (10**40 + more) for more in (0, 1))
    assert name_of(PATH, data_of(one)) == name_of(PATH, data_of(one + b" "))
    assert name_of(PATH, data_of(one)) != name_of(PATH, data_of(other))


@pytest.mark.parametrize(
    "body",
    [b'{"a": "\\ud800"}', b'{"a": 1e999}', b"[" * 5000 + b"]" * 5000],
    ids=["half a character", "a number beyond floats", "nested deeply"],
)
def test_what_cannot_be_read_is_compared_as_it_came(body):
    assert name_of(PATH, data_of(body)) == name_of(PATH, data_of(body))
    assert name_of(PATH, data_of(body)) != name_of(PATH, data_of(body + b" "))
