"""Claude's blocks as items of a response: r4 (on the way out) and r7."""

import json

import msgspec
import pytest

from proxy.schema import responses_response
from proxy.translate import finish
from proxy.translate.responses import context
from responses_translation import (
    ASKED,
    CREATED,
    ENDED,
    items,
    last,
    opened,
    plain,
    told,
)
from upstream_blocks import (
    call,
    citation,
    compaction,
    decoded,
    found,
    message,
    redacted,
    search,
    start,
    text,
    thinking,
)

HI = message(text("Hi"))
CUTS = ["max_tokens", "model_context_window_exceeded", "refusal"]

# ------------------------------------------------------------------ r4


def test_r4_item_is_one_thinking_block_in_its_place() -> None:
    first, said, second = items(
        message(thinking("Let me ", "see."), text("So."), thinking(signature="b3Ro"))
    )

    assert {k: v for k, v in first.items() if k != "encrypted_content"} == {
        "type": "reasoning",
        "id": "rs_01A_0",
        "status": "completed",
        "summary": [{"type": "summary_text", "text": "Let me see."}],
    }
    assert opened(first) == [
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}
    ]
    assert said["type"] == "message"
    assert second["summary"] == []
    assert opened(second)[0]["signature"] == "b3Ro"


def test_r4_item_of_redacted_thinking_has_an_empty_summary() -> None:
    [item] = items(message(redacted("ZGF0YQ==")))

    assert item["summary"] == []
    assert opened(item) == [{"type": "redacted_thinking", "data": "ZGF0YQ=="}]


def test_r4_item_without_a_signature_is_incomplete_and_cannot_come_back() -> None:
    [item] = items(message(thinking("Hm", signature=""), reason="max_tokens"))

    assert item["status"] == "incomplete"
    assert "encrypted_content" not in item
    assert item["summary"][0]["text"] == "Hm"


def test_r4_carrier_holds_a_search_as_it_was_received() -> None:
    use = search('{"query": ', '"x"}', caller={"type": "direct"})
    result = found("https://a.example/")
    call_item, carrier, _ = items(message(use, result, text("So.")))

    assert call_item["type"] == "web_search_call"
    assert (carrier["type"], carrier["summary"]) == ("reasoning", [])
    assert opened(carrier) == [{**use[0], "input": {"query": "x"}}, result[0]]


@pytest.mark.parametrize(
    ("blocks", "shape"),
    [
        ([search(), found()], ["ws", "rs:2"]),
        ([search(use_id="a"), search(use_id="b"), found(use_id="a"),
          found(use_id="b")], ["ws", "ws", "rs:4"]),
        ([search(use_id="a"), found(use_id="a"), search(use_id="b"),
          found(use_id="b")], ["ws", "rs:2", "ws", "rs:2"]),
        ([search(), thinking("Hm"), found()], ["ws", "rs:1", "rs:1", "rs:1"]),
        ([search(), text("Hm"), found()], ["ws", "rs:1", "msg", "rs:1"]),
        ([search()], ["ws", "rs:1"]),
        ([found()], ["rs:1"]),
        ([search(name="code_execution"),
          found(kind="code_execution_tool_result", content={"type": "x"})], ["rs:2"]),
        ([found(kind="tool_of_tomorrow_tool_result")], ["rs:1"]),
    ],
)  # fmt: skip
def test_r4_carrier_comes_when_nothing_is_unanswered_or_something_else_begins(
    blocks: list, shape: list[str]
) -> None:
    assert [shape_of(item) for item in items(message(*blocks))] == shape


def shape_of(item: dict) -> str:
    prefix = item["id"].partition("_")[0]
    return f"rs:{len(opened(item))}" if prefix == "rs" else prefix


def test_r4_carrier_leaves_out_a_use_whose_input_was_cut() -> None:
    cut = search('{"query": "wea')
    [alone] = items(message(cut, reason="max_tokens"))
    _, _, _, carrier = items(
        message(search(use_id="a"), text("So."), found(use_id="a"), reason="max_tokens")
    )

    assert (alone["type"], alone["status"]) == ("web_search_call", "incomplete")
    assert carrier["status"] == "incomplete"


REMOVED = responses_response.InputTransformation(id="rs_old", reason="model_mismatch")


