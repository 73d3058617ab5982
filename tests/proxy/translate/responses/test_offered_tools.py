"""Rows r5: tools and tool choice, one case or more for each."""

import pytest

from proxy.translate.responses import context
from responses_requests import (
    MODEL,
    Case,
    as_data,
    broken,
    called,
    check,
    function,
    output,
    read,
    refusal,
    sent,
    user,
)
from row_cases import parametrize

EMPTY = {"type": "object", "properties": {}}
FREE = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
HOW = "The input is free text: write all of it as the string `input`."
F = {"name": "f", "input_schema": EMPTY}
OLD = "claude-opus-5"
"""A model that can be forced to call a tool."""


def offered(*tools: dict, **more: object) -> dict:
    return {"tools": list(tools), **more}


def custom(name: str = "run", **more: object) -> dict:
    return {"type": "custom", "name": name, **more}


def freely(name: str = "run", words: str = HOW) -> dict:
    return {"name": name, "description": words, "input_schema": FREE,
            "eager_input_streaming": True}  # fmt: skip


def namespace(name: str, *tools: dict, **more: object) -> dict:
    return {"type": "namespace", "name": name, "tools": list(tools), **more}


def search(**more: object) -> dict:
    return {"type": "web_search", **more}


def searching(**more: object) -> dict:
    return {"type": "web_search_20250305", "name": "web_search", **more}


