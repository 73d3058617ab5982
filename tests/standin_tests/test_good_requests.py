"""What the real API accepts, the stand-in accepts."""

import pytest

from standin import call, models, rules
from standin_tests.requests import (
    BINDING,
    HOUR,
    JPEG,
    MARK,
    NEW,
    OLD,
    PDF,
    assistant,
    body,
    document,
    formatted,
    image,
    loop,
    png,
    result,
    schema,
    system,
    text,
    thought,
    tool,
    use,
    user,
)

TOOLS = [tool(), tool("get_time")]
ADAPTIVE = {"type": "adaptive"}
MANUAL = {"type": "enabled", "budget_tokens": 1024, "display": "omitted"}
UNIONS = schema(
    a={"type": ["string", "null"]},
    b={"anyOf": [{"$ref": "#/$defs/c"}, {"type": "null"}]},
    d={"type": "array", "items": {"enum": ["x", 1, None]}, "minItems": 1},
    e={"type": "string", "format": "date-time", "pattern": "^a+$"},
) | {"$defs": {"c": schema(f={"const": 1})}}


def replayed(asked, *then):
    turns = [*asked["messages"], thought(asked), *(then or (user("And then?"),))]
    return asked | {"messages": turns}


def called(asked):
    answer = thought(asked)
    results = [result(b["id"]) for b in answer["content"] if b["type"] == "tool_use"]
    return asked | {"messages": [*asked["messages"], answer, user(*results)]}


