"""Claude's own blocks inside ``encrypted_content``, and out again (rows r4).

``ccp1.`` and then base64url, without padding, of zlib of a JSON list of blocks, each as
it was received. It is the one field that every Responses client sends back untouched, so
signed thinking needs no memory of the proxy's. Nothing in it is secret: the client was
given all of it, and Anthropic checks the signatures. zlib makes up for the size of the
base64.
"""

import binascii
import zlib
from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

PREFIX = "ccp1."
"""The version: what begins otherwise is not ours."""

LARGEST = 8 * 1024 * 1024
"""Bytes of one envelope's blocks at most: 30 KB of zlib can hold 30 MB."""

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


def opened(text: str) -> list[Block] | None:
    """The blocks of an envelope; ``None`` if it is foreign, damaged or too large.

    Accepted are thinking with its signature, redacted thinking, uses and results of
    server tools, and compactions: never text, nor a client's call or its result. The
    caller adds up ``size``, for many small envelopes can hold much.
    """
    try:
        unpacked = _unpacked(text)
        received = _blocks.decode(unpacked.decode())
        blocks = [Block(_shape.decode(one).type, one) for one in received]
        for block in blocks:
            msgspec.json.decode(block.received, type=_shape_of(block.type))
    except (ValueError, zlib.error, RecursionError):
        return None
    return blocks or None


def size(blocks: Sequence[Block]) -> int:
    """Bytes that the blocks of an opened envelope take."""
    return sum(len(bytes(block.received)) for block in blocks)


def _unpacked(text: str) -> bytes:
    """Raises ``ValueError`` or ``zlib.error`` for what is no envelope of ours."""
    if not text.startswith(PREFIX):
        raise ValueError
    encoded = text[len(PREFIX) :].translate(_FROM_URL)
    padded = encoded + "=" * (-len(encoded) % 4)
    packed = binascii.a2b_base64(padded, strict_mode=True)
    inflating = zlib.decompressobj()
    unpacked = inflating.decompress(packed, LARGEST + 1)
    if len(unpacked) > LARGEST or not inflating.eof or inflating.unused_data:
        raise ValueError
    return unpacked


# ------------------------------------------------------------------ what is accepted


class _Typed(Struct, frozen=True):
    type: str


class _Thinking(Struct, frozen=True):
    thinking: str
    signature: str


class _Redacted(Struct, frozen=True):
    data: str


class _ServerToolUse(Struct, frozen=True):
    id: str
    name: str
    input: dict[str, Raw]


class _ServerToolResult(Struct, frozen=True):
    tool_use_id: str


class _Compaction(Struct, frozen=True):
    content: str | UnsetType | None = UNSET


_SHAPES: dict[str, type[Struct]] = {
    "thinking": _Thinking,
    "redacted_thinking": _Redacted,
    "server_tool_use": _ServerToolUse,
    "compaction": _Compaction,
}
_blocks = msgspec.json.Decoder(list[Raw])
_shape = msgspec.json.Decoder(_Typed)


def _shape_of(block_type: str) -> type[Struct]:
    if block_type in _SHAPES:
        return _SHAPES[block_type]
    if block_type.endswith("_tool_result"):
        return _ServerToolResult
    raise ValueError