def test_r4_reported_are_the_items_that_the_model_did_not_see() -> None:
    asked = context.Context(
        model="m",
        removed=(REMOVED,),
        replayed={"messages.1.content.0": "rs_a", "messages.3.content.0": "rs_b"},
    )
    report = [
        dropped("messages.1.content.0", "prefix_binding_mismatch"),
        dropped("messages.3.content.0", "organization_binding_mismatch"),
        dropped("messages.5.content.0", "model_binding_mismatch"),
        dropped("messages.3.content.0", "a_reason_of_tomorrow"),
        {**dropped("messages.1.content.0", "prefix_binding_mismatch"),
         "type": "thinking_mismatch_allowed"},
    ]  # fmt: skip
    events = message(text("Hi"), input_transformations=report)

    expected = [
        entry("rs_old", "model_mismatch"),
        entry("rs_a", "prefix_mismatch"),
        entry("rs_b", "organization_mismatch"),
    ]
    assert plain(events, asked)["input_transformations"] == expected
    assert told(events, asked)[0]["response"]["input_transformations"] == expected
    assert last(told(events, asked))["input_transformations"] == expected


def test_r4_reported_again_at_the_end_replaces_the_first_report() -> None:
    asked = context.Context(model="m", replayed={"messages.1.content.0": "rs_a"})
    first = [dropped("messages.1.content.0", "end_user_binding_mismatch")]
    events = message(text("Hi"), input_transformations=first)
    events[-2]["input_transformations"] = []

    assert "input_transformations" not in plain(events, asked)
    assert "input_transformations" not in last(told(events, asked))


def test_r4_reported_is_absent_where_nothing_was_left_out() -> None:
    assert "input_transformations" not in plain(HI)


def dropped(path: str, reason: str) -> dict:
    return {"type": "thinking_dropped", "path": path, "reason": reason}


def entry(item_id: str, reason: str) -> dict:
    return {"type": "reasoning", "id": item_id, "action": "removed", "reason": reason}


# ------------------------------------------------------------------ r7: the object

KEYS = {
    "id", "object", "created_at", "completed_at", "status", "error",
    "incomplete_details", "model", "output", "usage", "instructions", "metadata",
    "max_output_tokens", "max_tool_calls", "previous_response_id", "prompt_cache_key",
    "safety_identifier", "user", "tools", "tool_choice", "parallel_tool_calls", "text",
    "reasoning", "temperature", "top_p", "truncation", "background", "store",
    "service_tier", "presence_penalty", "frequency_penalty", "top_logprobs",
    "conversation", "prompt",
}  # fmt: skip


def test_r7_object_has_all_keys_and_no_other() -> None:
    answer = plain(HI)

    assert answer.keys() == KEYS
    assert (answer["id"], answer["object"]) == ("resp_01A", "response")
    assert (answer["created_at"], answer["completed_at"]) == (CREATED, ENDED)
    assert answer["model"] == "claude-sonnet-4.6"
    assert (answer["status"], answer["error"]) == ("completed", None)
    assert answer["service_tier"] == "default"
    assert answer["truncation"] == "disabled"


def test_r7_object_names_the_tier_that_served_it() -> None:
    answer = plain(message(text("Hi"), usage={"service_tier": "priority"}))

    assert answer["service_tier"] == "priority"


def test_r7_object_has_no_output_and_no_usage_before_its_end() -> None:
    begun = told(HI)[0]["response"]

    assert begun.keys() == KEYS
    assert (begun["status"], begun["output"], begun["usage"]) == (
        "in_progress",
        [],
        None,
    )
    assert begun["completed_at"] is None


@pytest.mark.parametrize("room", [True, False])
def test_r7_object_says_whether_it_was_kept(room: bool) -> None:
    asked = context.Context(model="m", store=True)
    kept = []

    def keep(response: responses_response.Response) -> bool:
        kept.append(response)
        return room

    whole, streamed = plain(HI, asked, keep=keep), told(HI, asked, keep=keep)

    assert whole["store"] is last(streamed)["store"] is room
    assert streamed[0]["response"]["store"] is True
    assert [(one.id, one.store, len(one.output)) for one in kept] == [
        ("resp_01A", True, 1), ("resp_01A", True, 1),
    ]  # fmt: skip


