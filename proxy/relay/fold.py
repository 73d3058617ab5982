"""The events of a stream as the Message that they add up to, for a client that does not stream.

On JSON rather than on types, so that nothing is lost: blocks, deltas and fields that this
version does not know are in the message too. The rules are those of the SDK's own
accumulator.
"""

from typing import Any

import jiter
import msgspec
from msgspec import Raw, Struct

from proxy import sse
from proxy.written import Written

Fields = dict[str, Raw]

_NULL = b"null"
_APART = frozenset({"signature_delta", "compaction_delta"})
"""Deltas that replace what is there. The strings of any other one are added to it."""

_encode = msgspec.json.Encoder().encode


class _Event(Struct):
    type: str = ""
    index: int = -1
    message: Fields = {}
    content_block: Fields = {}
    delta: Fields = {}


_decode = msgspec.json.Decoder(_Event).decode
_fields = msgspec.json.Decoder(Fields).decode
_array = msgspec.json.Decoder(list[Raw]).decode
_value = msgspec.json.Decoder().decode


class _Block:
    """A content block while it is added to."""

    def __init__(self, start: Fields) -> None:
        self._fields = start
        self._texts: dict[str, Written] = {}  # what is added to strings
        self._items: dict[str, list[Raw]] = {}  # what is added to lists
        self._json = Written()

    def add(self, delta: Fields) -> None:
        """Take one delta."""
        match _value(delta.get("type", _NULL)):
            case "input_json_delta":
                self._json.add(_text(delta.get("partial_json", _NULL)))
            case "citations_delta":
                found = self._items.setdefault("citations", [])
                found.append(delta.get("citation", Raw(_NULL)))
            case kind:
                for name, value in delta.items():
                    if name != "type":
                        self._put(name, value, replaces=kind in _APART)

    def _put(self, name: str, value: Raw, *, replaces: bool) -> None:
        text = _value(value)
        if isinstance(text, str) and not replaces:
            if name not in self._texts:
                self._texts[name] = Written()
            self._texts[name].add(text)
        else:
            self._fields[name] = value

    def encoded(self) -> Fields:
        """The block as it is now."""
        for name, added in self._texts.items():
            first = _text(self._fields.get(name, _NULL))
            self._fields[name] = Raw(_encode(f"{first}{added}"))
        for name, items in self._items.items():
            before = _items(self._fields.get(name, _NULL))
            self._fields[name] = Raw(_encode([*before, *items]))
        if text := str(self._json):
            self._fields["input"] = Raw(_input(text))
        return self._fields


def _input(text: str) -> bytes:
    """A call's arguments; those that were cut short up to where they make sense."""
    try:
        _value(text)
    except msgspec.DecodeError:
        try:
            return _encode(jiter.from_json(text.encode(), partial_mode=True))
        except ValueError:
            return b"{}"
    return text.encode()


class Fold:
    """Takes a stream's events in order; ``message`` is what they add up to so far."""

    def __init__(self) -> None:
        self._decoder = sse.Decoder()
        self._message: Fields = {}
        self._usage: Fields = {}
        self._blocks: dict[int, _Block] = {}

    def feed(self, events: bytes) -> None:
        """Take whole server-sent events."""
        for payload in self._decoder.feed(events):
            try:
                event = _decode(payload)
            except msgspec.ValidationError:  # of a shape that no rule is for
                continue
            self._take(event, payload)

    def _take(self, event: _Event, payload: bytes) -> None:
        match event.type:
            case "message_start":
                self._message = event.message
                _update(self._usage, _object(event.message.get("usage")))
            case "content_block_start":
                self._blocks[event.index] = _Block(event.content_block)
            case "content_block_delta" if block := self._blocks.get(event.index):
                block.add(event.delta)
            case "message_delta":
                rest = _fields(payload)
                _update(self._usage, _object(rest.pop("usage", None)))
                del rest["type"]
                rest.pop("delta", None)
                _update(self._message, event.delta)
                _update(self._message, rest)
            case _:
                pass

    def message(self) -> bytes:
        """The Message as JSON."""
        content: list[Any] = [block.encoded() for block in self._blocks.values()]
        whole = {"content": content, "usage": self._usage}
        return _encode({**self._message, **whole})


def _text(value: Raw | bytes) -> str:
    """A JSON string; empty for anything else."""
    text = _value(value)
    return text if isinstance(text, str) else ""


def _items(value: Raw | bytes) -> list[Raw]:
    """A JSON array's items; none for anything else."""
    try:
        return _array(value)
    except msgspec.ValidationError:
        return []


def _object(value: Raw | None) -> Fields:
    """A JSON object's fields; none for anything else."""
    try:
        return _fields(value or b"{}")
    except msgspec.ValidationError:
        return {}


def _update(fields: Fields, reported: Fields) -> None:
    """Take over what is reported. Counts are totals: they replace, and null says nothing."""
    for name, value in reported.items():
        if name not in fields or bytes(value) != _NULL:
            fields[name] = value
