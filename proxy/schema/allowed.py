"""Which values a field allows: for errors about enums and tags, which msgspec leaves out."""

import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def allowed_values(root: type[msgspec.Struct], path: str, data: bytes) -> list[str]:
    """The values that ``root`` allows at a JSON path such as ``tools[0].type``.

    ``data`` is the JSON that was decoded as ``root``: it decides between the members of
    a tagged union on the way. Empty where the field is not a closed set of strings.
    """
    hints: list[Any] = [root]
    here = msgspec.Raw(data)
    for name, index in _STEP.findall(path):
        members = [m for hint in hints for m in _members(hint)]
        if index:
            items = msgspec.json.decode(here, type=list[msgspec.Raw])
            here = items[int(index)]
            hints = [get_args(m)[0] for m in members if get_origin(m) is list]
        else:
            fields = msgspec.json.decode(here, type=dict[str, msgspec.Raw])
            here = fields.get(name, msgspec.Raw())
            structs = [m for m in members if _is_struct(m)]
            if tags := _tags(structs, name):
                return tags
            hints = [_hints(s)[name] for s in structs if _fits(s, fields)]
    return [v for hint in hints for m in _members(hint) for v in _choices(m)]


def _members(hint: Any) -> Iterator[Any]:  # noqa: ANN401 - a type of any form
    """The alternatives of a union, without None and constraints."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in {Union, UnionType}:
        for member in get_args(hint):
            yield from _members(member)
    elif hint is not type(None):
        yield hint


def _is_struct(member: Any) -> bool:  # noqa: ANN401 - a type of any form
    return isinstance(member, type) and issubclass(member, msgspec.Struct)


def _tags(structs: list[Any], name: str) -> list[str]:
    """The tags of a union of structs, if ``name`` is the field that holds them."""
    configs = [struct.__struct_config__ for struct in structs]
    return [c.tag for c in configs if c.tag_field == name and isinstance(c.tag, str)]


def _fits(struct: Any, fields: dict[str, msgspec.Raw]) -> bool:  # noqa: ANN401
    config = struct.__struct_config__
    if config.tag_field is None:
        return True
    return bool(bytes(fields.get(config.tag_field, b"")) == f'"{config.tag}"'.encode())


def _hints(struct: Any) -> dict[str, Any]:  # noqa: ANN401 - a type of any form
    return get_type_hints(struct, include_extras=True)


def _choices(member: Any) -> list[str]:  # noqa: ANN401 - a type of any form
    return list(get_args(member)) if get_origin(member) is Literal else []
