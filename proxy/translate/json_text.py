"""JSON as text: what can be counted and changed without building its values.

Building costs up to thirty times the text's size (an empty object of two bytes is 64
bytes in memory), and loses how numbers are written. Every function here takes time in
proportion to the text and no memory but its result.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import AnyStr

_COLON = re.compile(r"[ \t\r\n]*:")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F][0-9a-fA-F]")
_SEPARATORS = (b",", b"[", b"{")
_REPLACEMENT = rb"\ufffd"


def more_elements_than(limit: int, text: bytes) -> bool:
    """Whether JSON text has more than ``limit`` values (each follows ``,``, ``[`` or ``{``).

    Nearly all text has fewer bytes than that, and a first count takes those characters
    inside strings for separators too.
    """
    if len(text) <= limit or sum(map(text.count, _SEPARATORS)) <= limit:
        return False
    found = at = 0
    for start, end in _strings(text, b'"', b"\\"):
        found += sum(text.count(mark, at, start) for mark in _SEPARATORS)
        if found > limit:
            return True
        at = end
    return found + sum(text.count(mark, at) for mark in _SEPARATORS) > limit


def renamed_keys(text: str, names: Mapping[str, str]) -> str:
    """JSON text with the keys of all its objects renamed, and nothing else changed.

    Text that was cut off is treated alike, up to where it ends.
    """
    if not names:
        return text
    pieces: list[str] = []
    at = 0
    for start, end in _strings(text, '"', "\\"):
        if _COLON.match(text, end) is None:  # in JSON, only a key is followed by one
            continue
        name = names.get(_decoded(text[start:end]))
        if name is not None:
            pieces += (text[at:start], json.dumps(name, ensure_ascii=False))
            at = end
    return "".join((*pieces, text[at:]))


def _decoded(literal: str) -> str:
    if "\\" not in literal:
        return literal[1:-1]
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:
        return literal


def whole_characters(text: bytes) -> bytes:
    r"""JSON text with ``\ufffd`` for each escape of half a surrogate pair.

    Browsers send one where a text was cut in the middle of an emoji: common, and no
    reason to fail.
    """
    if b"\\u" not in text or (b"\\ud" not in text and b"\\uD" not in text):
        return text
    mended: bytearray | None = None
    for start in _halves(text):
        if mended is None:
            mended = bytearray(text)
        mended[start : start + len(_REPLACEMENT)] = _REPLACEMENT
    return text if mended is None else bytes(mended)


def _halves(text: bytes) -> Iterator[int]:
    """Where each escape of a surrogate without its other half begins."""
    high = -1  # where an unpaired high half begins
    for found in _SURROGATE.finditer(text):
        start = found.start()
        before = text[start - 1 : start]
        if before == b"\\" and _is_escaped(text, start, before):
            continue  # a backslash, and then plain text
        is_low = text[start + 3] in b"cdefCDEF"
        paired = is_low and 0 <= high == start - len(_REPLACEMENT)
        if high >= 0 and not paired:
            yield high
        if is_low and not paired:
            yield start
        high = -1 if is_low else start
    if high >= 0:
        yield high


def _strings(text: AnyStr, quote: AnyStr, escape: AnyStr) -> Iterator[tuple[int, int]]:
    """Start and end of each string literal, its quotes included."""
    start = text.find(quote)
    while start >= 0:
        end = text.find(quote, start + 1)
        while end >= 0 and _is_escaped(text, end, escape):
            end = text.find(quote, end + 1)
        if end < 0:
            return
        yield start, end + 1
        start = text.find(quote, end + 1)


def _is_escaped(text: AnyStr, at: int, escape: AnyStr) -> bool:
    """Whether an odd number of backslashes stands before this place."""
    before = at
    while before and text[before - 1 : before] == escape:
        before -= 1
    return (at - before) % 2 == 1