GOOD = {
    "the least": body(),
    "every plain field": body(
        stop_sequences=["END"],
        stream=True,
        metadata={"user_id": "9f86d081"},
        service_tier="standard_only",
        inference_geo="eu",
        speed="standard",
        diagnostics={"previous_message_id": None},
        cache_control=None,
    ),
    "an empty system prompt": body(system=""),
    "system blocks": body(system=[text("Be brief.", cache_control=MARK)]),
    "two user messages in a row": body(messages=[user("Hello"), user("again")]),
    "an empty final assistant message": body(
        model="claude-haiku-4-5", messages=[user("Hello"), assistant("")]
    ),
    "a prefill": body(model="claude-haiku-4-5", messages=[user("a"), assistant("b")]),
    "a late system message": body(
        model="claude-opus-4-8",
        messages=[user("a"), system("b"), assistant("c"), user("d")],
    ),
    "a system message at the end": loop(
        model="claude-haiku-5-5",
        messages=[user("a"), assistant(use()), user(result()), system("b")],
    ),
    "a tool loop": loop(),
    "text before the call, text after the result": loop(
        messages=[user("a"), assistant(text("b"), use()), user(result(), text("c"))]
    ),
    "a result without content": loop(
        messages=[
            user("a"),
            assistant(use() | {"caller": {"type": "direct"}}),
            user({"type": "tool_result", "tool_use_id": "toolu_1"}),
        ]
    ),
    "a failed result": loop(
        messages=[user("a"), assistant(use()), user(result() | {"is_error": True})]
    ),
    "thinking on for a new question after an old loop without it": loop(
        messages=[
            user("a"),
            assistant(use()),
            user(result()),
            assistant("b"),
            user("And then?"),
        ],
        thinking={"type": "enabled", "budget_tokens": 1024},
    ),
    "a search of the web": body(
        tools=[
            tool(),
            {
                "type": "web_search_20250305",
                "name": "web_search",
                "user_location": {"type": "approximate", "city": "Bonn"},
            },
        ]
    ),
    "a search of the web that failed": body(
        tools=[{"type": "web_search_20250305", "name": "web_search"}],
        messages=[
            user("Search"),
            assistant(
                {
                    "type": "server_tool_use",
                    "id": "srvtoolu_1",
                    "name": "web_search",
                    "input": {"query": "a"},
                },
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "srvtoolu_1",
                    "content": {
                        "type": "web_search_tool_result_error",
                        "error_code": "max_uses_exceeded",
                    },
                },
                text("Nothing."),
            ),
            user("And then?"),
        ],
    ),
    "a prompt that is only cached": body(
        max_tokens=0, stream=False, system=[text("Be brief.", cache_control=MARK)]
    ),
    "one lifetime at the end of the prompt": body(
        messages=[user(text("a", cache_control=MARK))], cache_control=MARK
    ),
    "a JPEG": body(messages=[user(png(JPEG, "image/jpeg"))]),
    "a result of blocks": loop(
        messages=[
            user("a"),
            assistant(use()),
            user(
                result(content=[text("b"), png(), document(type="file", file_id="f")])
            ),
        ]
    ),
    "parallel calls": loop(
        messages=[
            user("a"),
            assistant(use(), use("toolu_2")),
            user(result("toolu_2"), result()),
        ]
    ),
    "every tool choice": body(tools=TOOLS, tool_choice={"type": "none"}),
    "a forced tool": body(
        tools=TOOLS,
        tool_choice={
            "type": "tool",
            "name": "get_time",
            "disable_parallel_tool_use": True,
        },
    ),
    "any JSON schema in a tool that is not strict": body(
        tools=[
            tool(
                input_schema={
                    "$schema": "http://json-schema.org/draft-07/schema#",
                    "type": "object",
                    "properties": {"a.b-c": {"type": "string", "maxLength": 3}},
                    "definitions": {"x": {"oneOf": [{"type": "string"}, True]}},
                    "required": None,
                }
            )
        ]
    ),
    "twenty strict tools": body(
        tools=[tool(f"t{n}", strict=True) for n in range(20)] + [tool()]
    ),
    "a structured output": formatted(UNIONS),
    "manual thinking": replayed(body(thinking=MANUAL)),
    "manual thinking in a tool loop": called(
        body(
            thinking=MANUAL,
            tools=TOOLS,
            messages=[user("Use get_time and get_weather")],
        )
    ),
    "a tool loop that leaves its thinking out": loop(model="claude-opus-5-5"),
    "thinking of the same conversation": replayed(
        body(model="claude-opus-5-5", system="Be brief.")
    ),
    "thinking of another prompt where it is not bound": replayed(
        body(model="claude-opus-5", system="Be brief.")
    )
    | {"system": "Be verbose."},
    "between tools": body(
        model="claude-sonnet-5-5",
        thinking={"type": "between_tools"},
        output_config={"effort": "high"},
    ),
    "thinking off": body(model="claude-haiku-5-5", thinking={"type": "disabled"}),
    "every effort": body(
        model="claude-opus-5-5", thinking=ADAPTIVE, output_config={"effort": "max"}
    ),
    "a picture": body(messages=[user(png(), text("What is it?"))]),
    "pictures from elsewhere": body(
        messages=[
            user(
                image(type="url", url="https://example.com/a.png"),
                image(type="file", file_id="file_1"),
            )
        ]
    ),
    "documents": body(
        messages=[
            user(
                document(type="base64", media_type="application/pdf", data=PDF)
                | {"title": "A", "context": None, "citations": {"enabled": True}},
                document(type="text", media_type="text/plain", data="words"),
                document(type="url", url="https://example.com/a.pdf"),
                document(type="content", content=[text("words"), png()]),
            )
        ]
    ),
    "four marks, the longest first": body(
        tools=[tool(cache_control=HOUR)],
        system=[text("a", cache_control=HOUR)],
        messages=[user(text("b", cache_control=MARK))],
        cache_control=MARK,
    ),
}

GOOD_UNDER_THE_OLD_VERSION = {
    "a temperature": body(temperature=0.2),
    "top_p with top_k": body(top_p=0.9, top_k=40),
    "sampling that thinking allows": body(temperature=1, thinking=ADAPTIVE),
    "the defaults of a newer model": body(model="claude-haiku-5-5", temperature=1),
    "null": body(model="claude-opus-5-5", temperature=None),
}


