"""What is kept of a response, and what a history that has it back is sent as (b2.kept)."""

import json
from typing import Any

import msgspec
import pytest

from proxy.schema import messages_decoding, messages_response
from proxy.translate.chat import kept
from request_translation import translated

MODEL = "claude-opus-5-5"
FIRST = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
SECOND = {"type": "thinking", "thinking": "", "signature": "bW9yZQ=="}
SEARCH = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []}
CITATION = {
    "type": "web_search_result_location", "url": "https://example.com", "title": None,
    "cited_text": "words", "encrypted_index": "aW5k",
}  # fmt: skip


def text(words: str, **more: Any) -> dict:
    return {"type": "text", "text": words, **more}


def use(name: str = "toolu_1", tool: str = "f", **written: Any) -> dict:
    return {"type": "tool_use", "id": name, "name": tool, "input": written}


def call(name: str = "toolu_1", written: str = "{}", tool: str = "f") -> dict:
    function = {"name": tool, "arguments": written}
    return {"id": name, "type": "function", "function": function}


def message(*blocks: dict, stop: str = "tool_use") -> messages_response.Message:
    content: list[messages_response.Block] = []
    for block in blocks:
        data = msgspec.json.encode(block)
        if messages_decoding.is_opaque(block["type"]):
            opaque = messages_response.OpaqueBlock(block["type"], msgspec.Raw(data))
            content.append(opaque)
        else:
            content.append(
                msgspec.json.decode(data, type=messages_response.ContentBlock)
            )
    return messages_response.Message(
        id="msg_1", model=MODEL, content=content, stop_reason=stop
    )


def sent_for(
    blocks: list[dict], *said: dict, model: str = MODEL, **more: Any
) -> list[dict]:
    """The assistant's turn as it is sent, where ``blocks`` were kept and ``said`` came."""
    turn = kept.to_keep(message(*blocks))
    assert turn is not None
    turn = kept.decode(kept.encode(turn))
    calls = [one["id"] for part in said for one in part.get("tool_calls", ())]
    results = [{"role": "tool", "tool_call_id": one, "content": one} for one in calls]
    request = {
        "model": model,
        "messages": [
            {"role": "user", "content": "Hi"},
            *({"role": "assistant", **part} for part in said),
            *results,
        ],
        **more,
    }
    one = translated(
        request, turns=dict.fromkeys(turn.uses, turn), prompt_caching="off"
    )
    messages = json.loads(msgspec.json.encode(one.request.messages))
    if calls:
        answered = [block["tool_use_id"] for block in messages[2]["content"]]
        used = [b["id"] for b in messages[1]["content"] if b["type"] == "tool_use"]
        assert answered == used
    return messages[1]["content"]


WHOLE = [FIRST, REDACTED, text("Let me "), SEARCH, FOUND, text("see.", citations=[CITATION]),
         SECOND, use("toolu_1", a=1, b=[True, "x"]), SECOND, use("toolu_2")]  # fmt: skip
CALLS = [call("toolu_1", '{"a":1,"b":[true,"x"]}'), call("toolu_2")]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param([{"content": "Let me see.", "tool_calls": CALLS}], id="as it was"),
        pytest.param(
            [{"content": " Let me see.\n", "tool_calls": CALLS}], id="white space"
        ),
        pytest.param(
            [{"content": [{"type": "text", "text": "Let me "}, {"type": "text", "text": "see."}],
              "tool_calls": CALLS}], id="in parts",
        ),
        pytest.param(
            [{"content": "Let me see."}, {"content": "", "tool_calls": CALLS}],
            id="in two messages",
        ),
        pytest.param(
            [{"content": "Let me see.",
              "tool_calls": [call("toolu_1", '{ "b": [true, "x"],\n "a": 1.0 }'),
                             call("toolu_2", "null")]}], id="written otherwise",
        ),
        pytest.param(
            [{"content": "Let me see.", "tool_calls": [CALLS[0], call("toolu_2", "[]")]}],
            id="written by PHP",
        ),
        pytest.param(
            [{"content": "Let me see.", "tool_calls": CALLS[::-1]}], id="in another order"
        ),
        pytest.param(
            [{"content": "Let me see.", "tool_calls": CALLS,
              "thinking_blocks": [FIRST, SECOND]}], id="with thinking of the client's",
        ),
    ],
)  # fmt: skip
def test_b2_kept_turns_that_come_back_are_sent_as_the_model_said_them(
    said: list[dict],
) -> None:
    assert sent_for(WHOLE, *said) == WHOLE


