"""A message as the events of a response: r8 and r9, to the letter."""

import json

import pytest

from proxy import errors
from proxy.schema import messages_response
from proxy.translate.responses import context
from responses_translation import encoder, last, read, told, types
from upstream_blocks import (
    PING,
    as_data,
    call,
    citation,
    compaction,
    decoded,
    delta,
    end,
    events_of_blocks,
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

BEGUN = ["response.created", "response.in_progress"]
ADDED, DONE = "response.output_item.added", "response.output_item.done"
PART_ADDED, PART_DONE = "response.content_part.added", "response.content_part.done"
TEXT_DELTA, TEXT_DONE = "response.output_text.delta", "response.output_text.done"
ANNOTATION = "response.output_text.annotation.added"
SUMMARY = "response.reasoning_summary_"
SUMMARY_ADDED, SUMMARY_DONE = f"{SUMMARY}part.added", f"{SUMMARY}part.done"
SUMMARY_DELTA, SUMMARY_TEXT_DONE = f"{SUMMARY}text.delta", f"{SUMMARY}text.done"
ARGUMENTS_DELTA = "response.function_call_arguments.delta"
ARGUMENTS_DONE = "response.function_call_arguments.done"
CUSTOM_DELTA = "response.custom_tool_call_input.delta"
CUSTOM_DONE = "response.custom_tool_call_input.done"
SEARCH = "response.web_search_call."
COMPLETED = ["response.completed", "[DONE]"]
INCOMPLETE = ["response.incomplete", "[DONE]"]


def inside(events: list) -> list:
    """The events between the beginning and the end."""
    assert types(events)[:2] == BEGUN
    assert events[-1] == "[DONE]"
    return events[2:-2]


def deltas(events: list) -> list[str]:
    return [one["delta"] for one in events[:-1] if one["type"].endswith(".delta")]


def named(events: list, name: str) -> list[dict]:
    return [event for event in events if event != "[DONE]" and event["type"] == name]


def place(event: dict) -> tuple:
    return event["item_id"], event["output_index"], event.get("content_index")


# ------------------------------------------------------------------ in order


@pytest.mark.parametrize("batches", [False, True])
def test_r8_numbers_count_from_0_without_a_gap(batches: bool) -> None:
    blocks = [thinking("a", "b"), text("c", "d"), call("f", '{"a"', ":", "1}")]
    events = told([*message(*blocks)[:4], PING, *message(*blocks)[4:]], batches=batches)

    assert [event["sequence_number"] for event in events[:-1]] == [
        *range(len(events) - 1)
    ]


def test_r8_begin_says_twice_that_the_response_is_in_progress() -> None:
    created, in_progress = told([head()])

    assert (created["type"], in_progress["type"]) == tuple(BEGUN)
    assert created["response"] == in_progress["response"]
    assert created["response"]["id"] == "resp_01A"


@pytest.mark.parametrize("batches", [False, True])
def test_r8_text_is_parts_of_a_message(batches: bool) -> None:
    events = told(
        message(text("One", ", "), text("", "two."), thinking()), batches=batches
    )

    assert types(inside(events)) == [
        ADDED, PART_ADDED, TEXT_DELTA, TEXT_DELTA, TEXT_DONE, PART_DONE,
        PART_ADDED, TEXT_DELTA, TEXT_DONE, PART_DONE, DONE, ADDED, DONE,
    ]  # fmt: skip
    added, part, first, *_ = inside(events)
    assert added["item"] == {
        "type": "message", "id": "msg_01A_0", "status": "in_progress",
        "role": "assistant", "content": [],
    }  # fmt: skip
    assert part["part"] == {
        "type": "output_text", "text": "", "annotations": [], "logprobs": [],
    }  # fmt: skip
    assert first == {
        "type": TEXT_DELTA, "sequence_number": 4, "item_id": "msg_01A_0",
        "output_index": 0, "content_index": 0, "delta": "One", "logprobs": [],
    }  # fmt: skip
    assert [one["content_index"] for one in named(events, PART_DONE)] == [0, 1]
    assert [one["text"] for one in named(events, TEXT_DONE)] == ["One, ", "two."]
    assert deltas(events) == ["One", ", ", "two."]


def test_r8_text_brings_its_citations_at_its_end() -> None:
    events = told(message(text("So.", citations=[citation(), citation()])))

    assert types(inside(events)) == [
        ADDED, PART_ADDED, TEXT_DELTA, ANNOTATION, ANNOTATION, TEXT_DONE, PART_DONE,
        DONE,
    ]  # fmt: skip
    first, second = named(events, ANNOTATION)
    assert (first["annotation_index"], second["annotation_index"]) == (0, 1)
    assert place(first) == ("msg_01A_0", 0, 0)
    [done] = named(events, PART_DONE)
    assert done["part"]["annotations"] == [first["annotation"], second["annotation"]]


def test_r8_text_may_come_with_the_start_of_its_block() -> None:
    whole = ({"type": "text", "text": "One", "citations": [citation()]}, [])
    events = told(message(whole))

    assert deltas(events) == ["One"]
    assert types(events).count(ANNOTATION) == 1


def test_r8_text_is_one_line_to_clients_that_split_text() -> None:
    odd = "a\u2028b\u2029c\x85d"
    encoding = encoder()
    wire = b"".join(
        encoding.feed([event])
        for event in decoded(message(thinking(odd, odd), text(odd, odd)))
    )

    assert deltas(read(wire)) == [odd] * 4
    assert len(wire.decode().splitlines()) == wire.count(b"\n")


def test_r8_thinking_has_one_summary_part() -> None:
    events = told(message(thinking("Let me ", "", "see.")))

    assert types(inside(events)) == [
        ADDED, SUMMARY_ADDED, SUMMARY_DELTA, SUMMARY_DELTA, SUMMARY_TEXT_DONE,
        SUMMARY_DONE, DONE,
    ]  # fmt: skip
    added, part, first, *_ = inside(events)
    assert added["item"] == {
        "type": "reasoning", "id": "rs_01A_0", "status": "in_progress", "summary": [],
    }  # fmt: skip
    assert part["part"] == {"type": "summary_text", "text": ""}
    assert (first["item_id"], first["summary_index"]) == ("rs_01A_0", 0)
    [done] = named(events, SUMMARY_DONE)
    assert done["part"]["text"] == "Let me see."


@pytest.mark.parametrize(
    "block", [thinking(), thinking(""), redacted(), compaction("All."), found()]
)
def test_r8_thinking_without_text_is_added_and_done(block: tuple) -> None:
    assert types(inside(told(message(block)))) == [ADDED, DONE]


def test_r8_thinking_may_come_whole() -> None:
    whole = ({"type": "thinking", "thinking": "Hm", "signature": "c2ln"}, [])
    events = told(message(whole))

    assert deltas(events) == ["Hm"]
    assert named(events, DONE)[0]["item"]["encrypted_content"].startswith("ccp1.")


@pytest.mark.parametrize("batches", [False, True])
def test_r8_call_passes_its_arguments_on_as_they_come(batches: bool) -> None:
    events = told(message(call("f", '{ "a"', ": ", "1}")), batches=batches)

    assert types(inside(events)) == [
        ADDED, ARGUMENTS_DELTA, ARGUMENTS_DELTA, ARGUMENTS_DELTA, ARGUMENTS_DONE, DONE,
    ]  # fmt: skip
    added, *_, arguments_done, done = inside(events)
    assert added["item"] == {
        "type": "function_call", "id": "fc_01A_0", "status": "in_progress",
        "call_id": "toolu_1", "name": "f", "arguments": "",
    }  # fmt: skip
    assert deltas(events) == ['{ "a"', ": ", "1}"]
    assert arguments_done["arguments"] == '{ "a": 1}'
    assert done["item"]["arguments"] == '{ "a": 1}'


@pytest.mark.parametrize(
    ("block", "arguments"),
    [
        (call("f"), "{}"),
        (call("f", "", " "), "{}"),
        (call("f", "nu", "ll"), "{}"),
        (call("f", given={"a": 1}), '{"a":1}'),
    ],
)
def test_r8_call_without_deltas_has_one_at_its_end(
    block: tuple, arguments: str
) -> None:
    events = told(message(block))

    assert deltas(events) == [arguments]
    assert named(events, DONE)[0]["item"]["arguments"] == arguments


def test_r8_call_with_renamed_properties_comes_at_its_end() -> None:
    asked = context.Context(model="m", properties={"f": {"a_1": "a[1]"}})

    assert deltas(told(message(call("f", '{"a_1"', ": 1}")), asked)) == ['{"a[1]":1}']


def test_r8_custom_input_is_decoded_as_it_arrives() -> None:
    pieces = ['{"in', 'put": "a', "\\", "n\\u00", "e9\\ud83d", "\\ude00", '"', "}"]
    events = told(message(call("exec", *pieces)))

    assert types(inside(events)) == [ADDED, *[CUSTOM_DELTA] * 4, CUSTOM_DONE, DONE]
    assert deltas(events) == ["a", "\n", "é", "😀"]
    assert inside(events)[0]["item"] == {
        "type": "custom_tool_call", "id": "ctc_01A_0", "status": "in_progress",
        "call_id": "toolu_1", "name": "exec", "input": "",
    }  # fmt: skip
    assert named(events, CUSTOM_DONE)[0]["input"] == "a\né😀"
    assert named(events, DONE)[0]["item"]["input"] == "a\né😀"


@pytest.mark.parametrize(
    ("block", "told_as"),
    [
        (call("exec", '{"code": ', '"x"}'), ['{"code": "x"}']),
        (call("exec"), ["{}"]),
        (call("exec", given={"input": "x"}), ["x"]),
        (call("exec", '{"input": ""}'), []),
    ],
)
def test_r8_custom_input_that_is_none_is_told_at_the_end(
    block: tuple, told_as: list[str]
) -> None:
    assert deltas(told(message(block))) == told_as


def test_r8_typed_calls_have_no_deltas() -> None:
    events = told(message(call("shell", '{"commands": ["ls"]}')))

    added, done = inside(events)
    assert (added["type"], done["type"]) == (ADDED, DONE)
    assert added["item"]["action"]["commands"] == []
    assert done["item"]["action"]["commands"] == ["ls"]


def test_r8_web_search_is_told_step_by_step() -> None:
    blocks = [search('{"query": "x"}'), found("https://a.example/")]
    events = told(message(*blocks, text("So.")))

    assert types(inside(events))[:7] == [
        ADDED, f"{SEARCH}in_progress", f"{SEARCH}searching", f"{SEARCH}completed", DONE,
        ADDED, DONE,
    ]  # fmt: skip
    assert inside(events)[0]["item"] == {
        "type": "web_search_call", "id": "ws_01A_0", "status": "in_progress",
        "action": {"type": "search", "query": "", "queries": []},
    }  # fmt: skip
    assert {one["item_id"] for one in inside(events)[1:4]} == {"ws_01A_0"}


def test_r8_web_search_that_fails_is_not_completed() -> None:
    error = {"type": "web_search_tool_result_error", "error_code": "unavailable"}
    events = told(message(search(), found(content=error)))

    assert f"{SEARCH}completed" not in types(events)
    assert named(events, DONE)[0]["item"]["status"] == "failed"


# ------------------------------------------------------------------ when


def test_a_blocks_end_waits_for_the_next_block() -> None:
    encoding = encoder()
    first = [head(), *events_of_blocks(call("f", "{}"))]
    before = read(encoding.feed(decoded([*first, PING, {"type": "new"}])))
    after = read(
        encoding.feed(decoded([start(1, text()[0]), delta(1, text("Hi")[1][0])]))
    )

    assert types(before) == [*BEGUN, ADDED, ARGUMENTS_DELTA, "keepalive"]
    assert types(after)[:2] == [ARGUMENTS_DONE, DONE]


def test_a_blocks_end_waits_for_the_stop_reason() -> None:
    encoding = encoder()
    nothing_yet = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 2}}
    first = [head(), *events_of_blocks(call("f", "{}")), nothing_yet]
    before = read(encoding.feed(decoded(first)))
    after = read(encoding.feed(decoded(end("max_tokens")[:1])))
    rest = read(encoding.feed(decoded([nothing_yet, *end()[1:]])))

    assert DONE not in types(before)
    assert after == []
    assert types(rest) == INCOMPLETE
    assert last(rest)["output"][0]["status"] == "incomplete"