def broken(request, headers=NEW):
    return [str(v) for v in rules.violations(call.Call(request, headers))]


@pytest.mark.parametrize("request_", GOOD.values(), ids=GOOD.keys())
def test_a_good_request_breaks_no_row(request_):
    assert broken(request_) == []


@pytest.mark.parametrize(
    "request_",
    GOOD_UNDER_THE_OLD_VERSION.values(),
    ids=GOOD_UNDER_THE_OLD_VERSION.keys(),
)
def test_a_good_request_under_the_old_version_breaks_no_row(request_):
    assert broken(request_, OLD) == []


@pytest.mark.parametrize("model", [m.id for m in models.MODELS])
def test_every_model_takes_each_mode_of_thinking_that_it_lists(model):
    for mode in models.find(model).thinking:
        setting = MANUAL if mode == "enabled" else {"type": mode}
        assert broken(body(model=model, thinking=setting)) == []


def test_a_key_may_come_in_either_header():
    headers = {"anthropic-version": "2026-10-21"}
    assert broken(body(), headers | {"x-api-key": "k"}) == []
    assert broken(body(), headers | {"authorization": "bearer k"}) == []


def test_a_compaction_is_made_and_taken_back_with_its_beta():
    beta = {"anthropic-beta": "compact-2026-09-04"}
    asked = body(
        compaction={"type": "summarize"}, messages=[user("Hello"), assistant("Hi. ")]
    )
    replay = body(messages=[thought(asked), user("And then?")])
    assert broken(asked, NEW | beta) == []
    assert broken(replay, NEW | beta) == []


def test_a_compaction_of_an_edit_has_no_signature():
    beta = {"anthropic-beta": "compact-2026-01-12"}
    block = {"type": "compaction", "content": "They said hello."}
    replay = body(messages=[assistant(block), user("And then?")])
    assert broken(replay, NEW | beta) == []


def test_a_compacting_edit_is_taken_with_its_beta():
    trigger = {"type": "input_tokens", "value": 50_000}
    beta = {"anthropic-beta": "compact-2026-01-12"}
    for edit in ({}, {"trigger": None}, {"trigger": trigger}):
        edits = [{"type": "compact_20260112"} | edit]
        managed = body(context_management={"edits": edits})
        assert broken(managed, NEW | beta) == []


def test_context_management_is_taken_with_its_beta():
    managed = body(context_management={"edits": [{"type": "clear_tool_uses_20250919"}]})
    beta = {"anthropic-beta": "context-management-2025-06-27"}
    assert broken(managed, NEW | beta) == []


def test_a_task_budget_is_taken_with_its_beta():
    budgeted = body(output_config={"task_budget": {"type": "tokens", "total": 20_000}})
    beta = {"anthropic-beta": "task-budgets-2026-03-13"}
    assert broken(budgeted, NEW | beta) == []


def test_any_beta_is_taken():
    assert broken(body(), BINDING | {"anthropic-beta": "a-2026-01-01, b"}) == []


def test_thinking_stays_valid_in_a_conversation_that_only_grows():
    asked = body(model="claude-opus-5-5", tools=TOOLS, messages=[user("Use get_time")])
    grown = called(asked)
    for _ in range(3):
        grown = replayed(grown, user("get_weather, please"))
        grown = called(grown)
    assert broken(grown) == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda turns: [user("Other words"), *turns[1:]],
        lambda turns: turns[2:],
        lambda turns: [turns[0], assistant(*turns[1]["content"][1:]), *turns[2:]],
    ],
    ids=["an earlier message", "a trimmed history", "an earlier thinking block"],
)
def test_a_change_before_a_bound_block_is_refused(edit):
    asked = body(model="claude-opus-5-5", messages=[user("Hello")])
    grown = replayed(replayed(asked), user("Go on"))
    assert broken(grown) == []
    changed = grown | {"messages": edit(grown["messages"])}
    assert len(broken(changed)) == 1
    assert "thinking.unbound" in broken(changed)[0]
