"""b3: JSON schemas as structured outputs take them: total, deterministic, closed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bombs
from proxy.translate import json_schema

STRING = {"type": "string"}


def transformed(schema: object) -> object:
    return json.loads(json_schema.to_anthropic_schema(json.dumps(schema).encode()))


def closed(**properties: object) -> dict:
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "object", "properties": {"a": STRING}}, closed(a=STRING)),
        (
            {"type": "object", "properties": {"a": STRING}, "required": ["a", "zz"]},
            {**closed(a=STRING), "required": ["a"]},
        ),
        (closed(), closed()),
        ({"type": "object", "additionalProperties": False}, closed()),
        (closed(a={"type": ["string", "null"]}), closed(a={"type": ["string", "null"]})),
        (
            closed(a={"type": "integer", "minimum": 1, "maximum": 9, "description": "N"}),
            closed(a={"type": "integer", "description": "N\nminimum: 1; maximum: 9"}),
        ),
        (
            closed(a={"type": "array", "items": STRING, "minItems": 2, "maxItems": 4}),
            closed(a={"type": "array", "items": STRING,
                      "description": "minItems: 2; maxItems: 4"}),
        ),
        (
            closed(a={"type": "array", "items": STRING, "minItems": 1}),
            closed(a={"type": "array", "items": STRING, "minItems": 1}),
        ),
        (
            closed(a={"type": "string", "format": "date-time"}),
            closed(a={"type": "string", "format": "date-time"}),
        ),
        (
            closed(a={"type": "string", "format": "color"}),
            closed(a={"type": "string", "description": 'format: "color"'}),
        ),
        (
            closed(a={"type": "string", "pattern": "^a+$"}),
            closed(a={"type": "string", "pattern": "^a+$"}),
        ),
        (
            closed(a={"type": "string", "pattern": "^(?!x)"}),
            closed(a={"type": "string", "description": 'pattern: "^(?!x)"'}),
        ),
        (closed(a={"oneOf": [STRING]}), closed(a={"anyOf": [STRING]})),
        (closed(a={"enum": ["x", 1, None]}), closed(a={"enum": ["x", 1, None]})),
        (closed(a={"const": 7}), closed(a={"const": 7})),
        (
            closed(a={"type": ["string", "null"], "enum": ["x", None]}),
            closed(a={"enum": ["x", None]}),
        ),
        (
            closed(a={"type": "string", "format": "date", "enum": ["x"], "title": "T"}),
            closed(a={"enum": ["x"], "title": "T"}),
        ),
        (
            closed(a={"type": "string", "nullable": True, "enum": ["x"]}),
            closed(a={"enum": ["x", None]}),
        ),
        (
            closed(a={"type": ["string", "null"], "enum": ["x", "y"]}),
            closed(a={"enum": ["x", "y", None]}),
        ),
        (
            closed(a={"enum": ["x"], "type": ["null", "string"]}),
            closed(a={"enum": ["x", None]}),
        ),
        (
            closed(a={"type": ["string", "null"], "const": "x"}),
            closed(a={"enum": ["x", None]}),
        ),
        (
            closed(a={"type": ["null", "string"], "const": None}),
            closed(a={"enum": [None]}),
        ),
        (closed(a={"type": "string", "const": "x"}), closed(a={"const": "x"})),
        ({"$schema": "d", "$id": "i", **closed(a=STRING)}, closed(a=STRING)),
        (
            {**closed(a={"$ref": "#/$defs/P"}), "$defs": {"P": closed(b=STRING)}},
            {**closed(a={"$ref": "#/$defs/P"}), "$defs": {"P": closed(b=STRING)}},
        ),
        (
            {"$ref": "#/$defs/P", "$defs": {"P": closed(b=STRING)}},
            closed(b=STRING),
        ),
        (
            {**closed(a={"$ref": "#/definitions/P", "description": "D"}),
             "definitions": {"P": STRING}},
            {**closed(a={**STRING, "description": "D"}), "$defs": {"P": STRING}},
        ),
        (closed(a={**STRING, "description": None}), closed(a=STRING)),
        (
            closed(a=STRING, b={"$ref": "#/properties/a"}),
            closed(a=STRING, b=STRING),
        ),
        (closed(a={"allOf": [STRING], "title": "T"}), closed(a={**STRING, "title": "T"})),
        (
            {**closed(a={"$ref": "#/x"}), "x": {**STRING, "description": None}},
            {**closed(a=STRING),
             "description": 'x: {"type":"string","description":null}'},
        ),
        (STRING, STRING),
    ],
)  # fmt: skip
def test_b3_transform(schema: object, expected: object) -> None:
    assert transformed(schema) == expected


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "object"}, "does not name its properties"),
        ({"type": "object", "properties": {}}, "does not name its properties"),
        ({"type": "object", "additionalProperties": STRING}, "a map"),
        (closed(a={}), "any value"),
        (closed(a=True), "any value"),
        (closed(a={"description": "?"}), "any value"),
        (closed(a={"type": "array"}), "nothing of its items"),
        (closed(a={"enum": [{"x": 1}]}), "enum has no value, or objects"),
        (closed(a={"type": "string", "enum": []}), "enum has no value"),
        (closed(a={"const": {"x": 1}}), "const has no value, or objects"),
        (closed(a={"$ref": "#"}), "recursive"),
        ({**closed(a={"$ref": "#/$defs/P"}),
          "$defs": {"P": closed(next={"$ref": "#/$defs/P"})}}, "recursive"),
        (closed(a={"$ref": "https://example.com/x"}), "another document"),
        (closed(a={"$ref": "#/$defs/None"}), "nothing"),
        (closed(a={"allOf": [STRING, STRING]}), "allOf"),
        (closed(a={"anyOf": 7}), "must be an array"),
        ([], "any value"),
        (closed(a={"anyOf": [STRING], "oneOf": [STRING]}), "two unions"),
        (closed(a={"type": "array", "items": False, "prefixItems": [STRING]}), "items"),
        ({**closed(a={"$ref": "#/$defs/P"}, b={"$ref": "#/definitions/P"}),
          "$defs": {"P": STRING}, "definitions": {"P": closed()}}, "one name"),
        (closed(a={"type": "color"}), "must be array, boolean"),
        ({**closed(a={"$ref": "#/x"}), "x": {"type": "color"}}, "a type of its own"),
        ({**closed(a={"$ref": "#/x"}), "x": {"enum": 7}}, "of the wrong type"),
    ],
)  # fmt: skip
def test_b3_inexpressible(schema: object, why: str) -> None:
    with pytest.raises(json_schema.InexpressibleError, match=why):
        transformed(schema)


def test_b3_inexpressible_is_a_schema_that_stands_for_billions_of_parts() -> None:
    doubling = {
        f"d{i}": {"anyOf": [{"$ref": f"#/x/d{i + 1}"}, {"$ref": f"#/x/d{i + 1}"}]}
        for i in range(40)
    }
    schema = {**closed(a={"$ref": "#/x/d0"}), "x": {**doubling, "d40": STRING}}

    with pytest.raises(json_schema.InexpressibleError, match="too large"):
        transformed(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": [0] * json_schema.MAX_ELEMENTS},
        {"anyOf": [{"const": 0}] * json_schema.MAX_PARTS},
    ],
    ids=["values", "parts"],
)
def test_b3_inexpressible_is_a_schema_of_too_many_parts(schema: dict) -> None:
    with pytest.raises(json_schema.InexpressibleError, match="too large"):
        transformed(schema)


@pytest.mark.parametrize("name", ["doubling", "copies"])
def test_b3_inexpressible_is_a_schema_whose_copies_outgrow_it(name: str) -> None:
    schema = getattr(bombs, name)()

    with pytest.raises(json_schema.InexpressibleError, match="too large"):
        transformed(schema)


def test_b3_transform_copies_within_reason() -> None:
    """A definition with a description of its own for each use, as pydantic writes them."""
    uses = {
        f"a{i}": {"$ref": "#/$defs/P", "description": f"The {i}. point"}
        for i in range(50)
    }
    point = closed(x={"type": "number"}, y={"type": "number"})

    got = transformed({**closed(**uses), "$defs": {"P": point}})

    assert got["properties"]["a9"] == {**point, "description": "The 9. point"}


@pytest.mark.parametrize("raw", [b"{", b'{"anyOf":[' * 40_000])
def test_b3_inexpressible_is_what_cannot_be_read(raw: bytes) -> None:
    with pytest.raises(json_schema.InexpressibleError, match="cannot be read"):
        json_schema.to_anthropic_schema(raw)

    assert not json_schema.is_closed(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["type", "properties", "items", "anyOf", "oneOf", "allOf", "enum", "const",
             "$ref", "$defs", "required", "additionalProperties", "format", "pattern",
             "minItems", "minimum", "description", "title", "not", "x"]
        ) | st.text(max_size=5),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null"])
PLAUSIBLE = st.recursive(
    st.builds(lambda t: {"type": t}, TYPES),
    lambda inner: st.builds(
        lambda properties: {"type": "object", "properties": properties},
        st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), inner, min_size=1,
                        max_size=4),
    )
    | st.builds(lambda one: {"type": "array", "items": one, "minItems": 3}, inner)
    | st.builds(lambda some: {"oneOf": some}, st.lists(inner, min_size=1, max_size=3)),
    max_leaves=15,
)  # fmt: skip


@given(schema=JSON | PLAUSIBLE)
def test_b3_transform_is_total_and_deterministic(schema: object) -> None:
    try:
        first = transformed(schema)
    except json_schema.InexpressibleError:
        return

    assert transformed(schema) == first
    assert transformed(first) == first


@given(schema=PLAUSIBLE)
def test_b3_transform_gives_closed_schemas(schema: object) -> None:
    got = json_schema.to_anthropic_schema(json.dumps(schema).encode())

    assert json_schema.is_closed(got)