def test_r7_object_is_not_kept_where_there_is_no_store() -> None:
    assert plain(HI, context.Context(model="m", store=True))["store"] is False


def test_r7_object_of_a_response_that_nobody_wants_kept_is_not_offered() -> None:
    def keep(_: responses_response.Response) -> bool:
        raise AssertionError

    assert plain(HI, keep=keep)["store"] is False


SENT = {
    "instructions": "Be\nkind.",
    "metadata": {"a": "b"},
    "max_output_tokens": 5,
    "max_tool_calls": 2,
    "previous_response_id": "resp_1",
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "user": "u",
    "tools": [
        {"type": "function", "name": "f", "parameters": {"type": "object"}},
        {"type": "custom", "name": "exec"},
    ],
    "tool_choice": {"type": "function", "name": "f"},
    "parallel_tool_calls": False,
    "text": {"format": {"type": "json_object"}, "verbosity": None},
    "reasoning": {"effort": "low", "generate_summary": "auto"},
}
NOTHING = {
    "instructions": None, "metadata": {}, "max_output_tokens": None,
    "max_tool_calls": None, "previous_response_id": None, "prompt_cache_key": None,
    "safety_identifier": None, "user": None, "tools": [], "tool_choice": "auto",
    "parallel_tool_calls": True,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "reasoning": {"effort": None, "summary": None},
    "temperature": 1.0, "top_p": 1.0,
}  # fmt: skip


def echoed(body: dict, **sampling: float) -> dict:
    sent = msgspec.json.decode(json.dumps(body, indent=2), type=context.Echoed)
    asked = context.Context(model="m", echo=context.echo(sent, **sampling))
    streamed = told(HI, asked)  # no line break gets into an event
    assert {key: streamed[0]["response"][key] for key in NOTHING} == {
        key: plain(HI, asked)[key] for key in NOTHING
    }
    return {key: plain(HI, asked)[key] for key in NOTHING}


def test_tools_that_come_again_are_not_made_compact_again() -> None:
    tools = [{"type": "function", "name": "f", "description": f"{n}"} for n in range(2)]
    first, other = (
        context.Echoed(tools=msgspec.Raw(json.dumps([tool]).encode())) for tool in tools
    )

    told = context.echo(first).tools
    assert context.echo(first).tools is told
    assert context.echo(other).tools != told


def test_r7_echo_repeats_what_was_sent() -> None:
    assert echoed(SENT, temperature=0.5, top_p=0.9) == {
        **SENT,
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object"},
             "description": None, "strict": None},
            {"type": "custom", "name": "exec"},
        ],
        "text": {"format": {"type": "json_object"}, "verbosity": "medium"},
        "reasoning": {"effort": "low", "summary": None},
        "temperature": 0.5,
        "top_p": 0.9,
    }  # fmt: skip


@pytest.mark.parametrize("body", [{}, dict.fromkeys(SENT)], ids=["absent", "null"])
def test_r7_echo_says_what_is_meant_where_nothing_was_sent(body: dict) -> None:
    assert echoed(body) == NOTHING


# ------------------------------------------------------------------ r7: items


def test_r7_ids_are_the_responses_suffix_and_the_place() -> None:
    blocks = [
        thinking("Hm"), text("So."), call("f"), call("exec"), search(), found(),
        call("shell"), call("local_shell"), call("apply_patch"), call("tool_search"),
        compaction("All so far."),
    ]  # fmt: skip
    blocks = [
        (
            {**begun, "id": f"toolu_{i}"} if begun["type"] == "tool_use" else begun,
            deltas,
        )
        for i, (begun, deltas) in enumerate(blocks)
    ]
    output = items(message(*blocks))

    assert [item["id"] for item in output] == [
        "rs_01A_0", "msg_01A_1", "fc_01A_2", "ctc_01A_3", "ws_01A_4", "rs_01A_5",
        "sh_01A_6", "lsh_01A_7", "apc_01A_8", "tsc_01A_9", "cmp_01A_10",
    ]  # fmt: skip
    assert [item["call_id"] for item in output if "call_id" in item] == [
        "toolu_2", "toolu_3", "toolu_6", "toolu_7", "toolu_8", "toolu_9",
    ]  # fmt: skip


