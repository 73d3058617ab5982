"""b5.properties: names that Anthropic refuses, there and back."""

import json
import re
from collections.abc import Iterator

import pytest
from falcon import testing
from hypothesis import given
from hypothesis import strategies as st

from proxy.translate import json_text, names, property_names
from request_translation import context_of, sent, translated
from row_cases import HI
from standin import server

LEGAL = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
REAL = [
    "filter[app]",
    "$top",
    "@odata.type",
    "größe",
    "a b",
    "",
    "x" * 65,
    "a/b~c",
    'q"',
]


def tool(schema: dict, name: str = "list") -> dict:
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def called_with(arguments: str) -> list[dict]:
    """A history in which `list` was called and has answered."""
    function = {"name": "list", "arguments": arguments}
    call = {"id": "c", "type": "function", "function": function}
    return [*HI, {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "ok"}]  # fmt: skip


def sent_schema(schema: dict) -> dict:
    [one] = sent({"messages": HI, "tools": [tool(schema)]})["tools"]
    return one["input_schema"]


def ours(name: str) -> str:
    return names.property_name(name)


@pytest.mark.parametrize("name", REAL)
def test_a_name_is_legal_and_always_the_same(name: str) -> None:
    assert LEGAL.fullmatch(ours(name))
    assert ours(name) != name
    assert ours(ours(name)) == ours(name)


def test_names_are_renamed_wherever_a_schema_holds_them() -> None:
    name, renamed = "filter[app]", ours("filter[app]")
    inner = {
        "type": "object",
        "properties": {name: {}, "b": {}},
        "required": [name, "b"],
    }

    got = sent_schema(
        {
            "type": "object",
            "properties": {name: {"type": "string"}, "list": {"items": inner}},
            "required": [name],
            "dependentRequired": {name: ["list"], "list": [name]},
            "dependentSchemas": {name: {"required": [name]}},
            "not": {"required": [name]},
            "$defs": {"filter[app]": inner},
            "default": {name: [{name: name}]},
        }
    )

    renamed_inner = {
        "type": "object",
        "properties": {renamed: {}, "b": {}},
        "required": [renamed, "b"],
    }
    assert got == {
        "type": "object",
        "properties": {renamed: {"type": "string"}, "list": {"items": renamed_inner}},
        "required": [renamed],
        "dependentRequired": {renamed: ["list"], "list": [renamed]},
        "dependentSchemas": {renamed: {"required": [renamed]}},
        "not": {"required": [renamed]},
        "$defs": {"filter[app]": renamed_inner},  # a definition's name is nobody's key
        "default": {renamed: [{renamed: name}]},
    }


@pytest.mark.parametrize(
    "reference",
    ["#/properties/a~1b~0c/items", "#/properties/a%2Fb~0c/items", "#/properties/x"],
)
def test_a_reference_follows_a_property_to_its_new_name(reference: str) -> None:
    got = sent_schema(
        {
            "type": "object",
            "properties": {"a/b~c": {"items": {}}, "x": {}, "y": {"$ref": reference}},
        }
    )

    expected = (
        reference if reference.endswith("x") else f"#/properties/{ours('a/b~c')}/items"
    )
    assert got["properties"]["y"] == {"$ref": expected}


@pytest.mark.parametrize(
    ("keyword", "given_value", "sent_value"),
    [
        ("additionalProperties", True, True),
        ("$ref", "#top", "#top"),
        ("$ref", "https://a.b/properties/$top", "https://a.b/properties/$top"),
        (
            "discriminator",
            {"propertyName": "$top", "mapping": {"$top": "#/$defs/A"}},
            {"propertyName": ours("$top"), "mapping": {"$top": "#/$defs/A"}},
        ),
        ("discriminator", {"propertyName": "x"}, {"propertyName": "x"}),
        ("discriminator", {"mapping": {}}, {"mapping": {}}),
    ],
)
def test_what_stands_beside_a_new_name(
    keyword: str, given_value: object, sent_value: object
) -> None:
    got = sent_schema(
        {"type": "object", "properties": {"$top": {}}, keyword: given_value}
    )

    assert got == {
        "type": "object",
        "properties": {ours("$top"): {}},
        keyword: sent_value,
    }


def test_a_union_at_the_top_is_told_with_the_new_names() -> None:
    got = sent_schema(
        {
            "type": "object",
            "properties": {"$top": {}},
            "anyOf": [{"required": ["$top"]}],
        }
    )

    assert got["description"] == f'anyOf: [{{"required":["{ours("$top")}"]}}]'


def test_a_name_that_is_taken_already_is_refused() -> None:
    taken = {"type": "object", "properties": {"$top": {}, ours("$top"): {}}}

    with pytest.raises(property_names.ConflictError):
        property_names.renamed(taken)


