"""b5.draft: tool schemas of older drafts and of OpenAPI as draft 2020-12."""

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.translate import draft

NEW = jsonschema.Draft202012Validator
STRING, NUMBER = {"type": "string"}, {"type": "number"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"items": [STRING, NUMBER]}, {"prefixItems": [STRING, NUMBER]}),
        (
            {"items": [STRING], "additionalItems": False},
            {"prefixItems": [STRING], "items": False},
        ),
        ({"items": STRING, "additionalItems": False}, {"items": STRING}),
        ({"items": []}, {}),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 1, "exclusiveMaximum": False}, {"maximum": 1}),
        ({"exclusiveMaximum": True}, {}),
        (
            {"dependencies": {"a": ["b"], "c": STRING, "d": "e"}},
            {
                "dependentRequired": {"a": ["b"], "d": ["e"]},
                "dependentSchemas": {"c": STRING},
            },
        ),
        ({"dependencies": {"a": None, "b": "c"}}, {"dependentRequired": {"b": ["c"]}}),
        ({"divisibleBy": 2}, {"multipleOf": 2}),
        ({"id": "#a"}, {"$anchor": "a"}),
        ({"id": "https://a.b/c"}, {"id": "https://a.b/c"}),
        ({"$id": "#a"}, {"$anchor": "a"}),
        ({"$anchor": "a", "items": []}, {"$anchor": "a"}),
        ({"$id": "https://a.b/c#d"}, {"$id": "https://a.b/c", "$anchor": "d"}),
        ({"$recursiveRef": "#", "$recursiveAnchor": True}, {"$ref": "#"}),
        (
            {"properties": {"a": {"required": True}, "b": {"required": False}}},
            {"properties": {"a": {}, "b": {}}, "required": ["a"]},
        ),
        ({"type": "any"}, {}),
        ({"type": "STRING"}, STRING),
        ({"type": "float"}, NUMBER),
        ({"type": ["string", None, "str"]}, {"type": ["string", "null"]}),
        ({"type": []}, {}),
        ({"description": None, "enum": None, "items": None}, {}),
        ({"default": None, "const": None}, {"default": None, "const": None}),
        ({"properties": {"a": None}}, {"properties": {"a": {}}}),
        ({"anyOf": []}, {}),
        ({"examples": "x"}, {"examples": ["x"]}),
        ({"title": 7, "deprecated": "soon"}, {}),
        ({"required": "a"}, {"required": ["a"]}),
        ({"properties": [], "$defs": []}, {"properties": {}, "$defs": {}}),
        ({"properties": {"a": []}}, {"properties": {"a": {}}}),
        ({"required": ["a", "a"]}, {"required": ["a"]}),
    ],
)
def test_what_older_drafts_and_serialisers_write_is_converted(
    old: dict, new: dict
) -> None:
    nested = draft.to_2020_12({"properties": {"x": {"items": old}}})

    assert nested["properties"]["x"]["items"] == new


@pytest.mark.parametrize(
    ("nullable", "new"),
    [
        (STRING, {"type": ["string", "null"]}),
        (
            {"type": "string", "enum": ["a"]},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"$ref": "#/$defs/A", "description": "D"},
            {"description": "D", "anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]},
        ),
        ({"allOf": [STRING]}, {"anyOf": [{"allOf": [STRING]}, {"type": "null"}]}),
        ({}, {}),
    ],
)
def test_openapis_nullable_is_a_type(nullable: dict, new: dict) -> None:
    schema = {"properties": {"a": {**nullable, "nullable": True}}}

    assert draft.to_2020_12(schema)["properties"]["a"] == new


