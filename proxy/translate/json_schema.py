"""JSON schemas in the form that Anthropic's structured outputs accept (rows b3).

Total and deterministic: every JSON value gives a schema or ``InexpressibleError``, and
equal input gives equal bytes. Anthropic compiles a schema to a grammar, so every object
is closed, what a grammar cannot express (lengths, ranges) moves into ``description``,
and what is open or recursive has no equivalent at all.

Source: platform.claude.com, structured outputs, "JSON Schema limitations" (2026-08).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proxy.translate import draft, json_text

MAX_PARTS = 20_000
"""Subschemas; a schema of references to references could stand for billions."""

MAX_ELEMENTS = 100_000
"""Values in one schema. A value that is built takes up to thirty times its text."""

_GROWTH = 4
_ROOM = 64 * 1024
"""How large a result may be: so many times what was given, and so many bytes more. Each
reference that has no name stands for a copy, and a schema of 3 kB can hold 400 MB."""

_TYPES = frozenset(
    {"object", "array", "string", "integer", "number", "boolean", "null"}
)
_KEPT = frozenset({"title", "default"})
_DEFINITION = re.compile(r"#/(?:\$defs|definitions)/([^/~%]+)")
_FORMATS = frozenset(
    {
        "date-time", "time", "date", "duration", "email", "hostname", "uri",
        "ipv4", "ipv6", "uuid",
    }
)  # fmt: skip
_LOOKAROUND = re.compile(r"\(\?(?:<?[=!]|P?<|\()|\\[1-9bB]")
_DROPPED = frozenset({"$schema", "$id", "$comment", "$anchor"})
_OF_SCHEMAS = frozenset({"anyOf", "oneOf", "items"})
_NOT_PROSE = frozenset({"$defs", "definitions"})

Schema = dict[str, Any]


class InexpressibleError(Exception):
    """The schema has no equivalent in structured outputs; ``str()`` says why."""


def to_anthropic_schema(raw: bytes) -> bytes:
    """A client's JSON schema, as bytes, in the form ``output_config.format`` takes.

    Raises ``InexpressibleError`` for open or recursive schemas.
    """
    try:
        schema = _read(raw)
        room = _GROWTH * len(raw) + _ROOM
        return msgspec.json.encode(_Transform(schema, room).root())
    except draft.InvalidSchemaError as ex:
        raise InexpressibleError(f"{ex.path}: {ex.why}") from None
    except (RecursionError, ValueError):
        raise InexpressibleError("it cannot be read") from None


def _read(raw: bytes) -> object:
    """The schema in the terms of draft 2020-12. Raises for what is not one at all."""
    if json_text.elements(raw, MAX_ELEMENTS) > MAX_ELEMENTS:
        raise InexpressibleError("it is too large")
    schema = msgspec.json.decode(raw)
    return draft.to_2020_12(schema) if isinstance(schema, dict) else schema


def is_closed(raw: bytes) -> bool:
    """Whether every object of the schema already forbids additional properties."""
    try:
        return _closed(_read(raw))
    except (RecursionError, ValueError, InexpressibleError, draft.InvalidSchemaError):
        return False


def _closed(node: object) -> bool:
    if isinstance(node, Mapping):
        is_object = "properties" in node or "object" in _types(node)
        if is_object and node.get("additionalProperties") is not False:
            return False
        return all(map(_closed, node.values()))
    if isinstance(node, Sequence) and not isinstance(node, str):
        return all(map(_closed, node))
    return True


def _types(node: Mapping[str, Any]) -> list[Any]:
    types = node.get("type")
    return types if isinstance(types, list) else [types]


class _Transform:
    def __init__(self, schema: object, room: int) -> None:
        self._document = schema
        self._room = room  # bytes that the result may still have
        self._open: list[str] = []  # references being followed, to see recursion
        self._defs: dict[str, Schema] = {}
        self._origins: dict[str, str] = {}  # definition -> the pointer that led to it
        self._parts = 0

    def root(self) -> Schema:
        root = self._document
        if isinstance(root, Mapping) and isinstance(root.get("$ref"), str):
            root = _resolve(root, root["$ref"])
            self._open.append(self._document["$ref"])  # type: ignore[index]
        out = self._schema(root)
        return {**out, "$defs": self._defs} if self._defs else out

    def _schema(self, node: object) -> Schema:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise InexpressibleError("it is too large")
        if not isinstance(node, Mapping) or not node:
            raise InexpressibleError("a part of it allows any value")
        if "$ref" in node:
            return self._reference(node["$ref"], node.get("description"))
        if "allOf" in node:
            return self._schema(_merged(node))
        out: Schema = {}
        prose: dict[str, Any] = {}
        for key, value in node.items():
            self._keyword(key, value, node, out, prose)
            if key in out or key in prose:
                self._spend({key: None if key in _OF_SCHEMAS else value})
        if {"enum", "const"} & out.keys():
            _only_values(out)
        elif "object" in _types(node) or "properties" in node:
            self._object(node, out)
        if not {"type", "enum", "const", "anyOf"} & out.keys():
            raise InexpressibleError("a part of it allows any value")
        if prose:
            out["description"] = _described(out.get("description"), prose)
        return out

    def _keyword(
        self,
        key: str,
        value: object,
        node: Mapping[str, Any],
        out: Schema,
        prose: dict[str, Any],
    ) -> None:
        """Put one keyword where it belongs: kept, transformed, in prose, or dropped."""
        match key:
            case "description" if isinstance(value, str):
                out[key] = value
            case "anyOf" | "oneOf" if "anyOf" in out:
                raise InexpressibleError("it has two unions in one place")
            case "anyOf" | "oneOf":
                out["anyOf"] = [self._schema(one) for one in _list(value)]
            case "items" if isinstance(value, Mapping):
                out[key] = self._schema(value)
            case "enum" | "const":
                values = _list(value) if key == "enum" else [value]
                if not values or any(isinstance(one, dict | list) for one in values):
                    raise InexpressibleError(
                        f"{key} has no value, or objects or arrays"
                    )
                out[key] = value
            case "type":
                if not all(_is_word(one) and one in _TYPES for one in _types(node)):
                    raise InexpressibleError("it has a type of its own")
                out[key] = value
            case "properties" | "required" | "additionalProperties":
                pass  # _object
            case "description":
                pass  # null, as some generators write it
            case _ if _is_kept(key, value):
                out[key] = value
            case _ if key in _DROPPED or key in _NOT_PROSE:
                pass
            case _:
                prose[key] = value
        items = node.get("items")
        if key == "type" and "array" in _types(node) and not isinstance(items, Mapping):
            raise InexpressibleError("an array says nothing of its items")

    def _object(self, node: Mapping[str, Any], out: Schema) -> None:
        properties = node.get("properties")
        extra = node.get("additionalProperties")
        if isinstance(extra, Mapping) and extra:
            raise InexpressibleError("it holds a map (additionalProperties)")
        if not isinstance(properties, Mapping):
            if extra is not False:
                raise InexpressibleError("an object does not name its properties")
            properties = {}
        elif not properties and extra is not False:
            raise InexpressibleError("an object does not name its properties")
        self._spend(dict.fromkeys(properties))
        out["properties"] = {k: self._schema(v) for k, v in properties.items()}
        required = _list(node.get("required") or [])
        named = [k for k in required if isinstance(k, str) and k in properties]
        if named:
            out["required"] = named
        out["additionalProperties"] = False

    def _reference(self, target: object, description: object) -> Schema:
        """A definition is transformed once; any other pointer is replaced by its target.

        Recursion has no equivalent.
        """
        if not isinstance(target, str) or not target.startswith("#"):
            raise InexpressibleError("it refers to another document")
        if target in self._open:
            raise InexpressibleError("it is recursive")
        named = _DEFINITION.fullmatch(target)
        if named is not None and named[1] in self._defs:
            return self._named(target, named[1], description)
        self._open.append(target)
        pointed = self._schema(_resolve(self._document, target))
        self._open.pop()
        if named is None:
            return pointed
        self._defs[named[1]] = pointed
        self._origins[named[1]] = target
        return self._named(target, named[1], description)

    def _spend(self, value: object) -> None:
        """Count what is copied into the result. Raises where it has grown too large."""
        self._room -= len(msgspec.json.encode(value))
        if self._room < 0:
            raise InexpressibleError("it is too large")

    def _named(self, target: str, name: str, description: object) -> Schema:
        """A reference to a definition; a copy where it has its own description."""
        if self._origins[name] != target:
            raise InexpressibleError("two definitions have one name")
        if isinstance(description, str):
            self._spend(self._defs[name])  # whose own copies are paid for already
            return {**self._defs[name], "description": description}
        return {"$ref": f"#/$defs/{name}"}


def _only_values(out: Schema) -> None:
    """Leave out what a list of values makes superfluous, above all ``type``.

    Anthropic compares each value with the type and rejects all of them beside a list of
    types, even where they fit ("Enum value 'low' does not match declared type
    '['string', 'null']'"). Its own SDK sends none either.

    Where the types include null, it becomes one of the values: OpenAI's guides write an
    optional choice without it, and get a null.
    """
    types = out.get("type")
    if isinstance(types, list) and "null" in types:
        values = out["enum"] if "enum" in out else [out.pop("const")]
        out["enum"] = values if None in values else [*values, None]
    for key in ("type", "items", "format", "pattern", "minItems"):
        out.pop(key, None)


def _is_kept(key: str, value: object) -> bool:
    """Whether the grammar can hold this keyword with this value."""
    match key:
        case "format":
            return _is_word(value) and value in _FORMATS
        case "pattern":
            return isinstance(value, str) and _LOOKAROUND.search(value) is None
        case "minItems":
            return type(value) is int and value in {0, 1}
        case _:
            return key in _KEPT


def _is_word(value: object) -> bool:
    return isinstance(value, str)


def _list(value: object) -> Sequence[Any]:
    if not isinstance(value, list) or (not value):
        return [] if value == [] else _wrong()
    return value


def _wrong() -> Sequence[Any]:
    raise InexpressibleError("a keyword has a value of the wrong type")


def _resolve(document: object, pointer: str) -> object:
    node: Any = document
    for step in pointer.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            node = node[int(name)] if isinstance(node, list) else node[name]
        except (KeyError, IndexError, ValueError, TypeError):
            raise InexpressibleError("it refers to nothing") from None
    return node


def _merged(node: Mapping[str, Any]) -> Schema:
    """``allOf`` of one schema (an old generator's way to add a description), merged."""
    parts = _list(node["allOf"])
    rest = {k: v for k, v in node.items() if k != "allOf"}
    if len(parts) == 1 and isinstance(parts[0], Mapping):
        return {**parts[0], **rest}
    raise InexpressibleError("it combines schemas with allOf")


def _described(description: object, prose: dict[str, Any]) -> str:
    """What the grammar cannot hold, as prose: ``minimum: 1; maxLength: 5``."""
    added = "; ".join(
        f"{key}: {msgspec.json.encode(value).decode()}" for key, value in prose.items()
    )
    return f"{description}\n{added}" if description else added
