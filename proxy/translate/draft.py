"""Tool schemas of older drafts and of OpenAPI as JSON Schema 2020-12.

Anthropic validates a tool's schema against the metaschema of that draft and rejects the
whole request where it does not fit. OpenAI reads schemas loosely, so clients send what
their generators write: draft 4 to 2019-09, OpenAPI's ``nullable``, ``null`` for keywords
that are not set. What has an equivalent is converted; the rest is an error with its path.

Sources: "Migrating from older drafts" and the release notes on json-schema.org; the
metaschema itself for what each keyword may hold.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
MAX_DEPTH = 100
"""Levels of subschemas. Real ones have a dozen."""

SCHEMAS = frozenset(
    {
        "not", "if", "then", "else", "contains", "propertyNames", "items",
        "additionalItems", "additionalProperties", "unevaluatedItems",
        "unevaluatedProperties", "contentSchema",
    }
)  # fmt: skip
"""Keywords that hold a schema."""
LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
"""Keywords that hold a list of schemas."""
MAPS = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
)
"""Keywords that hold schemas by name."""

_TYPES = frozenset(
    {"object", "array", "string", "integer", "number", "boolean", "null"}
)
_OTHER_WORDS = {
    "int": "integer", "long": "integer", "float": "number", "double": "number",
    "decimal": "number", "bool": "boolean", "str": "string", "text": "string",
    "date": "string", "datetime": "string", "file": "string", "dict": "object",
    "map": "object", "list": "array", "tuple": "array", "set": "array",
    "none": "null", "nil": "null",
}  # fmt: skip
"""What generators write for a type, in the language that they are written in."""

_NULL_IS_A_VALUE = frozenset({"const", "default", "example"})
_PROSE = frozenset(
    {"title", "description", "$comment", "contentEncoding", "contentMediaType"}
)
_FLAGS = frozenset({"deprecated", "readOnly", "writeOnly"})
_WORDS = frozenset({"format", "pattern", "$ref", "$dynamicRef", "$schema"})
_COUNTS = frozenset(
    {
        "minLength", "maxLength", "minItems", "maxItems", "minProperties",
        "maxProperties", "minContains", "maxContains",
    }
)  # fmt: skip
_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_NOT_FOR_TOOLS = frozenset({"$vocabulary", "$recursiveAnchor"})
_ANNOTATIONS = ("title", "description", "default", "examples", "deprecated")
_ANCHOR = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")


class InvalidSchemaError(Exception):
    """A schema that no draft allows. ``path`` is where, inside the schema."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(why)
        self.path = path
        self.why = why


def to_2020_12(schema: Schema) -> Schema:
    """The schema of a tool's arguments as the draft that Anthropic validates against.

    Equal to what was given where that fits already. Raises ``InvalidSchemaError``.
    """
    converted = _converted({k: v for k, v in schema.items() if k != "nullable"}, "", 0)
    if converted != schema and "$schema" in converted:
        converted["$schema"] = DRAFT
    return converted


def _converted(node: Mapping[str, Any], path: str, depth: int) -> Schema:
    if depth > MAX_DEPTH:
        raise InvalidSchemaError(path, f"must nest at most {MAX_DEPTH} levels")
    out: Schema = {}
    for key, value in node.items():
        if value is not None or key in _NULL_IS_A_VALUE:
            _keyword(key, value, out, f"{path}.{key}".lstrip("."), depth)
    _move_tuple(out)
    _move_bounds(out)
    if "properties" in out:
        _move_required(node["properties"] or {}, out)
    if out.pop("nullable", False) is True:
        return _with_null(out)
    return out


def _schema(value: object, path: str, depth: int) -> Schema | bool:
    if isinstance(value, bool):
        return value
    if value == []:
        return {}  # PHP's
    if not isinstance(value, dict):
        raise InvalidSchemaError(path, "must be a schema")
    return _converted(value, path, depth + 1)