def test_r8_order_follows_the_beginnings_of_interleaved_blocks() -> None:
    one, two = call("f", use_id="toolu_a"), call("exec", use_id="toolu_b")
    events = told(
        [
            head(), start(5, one[0]), start(3, text()[0]), start(4, two[0]),
            delta(4, {"type": "input_json_delta", "partial_json": '{"input": "b"}'}),
            delta(3, {"type": "text_delta", "text": "Hi"}),
            delta(5, {"type": "input_json_delta", "partial_json": '{"a":'}),
            stop(4),
            delta(3, {"type": "text_delta", "text": "!"}),
            delta(5, {"type": "input_json_delta", "partial_json": "1}"}),
            stop(5), stop(3), *end(),
        ]
    )  # fmt: skip

    assert [(one["output_index"], one["item"]["id"]) for one in named(events, ADDED)] == [
        (0, "fc_01A_0"), (1, "ctc_01A_1"), (2, "msg_01A_2"),
    ]  # fmt: skip
    output = last(events)["output"]
    assert output[0]["arguments"] == '{"a":1}'
    assert output[1]["input"] == "b"
    assert output[2]["content"][0]["text"] == "Hi!"


def test_r8_order_keeps_a_message_open_until_its_text_is_over() -> None:
    hi, more = ({"type": "text_delta", "text": one} for one in ("Hi", "!"))
    events = told(
        [
            head(), start(0, text()[0]), delta(0, hi), start(1, redacted()[0]),
            delta(0, more), stop(0), stop(1), *end(),
        ]
    )  # fmt: skip

    message_, reasoning = named(events, DONE)
    assert message_["item"]["content"][0]["text"] == "Hi!"
    assert (message_["output_index"], reasoning["output_index"]) == (0, 1)


