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
_WIDE_ESCAPE = re.compile(rb"\\u(?!00)")
"""Looking for it takes 15 us in 38 KB that hold none; `bytes.find`, without a literal first
character to jump to, takes 38."""
_SHORT = 256 * 1024
"""Bytes up to which the separators and wide strings of a body, which are few, are looked at
one by one. 60 KB with five wide strings take 40 us, and 170 in the passes over all of it that
longer text goes through; the separators of 38 KB of prose take 11 us instead of 27. Nothing
but commas takes nine times as long: 1.8 ms, for a body of which more than that is decoded."""
_MARK = b"\x80"
_MARKED = bytes.maketrans(bytes(range(0x80, 0x100)), 0x80 * _MARK)
_NARROW_ESCAPES = (rb"\\", rb"\"", rb"\u00")
_SEPARATORS = (b",", b"[", b"{")
_BETWEEN = bytes(set(range(256)) - set(b",[{"))
"""All that is no separator: removing it takes a third of the time of counting thrice."""
_REPLACEMENT = rb"\ufffd"

OF_AN_ELEMENT = 100
"""Bytes that a value takes beside its text, decoded and translated (50 to 160)."""

OF_WIDE_TEXT = 4
"""Bytes that a byte of wide text takes beside itself: as many for the character, but for
its own, and one for the UTF-8 that Python keeps with a string that was encoded."""

MAX_WIDE = 8 << 20
"""Bytes of text that is not ASCII that a request may have: twice as many as a million
tokens, the longest prompt, commonly take. Images and files are ASCII."""


def elements(text: bytes, limit: int) -> int:
    """How many values JSON text has at most (each follows ``,``, ``[`` or ``{``).

    Up to ``limit`` those characters inside strings count too, which is quick. Where
    that is more, they do not, and nothing is counted any more beyond the limit.
    """
    if len(text) <= _SHORT:
        found = sum(len(text) - len(text.replace(mark, b"")) for mark in _SEPARATORS)
    else:
        found = len(text.translate(None, _BETWEEN))
    if found <= limit:
        return found
    found = at = 0
    for start, end in _strings(text, b'"', b"\\"):
        found += sum(text.count(mark, at, start) for mark in _SEPARATORS)
        if found > limit:
            return found
        at = end
    return found + sum(text.count(mark, at) for mark in _SEPARATORS)


def wide_text(text: bytes) -> int:
    r"""Bytes of those string literals in JSON text that have a character beyond ASCII.

    One such character can make a string take four bytes for each of its others. Escapes
    of Latin-1 (``\u00e9``) do not count, since a string of those takes one.
    """
    if text.isascii():
        if _WIDE_ESCAPE.search(text) is None:
            return 0
        if len(text) <= _SHORT:
            return _wide_by_escape(text)
    text = _marked(text)
    found = at = 0
    while (wide := text.find(_MARK, at)) >= 0:
        start = text.rfind(b'"', at, wide) + 1
        end = text.find(b'"', wide)
        if end < 0:  # cut off
            end = len(text)
        found += end - start
        at = end + 1
    return found


def _wide_by_escape(text: bytes) -> int:
    """`wide_text` of short ASCII, where only escapes make a string wide."""
    found = at = last = 0  # ``last`` is where the last wide string ends
    while (wide := _WIDE_ESCAPE.search(text, at)) is not None:
        escape, at = wide.span()
        if _is_escaped(text, escape, b"\\"):
            continue  # a backslash, and then plain text
        start = text.rfind(b'"', last, escape)
        while start >= 0 and _is_escaped(text, start, b"\\"):
            start = text.rfind(b'"', last, start)
        end = text.find(b'"', at)
        while end >= 0 and _is_escaped(text, end, b"\\"):
            end = text.find(b'"', end + 1)
        if end < 0:  # cut off
            end = len(text)
        found += end - start - 1
        at = last = end + 1
    return found


def _marked(text: bytes) -> bytes:
    """Text of the same length, with `_MARK` for all that is wide.

    A quote in it is a string's beginning or end. In a few quick steps: a regular
    expression takes half a second for the largest body, and no other thread runs then.
    """
    text = text.translate(_MARKED)
    for escape in _NARROW_ESCAPES:
        text = text.replace(escape, b"-" * len(escape))
    return text.replace(rb"\u", 2 * _MARK)


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
    if b"\\" not in text:
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
