r"""A custom tool's input, decoded as it arrives.

Claude calls a custom tool with ``{"input": "…"}``; the client wants the text of that
string, piece by piece. An escape that is split over two pieces (``\u00`` and ``e9``, or
the halves of a surrogate pair) waits for its rest.
"""

import re
from enum import Enum, auto

_KEY = "input"
_SPECIAL = re.compile(r'["\\]')
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_HEX_SO_FAR = re.compile(r"[0-9a-fA-F]*")
_ESCAPES = {
    '"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
}  # fmt: skip
_REPLACEMENT = "\ufffd"
_HIGH, _LOW = range(0xD800, 0xDC00), range(0xDC00, 0xE000)
"""The halves of a surrogate pair."""


class _At(Enum):
    """Where in the JSON text the next character stands."""

    START = auto()
    KEY = auto()  # before a key, or after a value
    COLON = auto()
    VALUE = auto()
    SKIPPED = auto()  # inside a value of another key
    INPUT = auto()  # inside the string that is wanted
    OVER = auto()


class InputDecoder:
    """Feed it the JSON text in pieces; it returns the text that each adds.

    ``found`` says whether there is a string at ``input``; where there is none, the
    caller has the JSON text itself. Takes time in proportion to the text, however it
    is cut.
    """

    def __init__(self) -> None:
        self.found = False
        self._at = _At.START
        self._rest = ""  # of an escape that has not ended
        self._in_string = False  # one that is not wanted: a key, or a skipped value
        self._key: list[str] = []
        self._depth = 0  # of the value that is skipped

    @property
    def ended(self) -> bool:
        """Whether nothing that could still come would add to the input."""
        return self._at is _At.OVER

    def feed(self, piece: str) -> str:
        """Take a piece of the JSON text; returns what it adds to the input."""
        text, self._rest = self._rest + piece, ""
        decoded: list[str] = []
        at = 0
        while at < len(text) and self._at is not _At.OVER:
            if self._at is _At.INPUT:
                at = self._decode(text, at, decoded)
            elif self._in_string:
                at = self._string(text, at)
            else:
                self._step(text[at])
                at += 1
        return "".join(decoded)

    def _step(self, character: str) -> None:
        """Take one character outside strings."""
        match self._at, character:
            case _At.KEY, '"':
                self._in_string, self._key = True, []
            case _At.VALUE, '"' if "".join(self._key) == _KEY:
                self._at, self.found = _At.INPUT, True
            case ((_At.VALUE | _At.SKIPPED), '"'):
                self._at, self._in_string = _At.SKIPPED, True
            case _At.SKIPPED, "," if not self._depth:
                self._at = _At.KEY
            case _At.SKIPPED, "}" if not self._depth:
                self._at = _At.OVER
            case _At.SKIPPED, "{" | "[":
                self._depth += 1
            case _At.SKIPPED, "}" | "]":
                self._depth -= 1
            case (_At.SKIPPED, _) | (_, " " | "\t" | "\n" | "\r"):
                pass
            case _At.START, "{":
                self._at = _At.KEY
            case _At.COLON, ":":
                self._at, self._depth = _At.VALUE, 0
            case _At.VALUE, _:
                self._at, self._depth = _At.SKIPPED, int(character in "{[")
            case _:  # the end, or no JSON object
                self._at = _At.OVER

    def _string(self, text: str, at: int) -> int:
        """Take some of a string that is not wanted; returns where the next begins."""
        end = _end_of_plain(text, at)
        if self._at is _At.KEY:
            self._key.append(text[at:end])
        if end == len(text):
            return end
        if text[end] == '"':
            self._in_string = False
            if self._at is _At.KEY:
                self._at = _At.COLON
            return end + 1
        if end + 1 == len(text):
            self._rest = text[end:]
        elif self._at is _At.KEY:
            self._key.append(text[end : end + 2])
        return end + 2

    def _decode(self, text: str, at: int, decoded: list[str]) -> int:
        """Take some of the input; returns where the next begins."""
        end = _end_of_plain(text, at)
        decoded.append(text[at:end])
        if end == len(text):
            return end
        if text[end] == '"':
            self._at = _At.OVER
            return end + 1
        character, after = _escape(text, end)
        if after > len(text):  # its rest is still to come
            self._rest = text[end:]
            return len(text)
        decoded.append(character)
        return after


def _end_of_plain(text: str, at: int) -> int:
    found = _SPECIAL.search(text, at)
    return found.start() if found else len(text)


def _escape(text: str, at: int) -> tuple[str, int]:
    r"""The character of the escape at ``at``, and where it ends.

    An end beyond the text says that more has to come. What is no escape (``\x``) stays
    as it is; half a surrogate pair becomes U+FFFD.
    """
    if at + 1 >= len(text):
        return "", len(text) + 1
    letter = text[at + 1]
    if letter != "u":
        return _ESCAPES.get(letter, "\\" + letter), at + 2
    unit, after = _unit(text, at)
    if unit is None:
        return ("\\u", at + 2) if after <= len(text) else ("", after)
    if unit in _LOW:
        return _REPLACEMENT, after
    if unit not in _HIGH:
        return chr(unit), after
    if not "\\u".startswith(text[after : after + 2]):
        return _REPLACEMENT, after
    low, end = _unit(text, after)
    if low is None and end > len(text):
        return "", end
    if low is None or low not in _LOW:
        return _REPLACEMENT, after
    return chr(0x10000 + ((unit - _HIGH.start) << 10) + (low - _LOW.start)), end


def _unit(text: str, at: int) -> tuple[int | None, int]:
    r"""The UTF-16 code unit of ``\uXXXX`` at ``at``, and where it ends.

    ``None`` where it is none: then the end is beyond the text if more could make it one.
    """
    digits = text[at + 2 : at + 6]
    if _HEX.fullmatch(digits):
        return int(digits, 16), at + 6
    could_be = _HEX_SO_FAR.fullmatch(digits) and len(text) < at + 6
    return None, len(text) + 1 if could_be else at + 2