SHORT = [FIRST, text("Let me see."), SECOND, use("toolu_1", a=1, b=[True])]
CALL = call("toolu_1", '{"a":1,"b":[true]}')


def test_b2_kept_turns_are_found_though_php_made_lists_of_empty_objects() -> None:
    turn = [FIRST, use("toolu_1", a={}, b=[], c={"d": {}})]
    php = call("toolu_1", '{"a":[],"b":[],"c":{"d":[]}}')

    assert sent_for(turn, {"content": None, "tool_calls": [php]}) == turn


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ({"content": "I will see.", "tool_calls": [CALL]},
         [FIRST, text("I will see."), SHORT[-1]]),
        ({"content": None, "tool_calls": [CALL]}, [FIRST, SHORT[-1]]),
        ({"content": "Let me see.", "tool_calls": [call("toolu_1", '{"a":2,"b":[true]}')]},
         [FIRST, text("Let me see."), use(a=2, b=[True])]),
        ({"content": "Let me see.", "tool_calls": [call("toolu_1", '{"a":1,"b":[1]}')]},
         [FIRST, text("Let me see."), use(a=1, b=[1])]),
        ({"content": "Let me see.", "tool_calls": [call("toolu_1", '{"a":1,"b":[]}')]},
         [FIRST, text("Let me see."), use(a=1, b=[])]),
        ({"content": "Let me see.", "tool_calls": [call("toolu_1", '{"a":1}')]},
         [FIRST, text("Let me see."), use(a=1)]),
        ({"content": "Let me see.", "tool_calls": [call("toolu_1", "{")]},
         [FIRST, text("Let me see."), use(INVALID_JSON="{")]),
        ({"content": "Let me see.", "tool_calls": [{**CALL, "function": {
            "name": "g", "arguments": CALL["function"]["arguments"]}}]},
         [FIRST, text("Let me see."), use(tool="g", a=1, b=[True])]),
        ({"content": "Let me see.", "tool_calls": [CALL, call("mine")]},
         [FIRST, text("Let me see."), SHORT[-1], use("mine")]),
        ({"content": "Changed.", "tool_calls": [CALL], "thinking_blocks": [REDACTED]},
         [REDACTED, text("Changed."), SHORT[-1]]),
    ],
)  # fmt: skip
def test_b2_kept_turns_that_were_changed_are_sent_as_the_client_says(
    said: dict, sent: list[dict]
) -> None:
    assert sent_for(SHORT, said) == sent


def test_b2_kept_turns_that_began_without_thinking_have_none_once_they_are_changed() -> (
    None
):
    said = {"content": "Changed.", "tool_calls": [CALL]}

    assert sent_for(SHORT[1:], said) == [text("Changed."), SHORT[-1]]


def test_b2_kept_turns_are_not_taken_for_one_with_another_call() -> None:
    said = {"content": "Other.", "tool_calls": [call("toolu_9")]}

    assert sent_for(SHORT, said) == [text("Other."), use("toolu_9")]


def test_b2_round_trip_thinking_of_turns_in_a_row_stands_before_their_text() -> None:
    first = {"content": "One.", "tool_calls": [call("toolu_8")]}
    second = {"thinking_blocks": [FIRST], "tool_calls": [call("toolu_9")]}

    assert sent_for(SHORT, first, second, reasoning_effort="low") == [
        FIRST, text("One."), use("toolu_8"), use("toolu_9"),
    ]  # fmt: skip


