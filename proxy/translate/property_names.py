"""Property names as Anthropic accepts them in a tool's schema, and back (b5.properties).

Anthropic rejects a request with a tool that has a property outside
``^[a-zA-Z0-9_.-]{1,64}$``, and so do the names of many real tools: ``filter[app]``,
``$top``, ``@odata.type``. They are renamed as tool names are, wherever a schema or the
arguments of a call hold them, and get their own names back in the response.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from proxy.translate import draft, names

_LEGAL = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")
_DATA = frozenset({"default", "const", "enum", "examples", "example"})
_NAMES = "properties", "dependentRequired", "dependentSchemas"

Names = Mapping[str, str]


class ConflictError(Exception):
    """Two properties of a schema would get one name; ``str()`` is the client's."""


def renamed(schema: draft.Schema) -> tuple[draft.Schema, dict[str, str]]:
    """A converted schema with legal names only, and client's name -> Anthropic's.

    Raises ``ConflictError``.
    """
    found = dict.fromkeys(_property_names(schema))
    changed = {one: names.property_name(one) for one in found if not _is_legal(one)}
    for name, ours in changed.items():
        if ours in found:
            raise ConflictError(name)
    if not changed:
        return schema, {}
    return _node(schema, changed), changed


def _is_legal(name: str) -> bool:
    return _LEGAL.fullmatch(name) is not None


def _property_names(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node.get("properties", ())
        for inner in _subschemas(node):
            yield from _property_names(inner)


def _subschemas(node: draft.Schema) -> Iterator[object]:
    for key, value in node.items():
        if key in draft.SCHEMAS:
            yield value
        elif key in draft.LISTS:
            yield from value
        elif key in draft.MAPS:
            yield from value.values()


def _node(node: Any, changed: Names) -> Any:  # noqa: ANN401 - a schema, or true or false
    if not isinstance(node, dict):
        return node
    return {key: _keyword(key, value, changed) for key, value in node.items()}


def _keyword(key: str, value: Any, changed: Names) -> Any:  # noqa: ANN401
    if key in draft.SCHEMAS:
        return _node(value, changed)
    if key in draft.LISTS:
        return [_node(one, changed) for one in value]
    if key in draft.MAPS:
        own = changed if key in _NAMES else {}
        return {own.get(k, k): _node(v, changed) for k, v in value.items()}
    if key == "required":
        return [changed.get(one, one) for one in value]
    if key == "dependentRequired":
        return {
            changed.get(k, k): [changed.get(one, one) for one in v]
            for k, v in value.items()
        }
    if key in {"$ref", "$dynamicRef"}:
        return _pointer(value, changed)
    if key == "discriminator" and isinstance(value, dict):  # OpenAPI's
        name = value.get("propertyName")
        return {**value, "propertyName": changed.get(name, name)} if name else value
    return _data(value, changed) if key in _DATA else value


def _pointer(reference: str, changed: Names) -> str:
    """A reference through ``properties`` follows them to their new names."""
    if not reference.startswith("#/"):
        return reference
    steps = reference.split("/")
    for i, step in enumerate(steps[1:], start=1):
        if steps[i - 1] in _NAMES:
            steps[i] = changed.get(_unescaped(step), step)  # needs no escapes itself
    return "/".join(steps)


def _unescaped(step: str) -> str:
    """A step of a JSON pointer in a URI fragment as the name that it stands for."""
    octets = _PERCENT.sub(lambda found: bytes([int(found[1], 16)]), step.encode())
    return octets.decode("utf-8", "replace").replace("~1", "/").replace("~0", "~")


def _data(value: Any, changed: Names) -> Any:  # noqa: ANN401 - any JSON value
    """A value that arguments may hold: an example, a default, a choice."""
    if isinstance(value, dict):
        return {changed.get(k, k): _data(v, changed) for k, v in value.items()}
    if isinstance(value, list):
        return [_data(one, changed) for one in value]
    return value