def test_r8_order_waits_with_a_carrier_for_all_that_it_holds() -> None:
    use, result = search(), found()
    events = told(
        [
            head(), start(0, use[0]), start(1, redacted()[0]),
            delta(0, {"type": "input_json_delta", "partial_json": '{"query":"x"}'}),
            stop(0), start(2, result[0]), stop(1), stop(2), *end(),
        ]
    )  # fmt: skip

    assert [one["item"]["id"] for one in named(events, DONE)] == [
        "rs_01A_1", "rs_01A_2", "ws_01A_0", "rs_01A_3",
    ]  # fmt: skip
    assert last(events)["output"][0]["action"]["query"] == "x"


def test_blocks_that_never_stop_end_with_the_message() -> None:
    events = told(
        [head(), start(0, text()[0]), delta(0, {"type": "text_delta", "text": "Hi"}),
         *end()]
    )  # fmt: skip

    assert types(inside(events))[-3:] == [TEXT_DONE, PART_DONE, DONE]


CUTS = ["max_tokens", "model_context_window_exceeded", "refusal"]


@pytest.mark.parametrize("reason", CUTS)
@pytest.mark.parametrize(
    ("name", "piece", "seen"),
    [
        ("f", '{"a": 1}', [ADDED, ARGUMENTS_DELTA]),
        ("f", "", [ADDED]),
        ("exec", '{"input": "x"}', [ADDED, CUSTOM_DELTA]),
        ("shell", '{"commands": ["rm"]}', [ADDED]),
    ],
)
def test_r8_cut_call_has_no_end(
    name: str, piece: str, seen: list[str], reason: str
) -> None:
    events = told(
        message(call("f", "{}", use_id="t"), call(name, piece), reason=reason)
    )

    of_cut = [one for one in inside(events) if one["output_index"] == 1]
    assert types(of_cut) == seen
    first, cut, *_ = last(events)["output"]
    assert (first["status"], cut["status"]) == ("completed", "incomplete")
    assert types(events)[-2:] == INCOMPLETE