def test_a_tool_of_legal_names_keeps_its_bytes_and_its_arguments() -> None:
    """Only calls of the tool that has such names are touched."""
    call = {"id": "c", "type": "function",
            "function": {"name": "other", "arguments": '{"$top":  1.50}'}}  # fmt: skip
    history = [*HI, {"role": "assistant", "tool_calls": [call]},
               {"role": "tool", "tool_call_id": "c", "content": "ok"}]  # fmt: skip
    tools = [
        tool({"type": "object", "properties": {"$top": {}}}),
        tool({"type": "object", "properties": {"a": {}}}, "other"),
    ]

    one = translated({"messages": history, "tools": tools})

    assert bytes(one.request.messages[1].content[0].input) == b'{"$top":  1.50}'


def test_arguments_of_the_history_get_the_names_of_the_schema() -> None:
    text = '{"$top": 1.50, "in": [{"$top": "$top"}], "n": "\\u0024top"}'
    history = called_with(text)
    tools = [tool({"type": "object", "properties": {"$top": {}}})]

    one = translated({"messages": history, "tools": tools})

    top = ours("$top")
    assert bytes(one.request.messages[1].content[0].input).decode() == (
        f'{{"{top}": 1.50, "in": [{{"{top}": "$top"}}], "n": "\\u0024top"}}'
    )


def arguments_of(answer: testing.Result, *, stream: bool) -> str:
    if not stream:
        [call] = answer.json["choices"][0]["message"]["tool_calls"]
        return call["function"]["arguments"]
    return "".join(
        call["function"].get("arguments", "")
        for line in answer.text.splitlines()
        if line.startswith("data: {")
        for choice in json.loads(line.removeprefix("data: "))["choices"]
        for call in choice["delta"].get("tool_calls", ())
    )


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [name for name in REAL if name])
def test_the_client_reads_its_own_names(
    client: testing.TestClient, standin: server.StandIn, name: str, stream: bool
) -> None:
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"}, "plain": {"type": "integer"}},
        "required": [name, "plain"],
    }
    asked = [{"role": "user", "content": "Please list what is in Paris, 7 of them."}]

    answer = client.simulate_post(
        "/v1/chat/completions",
        json={"messages": asked, "tools": [tool(schema)], "stream": stream},
    )

    assert standin.requests[-1].rule is None
    got = json.loads(arguments_of(answer, stream=stream))
    assert got.keys() == {name, "plain"}


def test_arguments_that_are_cut_keep_what_there_is(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    tools = [
        tool({"type": "object", "required": ["$top", "b"],
              "properties": {"$top": {}, "b": {"type": "string"}}})
    ]  # fmt: skip
    answer = client.simulate_post(
        "/v1/chat/completions",
        json={
            "messages": [{"role": "user", "content": "list"}],
            "tools": tools, "tool_choice": "required", "max_tokens": 8,
            "model": "claude-sonnet-4-6", "stream": True,
        },
    )  # fmt: skip

    text = arguments_of(answer, stream=True)
    assert text.startswith('{"$top": ')
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


NAMES = st.sampled_from(REAL) | st.text(max_size=70) | st.sampled_from(["a", "b.c"])


def keys_of(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


@st.composite
def schemas_with_arguments(draw: st.DrawFn, depth: int = 2) -> tuple[dict, object]:
    """An object's schema, with arguments that fit it."""
    properties, value = {}, {}
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        if depth and draw(st.booleans()):
            properties[name], value[name] = draw(schemas_with_arguments(depth - 1))
        else:
            properties[name] = {"type": "string"}
            value[name] = draw(NAMES)
    required = draw(
        st.lists(st.sampled_from([*properties, "c"]), unique=True, max_size=2)
    )
    return {"type": "object", "properties": properties, "required": required}, value


@given(made=schemas_with_arguments())
def test_any_names_are_legal_upstream_and_come_back_as_they_were(
    made: tuple[dict, dict],
) -> None:
    schema, value = made
    text = json.dumps(value, ensure_ascii=False)
    history = called_with(text)

    given = {"messages": history, "tools": [tool(schema)]}
    one = translated(given)

    upstream = json.loads(bytes(one.request.tools[0].input_schema))
    given_back = bytes(one.request.messages[1].content[0].input).decode()
    assert all(LEGAL.fullmatch(name) for name in keys_of(upstream))
    assert all(LEGAL.fullmatch(name) for name in keys_of(json.loads(given_back)))
    assert len(upstream.get("properties", {})) == len(schema["properties"])
    back = json_text.renamed_keys(
        given_back, context_of(given).names.properties.get("list", {})
    )
    assert back == text
