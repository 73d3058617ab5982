"""The arguments of a client tool's call, whole or as they arrive."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from proxy.translate import json_text

_skip = msgspec.json.Decoder(Raw).decode


def is_json(text: str) -> bool:
    """Whether the text is one JSON value: arguments that were cut are not."""
    try:
        _skip(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def are_none(text: str) -> bool:
    """Whether arguments from a client's history say that the call had none.

    Beside nothing at all, .NET writes ``null``, and PHP ``[]``, where it cannot tell an
    empty object from an empty list.
    """
    return text.strip() in {"", "null", "[]"}


def whole(given: Raw, properties: Mapping[str, str]) -> str:
    """A tool call's input as text: compact JSON, or the truncated text as it came.

    ``properties`` maps names to the client's own. ``"{}"`` for a tool without
    arguments: an empty or null string makes .NET throw.
    """
    text = json_text.renamed_keys(bytes(given).decode(), properties)
    if text.strip() in {"", "null"}:
        return "{}"
    try:
        return msgspec.json.format(text, indent=-1)  # keeps numbers and key order
    except (ValueError, RecursionError):  # a model that repeats itself until the limit
        return text


class Arriving:
    """Arguments while they are streamed.

    They are held back while they may still turn out to be none (white space,
    ``null``), and to the end where properties get other names.
    """

    def __init__(self, start: Raw, properties: Mapping[str, str]) -> None:
        """``start`` is the input with which the call began: ``{}`` where deltas follow."""
        self.sent = False
        self._start = start
        self._properties = properties
        self._held: list[str] = []

    def take(self, piece: str) -> str:
        """Take a piece of the arguments; returns what can be sent now."""
        if self.sent:
            return piece
        self._held.append(piece)
        if self._properties:
            return ""
        text = "".join(self._held)
        if "null".startswith(text.strip()):
            return ""
        self.sent = True
        return text

    def rest(self) -> str:
        """What is left to send once the call is whole."""
        if self.sent:
            return ""
        self.sent = True
        text = "".join(self._held)
        given = Raw(text.encode()) if text.strip() else self._start
        return whole(given, self._properties)