def test_b2_kept_turns_lose_a_dropped_call_and_what_was_thought_before_it() -> None:
    said = {"content": "Let me see.", "tool_calls": CALLS[:1]}

    assert sent_for(WHOLE, said) == [FIRST, REDACTED, text("Let me see."), WHOLE[7]]


def test_b2_kept_thinking_is_sent_once_if_the_client_made_a_turn_of_each_call() -> None:
    assert sent_for(WHOLE, {"content": "Let me see.", "tool_calls": CALLS[1:]}) == [
        text("Let me see."),
        use("toolu_2"),
    ]


def test_b2_kept_thinking_is_not_sent_to_a_model_that_does_not_think() -> None:
    said = {"content": "Let me see.", "tool_calls": CALLS}

    assert sent_for(WHOLE, said, model="claude-opus-4-8") == [
        block for block in WHOLE if not block["type"].endswith("thinking")
    ]


def test_b2_kept_blank_text_is_not_sent_back() -> None:
    blocks = [FIRST, text("\n\n"), use()]

    assert sent_for(blocks, {"content": "\n\n", "tool_calls": [call()]}) == [
        FIRST,
        use(),
    ]


def test_b2_kept_turns_are_found_though_names_were_changed_for_anthropic() -> None:
    tools = [
        {"type": "function", "function": {"name": "f.x", "parameters": {
            "type": "object", "properties": {"$top": {"type": "object"}}}}}
    ]  # fmt: skip
    request = {"messages": [{"role": "user", "content": "Hi"}], "tools": tools}
    [tool] = translated(request).request.tools or ()
    [top] = json.loads(bytes(tool.input_schema))["properties"]
    said = {"tool_calls": [call(written='{"$top": {"$top": 1}}', tool="f.x")]}
    blocks = [FIRST, use(tool=tool.name, **{top: {top: 1}})]

    assert sent_for(blocks, said, tools=tools) == blocks


def test_b2_kept_turns_keep_the_clients_cache_marks() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    said = {
        "content": [{"type": "text", "text": "Let me see.", **mark}],
        "tool_calls": [{**CALL, **mark}],
    }
    first, words, second, used = SHORT

    assert sent_for(SHORT, said) == [first, {**words, **mark}, second, {**used, **mark}]


@pytest.mark.parametrize(
    "answered",
    [
        pytest.param(message(FIRST, text("Done."), stop="end_turn"), id="no call"),
        pytest.param(message(FIRST, text("Done.")), id="no call, whatever it says"),
        pytest.param(message(FIRST, use(), stop="max_tokens"), id="cut"),
        pytest.param(message({**FIRST, "signature": ""}, use()), id="unsigned"),
        pytest.param(message(use(), use()), id="two calls of one id"),
        pytest.param(message(use("")), id="no id"),
    ],
)
def test_b2_kept_are_only_turns_that_can_be_sent_back(
    answered: messages_response.Message,
) -> None:
    assert kept.to_keep(answered) is None


@pytest.mark.parametrize("written", [b"", b'{"a": '])
def test_b2_kept_are_no_arguments_that_are_no_json(written: bytes) -> None:
    block = messages_response.ToolUseBlock("toolu_1", "f", msgspec.Raw(written))
    answered = messages_response.Message(
        id="msg_1", content=[block], stop_reason="tool_use"
    )

    assert kept.to_keep(answered) is None


def test_b2_kept_are_no_searches_that_were_cut() -> None:
    cut = messages_response.OpaqueBlock(
        "server_tool_use", msgspec.Raw(b"{"), whole=False
    )
    answered = message(use())
    answered = msgspec.structs.replace(answered, content=[cut, *answered.content])

    assert kept.to_keep(answered) is None
