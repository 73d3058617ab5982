"""Counting and changing JSON without building it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.translate import json_text

JSON = st.recursive(
    st.none()
    | st.integers()
    | st.text()
    | st.sampled_from([r"\"", ",,[{", "\\", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=3) | st.sampled_from(["a", '"', "\\"]), inner
        )
    ),
    max_leaves=20,
)
ASCII = st.booleans()


def separators(value: object) -> int:
    """What follows a comma or opens a list or an object."""
    match value:
        case dict():
            return 1 + max(len(value) - 1, 0) + sum(map(separators, value.values()))
        case list():
            return 1 + max(len(value) - 1, 0) + sum(map(separators, value))
        case _:
            return 0


@given(value=JSON, ascii_only=ASCII)
def test_elements_are_counted_outside_strings(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    count = separators(value)

    assert json_text.elements(text, count - 1) >= count
    assert json_text.elements(text, count) <= count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (b"[1,2]", 2),
        (b'["a,b",{"[":1}]', 3),
        (rb'[",\",",1]', 2),
        (b'["",1,2,3]', 4),
        (b'[1,2,""]', 3),
        (b'[1,"cut, off', 3),
    ],
)
def test_elements_are_counted(text: bytes, count: int) -> None:
    assert json_text.elements(text, count - 1) >= count
    assert json_text.elements(text, count) <= count


def strings(value: object) -> list[str]:
    """Every string, the keys included."""
    match value:
        case str():
            return [value]
        case dict():
            return [one for item in value.items() for one in strings(list(item))]
        case list():
            return [one for item in value for one in strings(item)]
        case _:
            return []


@given(value=JSON, ascii_only=ASCII)
def test_wide_text_is_all_of_the_strings_that_have_a_wide_character(
    value: object, ascii_only: bool
) -> None:
    least = 0x100 if ascii_only else 0x80  # Latin-1 is narrow where it is escaped
    wide = [one for one in strings(value) if any(ord(char) >= least for char in one)]
    literals = [json.dumps(one, ensure_ascii=ascii_only) for one in wide]

    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert json_text.wide_text(text) == sum(len(one.encode()) - 2 for one in literals)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (rb'["a\\u4e00"]', 0),  # a backslash, and then plain text
        (rb'["a\\\u4e00"]', 9),
        (rb'["a\"\u4e00", "b"]', 9),
        (rb'["\u00e9\u002b"]', 0),
        (rb'["\u4e00\"b", "c"]', 9),
        (rb'["b", "\u4e00, cut off', 15),
        ('["\\u002b", "é", "b", "bé"]'.encode(), 5),
        ('["é, cut off'.encode(), 11),
    ],
)
def test_wide_text_is_counted(text: bytes, size: int) -> None:
    assert json_text.wide_text(text) == size


def test_wide_text_is_counted_in_long_texts_too() -> None:
    narrow = b"a" * 200_000

    assert json_text.wide_text(b'["%b", "%b\\u4e00"]' % (narrow, narrow)) == 200_006


@given(
    value=JSON, ascii_only=ASCII, names=st.dictionaries(st.text(max_size=3), st.text())
)
def test_keys_are_renamed_and_nothing_else(
    value: object, ascii_only: bool, names: dict[str, str]
) -> None:
    def renamed(one: object) -> object:
        match one:
            case dict():
                return [(names.get(k, k), renamed(v)) for k, v in one.items()]
            case list():
                return list(map(renamed, one))
            case _:
                return one

    def in_order(pairs: list) -> list:
        return pairs

    text = json.dumps(value, ensure_ascii=ascii_only)
    got = json.loads(json_text.renamed_keys(text, names), object_pairs_hook=in_order)

    assert got == renamed(value)
    assert json_text.renamed_keys(text, {}) == text


@pytest.mark.parametrize(
    ("text", "renamed"),
    [
        ('{"a": "a", "b":1.50}', '{"é": "a", "b":1.50}'),
        (r'{"\u0061" :[{"a":"\"a\":"}]}', r'{"é" :[{"é":"\"a\":"}]}'),
        (r'{"\q": 1, "a": 2}', r'{"\q": 1, "é": 2}'),
        ('{"a": 1, "a', '{"é": 1, "a'),
    ],
    ids=["key", "escaped", "no escape", "cut off"],
)
def test_keys_are_renamed(text: str, renamed: str) -> None:
    assert json_text.renamed_keys(text, {"a": "é"}) == renamed


@given(value=JSON, cut=st.integers(0, 200))
def test_text_that_is_cut_off_is_renamed_as_far_as_it_goes(
    value: object, cut: int
) -> None:
    text = json.dumps(value)[:cut]

    assert json_text.renamed_keys(text, {"no such key": "x"}) == text


HALVES = st.sampled_from(
    [r"\ud83d", r"\ude00", r"\uD83D", "x", r"\n", r"\\", "ud83d", '\\"']
)


@given(pieces=st.lists(HALVES, max_size=12))
def test_half_a_character_becomes_the_replacement_character(pieces: list[str]) -> None:
    text = '"' + "".join(pieces) + '"'

    got = json.loads(json_text.whole_characters(text.encode()))

    whole = (
        json.loads(text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )
    assert got == whole


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        (rb'"\ud83d"', rb'"\ufffd"'),
        (rb'"\ude00x"', rb'"\ufffdx"'),
        (rb'"\ud83d\uD83D\ude00"', rb'"\ufffd\uD83D\ude00"'),
        (rb'"\ud83dx\ude00"', rb'"\ufffdx\ufffd"'),
        (rb'"\\\ud83d\\ud83d"', rb'"\\\ufffd\\ud83d"'),
    ],
    ids=["high", "low", "before a pair", "apart", "backslashes"],
)
def test_half_a_character_is_replaced(text: bytes, mended: bytes) -> None:
    assert json_text.whole_characters(text) == mended


@pytest.mark.parametrize("text", [b'{"a":"b"}', rb'"\\ud83d"', rb'"\ud83d\ude00"'])
def test_text_of_whole_characters_is_left_alone(text: bytes) -> None:
    assert json_text.whole_characters(text) is text
