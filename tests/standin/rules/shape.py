"""A small language for the shapes of JSON values, and its check.

The API names a wrong value by its path, and a union's member in that path by its tag:
`messages.0.content.1.image.source.base64.media_type: Input should be ...`. A checker
that is written for it says the same words.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One value of a wrong shape: `rule` is the id of the row that it breaks."""

    rule: str
    path: Path
    message: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.message}"


Shape = Callable[[Any, Path], Iterator[Fault]]


def _scalar(accepts: Callable[[Any], bool], message: str) -> Shape:
    def check(value: object, path: Path) -> Iterator[Fault]:
        if not accepts(value):
            yield Fault("shape.type", path, message)

    return check


string = _scalar(lambda v: isinstance(v, str), "Input should be a valid string")
boolean = _scalar(lambda v: isinstance(v, bool), "Input should be a valid boolean")
integer = _scalar(
    lambda v: isinstance(v, int) and not isinstance(v, bool),
    "Input should be a valid integer",
)
number = _scalar(
    lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "Input should be a valid number",
)
mapping = _scalar(lambda v: isinstance(v, dict), "Input should be a valid dictionary")


def one_of(*words: str) -> Shape:
    """Accept exactly these strings."""
    quoted = [f"'{word}'" for word in words]
    listed = " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))

    def check(value: object, path: Path) -> Iterator[Fault]:
        if not isinstance(value, str) or value not in words:
            yield Fault("shape.word", path, f"Input should be {listed}")

    return check


def optional(shape: Shape) -> Shape:
    """Accept null as well."""

    def check(value: object, path: Path) -> Iterator[Fault]:
        if value is not None:
            yield from shape(value, path)

    return check


def array(item: Shape) -> Shape:
    """Accept a list whose items all have one shape."""

    def check(value: object, path: Path) -> Iterator[Fault]:
        if not isinstance(value, list):
            yield Fault("shape.type", path, "Input should be a valid list")
            return
        for index, element in enumerate(value):
            yield from item(element, (*path, index))

    return check


def array_or(item: Shape, other: Shape) -> Shape:
    """Accept a list whose items all have one shape, or else that other shape."""

    def check(value: object, path: Path) -> Iterator[Fault]:
        yield from (array(item) if isinstance(value, list) else other)(value, path)

    return check


def string_or(shape: Shape) -> Shape:
    """Accept a string, or else that shape."""

    def check(value: object, path: Path) -> Iterator[Fault]:
        if not isinstance(value, str):
            yield from shape(value, path)

    return check


@dataclass(frozen=True, slots=True)
class Object:
    """Accept an object with these fields and no others (`open` lets others in)."""

    required: Mapping[str, Shape] = field(default_factory=dict)
    fields: Mapping[str, Shape] = field(default_factory=dict)
    open: bool = False

    def __call__(self, value: object, path: Path) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield Fault("shape.type", path, "Input should be an object")
            return
        for name in self.required:
            if name not in value:
                yield Fault("shape.required", (*path, name), "Field required")
        for name, inner in value.items():
            shape = self.required.get(name) or self.fields.get(name)
            if shape is not None:
                yield from shape(inner, (*path, name))
            elif not self.open:
                message = "Extra inputs are not permitted"
                yield Fault("shape.unknown_field", (*path, name), message)


@dataclass(frozen=True, slots=True)
class Tagged:
    """Accept one of several objects, told apart by the field `tag`.

    `default` is the member that an object without a tag belongs to.
    """

    members: Mapping[str, Shape]
    tag: str = "type"
    default: str | None = None

    def __call__(self, value: object, path: Path) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield Fault("shape.type", path, "Input should be an object")
            return
        word = value.get(self.tag, self.default) or self.default
        if word is None:
            yield Fault("shape.required", (*path, self.tag), "Field required")
        elif not isinstance(word, str) or word not in self.members:
            known = ", ".join(f"'{name}'" for name in self.members)
            message = (
                f"Input tag found using '{self.tag}' does not match any of the "
                f"expected tags: {known}"
            )
            yield Fault("shape.tag", path, message)
        else:
            yield from self.members[word](value, (*path, word))
