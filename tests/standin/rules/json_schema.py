"""Reading JSON schemas: whether one is a schema at all, and its parts."""

from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]

_TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}
UNIONS = ("oneOf", "anyOf", "allOf")
_NAMED = ("properties", "$defs", "definitions")


def is_valid(value: object) -> bool:
    """Say whether the keywords that schemas mostly use have values of their kind."""
    if isinstance(value, bool):
        return True
    if not isinstance(value, dict):
        return False
    kinds = value.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    required = value.get("required") or []
    return (
        all(isinstance(kind, str) and kind in _TYPES for kind in kinds)
        and isinstance(required, list)
        and all(isinstance(name, str) for name in required)
        and isinstance(value.get("enum", []), list)
        and isinstance(value.get("format", ""), str)
        and all(isinstance(value.get(name) or {}, dict) for name in _NAMED)
        and all(isinstance(value.get(name, []), list) for name in UNIONS)
        and all(map(is_valid, _inner(value)))
    )


def _inner(schema: Node) -> Iterator[object]:
    for name in _NAMED:
        yield from (schema.get(name) or {}).values()
    for name in UNIONS:
        yield from schema.get(name) or []
    if "items" in schema:
        yield schema["items"]


def nodes(schema: object) -> Iterator[Node]:
    """Give a valid schema and every schema inside it."""
    if isinstance(schema, dict):
        yield schema
        for inner in _inner(schema):
            yield from nodes(inner)


def resolve(root: Node, reference: object) -> object:
    """Give what a reference into the same schema points at, None for any other."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: object = root
    for step in filter(None, reference.removeprefix("#").split("/")):
        found = found.get(step) if isinstance(found, dict) else None
    return found