def test_r7_message_has_a_part_for_each_block() -> None:
    assert items(message(text("One, "), text("two."), text(), text(""))) == [
        {
            "type": "message",
            "id": "msg_01A_0",
            "status": "completed",
            "role": "assistant",
            "content": [part("One, "), part("two.")],
        }
    ]


def part(said: str, *annotations: dict) -> dict:
    return {"type": "output_text", "text": said, "annotations": [*annotations],
            "logprobs": []}  # fmt: skip


def test_r7_message_is_closed_by_any_other_block() -> None:
    output = items(message(text("One"), thinking("Hm"), text("two"), call("f")))

    assert [item["type"] for item in output] == [
        "message", "reasoning", "message", "function_call",
    ]  # fmt: skip


def test_r7_message_of_nothing_is_no_message() -> None:
    assert items(message(text())) == []
    assert items(message(text(""), thinking("Hm"), text("")))[0]["type"] == "reasoning"


def test_r7_calls_have_the_clients_own_name_and_namespace() -> None:
    known, stranger = items(
        message(
            call("mcp__files__read", '{ "path": "a" }'), call("f", use_id="toolu_2")
        )
    )

    assert known == {
        "type": "function_call",
        "id": "fc_01A_0",
        "status": "completed",
        "call_id": "toolu_1",
        "name": "read",
        "namespace": "mcp__files",
        "arguments": '{"path":"a"}',
    }
    assert (stranger["name"], stranger["arguments"]) == ("f", "{}")
    assert "namespace" not in stranger


def test_r7_calls_have_the_clients_own_property_names() -> None:
    asked = context.Context(model="m", properties={"f": {"filter_1": "filter[app]"}})

    [item] = items(message(call("f", '{"filter_1"', ": 1}")), asked)

    assert item["arguments"] == '{"filter[app]":1}'


TYPED = [
    ("shell", {"commands": ["ls"], "timeout_ms": 5},
     {"action": {"commands": ["ls"], "timeout_ms": 5, "max_output_length": None},
      "environment": {"type": "local"}}),
    ("shell", {},
     {"action": {"commands": [], "timeout_ms": None, "max_output_length": None},
      "environment": {"type": "local"}}),
    ("local_shell", {"command": ["ls"], "env": {"A": "b"}, "odd": 1},
     {"action": {"type": "exec", "command": ["ls"], "env": {"A": "b"},
                 "timeout_ms": None, "working_directory": None, "user": None}}),
    ("local_shell", {},
     {"action": {"type": "exec", "command": [], "env": {}, "timeout_ms": None,
                 "working_directory": None, "user": None}}),
    ("apply_patch",
     {"operation": {"type": "create_file", "path": "a", "diff": "+x"}},
     {"operation": {"type": "create_file", "path": "a", "diff": "+x"}}),
    ("apply_patch", {"operation": {"type": "delete_file", "path": "a"}},
     {"operation": {"type": "delete_file", "path": "a"}}),
    ("apply_patch", {"operation": 5},
     {"operation": {"type": "update_file", "path": "", "diff": ""}}),
    ("tool_search", {"query": "files"},
     {"execution": "client", "arguments": {"query": "files"}}),
    ("tool_search", {}, {"execution": "client", "arguments": {}}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "told_as"), TYPED)
def test_r7_calls_of_typed_tools_hold_what_the_model_wrote(
    name: str, given: dict, told_as: dict
) -> None:
    [item] = items(message(call(name, json.dumps(given, indent=1))))

    assert item == {
        "type": f"{name}_call",
        "id": item["id"],
        "call_id": "toolu_1",
        "status": "completed",
        **told_as,
    }


@pytest.mark.parametrize(
    ("pieces", "told_as"),
    [
        (['{"input": "a\\nb"}'], "a\nb"),
        (['{"other": {"input": "no"}, "input": "yes", "more": 1}'], "yes"),
        (['{"inp', 'ut": ""}'], ""),
        (['{"input": 5}'], '{"input": 5}'),
        (['{"code": "x"}'], '{"code": "x"}'),
        ([], "{}"),
        ([" "], "{}"),
        (['["x"]'], '["x"]'),
    ],
)
def test_r7_custom_input_is_the_string_or_else_the_json(
    pieces: list[str], told_as: str
) -> None:
    [item] = items(message(call("exec", *pieces)))

    assert item == {
        "type": "custom_tool_call",
        "id": "ctc_01A_0",
        "status": "completed",
        "call_id": "toolu_1",
        "name": "exec",
        "input": told_as,
    }