def grouped(*lines: str) -> list[dict]:
    head = "Tools are grouped by the beginning of their names:"
    return [{"type": "text", "text": "\n".join((head, *lines))}]


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
          "additionalProperties": False}  # fmt: skip
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /a+/"}
OFFERS = [
    Case("r5.function", "flat",
         offered(function(description="D", parameters=SCHEMA, strict=True,
                          output_schema={}, allowed_callers=["direct"])),
         offered({"name": "f", "description": "D", "input_schema": SCHEMA,
                  "strict": True})),
    Case("r5.function", "not strict unless it says so",
         offered(function(parameters=SCHEMA)),
         offered({"name": "f", "input_schema": SCHEMA})),
    Case("r5.function", "no name", offered({"type": "function"}),
         refused=("tools[0].name", "missing_required_parameter")),
    Case("r5.function", "chat's nested form",
         offered({"type": "function", "function": {"name": "f"}}),
         refused=("tools[0].name", "missing_required_parameter")),
    Case("r5.function", "no schema", offered(function(parameters=[1])),
         refused=("tools[0].parameters", "invalid_value")),
    Case("r5.function", "none", {"tools": []}),
    Case("r5.custom", "free text", offered(custom()), offered(freely())),
    Case("r5.custom", "described",
         offered(custom(description="D", format={"type": "text"})),
         offered(freely(words=f"D\n\n{HOW}"))),
    Case("r5.custom", "an unknown format", offered(custom(format={"type": "xml"})),
         refused=("tools[0].format.type", "invalid_value")),
    Case("r5.grammar", "in the description",
         offered(custom(description="D", format=GRAMMAR)),
         offered(freely(words="D\n\nThe input, the string `input`, must match this lark "
                              "grammar:\nstart: /a+/")),
         warnings=("grammar_not_enforced",)),
    Case("r5.grammar", "without its definition",
         offered(custom(format={"type": "grammar", "syntax": "lark"})),
         refused=("tools[0].format.definition", "missing_required_parameter")),
    Case("r5.namespace", "its tools in place",
         offered(function(), namespace("crm", function("a"), custom("b"),
                                       description="The\n customers."), function("z")),
         {"tools": [F, {**F, "name": "crm__a"}, freely("crm__b"), {**F, "name": "z"}],
          "system": grouped("- crm__: The customers.")}),
    Case("r5.namespace", "one that ends with the separator",
         offered(namespace("mcp__x__", function("a"), description=" ")),
         {"tools": [{**F, "name": "mcp__x__a"}]}),
    Case("r5.namespace", "another type in it",
         offered(namespace("crm", {"type": "web_search"})),
         refused=("tools[0].tools[0].type", "invalid_value")),
    Case("r5.namespace", "no name in it", offered(namespace("c", {"type": "function"})),
         refused=("tools[0].tools[0].name", "missing_required_parameter")),
    Case("r5.typed", "a hosted shell",
         offered({"type": "shell", "environment": {"type": "container_auto"}}),
         refused=("tools[0].environment.type", "unsupported_value")),
    Case("r5.typed", "the client's own search of tools",
         offered({"type": "tool_search", "execution": "client", "description": "D",
                  "parameters": SCHEMA}),
         offered({"name": "tool_search", "description": "D", "input_schema": SCHEMA})),
    Case("r5.defer", "deferred tools", offered(function(defer_loading=True),
                                               custom(defer_loading=True)),
         offered(F, freely()), warnings=("defer_loading_ignored",)),
    Case("r5.defer", "a hosted search of tools",
         offered(function(), {"type": "tool_search"}), offered(F),
         warnings=("tool_search_ignored",)),
    *(Case("r5.web-search", kind, offered({"type": kind, "search_context_size": "low"}),
           offered(searching()))
      for kind in ("web_search", "web_search_2025_08_26", "web_search_preview",
                   "web_search_preview_2025_03_11")),
    Case("r5.web-search", "filters and a place",
         offered(search(filters={"allowed_domains": ["a.example"]},
                        user_location={"type": "approximate", "city": "X",
                                       "region": None})),
         offered(searching(allowed_domains=["a.example"],
                           user_location={"type": "approximate", "city": "X"}))),
    Case("r5.web-search", "blocked domains",
         offered(search(filters={"blocked_domains": ["a.example"]},
                        user_location={"type": "approximate"})),
         offered(searching(blocked_domains=["a.example"]))),
    Case("r5.web-search", "both filters",
         offered(search(filters={"blocked_domains": ["a"], "allowed_domains": ["b"]})),
         refused=("tools[0].filters", None)),
    Case("r5.web-search", "twice", offered(search(), search()),
         refused=("tools[1].type", None)),
    Case("r5.cached", "must not reach the network",
         offered(function(), search(external_web_access=False)), offered(F),
         warnings=("web_search_ignored",)),
    Case("r5.cached", "may reach the network", offered(search(external_web_access=True)),
         offered(searching())),
    *(Case("r5.dropped", kind, offered({"type": kind}), warnings=(f"{kind}_ignored",))
      for kind in ("image_generation", "programmatic_tool_calling")),
    *(Case("r5.refused", kind, offered(function(), {"type": kind}),
           refused=("tools[1]", "unsupported_value"))
      for kind in ("file_search", "code_interpreter", "mcp", "computer", "computer_use",
                   "computer_use_preview")),
    Case("r5.unknown", "another type", offered({"type": "hologram"}),
         refused=("tools[0].type", "invalid_value")),
    Case("r5.unknown", "no type", offered({"name": "f"}),
         refused=("tools[0].type", "missing_required_parameter")),
    Case("r5.unknown", "no object", offered("f"), refused=("tools[0]", "invalid_type")),
    Case("r5.unique", "two functions", offered(function(), function()),
         refused=("tools[1].name", None)),
    Case("r5.unique", "a namespace that collides",
         offered(function("a__b"), namespace("a", function("b"))),
         refused=("tools[1].tools[0].name", None)),
    Case("r5.unique", "a built-in tool that collides",
         offered(function("shell"), {"type": "shell"}), refused=("tools[1].type", None)),
    Case("r5.unique", "a function named as the search is",
         offered(search(), function("web_search")), refused=("tools[0].type", None)),
]  # fmt: skip

RUN = custom()
ALL = {"tools": [function(), RUN, namespace("crm", function("f")), {"type": "shell"},
                 search()], "model": OLD}  # fmt: skip


CHOICES = [
    ("none", {"type": "none"}),
    ("auto", {"type": "auto"}),
    (None, None),
    ("required", {"type": "any"}),
    ({"type": "function", "name": "f"}, {"type": "tool", "name": "f"}),
    ({"type": "function", "name": "f", "namespace": "crm"},
     {"type": "tool", "name": "crm__f"}),
    ({"type": "custom", "name": "run"}, {"type": "tool", "name": "run"}),
    ({"type": "shell"}, {"type": "tool", "name": "shell"}),
    ({"type": "web_search_preview"}, {"type": "tool", "name": "web_search"}),
]  # fmt: skip
REFUSED_CHOICES = [
    ("sometimes", "invalid_value"),
    ({"type": "function", "name": "g"}, None),
    ({"type": "function"}, None),
    ({"type": "custom", "name": "f"}, None),
    ({"type": "apply_patch"}, None),
    ({"type": "mcp", "server_label": "x"}, "unsupported_value"),
    ({"type": "image_generation"}, "unsupported_value"),
    ({"type": "hologram"}, "invalid_value"),
]


