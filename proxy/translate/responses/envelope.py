"""Claude's own blocks inside ``encrypted_content``, and out again (rows r4).

``ccp1.`` and then base64url, without padding, of zlib of a JSON list of blocks, each as
it was received. It is the one field that every Responses client sends back untouched, so
signed thinking needs no memory of the proxy's. Nothing in it is secret: the client was
given all of it, and Anthropic checks the signatures. zlib makes up for the size of the
base64.
"""

import binascii
import zlib
from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from proxy import errors
from proxy.translate import ask, json_text

PREFIX = "ccp1."
"""The version: what begins otherwise is not ours."""

LARGEST = 8 * 1024 * 1024
"""Bytes of room that one envelope may take: 30 KB of zlib can hold 30 MB."""

_STEP = 1024 * 1024
_LEVEL, _WINDOW, _MEMORY = 1, 12, 5
"""The fastest way for a few kilobytes, most of them a signature that hardly shrinks."""
_encode = msgspec.json.Encoder().encode


def sealed(blocks: Sequence[Raw]) -> str:
    """The envelope of these blocks."""
    packing = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY)
    packed = packing.compress(_encode(blocks)) + packing.flush()
    text = binascii.b2a_base64(packed, newline=False).rstrip(b"=").decode()
    return PREFIX + text.translate(_TO_URL)


_TO_URL = str.maketrans("+/", "-_")
_FROM_URL = str.maketrans("-_+/", "+/  ")  # the space is in neither alphabet


class Block(Struct, frozen=True):
    """A block from an envelope."""

    type: str
    received: Raw
    """The whole block, to be sent as it is."""
    thought: ask.Thinking | None = None
    """The block, if it is thinking."""
    use: str = ""
    """The id of a server tool's use, if it is one or the result of one."""


class Opened(Struct, frozen=True):
    """What an envelope holds."""

    blocks: Sequence[Block] = ()
    """Empty if it is foreign, damaged or too large."""
    room: int = 0
    """Bytes that it took to find out, counted as for the body of a request."""


class Room:
    """What the envelopes of one request may take, once they are unpacked."""

    def __init__(self, size: int, take: Callable[[int], None]) -> None:
        """``size`` is in bytes.

        ``take`` is called with the bytes of each, and raises if there is no room for so
        many now.
        """
        self._left = size
        self._take = take

    def opened(self, text: str) -> Sequence[Block]:
        """The blocks of an envelope; none if it is foreign, damaged or too large.

        Those that hold nothing of use cost room too, because they cost time. Raises
        ``InvalidRequestError`` (413) when all room is used up.
        """
        found = opened(text)
        self._left -= found.room
        if self._left < 0:
            raise errors.InvalidRequestError(
                "input: the reasoning that it holds is larger than a request may be",
                status=413,
                param="input",
                code="request_too_large",
            )
        self._take(found.room)
        return found.blocks


def opened(text: str) -> Opened:
    """The blocks of an envelope.

    Accepted are thinking with its signature, redacted thinking, uses and results of
    server tools, and compactions: never text, nor a client's call or its result.
    """
    unpacked, whole = _unpacked(text)
    room = len(unpacked) + json_text.OF_AN_ELEMENT * json_text.elements(
        unpacked, LARGEST // json_text.OF_AN_ELEMENT
    )
    if whole and room <= LARGEST:
        room += json_text.OF_WIDE_TEXT * json_text.wide_text(unpacked)
    if not whole or room > LARGEST:
        return Opened(room=room)
    try:
        received = _blocks.decode(unpacked.decode())
        return Opened([_block(one) for one in received], room)
    except (ValueError, RecursionError):
        return Opened(room=room)


def _unpacked(text: str) -> tuple[bytes, bool]:
    """What can be read of an envelope up to ``LARGEST``, and whether that is all of it."""
    if not text.startswith(PREFIX):
        return b"", False
    encoded = text[len(PREFIX) :].translate(_FROM_URL)
    padded = encoded + "=" * (-len(encoded) % 4)
    unpacked, inflating = bytearray(), zlib.decompressobj()
    try:
        left = binascii.a2b_base64(padded, strict_mode=True)
        while len(unpacked) <= LARGEST and (piece := inflating.decompress(left, _STEP)):
            unpacked += piece
            left = inflating.unconsumed_tail
    except (ValueError, zlib.error):
        return bytes(unpacked), False
    whole = inflating.eof and not inflating.unused_data and len(unpacked) <= LARGEST
    return bytes(unpacked), whole


# ------------------------------------------------------------------ what is accepted


class _Typed(Struct, frozen=True):
    type: str


class _ServerToolUse(Struct, frozen=True):
    id: str
    name: str
    input: dict[str, Raw]


class _ServerToolResult(Struct, frozen=True):
    tool_use_id: str


class _Compaction(Struct, frozen=True):
    content: str | UnsetType | None = UNSET


_blocks = msgspec.json.Decoder(list[Raw])
_shape = msgspec.json.Decoder(_Typed)
_thought: msgspec.json.Decoder[ask.Thinking] = msgspec.json.Decoder(ask.Thinking)
_use = msgspec.json.Decoder(_ServerToolUse)
_result = msgspec.json.Decoder(_ServerToolResult)
_compaction = msgspec.json.Decoder(_Compaction)


def _block(received: Raw) -> Block:
    """Raises ``ValueError`` for a block that no envelope of ours holds."""
    kind = _shape.decode(received).type
    match kind:
        case "thinking" | "redacted_thinking":
            return Block(kind, received, thought=_thought.decode(received))
        case "server_tool_use":
            return Block(kind, received, use=_use.decode(received).id)
        case "compaction":
            _compaction.decode(received)
            return Block(kind, received)
        case _ if kind.endswith("_tool_result"):
            return Block(kind, received, use=_result.decode(received).tool_use_id)
        case _:
            raise ValueError
