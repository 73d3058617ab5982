"""Rows r3: calls, outputs and the other items, one case or more for each."""

import pytest

from proxy.schema import responses_request
from proxy.translate.responses import items
from responses_requests import (
    MODEL,
    Case,
    as_data,
    assistant,
    broken,
    called,
    check,
    earlier,
    function,
    output,
    raw,
    read,
    reasoning,
    refusal,
    said,
    sealed,
    sent,
    thinking,
    user,
)
from row_cases import parametrize

TOOLS = [function(name) for name in ("f", "g")]
SEARCHED = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search",
     "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
]  # fmt: skip


def use(use_id: str = "c1", name: str = "f", given: object = None) -> dict:
    return {"type": "tool_use", "id": use_id, "name": name, "input": given or {}}


def result(use_id: str = "c1", content: object = "ok", **more: object) -> dict:
    given = {} if content is None else {"content": content}
    return {"type": "tool_result", "tool_use_id": use_id, **given, **more}


def text(words: str) -> dict:
    return {"type": "text", "text": words}


def turns(*items: dict) -> list[tuple[str, list[dict]]]:
    """What is sent for these items behind a user's, as roles and blocks."""
    messages = said(user(), *items, tools=TOOLS)
    return [(one["role"], one["content"]) for one in messages[1:]]


def roles(*items: dict) -> list[tuple[str, list[str]]]:
    return [(role, [one["type"] for one in blocks]) for role, blocks in turns(*items)]


# ------------------------------------------------------------------ calls

CALLS = [
    ("r3.function-call", called(arguments='{"b": 1.50, "a": []}'), "f",
     {"b": 1.5, "a": []}),
    ("r3.function-call", called(arguments=""), "f", {}),
    ("r3.function-call", called(arguments="null"), "f", {}),
    ("r3.function-call", called(arguments="["), "f", {"INVALID_JSON": "["}),
    ("r3.function-call", called(namespace="crm"), "crm__f", {}),
    ("r3.function-call", called(name="a.b"), "a_b_2e7336c1", {}),
    ("r3.custom-call", {"type": "custom_tool_call", "call_id": "c1", "name": "patch",
                        "input": 'say "hi"\n'}, "patch", {"input": 'say "hi"\n'}),
    ("r3.custom-call", {"type": "custom_tool_call", "call_id": "c1", "name": "run",
                        "namespace": "js__", "input": " "}, "js__run", {"input": " "}),
    ("r3.custom-call", {"type": "custom_tool_call", "call_id": "c1", "name": "run"},
     "run", {"input": ""}),
    ("r3.typed-calls", {"type": "local_shell_call", "call_id": "c1", "id": "lsh_1",
                        "action": {"type": "exec", "command": ["ls"], "env": {},
                                   "user": None}},
     "local_shell", {"command": ["ls"], "env": {}}),
    ("r3.typed-calls", {"type": "shell_call", "call_id": "c1",
                        "action": {"commands": ["ls"], "timeout_ms": None}},
     "shell", {"commands": ["ls"]}),
    ("r3.typed-calls", {"type": "apply_patch_call", "call_id": "c1",
                        "operation": {"type": "delete_file", "path": "a", "diff": None}},
     "apply_patch", {"operation": {"type": "delete_file", "path": "a"}}),
    ("r3.typed-calls", {"type": "tool_search_call", "call_id": "c1",
                        "execution": "client", "arguments": {"query": "q"}},
     "tool_search", {"query": "q"}),
]  # fmt: skip


@pytest.mark.parametrize(("row", "item", "name", "given"), CALLS)
def test_a_call_is_sent_as_its_row_says(
    row: str, item: dict, name: str, given: dict
) -> None:
    [(_, [block]), _] = turns(item, output())

    if name.startswith("a_b_"):
        name = block["name"]
        assert name.startswith("a_b_")
    assert block == use("c1", name, given), row