@pytest.mark.parametrize("reason", CUTS)
def test_r8_cut_call_is_no_other_block(reason: str) -> None:
    said = told(message(text("Hi"), reason=reason))
    thought = told(message(thinking("Hm"), reason=reason))

    assert types(said)[4:8] == [TEXT_DELTA, TEXT_DONE, PART_DONE, DONE]
    assert named(said, DONE)[0]["item"]["status"] == "incomplete"
    assert types(thought)[4:8] == [
        SUMMARY_DELTA, SUMMARY_TEXT_DONE, SUMMARY_DONE, DONE,
    ]  # fmt: skip
    assert named(thought, DONE)[0]["item"]["status"] == "incomplete"


def test_r8_refusal_follows_everything_else() -> None:
    details = {"explanation": "Not that."}
    events = told(message(text("Well"), call("f"), reason="refusal", details=details))

    refused = [one for one in inside(events) if one["output_index"] == 2]
    assert types(refused) == [
        ADDED, PART_ADDED, "response.refusal.delta", "response.refusal.done", PART_DONE,
        DONE,
    ]  # fmt: skip
    assert refused[1]["part"] == {"type": "refusal", "refusal": ""}
    assert refused[2]["delta"] == refused[3]["refusal"] == "Not that."
    assert types(events)[-2:] == INCOMPLETE
    assert [one["type"] for one in last(events)["output"]] == [
        "message", "function_call", "message",
    ]  # fmt: skip


