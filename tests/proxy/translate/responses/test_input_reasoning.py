"""Rows r4: what of earlier thinking is sent back, and what is said of the rest."""

import json

import msgspec
import pytest

from proxy import body, settings
from proxy.schema import responses_request, responses_response
from proxy.translate import warn
from proxy.translate.responses import envelope, items, request
from responses_requests import (
    MODEL,
    as_data,
    assistant,
    broken,
    called,
    earlier,
    function,
    output,
    read,
    reasoning,
    refusal,
    said,
    sealed,
    sent,
    thinking,
    user,
)

REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
USE = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search",
       "input": {"query": "q"}}  # fmt: skip
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
BINDING = {"block_binding": {"prefix_mismatch_behavior": "drop_block"}}
LOOP = [called(), output()]
TOOLS = [function()]


def text(words: str) -> dict:
    return {"type": "text", "text": words}


def foreign(sealing: object = "gAAAAAB", **more: object) -> dict:
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": sealing, **more}  # fmt: skip


def first_turn(*items: dict, **more: object) -> list[dict]:
    return said(user(), *items, user("More"), tools=TOOLS, **more)[1]["content"]


def test_r4_replay_sends_blocks_as_they_were_and_where_they_stood() -> None:
    blocks = first_turn(
        reasoning(),
        reasoning(REDACTED),
        assistant("A"),
        called(),
        reasoning(thinking("Then", "sig2")),
        called("c2"),
        output(),
        output("c2"),
    )

    assert [b for b in blocks if b["type"] != "tool_use"] == [
        thinking(), REDACTED, text("A"), thinking("Then", "sig2")
    ]  # fmt: skip
    assert [b["type"] for b in blocks[-3:]] == ["tool_use", "thinking", "tool_use"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"type": "adaptive", **BINDING}),
        ({"summary": "auto"}, {"type": "adaptive", "display": "summarized", **BINDING}),
        ({"effort": "low"}, {"type": "adaptive", "display": "omitted", **BINDING}),
    ],
)
def test_r4_replay_lets_an_edited_history_lose_its_thinking(
    given: dict, expected: dict
) -> None:
    whole = {"model": MODEL, "input": [user(), reasoning(), *LOOP], "tools": TOOLS}

    one, _ = read(whole | {"reasoning": given}, prompt_caching="off")

    assert as_data(one)["thinking"] == expected
    assert one.betas == ("thinking-binding-controls-2026-08-01",)


def test_r4_replay_needs_a_request_that_thinks() -> None:
    off = {"model": "claude-opus-5", "reasoning": {"effort": "none"}}

    assert first_turn(reasoning(), assistant("A"), **off) == [text("A")]


def test_r4_replay_leaves_out_thinking_behind_the_last_text_or_call() -> None:
    assert first_turn(assistant("A"), reasoning()) == [text("A")]


def test_r4_replay_leaves_out_a_turn_of_nothing_but_thinking() -> None:
    assert [m["role"] for m in said(user(), reasoning(), user())] == ["user", "user"]


def test_r4_replay_on_a_model_with_a_budget_needs_thinking_first() -> None:
    items = [user(), assistant("A"), reasoning(), *LOOP]
    whole = {"model": "claude-haiku-4-5", "input": items, "tools": TOOLS}

    one, _ = read(whole | {"reasoning": {"effort": "low"}}, prompt_caching="off")

    assert one.warnings == ("thinking_skipped",)
    assert broken(one) == set()


def test_r4_replay_on_a_model_with_a_budget_thinks_on() -> None:
    items = [user(), reasoning(), assistant("A"), *LOOP]
    whole = {"model": "claude-haiku-4-5", "input": items, "tools": TOOLS}

    one, _ = read(whole | {"reasoning": {"effort": "low"}}, prompt_caching="off")

    assert as_data(one)["thinking"]["type"] == "enabled"
    assert as_data(one)["messages"][1]["content"][0] == thinking()


def test_r4_carrier_blocks_are_sent_whether_the_request_thinks_or_not() -> None:
    off = {"model": "claude-opus-5", "reasoning": {"effort": "none"}}
    items = [reasoning(), reasoning(USE, FOUND), assistant("A")]

    assert first_turn(*items) == [thinking(), USE, FOUND, text("A")]
    assert first_turn(*items, **off) == [USE, FOUND, text("A")]


@pytest.mark.parametrize("blocks", [(USE,), (USE, FOUND)])
def test_r4_pause_is_resumed_as_it_is(blocks: tuple[dict, ...]) -> None:
    search = {"tools": [{"type": "web_search"}]}
    items = [user(), reasoning(), reasoning(*blocks), reasoning(thinking("B", "s2"))]

    one, _ = read({"model": MODEL, "input": items, **search}, prompt_caching="off")

    assert one.warnings == ()
    last = as_data(one)["messages"][-1]
    assert last == {"role": "assistant", "content": [thinking(), *blocks]}
    assert broken(one) <= {"thinking.foreign"}