@pytest.mark.parametrize(
    ("item", "param", "code"),
    [
        ({"type": "function_call", "name": "f"}, "call_id", "missing_required_parameter"),
        ({"type": "function_call", "call_id": "c"}, "name", "missing_required_parameter"),
        (called(""), "call_id", "invalid_type"),
        (called(name=""), "name", "invalid_type"),
        ({"type": "tool_search_call", "execution": "client"}, "call_id",
         "missing_required_parameter"),
        ({"type": "shell_call", "call_id": "c", "action": []}, "action", "invalid_type"),
    ],
)  # fmt: skip
def test_r3_function_call_without_what_it_needs_is_refused(
    item: dict, param: str, code: str
) -> None:
    why = refusal({"model": MODEL, "input": [user(), item]})

    assert (why.status, why.param, why.code) == (400, f"input[1].{param}", code)


def test_r3_function_call_ids_are_made_unique_over_the_conversation() -> None:
    loop = [called("call:1"), output("call:1")]

    (_, first), (_, one), (_, second), (_, two) = turns(*loop, *loop)

    assert first[0]["id"] == one[0]["tool_use_id"]
    assert second[0]["id"] == two[0]["tool_use_id"] == f"{first[0]['id']}_2"


# ------------------------------------------------------------------ order and pairs

ORDER = [
    ("r3.order", [called(), assistant("A"), output()],
     [("assistant", ["text", "tool_use"]), ("user", ["tool_result"])]),
    ("r3.order", [reasoning(), assistant("A"), called(), reasoning(), called("c2"),
                  output(), output("c2")],
     [("assistant", ["thinking", "text", "tool_use", "thinking", "tool_use"]),
      ("user", ["tool_result", "tool_result"])]),
    ("r3.order", [assistant("A"), assistant("B"), called(), output()],
     [("assistant", ["text", "text", "tool_use"]), ("user", ["tool_result"])]),
    ("r3.pairing", [called(), user("Wait"), output()],
     [("assistant", ["tool_use"]), ("user", ["tool_result"]), ("user", ["text"])]),
    ("r3.pairing", [called(), output(), called(), output()],
     [("assistant", ["tool_use"]), ("user", ["tool_result"])] * 2),
    ("r3.pairing", [called(), called("c2"), output("c2"), called("c3"), output("c3"),
                    output()],
     [("assistant", ["tool_use", "tool_use"]), ("user", ["tool_result", "tool_result"]),
      ("assistant", ["tool_use"]), ("user", ["tool_result"])]),
]  # fmt: skip


@pytest.mark.parametrize(("row", "given", "expected"), ORDER)
def test_items_become_turns_as_their_row_says(
    row: str, given: list[dict], expected: list
) -> None:
    assert roles(*given) == expected, row
    one, _ = read({"model": MODEL, "input": [user(), *given], "tools": TOOLS})
    assert broken(one) <= {"thinking.foreign"}


def test_r3_pairing_answers_in_the_order_of_the_calls() -> None:
    (_, _), (_, results) = turns(
        called("a"), called("b"), output("b", output="B"), output("a", output="A")
    )

    assert results == [result("a", "A"), result("b", "B")]


def test_r3_pairing_takes_the_first_of_two_outputs() -> None:
    items = [called(), output(output="1"), user("More"), output(output="2"), user()]

    given = {"model": MODEL, "input": [user(), *items], "tools": TOOLS}
    one, _ = read(given, prompt_caching="off")

    assert one.warnings == ("tool_result_duplicate",)
    assert as_data(one)["messages"][2]["content"] == [result("c1", "1")]


@pytest.mark.parametrize("count", [1, 2, 12])
def test_r3_missing_outputs_are_named(count: int) -> None:
    calls = [called(f"c{i}") for i in range(count)]

    why = refusal({"model": MODEL, "input": [user(), *calls], "tools": TOOLS})

    names = ", ".join(f"c{i}" for i in range(min(count, 10)))
    several = "s" if count > 1 else ""
    assert why.message == f"No tool output found for function call{several} {names}."
    assert (why.status, why.param) == (400, "input")


def test_r3_orphan_outputs_are_named() -> None:
    why = refusal({"model": MODEL, "input": [user(), output("c9"), called("c9")]})

    assert why.message == (
        "No tool call found for function call output with call_id c9."
    )
    assert (why.status, why.param) == (400, "input")


