"""The schema of a tool's arguments as Anthropic accepts it (b5.function and others).

The schema's own bytes are sent where they fit: tools begin the cached prefix.
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy import errors
from proxy.translate import draft, json_text, property_names, remembered

NO_PARAMETERS = Raw(b'{"type":"object","properties":{}}')
MAX_ELEMENTS = 100_000
"""Values in one schema. A value that is built takes up to thirty times its text."""

_UNREADABLE = "must not nest too deeply or hold numbers out of range"
_UNIONS = frozenset({"anyOf", "oneOf", "allOf"})


class ToolSchema(Struct, frozen=True):
    """A function's parameters as Anthropic takes them."""

    schema: Raw
    renamed: dict[str, str]
    """Client's property -> Anthropic's, for those that had to change."""
    simplified: bool
    """A union at the top level, which Anthropic rejects, is in the description."""


ROOM = 4 * 1024 * 1024
"""Bytes of all schemas that are remembered: some two thousand of an agent's tools."""

_PROPERTY = 300
"""Bytes that Python takes for a property that was renamed."""

_memory: remembered.Memory[ToolSchema] = remembered.Memory(ROOM)
"""An agent sends the same tools with every request. RockBot's thirty take 550 us to
convert and 10 us to find (in one thread, without load)."""


def to_input_schema(parameters: Raw, *, at: str) -> ToolSchema:
    """A function's ``parameters`` as ``input_schema``.

    ``at`` is their JSON path. Raises ``InvalidRequestError`` with the path inside the
    schema for what is no schema of an object, and has no equivalent that is.
    """
    given = bytes(parameters)
    if given in {b"", b"null", b"[]"}:  # PHP writes an empty object as a list
        return ToolSchema(NO_PARAMETERS, {}, simplified=False)
    known = _memory.get(given)
    if known is not None:
        return known
    try:
        translated = _translated(given)
    except draft.InvalidSchemaError as ex:
        path, why = f"{at}.{ex.path}" if ex.path else at, ex.why
    except RecursionError:
        path, why = at, _UNREADABLE
    else:
        _memory.keep(given, translated, size(translated))
        return translated
    raise errors.InvalidRequestError(f"{path}: {why}", param=path, code="invalid_value")


def size(schema: ToolSchema) -> int:
    """Bytes that a schema takes in memory."""
    return len(bytes(schema.schema)) + _PROPERTY * len(schema.renamed)


def _translated(given: bytes) -> ToolSchema:
    read = _read(given)
    schema = draft.to_2020_12(read)
    if not schema:
        return ToolSchema(NO_PARAMETERS, {}, simplified=False)
    if schema.get("type", "object") != "object":
        if "object" not in schema["type"]:
            raise draft.InvalidSchemaError("type", "must be 'object'")
        schema = {**schema, "type": "object"}
    try:
        schema, renamed = property_names.renamed(schema)
    except property_names.ConflictError:
        raise draft.InvalidSchemaError(
            "properties", "must not differ only in characters that Anthropic rejects"
        ) from None
    simplified = not _UNIONS.isdisjoint(schema)
    if simplified:
        schema = _without_unions(schema)
    if schema != read or "type" not in read:
        given = msgspec.json.encode({"type": "object", **schema})
    return ToolSchema(Raw(given), renamed, simplified=simplified)


def _read(given: bytes) -> draft.Schema:
    if json_text.elements(given, MAX_ELEMENTS) > MAX_ELEMENTS:
        raise draft.InvalidSchemaError("", f"must hold at most {MAX_ELEMENTS} values")
    try:
        read: Any = msgspec.json.decode(given)  # ``Raw`` is passed on unread
    except ValueError:
        raise draft.InvalidSchemaError("", _UNREADABLE) from None
    if not isinstance(read, dict):
        raise draft.InvalidSchemaError("", "must be a JSON schema object")
    return read


def _without_unions(schema: draft.Schema) -> draft.Schema:
    """The schema with its top-level unions moved into its description."""
    unions = ((k, v) for k, v in schema.items() if k in _UNIONS)
    added = "; ".join(f"{k}: {msgspec.json.encode(v).decode()}" for k, v in unions)
    own = schema.get("description")
    words = f"{own}\n{added}" if isinstance(own, str) else added
    kept = {k: v for k, v in schema.items() if k not in _UNIONS}
    return {**kept, "description": words}
