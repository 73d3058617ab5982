"""An instance of a JSON schema, always the same one for the same schema."""

from typing import Any

_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "duration": "PT1H",
    "email": "demo@example.com",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "time": "12:00:00Z",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_MAX_DEPTH = 16


def make(schema: object, word: str, *, every: bool = False) -> object:
    """Make a value that fits the schema.

    Objects get their required properties, or `every` property; enums their first
    value; strings become `word` unless a format says otherwise. A schema that cannot
    be followed (a reference that leads nowhere or round in circles) gives null.
    """
    return _Maker(schema, word, every).make(schema, 0)


class _Maker:
    def __init__(self, root: object, word: str, every: bool) -> None:
        self._root = root
        self._word = word
        self._every = every

    def make(self, schema: object, depth: int) -> object:
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return None
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        match schema:
            case {"enum": [first, *_]}:
                return first
            case {"$ref": str(reference)}:
                return self.make(self._resolve(reference), depth + 1)
            case {"anyOf": [first, *_]} | {"oneOf": [first, *_]}:
                return self.make(first, depth + 1)
            case {"allOf": [*parts]}:
                made = [self.make(part, depth + 1) for part in parts]
                objects = [part for part in made if isinstance(part, dict)]
                return {k: v for part in objects for k, v in part.items()}
            case _:
                return self._of_type(schema, depth)

    def _of_type(self, schema: dict[str, Any], depth: int) -> object:
        kind = schema.get("type")
        match kind[0] if isinstance(kind, list) and kind else kind:
            case "string":
                return _FORMATS.get(str(schema.get("format")), self._word)
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return True
            case "array":
                return [self.make(schema.get("items"), depth + 1)]
            case "null":
                return None
            case "object":
                return self._object(schema, depth)
            case _:
                return self._object(schema, depth) if "properties" in schema else None

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        names = properties if self._every else schema.get("required") or []
        return {name: self.make(properties.get(name), depth + 1) for name in names}

    def _resolve(self, reference: str) -> object:
        found = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step and isinstance(found, dict):
                found = found.get(step)
        return found
