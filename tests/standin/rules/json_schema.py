"""Reading JSON schemas: whether one is a schema at all, and its parts."""

import functools
import json
from collections.abc import Iterator
from typing import Any

import jsonschema

Node = dict[str, Any]

UNIONS = ("oneOf", "anyOf", "allOf")
_NAMED = ("properties", "$defs", "definitions")


_DRAFT = jsonschema.Draft202012Validator
_METASCHEMA = _DRAFT(_DRAFT.META_SCHEMA)


def is_valid(value: object) -> bool:
    """Say whether a value is a schema of draft 2020-12, by its metaschema."""
    return _is_valid(json.dumps(value))


@functools.lru_cache(maxsize=4096)
def _is_valid(written: str) -> bool:
    return bool(_METASCHEMA.is_valid(json.loads(written)))


def _inner(schema: Node) -> Iterator[object]:
    for name in _NAMED:
        yield from (schema.get(name) or {}).values()
    for name in (*UNIONS, "prefixItems"):
        yield from schema.get(name) or []
    for name in ("items", "additionalProperties", "not", "contains"):
        if name in schema:
            yield schema[name]


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