def _keyword(key: str, value: Any, out: Schema, path: str, depth: int) -> None:  # noqa: ANN401
    """Put one keyword, converted, where it belongs in ``out``."""
    if key == "items" and isinstance(value, list):
        out[key] = [_schema(v, f"{path}[{i}]", depth) for i, v in enumerate(value)]
    elif key in SCHEMAS:
        out[key] = _schema(value, path, depth)
    elif key in LISTS:
        if given := _list(value, path):
            out[key] = [_schema(v, f"{path}[{i}]", depth) for i, v in enumerate(given)]
    elif key in MAPS:
        out[key] = {
            name: _schema({} if v is None else v, f"{path}.{name[:64]}", depth)
            for name, v in _mapping(value, path).items()
        }
    elif key in {"dependencies", "dependentRequired"}:
        _dependencies(_mapping(value, path), out, path, depth)
    elif key in _MOVED:
        _MOVED[key](value, out, path)
    elif key not in _NOT_FOR_TOOLS:
        _scalar(key, value, out, path)


def _scalar(key: str, value: Any, out: Schema, path: str) -> None:  # noqa: ANN401
    """A keyword that holds no schema: checked, and kept where it fits."""
    if key in _PROSE or key in _FLAGS:  # says something and asserts nothing
        if isinstance(value, str if key in _PROSE else bool):
            out[key] = value
        return
    if key in _WORDS:
        _require(isinstance(value, str), path, "must be a string")
    elif key in _COUNTS:
        _require(_is_count(value), path, "must be an integer of at least 0")
    elif key in _BOUNDS:
        is_bound = _is_number(value) or (
            isinstance(value, bool) and key.startswith("exclusive")
        )
        _require(is_bound, path, "must be a number")
    elif key == "multipleOf":
        _require(_is_number(value) and value > 0, path, "must be a number above 0")
    elif key in {"uniqueItems", "nullable"}:
        _require(isinstance(value, bool), path, "must be a boolean")
    elif key == "enum":
        _list(value, path)
    elif key in {"$anchor", "$dynamicAnchor"}:
        fits = isinstance(value, str) and _ANCHOR.fullmatch(value) is not None
        _require(fits, path, "must be a name of letters, digits, '.', '_' and '-'")
    out[key] = value


# ------------------------------------------------------------------ what has moved


def _type(value: object, out: Schema, path: str) -> None:
    given = value if isinstance(value, list) else [value]
    words = dict.fromkeys(_type_word(one, path) for one in given)
    if not words or "any" in words:  # draft 3's word for no type at all
        return
    out["type"] = list(words) if isinstance(value, list) else next(iter(words))


def _type_word(value: object, path: str) -> str:
    if value is None:
        return "null"
    word = value.lower() if isinstance(value, str) else ""
    word = _OTHER_WORDS.get(word, word)
    if word not in _TYPES and word != "any":
        *others, last = sorted(_TYPES)
        raise InvalidSchemaError(path, f"must be {', '.join(others)} or {last}")
    return word


def _required(value: object, out: Schema, path: str) -> None:
    if isinstance(value, bool):  # a draft 3 property: see ``_move_required``
        return
    out["required"] = [*dict.fromkeys([*out.get("required", ()), *_names(value, path)])]


def _id(value: object, out: Schema, path: str) -> None:
    """A fragment in ``$id`` (drafts 4 to 7) names a place, as ``$anchor`` does now."""
    _require(isinstance(value, str), path, "must be a string")
    base, _, fragment = str(value).partition("#")
    if fragment and _ANCHOR.fullmatch(fragment) is None:
        raise InvalidSchemaError(path, "must have no fragment but a name")
    if fragment:
        out["$anchor"] = fragment
    if base or not fragment:
        out["$id"] = base or value


def _old_id(value: object, out: Schema, _: str) -> None:
    """Draft 4's ``id``. Only a name is ever referred to; other ids mean nothing now."""
    if (
        isinstance(value, str)
        and value.startswith("#")
        and _ANCHOR.fullmatch(value[1:])
    ):
        out["$anchor"] = value[1:]
    else:
        out["id"] = value