def test_r7_custom_tools_keep_their_namespace() -> None:
    [item] = items(message(call("js__run", given={"input": "1"})))

    assert (item["name"], item["namespace"], item["input"]) == ("run", "js", "1")


SOURCES = context.Context(model="m", sources=True)


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        (ASKED, {}),
        (SOURCES, {"sources": [{"type": "url", "url": "https://a.example/"}]}),
    ],
    ids=["not asked", "asked"],
)
def test_r7_web_search_has_its_query_and_what_it_found(
    asked: context.Context, more: dict
) -> None:
    result = found("https://a.example/", "")

    item, _ = items(message(search('{"query": "x"}'), result), asked)

    assert item == {
        "type": "web_search_call",
        "id": "ws_01A_0",
        "status": "completed",
        "action": {"type": "search", "query": "x", "queries": ["x"], **more},
    }


@pytest.mark.parametrize(
    ("blocks", "status"),
    [
        ([search(), found(content={"type": "web_search_tool_result_error"})], "failed"),
        ([search()], "incomplete"),
        ([search(), found(use_id="another")], "incomplete"),
    ],
)
def test_r7_web_search_says_that_nothing_was_found(blocks: list, status: str) -> None:
    item = items(message(*blocks), SOURCES)[0]

    assert item["status"] == status
    assert item["action"] == {
        "type": "search", "query": "", "queries": [], "sources": [],
    }  # fmt: skip


def test_r7_web_search_survives_blocks_of_an_odd_shape() -> None:
    odd_use = ({"type": "server_tool_use", "id": 5, "name": "web_search"}, [])
    odd_result = ({"type": "web_search_tool_result", "tool_use_id": None}, [])

    output = items(message(odd_use, odd_result, search('{"query": 5}'), found()))

    assert [item["type"] for item in output] == [
        "reasoning", "web_search_call", "reasoning",
    ]  # fmt: skip


def test_r7_citations_span_the_whole_part() -> None:
    other = {"type": "char_location", "cited_text": "x"}
    nameless = citation(title=None, cited_text=None, encrypted_index=None)
    [item] = items(
        message(text("It ", "is 😀.", citations=[citation(), other, nameless]))
    )

    assert item["content"] == [
        part(
            "It is 😀.",
            {"type": "url_citation", "url": "https://a.example/", "title": "A",
             "start_index": 0, "end_index": 8, "cited_text": "so it is",
             "encrypted_index": "aWR4"},
            {"type": "url_citation", "url": "https://a.example/",
             "title": "https://a.example/", "start_index": 0, "end_index": 8},
        )
    ]  # fmt: skip


def test_r7_compaction_is_an_item_with_the_block() -> None:
    first, said = items(
        message(compaction("All so far.", encrypted_content="ZW5j"), text("Go on."))
    )

    assert first.keys() == {"type", "id", "encrypted_content"}
    assert opened(first) == [
        {"type": "compaction", "content": "All so far.", "encrypted_content": "ZW5j"}
    ]
    assert said["type"] == "message"


def test_r7_compaction_may_come_whole() -> None:
    whole = ({"type": "compaction", "content": "All.", "signature": "c2ln"}, [])

    [item] = items(message(whole))

    assert opened(item) == [whole[0]]


@pytest.mark.parametrize(
    "block", [compaction(None), ({"type": "compaction", "content": 5}, [])]
)
def test_r7_compaction_without_a_summary_is_left_out(block: tuple) -> None:
    assert [item["type"] for item in items(message(block, text("Hi")))] == ["message"]


def test_r7_refusal_is_a_message_of_its_own() -> None:
    details = {"category": "cyber", "explanation": "Not that."}
    said, refused = items(message(text("Well, "), reason="refusal", details=details))

    assert said["status"] == "incomplete"
    assert refused == {
        "type": "message",
        "id": "msg_01A_1",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "refusal", "refusal": "Not that."}],
    }