def test_r8_end_is_the_object_and_then_done() -> None:
    events = told(message(text("Hi"), call("f")))

    assert types(events)[-2:] == COMPLETED
    assert last(events)["output"] == [one["item"] for one in named(events, DONE)]


@pytest.mark.parametrize(
    ("reason", "said"),
    [("end_turn", "completed"), ("max_tokens", "max_output_tokens"),
     ("refusal", "content_filter")],
)  # fmt: skip
def test_r8_end_is_told_to_the_log(reason: str, said: str) -> None:
    encoding = encoder()
    events = decoded(message(text("Hi"), reason=reason))

    encoding.feed(events[:-1])
    before = encoding.complete, encoding.finish_reason
    encoding.feed(events[-1:])

    assert before == (False, None)
    assert (encoding.complete, encoding.finish_reason) == (True, said)
    assert encoding.stream.usage.output_tokens == 9


def test_r8_ping_keeps_the_client_waiting() -> None:
    encoding = encoder()
    encoding.feed(decoded([head()]))

    [ping] = read(encoding.feed(decoded([PING])))
    [silence] = read(encoding.keep_alive())

    assert ping == {"type": "keepalive", "sequence_number": 2}
    assert silence == {"type": "keepalive", "sequence_number": 3}


def test_r8_unknown_things_give_nothing_and_are_counted() -> None:
    encoding = encoder()
    hologram = [
        start(0, {"type": "hologram"}), delta(0, {"type": "hologram_delta"}),
        delta(0, {"type": "text_delta", "text": "Hi"}), stop(0), {"type": "new"},
    ]  # fmt: skip
    encoding.feed(decoded([head()]))

    assert encoding.feed(decoded(hologram)) == b""
    assert encoding.skipped == 3


MISPLACED = [
    {"type": "text_delta", "text": "x"},
    {"type": "thinking_delta", "thinking": "x"},
    {"type": "input_json_delta", "partial_json": "x"},
    {"type": "signature_delta", "signature": "x"},
    {"type": "citations_delta", "citation": citation()},
    {"type": "compaction_delta", "content": "x"},
]
OWN = {"text": [0, 4], "thinking": [1, 3], "tool_use": [2], "server_tool_use": [2],
       "compaction": [5]}  # fmt: skip


@pytest.mark.parametrize(
    "block",
    [text("Hi"), thinking("Hm"), redacted(), call("f", "{}"), call("exec", "{}"),
     call("shell", "{}"), search("{}"), found(), compaction("All.")],
    ids=lambda block: f"{block[0]['type']} {block[0].get('name', '')}",
)  # fmt: skip
@pytest.mark.parametrize("batches", [False, True])
def test_r8_unknown_are_deltas_of_another_kind_of_block(
    block: tuple, batches: bool
) -> None:
    begun, own = block
    kind = begun["type"]
    strange = [one for i, one in enumerate(MISPLACED) if i not in OWN.get(kind, [])]
    with_strange = (begun, [*own, *strange])

    assert told(message(with_strange), batches=batches) == told(message(block))


def test_deltas_after_a_blocks_end_are_ignored() -> None:
    late = delta(0, {"type": "text_delta", "text": "late"})
    events = told([head(), *events_of_blocks(text("a", "b"), thinking()), late, *end()])

    assert last(events)["output"][0]["content"][0]["text"] == "ab"
    assert "late" not in deltas(events)


def test_a_stop_that_comes_twice_counts_once() -> None:
    events = told([head(), *events_of_blocks(text("a")), stop(0), stop(7), *end()])

    assert types(events).count(TEXT_DONE) == 1


def test_an_error_event_is_told_by_whoever_raises_it() -> None:
    [error] = decoded([{"type": "error", "error": {"type": "overloaded_error"}}])

    assert isinstance(error, messages_response.ErrorEvent)
    assert encoder().feed([error]) == b""


# ------------------------------------------------------------------ r8.failed, r9