def _recursive_reference(value: object, out: Schema, path: str) -> None:
    _require(isinstance(value, str), path, "must be a string")
    out["$ref"] = value


def _divisor(value: Any, out: Schema, path: str) -> None:  # noqa: ANN401
    _scalar("multipleOf", value, out, path)


def _examples(value: object, out: Schema, _: str) -> None:
    out["examples"] = value if isinstance(value, list) else [value]


_MOVED: dict[str, Callable[[Any, Schema, str], None]] = {
    "type": _type,
    "required": _required,
    "$id": _id,
    "id": _old_id,
    "$recursiveRef": _recursive_reference,
    "divisibleBy": _divisor,
    "examples": _examples,
}


def _dependencies(given: Mapping[str, Any], out: Schema, path: str, depth: int) -> None:
    """``dependencies`` became two keywords in 2019-09."""
    for name, value in given.items():
        at = f"{path}.{name[:64]}"
        if isinstance(value, dict | bool):
            schemas = out.setdefault("dependentSchemas", {})
            schemas[name] = _schema(value, at, depth)
        elif value is not None:
            names = [value] if isinstance(value, str) else value
            required = out.setdefault("dependentRequired", {})
            required[name] = [*dict.fromkeys(_names(names, at))]


def _move_tuple(out: Schema) -> None:
    """A list of ``items`` became ``prefixItems``, and what follows it ``items``."""
    rest = out.pop("additionalItems", None)
    if not isinstance(out.get("items"), list):
        return  # without a tuple, ``additionalItems`` never meant anything
    first = out.pop("items")
    if first:
        out["prefixItems"] = first
    if rest is not None:
        out["items"] = rest


def _move_bounds(out: Schema) -> None:
    """Draft 4's exclusive bounds were flags on the inclusive ones."""
    for exclusive, bound in (
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ):
        if isinstance(flag := out.get(exclusive), bool):
            del out[exclusive]
            if flag and bound in out:
                out[exclusive] = out.pop(bound)


def _move_required(properties: Mapping[str, Any], out: Schema) -> None:
    """Draft 3's properties say themselves that they are required."""
    named = [
        name
        for name, value in properties.items()
        if isinstance(value, dict) and value.get("required") is True
    ]
    if named:
        out["required"] = [*dict.fromkeys([*out.get("required", ()), *named])]


def _with_null(out: Schema) -> Schema:
    """OpenAPI 3.0's ``nullable: true``."""
    composed = {"$ref", "anyOf", "oneOf", "allOf", "not", "const"} & out.keys()
    if not composed and "type" in out:
        types = out["type"] if isinstance(out["type"], list) else [out["type"]]
        values = out.get("enum")
        null = [None] if values is not None and None not in values else []
        return {
            **out,
            "type": types if "null" in types else [*types, "null"],
            **({"enum": [*values, *null]} if values is not None else {}),
        }
    if not composed and "enum" not in out:
        return out  # it allows any value already
    outer = {key: out.pop(key) for key in _ANNOTATIONS if key in out}
    return {**outer, "anyOf": [out, {"type": "null"}]}


# ------------------------------------------------------------------ checks


def _require(fits: bool, path: str, why: str) -> None:
    if not fits:
        raise InvalidSchemaError(path, why)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return _is_number(value) and value >= 0 and value == int(value)


def _list(value: object, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidSchemaError(path, "must be an array")
    return value


def _mapping(value: object, path: str) -> dict[str, Any]:
    if value == []:
        return {}  # PHP, where both are an array, writes an empty object so
    if not isinstance(value, dict):
        raise InvalidSchemaError(path, "must be an object")
    return value


def _names(value: object, path: str) -> list[str]:
    names = _list([value] if isinstance(value, str) else value, path)
    _require(all(isinstance(one, str) for one in names), path, "must be strings")
    return names