def test_r7_refusal_without_words_gets_ours() -> None:
    [refused] = items(message(reason="refusal"))

    assert refused["content"][0]["refusal"] == finish.DECLINED


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("end_turn", "completed", None),
        ("tool_use", "completed", None),
        ("stop_sequence", "completed", None),
        (None, "completed", None),
        ("a_reason_of_tomorrow", "completed", None),
        ("max_tokens", "incomplete", {"reason": "max_output_tokens"}),
        ("model_context_window_exceeded", "incomplete",
         {"reason": "max_output_tokens"}),
        ("pause_turn", "incomplete", {"reason": "max_output_tokens"}),
        ("refusal", "incomplete", {"reason": "content_filter"}),
    ],
)  # fmt: skip
def test_r7_status_follows_the_stop_reason(
    reason: str | None, status: str, details: dict | None
) -> None:
    events = message(text("Hi"), reason=reason)

    for answer in (plain(events), last(told(events))):
        assert answer["status"] == status
        assert answer["incomplete_details"] == details
        assert (answer["completed_at"] is None) is (status == "incomplete")


@pytest.mark.parametrize("reason", CUTS)
@pytest.mark.parametrize(
    "block",
    [text("Hi"), thinking("Hm"), redacted(), call("f", '{"a": 1'), call("exec"),
     call("shell"), search()],
    ids=["text", "thinking", "redacted", "function", "custom", "shell", "search"],
)  # fmt: skip
def test_r7_cut_turns_end_with_an_item_that_is_incomplete(
    reason: str, block: tuple
) -> None:
    output = items(message(thinking("First"), block, reason=reason))

    written = output[:-1] if reason == "refusal" else output
    assert written[0]["status"] == "completed"
    assert written[-1]["status"] == "incomplete"


@pytest.mark.parametrize("reason", ["end_turn", "tool_use", "pause_turn"])
def test_r7_cut_is_nothing_else(reason: str) -> None:
    output = items(message(text("Hi"), call("f"), reason=reason))

    assert {item["status"] for item in output} == {"completed"}


@pytest.mark.parametrize(
    ("name", "pieces", "key", "said"),
    [
        ("f", [], "arguments", ""),
        ("f", [" "], "arguments", ""),
        ("f", ["nu"], "arguments", "nu"),
        ("f", ['{"a": ', '"b'], "arguments", '{"a": "b'),
        ("exec", [], "input", ""),
        ("exec", ['{"inp'], "input", '{"inp'),
        ("exec", ['{"input": "ab\\', "u00"], "input", "ab"),
        ("tool_search", ['{"query": "ab'], "arguments", {}),
    ],
)
def test_r7_cut_calls_are_as_far_as_they_came(
    name: str, pieces: list[str], key: str, said: object
) -> None:
    [item] = items(message(call(name, *pieces), reason="max_tokens"))

    assert item[key] == said


def test_r7_cut_calls_have_the_clients_own_property_names() -> None:
    asked = context.Context(model="m", properties={"f": {"filter_1": "filter[app]"}})

    [item] = items(message(call("f", '{"filter_1": ["'), reason="max_tokens"), asked)

    assert item["arguments"] == '{"filter[app]": ["'


def test_r7_cut_calls_that_came_whole_are_passed_on() -> None:
    [item] = items(message(call("f", given={"a": 1}), reason="max_tokens"))

    assert json.loads(item["arguments"]) == {"a": 1}


def test_r7_usage_counts_cached_tokens_as_input() -> None:
    usage = {
        "input_tokens": 3, "cache_read_input_tokens": 2000,
        "cache_creation_input_tokens": 100,
        "output_tokens_details": {"thinking_tokens": 7},
    }  # fmt: skip
    events = message(text("Hi"), usage=usage)

    assert (
        plain(events)["usage"]
        == last(told(events))["usage"]
        == {
            "input_tokens": 2103,
            "input_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 100},
            "output_tokens": 9,
            "output_tokens_details": {"reasoning_tokens": 7},
            "total_tokens": 2112,
        }
    )


def test_a_server_tools_block_without_a_type_is_unknown() -> None:
    [event] = decoded([start(0, {"input": {}})])

    assert type(event).__name__ == "Unknown"
