"""proxy.relay.fold: a stream's events as the Message that Anthropic would have sent."""

import itertools
import json
from typing import Any

import pytest
from anthropic.lib.streaming import _messages
from hypothesis import given
from hypothesis import strategies as st

from memory import kept_by
from proxy import errors
from proxy.relay import fold
from proxy.translate import whole

Event = dict[str, Any]

HEAD = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 8},
}


def wire(event: Event) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def folded(events: list[Event]) -> dict[str, Any]:
    one = fold.Fold()
    for event in events:
        one.feed(wire(event))
    return json.loads(one.message())


def message(
    *blocks: list[Event], end: Event | None = None, **head: object
) -> list[Event]:
    """The events of a message with these blocks, each given as its start and deltas."""
    events: list[Event] = [{"type": "message_start", "message": HEAD | head}]
    for index, (start, *deltas) in enumerate(blocks):
        events.append(
            {"type": "content_block_start", "index": index, "content_block": start}
        )
        events += [
            {"type": "content_block_delta", "index": index, "delta": delta}
            for delta in deltas
        ]
        events.append({"type": "content_block_stop", "index": index})
    ended = {"delta": {"stop_reason": "end_turn", "stop_sequence": None},
             "usage": {"output_tokens": 9}}  # fmt: skip
    return [*events, {"type": "message_delta", **ended, **(end or {})},
            {"type": "message_stop"}]  # fmt: skip


def content(*blocks: list[Event]) -> list[Event]:
    return folded(message(*blocks))["content"]


TEXT = {"type": "text", "text": ""}


@pytest.mark.parametrize(
    ("start", "deltas", "expected"),
    [
        (TEXT, [{"type": "text_delta", "text": "Gr\u00fc"},
                {"type": "text_delta", "text": "\u00dfe"}],
         {"type": "text", "text": "Gr\u00fc\u00dfe"}),
        (TEXT | {"text": "A"}, [], {"type": "text", "text": "A"}),
        (TEXT | {"text": "A"}, [{"type": "text_delta", "text": "B"}],
         {"type": "text", "text": "AB"}),
        (TEXT | {"citations": None},
         [{"type": "citations_delta", "citation": {"url": "u", "new": 1}},
          {"type": "text_delta", "text": "A"},
          {"type": "citations_delta", "citation": {"url": "v"}}],
         {"type": "text", "text": "A", "citations": [{"url": "u", "new": 1},
                                                     {"url": "v"}]}),
        (TEXT | {"citations": [{"url": "u"}]},
         [{"type": "citations_delta", "citation": {"url": "v"}}],
         {"type": "text", "text": "", "citations": [{"url": "u"}, {"url": "v"}]}),
        ({"type": "thinking", "thinking": "", "signature": ""},
         [{"type": "thinking_delta", "thinking": "Hm"},
          {"type": "thinking_delta", "thinking": "m"},
          {"type": "signature_delta", "signature": "c2ln"}],
         {"type": "thinking", "thinking": "Hmm", "signature": "c2ln"}),
        ({"type": "redacted_thinking", "data": "ZGF0YQ"}, [],
         {"type": "redacted_thinking", "data": "ZGF0YQ"}),
        ({"type": "tool_use", "id": "t", "name": "n", "input": {}, "caller": {"type": "d"}},
         [{"type": "input_json_delta", "partial_json": ""},
          {"type": "input_json_delta", "partial_json": '{"a": 1.0, "b'},
          {"type": "input_json_delta", "partial_json": '": [] }'}],
         {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1.0, "b": []},
          "caller": {"type": "d"}}),
        ({"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}},
         [{"type": "input_json_delta", "partial_json": ""}],
         {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}}),
        ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
         [{"type": "input_json_delta", "partial_json": '{"query": "x"}'}],
         {"type": "server_tool_use", "id": "s", "name": "web_search",
          "input": {"query": "x"}}),
        ({"type": "web_search_tool_result", "content": [{"encrypted_content": "e"}]}, [],
         {"type": "web_search_tool_result", "content": [{"encrypted_content": "e"}]}),
        ({"type": "compaction", "content": None},
         [{"type": "compaction_delta", "content": "Sum", "encrypted_content": "e"}],
         {"type": "compaction", "content": "Sum", "encrypted_content": "e"}),
        ({"type": "of_tomorrow", "n": [1], "said": None},
         [{"type": "tomorrows_delta", "said": "a", "n": 7},
          {"type": "tomorrows_delta", "said": "b", "more": {"x": None}}],
         {"type": "of_tomorrow", "n": 7, "said": "ab", "more": {"x": None}}),
        (TEXT | {"text": 7, "citations": 7},
         [{"type": "text_delta", "text": "A"},
          {"type": "citations_delta", "citation": {"url": "u"}},
          {"type": "input_json_delta", "partial_json": None}],
         {"type": "text", "text": "A", "citations": [{"url": "u"}]}),
        (TEXT, [{"type": "tomorrows_delta", "aside": "x"},
                {"type": "text_delta", "text": "A"}],
         {"type": "text", "text": "A", "aside": "x"}),
    ],
)  # fmt: skip
def test_a_block_is_what_its_start_and_deltas_add_up_to(
    start: Event, deltas: list[Event], expected: Event
) -> None:
    assert content([start, *deltas]) == [expected]


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ('{"city": "Paris", "days": [1, 2', {"city": "Paris", "days": [1, 2]}),
        ('{"city": "Par', {}),
        ("{", {}),
        ("no JSON", {}),
    ],
)
def test_arguments_that_were_cut_short_are_given_as_far_as_they_make_sense(
    cut: str, expected: Event
) -> None:
    use = {"type": "tool_use", "id": "t", "name": "n", "input": {}}

    end = {"delta": {"stop_reason": "max_tokens", "stop_sequence": None}}
    pieces = [use, {"type": "input_json_delta", "partial_json": cut}]

    (block,) = folded(message(pieces, end=end))["content"]

    assert block["input"] == expected


