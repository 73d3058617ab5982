"""No pattern of ours can be made slow or large by what it is run over.

Work in proportion to the text and no memory of its own: held by the shape of each
pattern, not by a clock. A repeat without bound repeats one character class, since
anything longer keeps a record of each round. Two such repeats in a row, or one that a
search may begin anywhere, are tried again from every place, so they must not overlap.
"""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from re import _constants, _parser
from types import ModuleType

import pytest

import proxy

BOUNDED = {
    ("proxy.translate.fields", "_PERSONAL"): "a user of at most 256 characters",
}
"""Patterns that may do more, and the bound of what they are run over."""

REPEATS = {
    _constants.MAX_REPEAT,
    _constants.MIN_REPEAT,
    _constants.POSSESSIVE_REPEAT,
}
ONE = {_constants.IN, _constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY}
SEARCHING = {"search", "finditer", "findall", "sub", "subn", "split"}
MANY = 1000
"""Rounds that count as without bound."""


def modules() -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(proxy.__path__, "proxy."):
        if not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)


def patterns() -> dict[tuple[str, str], re.Pattern]:
    return {
        (module.__name__, name): value
        for module in modules()
        for name, value in vars(module).items()
        if isinstance(value, re.Pattern)
    }


def sequences(parsed: object) -> Iterator[list]:
    """Every sequence of items in a pattern, those in groups and branches too."""
    items = list(flat(parsed))
    yield items
    for _, argument in items:
        yield from inside(argument)


def flat(parsed: object) -> Iterator[tuple]:
    """The items of a sequence, with those of its plain groups in their place."""
    for item in parsed:
        if item[0] is _constants.SUBPATTERN:
            yield from flat(item[1][3])
        else:
            yield item


def inside(argument: object) -> Iterator[list]:
    if isinstance(argument, _parser.SubPattern):
        yield from sequences(argument)
    elif isinstance(argument, tuple | list):
        for one in argument:
            yield from inside(one)


def unbounded(item: tuple) -> bool:
    return item[0] in REPEATS and item[1][1] > MANY


def matches(item: tuple, flags: int) -> set[str]:
    """The characters, of the first 256, that an item of one character matches."""
    body = item[1][2] if item[0] in REPEATS else [item]
    pattern = _parser.SubPattern(_parser.State(), list(body))
    one = re.compile(_as_text(pattern), flags)
    return {chr(n) for n in range(256) if one.fullmatch(chr(n))}


def _as_text(pattern: _parser.SubPattern) -> str:
    return "".join(_one_as_text(item) for item in pattern)


def _one_as_text(item: tuple) -> str:
    kind, value = item
    if kind is _constants.LITERAL:
        return re.escape(chr(value))
    if kind is _constants.NOT_LITERAL:
        return f"[^{re.escape(chr(value))}]"
    if kind is _constants.ANY:
        return "."
    categories = {
        _constants.CATEGORY_DIGIT: r"\d", _constants.CATEGORY_NOT_DIGIT: r"\D",
        _constants.CATEGORY_SPACE: r"\s", _constants.CATEGORY_NOT_SPACE: r"\S",
        _constants.CATEGORY_WORD: r"\w", _constants.CATEGORY_NOT_WORD: r"\W",
    }  # fmt: skip
    parts = []
    for what, of in value:
        if what is _constants.NEGATE:
            parts.append("^")
        elif what is _constants.LITERAL:
            parts.append(re.escape(chr(of)))
        elif what is _constants.RANGE:
            parts.append(f"{re.escape(chr(of[0]))}-{re.escape(chr(of[1]))}")
        else:
            parts.append(categories[of])
    return f"[{''.join(parts)}]"


def faults(pattern: re.Pattern, *, searched: bool) -> list[str]:
    source = pattern.pattern
    text = source.decode("latin-1") if isinstance(source, bytes) else source
    flags = pattern.flags & ~re.UNICODE if isinstance(source, bytes) else pattern.flags
    parsed = _parser.parse(text, flags)
    found = []
    for items in sequences(parsed):
        for i, item in enumerate(items):
            if not unbounded(item):
                continue
            body = item[1][2]
            if len(body) != 1 or body[0][0] not in ONE:
                found.append(f"repeats more than one character: {text}")
                continue
            for after in items[i + 1 :]:
                if not unbounded(after):
                    if after[0] in ONE and not (
                        matches(item, flags) & matches(after, flags)
                    ):
                        break  # no place of the first could be one of the second
                    continue
                if len(after[1][2]) == 1 and matches(item, flags) & matches(
                    after, flags
                ):
                    found.append(f"two repeats that overlap: {text}")
    first = next(flat(parsed), None)
    if searched and first is not None and unbounded(first) and len(parsed) > 1:
        found.append(f"a search that begins with a repeat: {text}")
    return found


def source_of(module: ModuleType) -> ast.Module:
    return ast.parse(Path(module.__file__).read_text(encoding="utf-8"))


def is_searched(module: ModuleType, name: str) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in SEARCHING
        and isinstance(node.value, ast.Name)
        and node.value.id == name
        for node in ast.walk(source_of(module))
    )


PATTERNS = patterns()


@pytest.mark.parametrize("where", PATTERNS, ids=".".join)
def test_a_pattern_is_linear_and_keeps_no_record(where: tuple[str, str]) -> None:
    module = importlib.import_module(where[0])
    searched = is_searched(module, where[1])

    if where not in BOUNDED:
        assert faults(PATTERNS[where], searched=searched) == []


def test_every_exception_exists() -> None:
    assert BOUNDED.keys() <= PATTERNS.keys()


@pytest.mark.parametrize(
    "bad",
    [
        r"data:([^;,]*)((?:;[^;,]*)*),",
        r"(?:ab|c)*d",
        r"(a*)(a*)b",
        r"(a+)+",
        r"\d+\w+x",
        r"[^@]+.*@",
    ],
)
def test_a_bad_pattern_would_be_noticed(bad: str) -> None:
    assert faults(re.compile(bad), searched=False)


def test_a_bad_search_would_be_noticed() -> None:
    assert faults(re.compile(r"[^@\s]+@x"), searched=True)


def test_every_pattern_has_a_name() -> None:
    """One that is compiled at its use would be in no list."""
    for module in modules():
        used = [
            node.lineno
            for node in ast.walk(source_of(module))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr not in {"compile", "escape"}
        ]
        assert used == [], module.__name__
