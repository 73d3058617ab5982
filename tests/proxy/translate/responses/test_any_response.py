"""Any message of Anthropic's: what every reader of a response may rely on."""

import json

import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors, sse
from proxy.schema import messages_decoding
from proxy.translate import finish
from responses_translation import (
    encoder,
    last,
    plain,
    read,
    told,
    with_compact_arguments,
)
from upstream_blocks import (
    PING,
    call,
    citation,
    compaction,
    delta,
    end,
    found,
    head,
    message,
    redacted,
    search,
    start,
    stop,
    text,
    thinking,
)

# ------------------------------------------------------------------ messages

WORDS = st.text(max_size=12)
REASONS = st.sampled_from(
    ["end_turn", "tool_use", "pause_turn", "max_tokens", "refusal", None, "new"]
)
CUT_INPUT = '{"input": "cut'
ARGUMENTS = st.one_of(
    st.dictionaries(st.sampled_from(["input", "a", "commands"]), WORDS | st.integers())
    .map(json.dumps),
    st.sampled_from(["", " ", "null", "{}", CUT_INPUT, '{"a": ', "[]"]),
)  # fmt: skip


@st.composite
def pieces(draw: st.DrawFn, whole: st.SearchStrategy[str]) -> list[str]:
    value = draw(whole)
    cuts = sorted(draw(st.lists(st.integers(0, len(value)), max_size=4)))
    return [value[a:b] for a, b in zip([0, *cuts], [*cuts, len(value)], strict=True)]


def split(make, whole, **more):
    return st.builds(
        lambda parts, given: make(*parts, **given),
        pieces(whole),
        st.fixed_dictionaries(more),
    )


IDS = st.sampled_from(["srvtoolu_1", "srvtoolu_2"])
NAMES = st.sampled_from(["f", "exec", "js__run", "shell", "apply_patch", "tool_search"])
BLOCK = st.one_of(
    split(text, WORDS, citations=st.lists(st.just(citation()), max_size=1)),
    split(thinking, WORDS, signature=st.sampled_from(["c2ln", ""])),
    st.just(redacted()),
    st.builds(lambda name, parts: call(name, *parts), NAMES, pieces(ARGUMENTS)),
    st.builds(
        lambda use_id, name, parts: search(*parts, use_id=use_id, name=name),
        IDS, st.sampled_from(["web_search", "web_fetch"]), pieces(ARGUMENTS),
    ),
    st.builds(
        lambda use_id, content: found("https://a.example/", use_id=use_id, content=content),
        IDS, st.sampled_from([None, {"type": "web_search_tool_result_error"}]),
    ),
    st.builds(compaction, st.sampled_from(["All.", None])),
    st.just(({"type": "hologram"}, [{"type": "hologram_delta"}])),
)  # fmt: skip


def numbered(blocks):
    """Calls have ids of their own, as Anthropic gives them."""
    return [
        (
            {**begun, "id": f"toolu_{i}"} if begun["type"] == "tool_use" else begun,
            deltas,
        )
        for i, (begun, deltas) in enumerate(blocks)
    ]


def searches_are_whole(blocks) -> bool:
    """Only the last block of a turn is ever cut."""
    return all(
        is_json("".join(one["partial_json"] for one in deltas) or "{}")
        for begun, deltas in blocks
        if begun["type"] == "server_tool_use"
    )


def inputs_end(blocks, reason: str | None = None) -> bool:
    """Of a custom tool's call that ends in the middle of its input nothing is made."""
    before = blocks[:-1] if reason in finish.CUT else blocks
    return not any(
        begun.get("name") in {"exec", "js__run"}
        and "".join(one["partial_json"] for one in deltas) == CUT_INPUT
        for begun, deltas in before
    )


def is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


BLOCKS = st.lists(BLOCK, max_size=6).map(numbered)


@st.composite
def interleaved(draw: st.DrawFn) -> list[dict]:
    """Blocks whose events come in any order that keeps each block's own."""
    queues = [
        [start(i, begun), *[delta(i, one) for one in deltas], stop(i)]
        for i, (begun, deltas) in enumerate(
            draw(BLOCKS.filter(searches_are_whole).filter(inputs_end))
        )
    ]
    events = [head()]
    while queues := [queue for queue in queues if queue]:
        events.append(draw(st.sampled_from(queues)).pop(0))
        events += draw(st.sampled_from([[], [], [], [PING], [{"type": "new"}]]))
    return [*events, *end(draw(REASONS))]


TURNS = st.tuples(BLOCKS, REASONS).filter(lambda turn: inputs_end(*turn))
STREAM = TURNS.map(lambda turn: message(*turn[0], reason=turn[1]))

# ------------------------------------------------------------------ what holds


@given(STREAM)
def test_a_stream_ends_with_the_plain_response(events: list[dict]) -> None:
    check_equal(events)


@given(interleaved())
def test_interleaved_blocks_end_with_the_plain_response(events: list[dict]) -> None:
    check_equal(events)


def check_equal(events: list[dict]) -> None:
    streamed = last(told(events))
    output = [with_compact_arguments(item) for item in streamed["output"]]

    assert {**streamed, "output": output} == plain(events)


