"""JSON that does not fit its type, in words: what a client reads of the decoder's error."""

import re
from typing import Any, TypeVar

import msgspec

from proxy import errors
from proxy.schema import allowed

T = TypeVar("T")

_MISSING = re.compile(r"Object missing required field `([^`]*)`")


def read(data: msgspec.Raw, decoder: msgspec.json.Decoder[T], *, at: str) -> T:
    """A part of a body that was decoded as ``Raw``; ``at`` is its JSON path.

    Raises ``InvalidRequestError`` for what does not fit.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as ex:
        raise as_error(ex, bytes(data), decoder.type, at) from None


def as_error(
    misfit: msgspec.ValidationError,
    data: bytes,
    shape: Any,  # noqa: ANN401 - a type of any form
    at: str = "",
) -> errors.InvalidRequestError:
    """The decoder's one-line error as ours: ``messages[0].content: must be a string``.

    ``data`` is what was decoded as ``shape``, and ``at`` is its own path in the body.
    Enums and tags name the allowed values; the client's own are never repeated.
    """
    what, _, path = str(misfit).rpartition(" - at `$")
    if not what:
        what, path = str(misfit), ""
    # a key of a map is the client's own: the path ends before it
    inner = path.rstrip("`").partition("[...]")[0].lstrip(".")
    param = f"{at}{'' if inner.startswith('[') else '.'}{inner}" if inner else at
    param = param.lstrip(".")
    missing = _MISSING.fullmatch(what)
    if missing is not None:
        param = f"{param}.{missing[1]}" if param else missing[1]
        return errors.InvalidRequestError(
            f"{param}: is required", param=param, code="missing_required_parameter"
        )
    if not param and what.startswith("Expected `object`"):
        return errors.InvalidRequestError(
            "The body must be a JSON object", code="invalid_json"
        )
    if param == "messages":
        return errors.InvalidRequestError(
            "messages: must be an array",
            param="messages",
            code="missing_required_parameter",
        )
    code = "invalid_type" if what.startswith("Expected") else "invalid_value"
    requirement = _requirement(what) or _one_of(shape, inner, data)
    return errors.InvalidRequestError(
        f"{param}: {requirement}" if param else f"The body: {requirement}",
        param=param or None,
        code=code,
    )


def _requirement(what: str) -> str:
    """``Expected `int | null`, got `str` `` -> ``must be an integer, not a string``."""
    expected, _, got = what.partition(", got ")
    if not expected.startswith("Expected"):
        return ""
    kinds, _, limit = expected.removeprefix("Expected `").partition("`")
    names = [_KINDS.get(kind, kind) for kind in kinds.split(" | ") if kind != "null"]
    if "an integer" in names:  # which may be written as 4096.0
        names = [name for name in names if name != "a number"]
    limit = limit.removesuffix(".0")
    for sign, words in _LIMITS:
        limit = limit.replace(sign, words)
    text = f"must be {' or '.join(names)}{limit}"
    return f"{text}, not {_KINDS.get(got.strip('`'), got)}" if got else text


_KINDS = {
    "str": "a string", "int": "an integer", "float": "a number", "bool": "a boolean",
    "array": "an array", "object": "an object", "null": "null",
}  # fmt: skip
_LIMITS = (
    (" of length <= ", " no longer than "),
    (" of length >= 1", " that is not empty"),
    (" >= ", " of at least "),
    (" <= ", " of at most "),
    (" > ", " above "),
)


def _one_of(shape: Any, path: str, data: bytes) -> str:  # noqa: ANN401 - as above
    try:
        values = allowed.allowed_values(shape, path, data)
    except (msgspec.DecodeError, RecursionError):  # what follows it is not JSON
        values = []
    if not values:
        return "has a value that is not allowed"
    *others, last = values
    return f"must be {', '.join(others)} or {last}" if others else f"must be {last}"
