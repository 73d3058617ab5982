"""The memory of converted tool schemas: an agent sends the same ones every time."""

import tracemalloc
from collections.abc import Callable

import msgspec
import pytest

from proxy import errors
from proxy.translate import remembered, tool_schema

SCHEMAS = {
    "as it is": {"type": "object", "properties": {"city": {"type": "string"}}},
    "of an older draft": {"properties": {"n": {"type": "int", "nullable": True}}},
    "with a name that is not allowed": {"properties": {"$top": {"type": "integer"}}},
    "with a union": {"type": "object", "anyOf": [{"required": ["a"]}]},
}
ROOM = 1 << 20

Memory = remembered.Memory[tool_schema.ToolSchema]


def raw(schema: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(schema))


def keep(memory: Memory, given: bytes, schema: tool_schema.ToolSchema) -> None:
    memory.keep(given, schema, tool_schema.size(schema))


def small(n: int) -> tuple[bytes, tool_schema.ToolSchema]:
    given = b'{"properties":{"p%d":{"type":"string"}}}' % n
    return given, tool_schema.ToolSchema(raw({"n": n}), {}, simplified=False)


def hostile(n: int) -> tuple[bytes, tool_schema.ToolSchema]:
    """A short schema whose properties all need another name, which takes much room."""
    names = {f"${i}": f"_{i}_{n:08x}" for i in range(50)}
    given = msgspec.json.encode({"n": n, "properties": dict.fromkeys(names, True)})
    schema = raw({"properties": dict.fromkeys(names.values(), True)})
    return given, tool_schema.ToolSchema(schema, names, simplified=False)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_that_comes_again_is_not_converted_again(schema: dict) -> None:
    first = tool_schema.to_input_schema(raw(schema), at="tools[0]")
    again = tool_schema.to_input_schema(raw(schema), at="tools[1]")

    assert again is first


def test_an_error_names_the_place_it_has_this_time() -> None:
    wrong = raw({"type": "object", "properties": {"a": {"type": "colour"}}})
    for at in ("tools[0]", "tools[7]"):
        with pytest.raises(errors.InvalidRequestError, match=rf"tools\[{at[6]}\]"):
            tool_schema.to_input_schema(wrong, at=at)


@pytest.mark.parametrize("make", [small, hostile])
def test_what_is_remembered_fits_into_its_room(
    make: Callable[[int], tuple[bytes, tool_schema.ToolSchema]],
) -> None:
    memory: Memory = remembered.Memory(ROOM)
    tracemalloc.start()
    try:
        for n in range(4000):
            keep(memory, *make(n))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert ROOM / 4 < taken < ROOM


def test_a_large_schema_is_not_remembered() -> None:
    memory: Memory = remembered.Memory(ROOM)
    large = msgspec.json.encode({"description": "x" * (ROOM // 16)})
    schema = tool_schema.ToolSchema(msgspec.Raw(large), {}, simplified=False)
    keep(memory, large, schema)

    assert memory.get(large) is None


def test_a_schema_in_use_stays_while_others_pass() -> None:
    memory: Memory = remembered.Memory(ROOM)
    used, schema = small(0)
    keep(memory, used, schema)
    for n in range(1, 4000):
        keep(memory, *small(n))
        assert memory.get(used) is schema

    assert memory.get(small(1)[0]) is None