def test_the_dialect_is_named_anew_only_where_something_was_converted() -> None:
    old = "http://json-schema.org/draft-07/schema#"

    assert draft.to_2020_12({"$schema": old})["$schema"] == old
    assert draft.to_2020_12({"$schema": old, "items": [STRING]}) == {
        "$schema": draft.DRAFT,
        "prefixItems": [STRING],
    }


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"properties": {"a": {"type": "color"}}}, "properties.a.type"),
        ({"properties": {"a": "string"}}, "properties.a"),
        ({"properties": [STRING]}, "properties"),
        ({"anyOf": [STRING, None]}, "anyOf[1]"),
        ({"items": [STRING, 7]}, "items[1]"),
        ({"enum": {"A": "a"}}, "enum"),
        ({"minLength": -1}, "minLength"),
        ({"maximum": "9"}, "maximum"),
        ({"multipleOf": 0}, "multipleOf"),
        ({"required": [1]}, "required"),
        ({"dependencies": {"a": [1]}}, "dependencies.a"),
        ({"$id": "#/a/b"}, "$id"),
        ({"pattern": 7}, "pattern"),
        ({"uniqueItems": 1}, "uniqueItems"),
        ({"$anchor": 7}, "$anchor"),
        ({"$dynamicAnchor": "#a"}, "$dynamicAnchor"),
    ],
)
def test_what_no_draft_allows_is_refused_with_its_path(schema: dict, path: str) -> None:
    with pytest.raises(draft.InvalidSchemaError) as caught:
        draft.to_2020_12({"not": schema})

    assert caught.value.path == f"not.{path}"


def test_a_schema_without_end_is_refused() -> None:
    schema: dict = {}
    for _ in range(draft.MAX_DEPTH + 1):
        schema = {"items": schema}

    with pytest.raises(draft.InvalidSchemaError, match="must nest at most 100 levels"):
        draft.to_2020_12(schema)


KEYWORDS = [
    *sorted(draft.SCHEMAS | draft.LISTS | draft.MAPS), "type", "required", "$id", "id",
    "$recursiveRef", "divisibleBy", "examples", "dependencies", "dependentRequired",
    "nullable", "enum", "const", "$anchor", "multipleOf", "minimum", "exclusiveMinimum",
    "minLength", "title", "format", "pattern", "$ref", "uniqueItems", "deprecated",
    "$vocabulary", "$recursiveAnchor", "default", "$dynamicAnchor", "$schema",
]  # fmt: skip
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 2)
    | st.sampled_from(["string", "int", "any", "a", "#a", "", "#/x", 0.5]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=3)
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=10,
)


@given(schema=st.dictionaries(st.sampled_from(KEYWORDS), ODD, max_size=3))
def test_every_result_is_valid_by_the_metaschema_and_is_not_changed_again(
    schema: dict,
) -> None:
    try:
        converted = draft.to_2020_12(schema)
    except draft.InvalidSchemaError:
        return

    NEW(NEW.META_SCHEMA).validate(converted)
    assert draft.to_2020_12(converted) == converted


TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null", "array"])
BOUNDS = st.integers(-2, 2)
SIMPLE = st.fixed_dictionaries({}, optional={"type": TYPES, "minimum": BOUNDS})


def nested(inner: st.SearchStrategy[dict]) -> st.SearchStrategy[dict]:
    named = st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "items": inner | st.lists(inner, min_size=1, max_size=2),
            "additionalItems": st.booleans() | inner,
            "properties": named,
            "required": st.lists(st.sampled_from("abc"), min_size=1, unique=True),
            "dependencies": st.dictionaries(
                st.sampled_from("abc"),
                inner | st.lists(st.sampled_from("abc"), min_size=1, unique=True),
                max_size=2,
            ),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
        },
    )


DRAFT_7 = st.recursive(SIMPLE, nested, max_leaves=6)
FLAGS = st.fixed_dictionaries(
    {"minimum": BOUNDS, "maximum": BOUNDS},
    optional={
        "exclusiveMinimum": st.booleans(),
        "exclusiveMaximum": st.booleans(),
        "type": TYPES,
    },
)
DRAFT_4 = st.recursive(FLAGS, nested, max_leaves=6).filter(
    jsonschema.Draft4Validator(jsonschema.Draft4Validator.META_SCHEMA).is_valid
)
VALUES = st.recursive(
    st.none() | st.booleans() | BOUNDS | st.sampled_from(["", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("schemas", "validator"),
    [(DRAFT_7, jsonschema.Draft7Validator), (DRAFT_4, jsonschema.Draft4Validator)],
    ids=["draft 7", "draft 4"],
)
@given(data=st.data())
def test_a_converted_schema_allows_exactly_what_the_old_one_did(
    data: st.DataObject, schemas: st.SearchStrategy[dict], validator: type
) -> None:
    schema, value = data.draw(schemas), data.draw(VALUES)

    converted = draft.to_2020_12(schema)

    assert NEW(converted).is_valid(value) == validator(schema).is_valid(value)
