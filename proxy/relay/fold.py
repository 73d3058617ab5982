"""The events of a stream as the Message that they add up to, for a client that does not stream.

On JSON rather than on types, so that nothing is lost: blocks, deltas and fields that this
version does not know are in the message too. The rules are those of the SDK's own
accumulator.
"""

import json
from typing import Any, NoReturn

import jiter
import msgspec
from msgspec import Raw, Struct

from proxy import errors, sse
from proxy.written import Written

Fields = dict[str, Raw]

_NULL = b"null"
_APART = frozenset({"signature_delta", "compaction_delta"})
"""Deltas that replace what is there. The strings of any other one are added to it."""

_FINISHED = frozenset({"end_turn", "stop_sequence", "tool_use"})
"""Why a model stops where it wants to: what it wrote is whole."""

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
_skip = msgspec.json.Decoder(Raw).decode


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

    def encoded(self, *, finished: bool) -> Fields:
        """The block as it is now; ``finished`` if nothing can be missing at its end."""
        for name, added in self._texts.items():
            first = _text(self._fields.get(name, _NULL))
            self._fields[name] = Raw(_encode(f"{first}{added}"))
        for name, items in self._items.items():
            before = _items(self._fields.get(name, _NULL))
            self._fields[name] = Raw(_encode([*before, *items]))
        text = str(self._json)
        if text.strip():
            self._fields["input"] = Raw(_input(text, finished=finished))
        return self._fields


def _input(text: str, *, finished: bool) -> bytes:
    """A call's arguments; those that were cut short up to where they make sense.

    Arguments that claim to be whole and are not JSON raise: with a part of them, or with
    none, a tool would do something else than what the model asked for.
    """
    if _is_json(text):
        return text.encode()
    if finished:
        raise _broken("A tool call's arguments are not valid JSON")
    try:
        return _encode(jiter.from_json(text.encode(), partial_mode=True))
    except ValueError:
        return b"{}"


def _is_json(text: str) -> bool:
    """Whether a text is JSON, also with halves of surrogate pairs, which some refuse."""
    try:
        _skip(text)
    except (msgspec.DecodeError, RecursionError):
        try:
            json.loads(text, parse_int=len, parse_float=len, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return False
    return True


def _refuse(_constant: str) -> NoReturn:
    """``NaN`` and ``Infinity`` are not JSON."""
    raise ValueError


def _broken(words: str) -> errors.UpstreamError:
    """A response of which no whole message can be made."""
    broken = errors.UpstreamError(
        f"{words}; ask again",
        status=502,
        type="server_error",
        code="stream_incomplete",
        headers={"retry-after": f"{errors.GROWING[0][1]:.0f}"},
    )
    broken.reason = "unreadable"
    return broken


class Fold:
    """Takes a stream's events in order; ``message`` is what they add up to so far."""

    def __init__(self) -> None:
        self._decoder = sse.Decoder()
        self._message: Fields = {}
        self._usage: Fields = {}
        self._blocks: dict[int, _Block] = {}

    def feed(self, events: bytes) -> None:
        """Take whole server-sent events.

        Raises ``UpstreamError`` for a part of the content that belongs to no block.
        """
        for payload in self._decoder.feed(events):
            try:
                event = _decode(payload)
            except msgspec.ValidationError:  # of a shape that no rule is for
                if _kind(payload).startswith("content_block_"):
                    raise _broken("A part of the content has no place in it") from None
                continue
            self._take(event, payload)

    def _take(self, event: _Event, payload: bytes) -> None:
        match event.type:
            case "message_start":
                self._message = event.message
                _update(self._usage, _object(event.message.get("usage")))
            case "content_block_start":
                self._blocks[event.index] = _Block(event.content_block)
            case "content_block_delta":
                block = self._blocks.get(event.index)
                if block is None:
                    raise _broken("A part of the content belongs to no block")
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
        """The Message as JSON. Raises ``UpstreamError`` where it cannot be whole."""
        finished = _text(self._message.get("stop_reason", _NULL)) in _FINISHED
        content: list[Any] = [
            block.encoded(finished=finished) for block in self._blocks.values()
        ]
        whole = {"content": content, "usage": self._usage}
        return _encode({**self._message, **whole})


def _kind(payload: bytes) -> str:
    """The type of an event of any shape."""
    return _text(_object(Raw(payload)).get("type", _NULL))


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
