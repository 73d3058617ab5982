"""proxy.translate.responses.custom_input: r8.custom, the string at ``input``."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.translate.responses import custom_input


def decoded(*pieces: str) -> tuple[str, bool]:
    decoder = custom_input.InputDecoder()
    return "".join(decoder.feed(piece) for piece in pieces), decoder.found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"input":"x"}', "x"),
        (' {\n"input"\t:\r"x" } ', "x"),
        ('{"input":""}', ""),
        ('{"input":"' + r"\"\\\/\b\f\n\r\t" + '"}', '"\\/\b\f\n\r\t'),
        (r'{"input":"\u00e9\ud83d\ude00"}', "é😀"),
        ('{"input":"é😀"}', "é😀"),
        (r'{"a\"":"}","b":{"input":"no"},"c":[1,"]",{}],"input":"x"}', "x"),
        (r'{"\"input":5,"a":-1.5e3,"b":null,"input":"x"}', "x"),
        ('{"a":"b","input":"x","c":1}', "x"),
        (r'{"a":"\\\"","input":"x"}', "x"),
        ('{"input":"first","input":"second"}', "first"),
        ('{"input":"x"', "x"),
        ('{"input":"cut o', "cut o"),
        (r'{"input":"cut \u00', "cut "),
        (r'{"input":"\ud83d"}', "\ufffd"),
        (r'{"input":"\ude00"}', "\ufffd"),
        (r'{"input":"\ud83dx"}', "\ufffdx"),
        (r'{"input":"\ud83d\n"}', "\ufffd\n"),
        (r'{"input":"\ud83d\u00e9"}', "\ufffdé"),
        (r'{"input":"\ud83d\ud83d\ude00"}', "\ufffd😀"),
        (r'{"input":"\ud83d\uzz"}', "\ufffd\\uzz"),
        (r'{"input":"\x \u12g4 \u 1"}', r"\x \u12g4 \u 1"),
    ],
)  # fmt: skip
def test_r8_custom_input_is_found_and_decoded(text: str, said: str) -> None:
    assert decoded(text) == (said, True)
    assert decoded(*text) == (said, True)


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "null", '"input"', '["input","x"]', '{"input":5}', '{"input":["x"]}',
        '{"input":{"input":"x"}}', '{"input":null}', '{"code":"x"}', '{"inpu', "5",
        '{"a":1}{"input":"x"}', '{"a" "input":"x"}', '{5:"input"}', '{"input""x"}',
        'x{"input":"x"}',
    ],
)  # fmt: skip
def test_r8_custom_input_is_nowhere_else(text: str) -> None:
    assert decoded(text) == ("", False)
    assert decoded(*text) == ("", False)


@given(
    said=st.text(),
    others=st.dictionaries(
        st.text(max_size=20),
        st.recursive(st.none() | st.text(max_size=20), st.lists, max_leaves=5),
        max_size=5,
    ),
    ascii_only=st.booleans(),
    data=st.data(),
)
def test_any_string_is_decoded_however_it_is_cut(
    said: str, others: dict, ascii_only: bool, data: st.DataObject
) -> None:
    others.pop("input", None)
    text = json.dumps({**others, "input": said}, ensure_ascii=ascii_only)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    assert decoded(*pieces) == (said, True)


@given(st.text(alphabet='{}[]":,\\u0dD8123input '))
def test_any_text_gives_the_same_in_one_piece_and_in_many(text: str) -> None:
    assert decoded(text) == decoded(*text)