def test_r3_incomplete_calls_without_output_are_left_out() -> None:
    cut = called("c2", status="incomplete", arguments='{"a": ')
    items = [assistant("A"), called(), cut, output(), user("More")]

    one, _ = read({"model": MODEL, "input": [user(), *items], "tools": TOOLS})

    assert one.warnings == ("call_incomplete_dropped",)
    assert as_data(one)["messages"][1]["content"] == [text("A"), use()]


def test_r3_incomplete_calls_with_an_output_are_sent() -> None:
    (_, calls), (_, results) = turns(called(status="incomplete"), output())

    assert (calls, results) == ([use()], [result()])


# ------------------------------------------------------------------ outputs

PNG = "iVBORw0KGgo="
OUTPUTS = [
    ("r3.output", called(), output(output=" "), result("c1", None)),
    ("r3.output", called(), output(output=None), result("c1", None)),
    ("r3.output", called(), output(output=[
        {"type": "input_text", "text": "A"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}]),
     result("c1", [text("A"), {"type": "image", "source": {
         "type": "base64", "media_type": "image/png", "data": PNG}}])),
    ("r3.output", called(), output(is_error=True), result("c1", "ok", is_error=True)),
    ("r3.output", {"type": "custom_tool_call", "call_id": "c1", "name": "f"},
     output() | {"type": "custom_tool_call_output"}, result()),
    ("r3.typed-outputs", {"type": "shell_call", "call_id": "c1", "action": {}},
     {"type": "shell_call_output", "call_id": "c1",
      "output": [{"stdout": "a", "outcome": {"type": "exit", "exit_code": 0}}]},
     result("c1", '[{"stdout": "a", "outcome": {"type": "exit", "exit_code": 0}}]')),
    ("r3.typed-outputs", {"type": "local_shell_call", "call_id": "c1", "action": {}},
     {"type": "local_shell_call_output", "id": "c1", "output": "a"}, result("c1", "a")),
    ("r3.typed-outputs",
     {"type": "local_shell_call", "call_id": "c1", "id": "lsh_1", "action": {}},
     {"type": "local_shell_call_output", "id": "lsh_1", "output": "a"},
     result("c1", "a")),
    ("r3.typed-outputs", {"type": "local_shell_call", "call_id": "c1", "action": {}},
     {"type": "local_shell_call_output", "call_id": "c1", "output": "a"},
     result("c1", "a")),
    ("r3.typed-outputs", {"type": "apply_patch_call", "call_id": "c1", "operation": {}},
     {"type": "apply_patch_call_output", "call_id": "c1", "status": "completed"},
     result("c1", "completed")),
    ("r3.typed-outputs", {"type": "apply_patch_call", "call_id": "c1", "operation": {}},
     {"type": "apply_patch_call_output", "call_id": "c1", "status": "failed",
      "output": "No such file"}, result("c1", "No such file", is_error=True)),
    ("r3.typed-outputs", {"type": "tool_search_call", "call_id": "c1",
                          "execution": "client", "arguments": {}},
     {"type": "tool_search_output", "call_id": "c1", "execution": "client", "tools": [
         {"type": "namespace", "name": "crm", "tools": [function("find.all")]},
         function("late")]}, None),
]  # fmt: skip


@pytest.mark.parametrize(("row", "call", "answer", "expected"), OUTPUTS)
def test_an_output_is_sent_as_its_row_says(
    row: str, call: dict, answer: dict, expected: dict | None
) -> None:
    [_, (_, [block])] = turns(call, answer)

    if expected is None:
        first, second = block["content"].split("\n")
        assert first.startswith("crm__find_all_")
        assert second == "late"
    else:
        assert block == expected, row


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        (output(output={"a": 1}), "input[2].output", "invalid_type"),
        (output(output=[{"type": "input_audio"}]), "input[2].output[0]",
         "unsupported_value"),
        ({"type": "tool_search_output", "execution": "client"}, "input[2].call_id",
         "missing_required_parameter"),
        ({"type": "function_call_output", "output": "A"}, "input[2].call_id",
         "missing_required_parameter"),
    ],
)  # fmt: skip
def test_r3_output_of_another_shape_is_refused(
    given: dict, param: str, code: str
) -> None:
    why = refusal({"model": MODEL, "input": [user(), called(), given]})

    assert (why.status, why.param, why.code) == (400, param, code)