@pytest.mark.parametrize(
    "behind",
    [
        [user("Go on")],
        [assistant("A"), user("Go on")],
        [{"role": "developer", "content": "D"}],
        [called(), output(), user("Go on")],
    ],
    ids=["a user", "the assistant", "a developer", "a call"],
)
def test_r4_unanswered_search_does_not_end_a_conversation(behind: list[dict]) -> None:
    cut = [user(), assistant("A"), {"type": "web_search_call"}, reasoning(USE)]
    search = {"tools": [*TOOLS, {"type": "web_search"}]}

    one, _ = read(
        {"model": MODEL, "input": [*cut, *behind], **search}, prompt_caching="off"
    )

    assert one.warnings == ("web_search_call_ignored",)
    assert as_data(one)["messages"][1]["content"][0] == text("A")
    assert broken(one) == set()


def test_r4_unanswered_results_are_left_out() -> None:
    items = [user(), reasoning(FOUND), assistant("A"), user()]

    one, _ = read({"model": MODEL, "input": items}, prompt_caching="off")

    assert one.warnings == ("web_search_call_ignored",)
    assert as_data(one)["messages"][1]["content"] == [text("A")]
    assert broken(one) == set()


def test_r4_unanswered_search_that_went_on_is_whole() -> None:
    items = [user(), reasoning(USE), reasoning(FOUND), assistant("A"), user()]

    assert first_turn(*items[1:-1]) == [USE, FOUND, text("A")]


@pytest.mark.parametrize(
    "item",
    [
        foreign(),
        foreign(None),
        foreign(""),
        foreign("ccp1.AAAA"),
        foreign(sealed(text("A"))),
        foreign(sealed({"type": "compaction", "content": "A"})),
        foreign(sealed(thinking(), {"type": "tool_use", "id": "t", "name": "f"})),
    ],
)
def test_r4_foreign_reasoning_is_left_out_and_never_becomes_text(item: dict) -> None:
    whole = {"model": MODEL, "input": [user(), item | {"id": "rs_1"}, assistant("A"),
                                       user()]}  # fmt: skip

    one, way_back = read(whole, prompt_caching="off")

    assert one.warnings == ("reasoning_ignored",)
    assert as_data(one)["messages"][1]["content"] == [text("A")]
    assert way_back.removed == (
        responses_response.InputTransformation(id="rs_1", reason="model_mismatch"),
    )


def test_r4_reported_are_only_items_with_an_id() -> None:
    _, way_back = read(
        {"model": MODEL, "input": [user(), foreign(), user()]}, prompt_caching="off"
    )

    assert way_back.removed == ()


def test_r4_reported_paths_lead_back_to_the_items_of_what_was_sent() -> None:
    items = [
        {"role": "system", "content": "S"},
        user(),
        reasoning(id="rs_1"),
        reasoning(REDACTED, id="rs_2"),
        reasoning(thinking("B", "s2")),
        assistant("A"),
        *LOOP,
        reasoning(thinking("C", "s3"), id="rs_3"),
        user(),
    ]

    _, way_back = read(
        {"model": MODEL, "input": items, "tools": TOOLS}, prompt_caching="off"
    )

    assert way_back.replayed == {
        "messages.1.content.0": "rs_1",
        "messages.1.content.1": "rs_2",
    }


def test_r4_foreign_reasoning_may_be_known_by_its_id() -> None:
    known = earlier(rs_1=reasoning(id="rs_1"))
    items = [user(), {"type": "reasoning", "id": "rs_1", "summary": []}, assistant("A"),
             user()]  # fmt: skip

    one = sent({"model": MODEL, "input": items}, known=known, prompt_caching="off")

    assert one["messages"][1]["content"] == [thinking(), text("A")]


def test_r4_decode_unpacks_no_more_than_a_request_may_hold() -> None:
    large = reasoning(thinking("x" * 5000))
    whole = {"model": MODEL, "input": [user(), large, large, user()]}

    why = refusal(whole, max_body_bytes=8000)

    assert (why.status, why.code, why.param) == (413, "request_too_large", "input")
    assert read(whole, max_body_bytes=12000)


def test_r4_decode_counts_envelopes_that_are_too_large_or_damaged() -> None:
    damaged = sealed(thinking("x" * 50_000))[:-4]
    whole = {
        "model": MODEL,
        "input": [user(), foreign(damaged), foreign(damaged), user()],
    }

    assert refusal(whole, max_body_bytes=60_000).status == 413
    assert read(whole, max_body_bytes=200_000)


def test_r4_decode_takes_room_for_each_envelope() -> None:
    taken: list[int] = []

    wanted = body.decode(
        json.dumps({"input": [user(), reasoning(), foreign(), user()]}).encode(),
        responses_request.DECODER,
    )
    request.to_ask(
        wanted,
        items.sent(wanted),
        settings.Settings(),
        warn.Warnings(strict=False),
        take=taken.append,
    )

    assert taken == [envelope.opened(sealed(thinking())).room, 0]


def test_what_is_sent_back_is_what_was_received() -> None:
    written = (
        b'{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search",'
        b'"input":{"b":1.50,"a":1e400}}'
    )
    held = envelope.sealed([msgspec.Raw(written)])
    item = {"type": "reasoning", "encrypted_content": held}

    one, _ = read({"model": MODEL, "input": [user(), item]}, prompt_caching="off")

    assert written in msgspec.json.encode(one.request)