@parametrize(OFFERS)
def test_a_tool_is_offered_as_its_row_says(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(("choice", "expected"), CHOICES)
def test_r5_choice_becomes_anthropics(choice: object, expected: object) -> None:
    one, _ = read({"input": "Hi", **ALL, "tool_choice": choice})

    assert as_data(one).get("tool_choice") == expected
    assert one.warnings == ()
    assert broken(one) == set()


@pytest.mark.parametrize(("choice", "code"), REFUSED_CHOICES, ids=str)
def test_r5_choice_of_what_is_not_there_is_refused(choice: object, code: str) -> None:
    why = refusal({"input": "Hi", **ALL, "tool_choice": choice})

    assert (why.status, why.param, why.code) == (400, "tool_choice", code)


@pytest.mark.parametrize(
    "choice",
    ["required", {"type": "function", "name": "f"}, {"type": "web_search"},
     {"type": "allowed_tools", "mode": "required", "tools": []}],
    ids=str,
)  # fmt: skip
def test_r5_choice_cannot_force_a_call_without_tools(choice: object) -> None:
    why = refusal({"input": "Hi", "tool_choice": choice})

    assert (why.status, why.param) == (400, "tool_choice")


@pytest.mark.parametrize(
    "choice", ["auto", "none", None, {"type": "allowed_tools", "mode": "auto"}], ids=str
)
def test_r5_choice_without_tools_is_nothing(choice: object) -> None:
    one, _ = read({"model": MODEL, "input": "Hi", "tool_choice": choice})

    assert "tool_choice" not in as_data(one)
    assert one.warnings == ()


def test_r5_choice_of_a_search_needs_one_among_the_tools() -> None:
    tools = [function(), search(external_web_access=False)]

    why = refusal({"input": "Hi", "tools": tools, "tool_choice": search()})

    assert why.param == "tool_choice"


def test_r5_choice_is_an_instruction_where_a_model_cannot_be_forced() -> None:
    forced = {"tools": [custom()], "tool_choice": {"type": "custom", "name": "run"}}

    one, _ = read({"model": MODEL, "input": "Hi", **forced}, prompt_caching="off")

    assert one.warnings == ("forced_tool_choice_downgraded",)
    assert as_data(one)["tool_choice"] == {"type": "auto"}
    assert as_data(one)["system"][-1]["text"] == "Answer by calling the tool run."


def allowed(mode: str, *tools: dict) -> dict:
    return {"type": "allowed_tools", "mode": mode, "tools": list(tools)}


@pytest.mark.parametrize(
    ("choice", "expected", "warnings"),
    [
        (allowed("required", function()), {"type": "tool", "name": "f"}, ()),
        (
            allowed("required", function(), RUN),
            {"type": "any"},
            ("tool_choice_ignored",),
        ),
        (allowed("auto", function()), {"type": "auto"}, ("tool_choice_ignored",)),
        ({"type": "allowed_tools"}, {"type": "auto"}, ("tool_choice_ignored",)),
    ],
    ids=str,
)
def test_r5_allowed_tools_filter_nothing(
    choice: object, expected: object, warnings: tuple[str, ...]
) -> None:
    one, _ = read({"input": "Hi", **ALL, "tool_choice": choice})

    assert as_data(one)["tool_choice"] == expected
    assert one.warnings == warnings


def test_r5_typed_tools_are_functions_of_their_names() -> None:
    kinds = ["shell", "local_shell", "apply_patch"]

    one, way_back = read({"model": MODEL, "input": "Hi",
                          "tools": [{"type": kind} for kind in kinds]})  # fmt: skip

    schemas = {tool["name"]: tool["input_schema"] for tool in as_data(one)["tools"]}
    assert list(schemas) == kinds
    assert list(schemas["shell"]["properties"]) == [
        "commands", "timeout_ms", "max_output_length"
    ]  # fmt: skip
    assert list(schemas["local_shell"]["properties"]) == [
        "command", "working_directory", "timeout_ms", "env", "user"
    ]  # fmt: skip
    operation = schemas["apply_patch"]["properties"]["operation"]
    assert operation["properties"]["type"]["enum"] == [
        "create_file", "update_file", "delete_file"
    ]  # fmt: skip
    assert way_back.tools == {
        kind: context.Client(kind=kind, name=kind) for kind in kinds
    }
    assert broken(one) == set()


def test_calls_come_back_under_the_clients_own_names() -> None:
    tools = [function("files.read"), namespace("crm", custom("b"))]

    _, way_back = read({"model": MODEL, "input": "Hi", "tools": tools})

    [(read_name, reader), (_, b)] = way_back.tools.items()
    assert read_name.startswith("files_read_")
    assert reader == context.Client(name="files.read")
    assert b == context.Client(kind="custom", name="b", namespace="crm")


def test_properties_come_back_under_the_clients_own_names() -> None:
    schema = {"type": "object", "properties": {"$top": {"type": "integer"}}}

    _, way_back = read(
        {"model": MODEL, "input": "Hi", "tools": [function(parameters=schema)]}
    )

    [(ours, theirs)] = way_back.properties["f"].items()
    assert (ours.startswith("_top_"), theirs) == (True, "$top")


LATE = {"type": "additional_tools", "tools": [
    function(description="Second"), function("g"), search()]}  # fmt: skip


def test_r5_additional_tools_are_appended_once() -> None:
    found = [
        {"type": "tool_search_call", "call_id": "c1", "execution": "client",
         "arguments": {}},
        {"type": "tool_search_output", "call_id": "c1", "execution": "client",
         "tools": [function("g"), namespace("crm", function("h"))]},
    ]  # fmt: skip
    whole = {"model": MODEL, "input": [LATE, user(), *found, LATE],
             "tools": [function(description="First")]}  # fmt: skip

    one, _ = read(whole)

    tools = as_data(one)["tools"]
    assert [tool["name"] for tool in tools] == ["f", "g", "crm__h", "web_search"]
    assert tools[0]["description"] == "First"
    assert broken(one) == set()


def test_r5_additional_tools_must_fit_too() -> None:
    late = {"type": "additional_tools", "tools": [function("g"), {"type": "mcp"}]}

    why = refusal({"model": MODEL, "input": [late, user()]})

    assert (why.param, why.code) == ("input[0].tools[1]", "unsupported_value")


def test_r5_additional_tool_of_another_kind_must_have_another_name() -> None:
    late = {"type": "additional_tools", "tools": [custom("f")]}

    why = refusal({"model": MODEL, "input": [late, user()], "tools": [function()]})

    assert why.param == "input[0].tools[0].name"


def test_r5_history_with_calls_needs_no_tools() -> None:
    items = [user(), called(namespace="crm"), output(), user()]

    given = {"model": MODEL, "input": items, "tools": [], "tool_choice": "auto"}
    one = sent(given, prompt_caching="off")

    assert one["tools"] == [{"name": "crm__f", "input_schema": {"type": "object"}}]
    assert one["tool_choice"] == {"type": "none"}


def test_r10_instructions_of_ours_stand_last_the_constant_ones_first() -> None:
    given = {
        "instructions": "I",
        "tools": [namespace("crm", function(), description="D")],
        "tool_choice": "required",
        "text": {"format": {"type": "json_object"}},
    }

    one = sent({"model": MODEL, "input": [{"role": "system", "content": "S"}, user()],
                **given}, prompt_caching="off")  # fmt: skip

    assert one["system"] == [
        {"type": "text", "text": "I"},
        {"type": "text", "text": "S"},
        *grouped("- crm__: D"),
        {"type": "text", "text": "Reply with one JSON object and nothing else."},
        {"type": "text", "text": "Answer by calling at least one of the tools."},
    ]


def test_marks_on_tools_are_passed_on() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}

    one = sent({"model": MODEL, "input": "Hi", "tools": [function(**mark)]})

    assert one["tools"] == [F | mark]