# ------------------------------------------------------------------ other items

COMPACTED = {"type": "compaction", "content": "They said hello."}
FOREIGN = [
    "file_search_call", "code_interpreter_call", "image_generation_call",
    "computer_call", "computer_call_output", "mcp_list_tools", "mcp_call",
    "mcp_approval_request", "mcp_approval_response", "program", "program_output",
]  # fmt: skip


def compaction(*blocks: dict, sealing: str | None = None) -> dict:
    held = sealing or sealed(*(blocks or (COMPACTED,)))
    return {"type": "compaction", "id": "cmp_1", "encrypted_content": held}


SUMMARY = {"role": "assistant", "content": [COMPACTED]}
HI = {"role": "user", "content": [text("Hi")]}
CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}
ITEMS = [
    Case("r3.web-search", "without its blocks",
         {"input": [user(), {"type": "web_search_call", "id": "ws_1"},
                    assistant("A"), user()]},
         {"messages": [HI, {"role": "assistant", "content": [text("A")]}, HI]},
         warnings=("web_search_call_ignored",)),
    Case("r3.web-search", "with its blocks",
         {"input": [user(), {"type": "web_search_call", "id": "ws_1"},
                    reasoning(*SEARCHED), assistant("A"), user()]},
         {"messages": [HI, {"role": "assistant", "content": [*SEARCHED, text("A")]},
                       HI]}),
    *(Case("r3.foreign", kind, {"input": [{"type": kind, "id": "x", "output": []},
                                          user()]}, warnings=(f"{kind}_ignored",))
      for kind in FOREIGN),
    Case("r3.foreign", "a tool search of the server's",
         {"input": [user(), {"type": "tool_search_call", "arguments": {}},
                    {"type": "tool_search_output", "execution": "server",
                     "tools": [{"type": "?"}]}, user()]}, {"messages": [HI, HI]},
         warnings=("tool_search_call_ignored", "tool_search_output_ignored")),
    Case("r3.compaction", "stands for all before it but leading system messages",
         {"input": [{"type": "additional_tools", "tools": []},
                    {"role": "system", "content": "S"}, user("Old"), assistant(),
                    {"role": "developer", "content": "Late"}, called("gone"),
                    compaction(sealing="ccp1.foreign"), compaction(), user()]},
         {"system": [text("S")], "messages": [SUMMARY, HI]},
         betas=("compact-2026-01-12",)),
    Case("r3.compaction", "signed",
         {"input": [compaction(COMPACTED | {"signature": "s"}), assistant(), user()]},
         {"messages": [{"role": "assistant", "content": [COMPACTED | {"signature": "s"}]},
                       {"role": "assistant", "content": [text("Hello")]}, HI]},
         betas=("compact-2026-09-04",)),
    Case("r3.compaction", "nothing behind it", {"input": [compaction()]},
         {"messages": [SUMMARY, {"role": "user", "content": [text("Continue.")]}]},
         warnings=("prefill_unsupported",), betas=("compact-2026-01-12",)),
    *(Case("r3.compaction", says, {"input": [user(), item, user()]},
           refused=("input[1].encrypted_content", "invalid_value"))
      for says, item in (("OpenAI's", compaction(sealing="gAAAA")),
                         ("of other blocks", compaction(thinking())),
                         ("of two", compaction(COMPACTED, COMPACTED)))),
    Case("r3.trigger", "a compaction of all before it",
         {"input": [user(), {"type": "compaction_trigger"}], "tools": [function()],
          "tool_choice": "required", "model": "claude-opus-5",
          "text": {"format": {"type": "json_object"}},
          "context_management": [{"type": "compaction"}]},
         {"compaction": {"type": "summarize"},
          "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]},
         betas=("compact-2026-09-04",)),
    Case("r3.trigger", "not last",
         {"input": [{"type": "compaction_trigger"}, user()]}, refused=("input[0]", None)),
    Case("r3.config", "the last one counts",
         {"reasoning": {"effort": "low"}, "text": {"format": {"type": "json_object"}},
          "input": [{"type": "configuration_update", "reasoning": {"effort": "medium"}},
                    {"type": "configuration_update", "reasoning": {"effort": "high"},
                     "text": {"format": {"type": "json_schema", "schema": CLOSED}}},
                    {"type": "configuration_update"}, user()]},
         {"thinking": {"type": "adaptive", "display": "omitted"},
          "output_config": {"effort": "high",
                            "format": {"type": "json_schema", "schema": CLOSED}}}),
    Case("r3.config", "an unknown effort",
         {"input": [{"type": "configuration_update", "reasoning": {"effort": "wild"}},
                    user()]}, refused=("input[0].reasoning.effort", "invalid_value")),
    Case("r3.config", "no schema",
         {"input": [{"type": "configuration_update",
                     "text": {"format": {"type": "json_schema"}}}, user()]},
         refused=("input[0].text.format.schema", "missing_required_parameter")),
    Case("r3.additional", "tools in the input",
         {"input": [{"type": "additional_tools", "tools": [function()]}, user()]},
         {"tools": [{"name": "f", "input_schema": {"type": "object",
                                                   "properties": {}}}]}),
    Case("r3.reference", "no id", {"input": [{"type": "item_reference"}]},
         refused=("input[0].id", "missing_required_parameter")),
    Case("r3.reference", "an id that is no string",
         {"input": [{"type": "item_reference", "id": 7}]},
         refused=("input[0].id", "invalid_type")),
]  # fmt: skip


@parametrize(ITEMS)
def test_an_item_is_translated_as_its_row_says(case: Case) -> None:
    check(case)


def test_r3_trigger_of_an_earlier_request_was_obeyed_then() -> None:
    known = earlier([user("Old"), {"type": "compaction_trigger"}, compaction()])

    one, _ = read({"model": MODEL, "input": "Hi"}, known=known)

    body = as_data(one)
    assert "compaction" not in body
    assert body["messages"] == [SUMMARY, HI]
    assert "cache_control" in body


def test_r3_reference_to_what_is_known_is_the_item_itself() -> None:
    known = earlier(
        m1={"type": "message", "id": "m1", "role": "assistant", "content": "A"}
    )
    given = [user(), {"id": "m1"}, user()]

    one = sent({"model": MODEL, "input": given}, known=known, prompt_caching="off")

    assert one["messages"][1] == {"role": "assistant", "content": [text("A")]}


def test_r3_reference_lists_what_is_to_be_looked_up() -> None:
    given = [
        {"id": "m1"},
        {"type": "item_reference", "id": "m2"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        reasoning(id="rs_2"),
        user(),
    ]
    request = responses_request.ResponsesRequest(input=raw(given))

    assert items.references(items.sent(request)) == ["m1", "m2", "rs_1"]


def test_r3_reference_to_what_is_not_known_is_a_404() -> None:
    why = refusal({"input": [user(), {"type": "item_reference", "id": "msg_9"}]})

    assert (why.status, why.param) == (404, "input")
    assert why.message.startswith("Item with id 'msg_9' not found.")


@pytest.mark.parametrize(
    "again", [{"id": "m1"}, {"id": "m1", **assistant("A")}], ids=["named", "sent"]
)
def test_r3_duplicate_of_an_earlier_item_is_refused(again: dict) -> None:
    said_before = {"id": "m1", **assistant("A")}
    known = items.Earlier(items=[raw(user()), raw(said_before)],
                          named={"m1": raw(said_before)})  # fmt: skip

    why = refusal({"input": [again, user()]}, known=known)

    assert (why.status, why.param, why.code) == (400, "input", None)
    assert why.message.startswith("Duplicate item found with id m1")


def test_r3_duplicate_ids_without_an_earlier_response_are_the_clients_own() -> None:
    again = {"id": "m1", **assistant("A")}

    messages = said(user(), again, user(), again, user())

    assert [one["role"] for one in messages].count("assistant") == 2


def test_r9_param_of_an_earlier_item_is_the_earlier_response() -> None:
    known = earlier([{"type": "message", "role": "robot", "content": "A"}])

    why = refusal({"input": "Hi", "previous_response_id": "resp_1"}, known=known)

    assert why.param == "previous_response_id.role"