@pytest.mark.parametrize("reason", ["tool_use", "end_turn"])
@pytest.mark.parametrize(
    "text", ['{"a": \\d}', '{"a": 1', '{"a": 1} {"b": 2}', '{"a": NaN}', "no JSON"]
)
def test_arguments_that_are_no_json_though_nothing_cut_them_are_no_message(
    text: str, reason: str
) -> None:
    use = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    pieces = [use, {"type": "input_json_delta", "partial_json": text}]

    with pytest.raises(errors.UpstreamError, match="not valid JSON") as raised:
        folded(message(pieces, end={"delta": {"stop_reason": reason}}))

    assert (raised.value.status, raised.value.code) == (502, "stream_incomplete")


@pytest.mark.parametrize(
    "text",
    [r'{"a": "half \ud83d of a pair"}', '{"a": 1e400}', f'{{"a": {"9" * 5000}}}'],
)
def test_arguments_that_some_parsers_refuse_are_as_they_were_written(text: str) -> None:
    use = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    one = fold.Fold()

    for event in message([use, {"type": "input_json_delta", "partial_json": text}]):
        one.feed(wire(event))

    assert f'"input":{text}'.encode() in one.message()


def test_white_space_is_no_arguments() -> None:
    use = {"type": "tool_use", "id": "t", "name": "n", "input": {}}

    (block,) = content([use, {"type": "input_json_delta", "partial_json": " \n"}])

    assert block["input"] == {}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "content_block_delta", "index": 7,
         "delta": {"type": "text_delta", "text": "lost"}},
        {"type": "content_block_delta", "index": "0",
         "delta": {"type": "text_delta", "text": "lost"}},
        {"type": "content_block_start", "index": "x", "content_block": {"type": "text"}},
    ],
)  # fmt: skip
def test_content_that_belongs_nowhere_is_no_whole_message(event: Event) -> None:
    events = message([TEXT, {"type": "text_delta", "text": "A"}])

    with pytest.raises(errors.UpstreamError, match="content"):
        folded([*events[:3], event, *events[3:]])


def test_arguments_keep_their_numbers_as_they_were_written() -> None:
    use = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    one = fold.Fold()
    written = '{"a": 1.50e300, "b": 123456789012345678901234567890}'

    for event in message([use, {"type": "input_json_delta", "partial_json": written}]):
        one.feed(wire(event))

    assert f'"input":{written}'.encode() in one.message()


def test_what_the_end_reports_replaces_what_the_start_did_and_null_says_nothing() -> (
    None
):
    told = folded(
        message(
            [TEXT],
            end={
                "delta": {
                    "stop_reason": "stop_sequence",
                    "stop_sequence": "X",
                    "container": {"id": "c"},
                    "of_tomorrow": 1,
                },
                "usage": {
                    "output_tokens": 9,
                    "cache_read_input_tokens": None,
                    "iterations": [{"input_tokens": 3}],
                },
                "context_management": {"applied_edits": []},
            },
            input_transformations=[{"type": "thinking_dropped"}],
        )
    )

    assert told["stop_reason"] == "stop_sequence"
    assert told["stop_sequence"] == "X"
    assert told["container"] == {"id": "c"}
    assert told["of_tomorrow"] == 1
    assert told["context_management"] == {"applied_edits": []}
    assert told["input_transformations"] == [{"type": "thinking_dropped"}]
    assert told["usage"] == {
        "input_tokens": 3,
        "output_tokens": 9,
        "cache_read_input_tokens": 8,
        "iterations": [{"input_tokens": 3}],
    }
    assert "type" in told
    assert told["type"] == "message"


