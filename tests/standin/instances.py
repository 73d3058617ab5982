"""An instance of a JSON schema, always the same one for the same schema and prompt."""

import re
from dataclasses import dataclass
from typing import Any

_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "time": "12:00:00Z",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Hints:
    """What of a prompt's text may stand in an instance."""

    word: str = "word"
    """For a string: quoted text, else the last capitalised word, a city, say."""
    number: int = 1
    """For a number: the first one."""


def hints(text: str) -> Hints:
    """Find a word and a number in a prompt's text."""
    quoted = re.search(r"(?<!\w)['\"]([^'\"\n]{1,40})['\"](?!\w)", text)
    words: list[str] = re.findall(r"[^\W\d_]{3,}", text)
    capitalised = [word for word in words[1:] if word[0].isupper()]
    word = quoted[1] if quoted else (capitalised or words or ["word"])[-1][:40]
    number = re.search(r"(?<![\w.])\d{1,9}(?![\w.]*\w)", text)
    return Hints(word, int(number[0]) if number else 1)


def make(schema: object, given: Hints, *, every: bool = False) -> object:
    """Make a value that fits the schema.

    Objects get their required properties, or `every` property; enums their first
    value; strings and numbers what the prompt gives, unless the schema says otherwise.
    A schema that cannot be followed (a reference that leads nowhere or round in
    circles) gives null.
    """
    return _Maker(schema, given, every).make(schema, 0)


def _within(schema: dict[str, Any], number: int) -> object:
    low, high = (
        bound if isinstance(bound := schema.get(name), int | float) else number
        for name in ("minimum", "maximum")
    )
    return max(low, min(number, high))


class _Maker:
    def __init__(self, root: object, given: Hints, every: bool) -> None:
        self._root = root
        self._given = given
        self._every = every

    def make(self, schema: object, depth: int) -> object:
        """Make a value for a schema that lies `depth` schemas deep."""
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
                return _FORMATS.get(str(schema.get("format")), self._given.word)
            case "integer" | "number":
                return _within(schema, self._given.number)
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