@given(STREAM | interleaved())
def test_every_reader_can_follow_a_stream(events: list[dict]) -> None:
    check_readable(told(events))


@given(STREAM | interleaved())
def test_how_much_is_read_at_once_changes_nothing(events: list[dict]) -> None:
    assert told(events, batches=True) == told(events)


@given(TURNS)
def test_however_deltas_are_split_the_items_are_the_same(
    turn: tuple[list, str | None],
) -> None:
    blocks, reason = turn
    whole = last(told(message(*blocks, reason=reason)))
    split_up = [(begun, [half for one in deltas for half in halves(one)])
                for begun, deltas in blocks]  # fmt: skip

    assert last(told(message(*split_up, reason=reason))) == whole


def halves(one: dict) -> list[dict]:
    for key in ("text", "thinking", "partial_json"):
        if said := one.get(key):
            return [{**one, key: half} for half in (*said, "")]
    return [one]


@given(STREAM, st.data())
def test_a_stream_that_is_cut_at_any_byte_completes_nothing(
    events: list[dict], data: st.DataObject
) -> None:
    wire = b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in events)
    cut = data.draw(st.integers(0, len(wire) - 1))
    completed = {
        json.dumps(item) for item in last(told(events))["output"]
        if item.get("status") == "completed"
    }  # fmt: skip
    encoding = encoder()
    arrived = sse.Decoder().feed(wire[:cut])
    hypothesis.event("with blocks" if len(arrived) > 1 else "without blocks")
    begun = encoding.feed([messages_decoding.decode_event(one) for one in arrived])

    seen = read(begun + encoding.broken(errors.internal()))

    names = [one["type"] for one in seen]
    assert names[-2:] == ["error", "response.failed"]
    assert ENDS.isdisjoint(names)
    ended = [one for one in seen if one["type"] == "response.output_item.done"]
    ended.sort(key=lambda one: one["output_index"])  # a search ends with its result
    done = [one["item"] for one in ended]
    assert seen[-1]["response"]["output"] == done
    calls = [item for item in done if item["type"].endswith("_call")]
    assert {
        json.dumps(item) for item in calls if item["status"] == "completed"
    } <= completed


ENDS = {"response.completed", "response.incomplete"}


def check_readable(events: list) -> None:
    """What openai-python's accumulator and other readers count on."""
    *named, done = events
    assert done == "[DONE]"
    assert [one["type"] for one in named[:2]] == [
        "response.created", "response.in_progress",
    ]  # fmt: skip
    assert named[-1]["type"] in ENDS
    assert [one["sequence_number"] for one in named] == [*range(len(named))]
    response = named[-1]["response"]
    assert {one["response"]["id"] for one in (*named[:2], named[-1])} == {
        response["id"]
    }
    opened: dict[int, dict] = {}
    told_whole: dict[int, dict] = {}
    for one in named[2:-1]:
        if one["type"] == "keepalive":
            continue
        index = one["output_index"]
        if one["type"] == "response.output_item.added":
            assert index == len(opened)
            opened[index] = one["item"]
            continue
        assert one.get("item_id", opened[index]["id"]) == opened[index]["id"]
        assert index not in told_whole
        if one["type"] == "response.output_item.done":
            told_whole[index] = one["item"]
            assert identity(one["item"]) == identity(opened[index])
    for index, item in enumerate(response["output"]):
        assert identity(item) == identity(opened[index])
    unfinished = [response["output"][i] for i in opened if i not in told_whole]
    assert all(is_cut_call(item) for item in unfinished)
    assert len(unfinished) <= (response["status"] == "incomplete")
    assert [item for item in response["output"] if item not in unfinished] == [
        told_whole[index] for index in sorted(told_whole)
    ]
    for index, item in told_whole.items():
        check_deltas(item, [one for one in named if one.get("output_index") == index])


def identity(item: dict) -> tuple:
    return item["type"], item["id"], item.get("call_id")


def is_cut_call(item: dict) -> bool:
    return "call_id" in item and item["status"] == "incomplete"


def check_deltas(item: dict, events: list[dict]) -> None:
    """What the deltas add up to is what the item says; none of them is empty."""
    deltas = [one for one in events if one["type"].endswith(".delta")]
    assert all(one["delta"] for one in deltas)
    in_order = sorted(deltas, key=lambda one: one.get("content_index", 0))
    said = "".join(one["delta"] for one in in_order)
    match item["type"]:
        case "message":
            key = {"output_text": "text", "refusal": "refusal"}
            assert said == "".join(part[key[part["type"]]] for part in item["content"])
            parts = [one["part"] for one in events
                     if one["type"] == "response.content_part.done"]  # fmt: skip
            by_index = [one["content_index"] for one in events
                        if one["type"] == "response.content_part.added"]  # fmt: skip
            assert sorted(parts, key=str) == sorted(item["content"], key=str)
            assert by_index == [*range(len(item["content"]))]
        case "reasoning":
            assert said == "".join(part["text"] for part in item["summary"])
        case "function_call":
            assert said == item["arguments"]
        case "custom_tool_call":
            assert said == item["input"]
        case _:
            assert not deltas