@pytest.mark.parametrize(
    ("start", "kind", "field"),
    [
        ({"type": "text", "text": ""}, "text_delta", "text"),
        ({"type": "tool_use", "id": "t", "name": "f", "input": {}},
         "input_json_delta", "partial_json"),
    ],
    ids=["text", "arguments"],
)  # fmt: skip
def test_very_many_pieces_take_little_more_than_what_they_add_up_to(
    start: Event, kind: str, field: str
) -> None:
    pieces = [f"{n:019} " for n in range(5000)]
    whole = message([start, *({"type": kind, field: p} for p in pieces)])
    first, *deltas = map(wire, whole[1:-3])  # the block, without its end
    one = fold.Fold()
    one.feed(first)

    def feed() -> None:
        for delta in deltas:
            one.feed(delta)

    written = len("".join(pieces))
    assert written < kept_by(feed) < 2 * written


def test_blocks_that_interleave_do_not_mix() -> None:
    events = message([TEXT], [TEXT])
    starts = [one for one in events if one["type"] == "content_block_start"]
    pieces = [
        {"type": "content_block_delta", "index": index,
         "delta": {"type": "text_delta", "text": text}}
        for index, text in ((0, "a"), (1, "x"), (0, "b"), (1, "y"))
    ]  # fmt: skip

    told = folded([events[0], *starts, *pieces, *events[-2:]])

    assert [block["text"] for block in told["content"]] == ["ab", "xy"]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "ping"},
        {"type": "of_tomorrow", "message": "of another shape"},
        {"type": "message_delta", "delta": {}, "usage": "none"},
        {"type": "message_delta", "delta": {}},
    ],
)
def test_an_event_that_says_nothing_changes_nothing(event: Event) -> None:
    events = message([TEXT, {"type": "text_delta", "text": "A"}])

    assert folded([*events[:3], event, *events[3:]]) == folded(events)


def test_a_start_without_usage_is_a_start() -> None:
    told = folded(message([TEXT], usage=None))

    assert told["usage"] == {"output_tokens": 9}


WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [
        {"type": "text", "text": "A", "citations": None},
        {"type": "of_tomorrow", "x": {"y": 1.0}},
        {"type": "tool_use", "id": "t", "name": "n", "input": {"a": [1]}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "container": {"id": "c"},
    "usage": {"input_tokens": 3, "output_tokens": 9, "iterations": []},
    "of_tomorrow": True,
}


def test_a_message_that_a_gateway_sent_whole_comes_out_as_it_went_in() -> None:
    payloads = whole.to_payloads(json.dumps(WHOLE).encode())

    assert folded([json.loads(one) for one in payloads]) == WHOLE


words = st.text(max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | words,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2)
    ),
    max_leaves=4,
)


def _pieces(text: str, cuts: list[int]) -> list[str]:
    at = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(at)]


@st.composite
def blocks(draw: st.DrawFn) -> tuple[list[Event], Event]:
    """A block in pieces, and the same block whole."""
    cuts = draw(st.lists(st.integers(0, 50), max_size=3))
    kind = draw(st.sampled_from(["text", "thinking", "tool_use"]))
    if kind == "tool_use":
        given = draw(st.dictionaries(words, values, max_size=3))
        start = {"type": kind, "id": draw(words), "name": "n", "input": {}}
        pieces = _pieces(json.dumps(given), cuts)
        deltas = [{"type": "input_json_delta", "partial_json": p} for p in pieces]
        return [start, *deltas], start | {"input": given}
    text = draw(words)
    pieces = _pieces(text, cuts)
    start = {"type": kind, kind: ""}
    return [start, *({"type": f"{kind}_delta", kind: p} for p in pieces)], {
        "type": kind,
        kind: text,
    }


@given(st.lists(blocks(), max_size=4))
def test_however_blocks_are_cut_they_fold_to_the_same_and_to_what_the_sdk_folds(
    given: list[tuple[list[Event], Event]],
) -> None:
    events = message(*(pieces for pieces, _ in given))

    told = folded(events)

    assert told["content"] == [block for _, block in given]
    snapshot, buffers = None, {}
    for event in events:
        snapshot = _messages.accumulate_event(
            event=event, current_snapshot=snapshot, json_bufs=buffers
        )
    assert [block.to_dict() for block in snapshot.content] == told["content"]