def broken(code: str | None = "stream_incomplete") -> list[dict]:
    encoding = encoder(context.Context(model="m", store=True))
    blocks = events_of_blocks(text("Hi"), call("f", "{}"))
    encoding.feed(decoded([head(), *blocks[:-1]]))
    error = errors.UpstreamError(
        "It broke.", type="server_error", code=code, status=502
    )
    return read(encoding.broken(error))


def test_r8_failed_follows_all_that_came_before_the_failure() -> None:
    encoding = encoder()
    events = message(text("Hi"), call("exec", '{"input": "half'), reason="tool_use")

    with pytest.raises(errors.UpstreamError) as caught:
        encoding.feed(decoded(events))
    read_on = read(encoding.broken(caught.value))

    assert [one["type"] for one in read_on[:2]] == [
        "response.created", "response.in_progress"
    ]  # fmt: skip
    assert [one["sequence_number"] for one in read_on] == [*range(len(read_on))]
    [done] = [one for one in read_on if one["type"] == "response.output_item.done"]
    assert read_on[-1]["response"]["output"] == [done["item"]]


def test_r8_failed_closes_nothing_and_has_no_done() -> None:
    error, failed = broken()

    assert (error["type"], failed["type"]) == ("error", "response.failed")
    assert error == {
        "type": "error",
        "sequence_number": error["sequence_number"],
        "code": "stream_incomplete",
        "message": "It broke.",
        "param": None,
        "error": {
            "type": "server_error",
            "code": "stream_incomplete",
            "message": "It broke.",
            "param": None,
        },
    }
    assert failed["sequence_number"] == error["sequence_number"] + 1
    answer = failed["response"]
    assert (answer["status"], answer["usage"], answer["store"]) == (
        "failed",
        None,
        False,
    )
    assert answer["completed_at"] is None
    assert [one["type"] for one in answer["output"]] == ["message"]


def test_r8_failed_never_has_a_call_that_was_cut() -> None:
    encoding = encoder()
    encoding.feed(decoded(message(call("f", "{}"), reason="max_tokens")[:-1]))

    _, failed = read(encoding.broken(errors.internal()))

    assert failed["response"]["output"] == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("rate_limit_exceeded", "rate_limit_exceeded"),
        ("context_length_exceeded", "context_length_exceeded"),
        ("overloaded", "server_error"),
        ("stream_incomplete", "server_error"),
        (None, "server_error"),
    ],
)
def test_r9_failed_has_a_code_that_codex_knows(code: str | None, said: str) -> None:
    error, failed = broken(code)

    assert error["code"] == code
    assert failed["response"]["error"] == {"code": said, "message": "It broke."}


def test_only_text_that_is_passed_on_as_it_is_goes_the_fast_way() -> None:
    streaming = encoder().stream
    for event in decoded([head(), start(0, call("exec")[0]), start(1, text()[0])]):
        list(streaming.feed(event))
    first = messages_response.TextDelta("Hi")

    assert streaming.direct(0, messages_response.InputJSONDelta("{")) is None
    assert streaming.direct(1, first) is None  # there is no event like it yet
    assert streaming.direct(2, first) is None


def test_frames_are_the_same_as_whole_events() -> None:
    """A client cannot see which deltas were made by the fast way."""
    odd = '"delta":"\\u0000" \x00 \n é 😀'
    blocks = [text(odd, odd, odd), thinking(odd, odd), call("f", json.dumps(odd), odd)]
    streaming, framed = encoder().stream, []
    for event in decoded(message(*blocks)):
        framed += [as_data(one) for one in streaming.feed(event)]

    events = told(message(*blocks))

    assert events[:-1] == framed
    assert len(deltas(events)) == 7


@pytest.mark.parametrize("batches", [False, True])
def test_a_text_of_very_many_pieces_is_whole(batches: bool) -> None:
    pieces = [f"{n} " for n in range(2500)]

    events = told(message(text(*pieces)), batches=batches)

    assert deltas(events) == pieces
    assert last(events)["output"][0]["content"][0]["text"] == "".join(pieces)


def test_ids_may_look_like_a_frame() -> None:
    odd = 'msg_"sequence_number":0,"delta":""'
    events = told(message(text("a", "b"), id=odd))

    assert deltas(events) == ["a", "b"]
    assert {place(one)[0] for one in named(events, TEXT_DELTA)} == {
        f"msg_{odd.removeprefix('msg_')}_0"
    }
