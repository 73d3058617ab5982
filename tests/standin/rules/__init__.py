"""What the API refuses: one row for each thing, in the order in which it is checked.

`first_violation` is what the server asks. `violations` gives every row that a request
breaks; the tests use it to show that a bad request breaks one row and no other.
"""

import json
from collections.abc import Iterator
from typing import Any

from standin.call import Call, canonical
from standin.rules import (
    marks,
    media,
    messages,
    request,
    structured,
    thinking,
    tools,
    wire,
)
from standin.rules.row import Row, Violation

__all__ = [
    "PARSE_IDS",
    "ROWS",
    "SHAPE_IDS",
    "Row",
    "Violation",
    "first_violation",
    "header_violation",
    "parse",
    "violations",
]

PARSE_IDS = ("body.json", "body.object")
"""What `parse` refuses."""

SHAPE_IDS = (
    "shape.type",
    "shape.required",
    "shape.unknown_field",
    "shape.word",
    "shape.tag",
)
"""What the shapes of `wire` refuse."""

ROWS: tuple[Row, ...] = (
    *request.BODY_ROWS,
    *tools.ROWS,
    *structured.ROWS,
    *thinking.ROWS,
    *messages.ROWS,
    *media.ROWS,
    *marks.ROWS,
    *request.LAST_ROWS,
)
"""What can be checked once the shape is right."""


def parse(raw: bytes) -> dict[str, Any] | Violation:
    """Read a body as a JSON object.

    What no JSON text can say (NaN, half a surrogate pair) and what is nested too deep
    counts as no JSON.
    """
    try:
        parsed = json.loads(raw.decode())
        canonical(parsed)
    except (ValueError, RecursionError):
        return Violation("body.json", "The request body is not valid JSON")
    if not isinstance(parsed, dict):
        return Violation("body.object", "Input should be an object")
    return parsed


def header_violation(call: Call) -> Violation | None:
    """Give what the API answers to a request by its headers and its size alone."""
    return next(_broken(request.HEADER_ROWS, call), None)


def first_violation(call: Call) -> Violation | None:
    """Give what the API would answer with, None for a good request."""
    return next(violations(call), None)


def violations(call: Call) -> Iterator[Violation]:
    """Give every row that the request breaks, the one that is answered first.

    A request of a wrong shape breaks only rows of shape: the others read values that
    must be of the right shape.
    """
    yield from _broken(request.HEADER_ROWS, call)
    shape = wire.count_tokens if call.counting else wire.create
    faults = list(shape(call.body, ()))
    for fault in faults:
        yield Violation(fault.rule, str(fault))
    if not faults:
        yield from _broken(ROWS, call)


def _broken(rows: tuple[Row, ...], call: Call) -> Iterator[Violation]:
    for row in rows:
        message = next(iter(row.check(call)), None)
        if message is not None:
            yield Violation(row.id, message, row.status, row.type, row.error_code)
