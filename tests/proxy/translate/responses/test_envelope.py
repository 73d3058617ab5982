"""proxy.translate.responses.envelope: r4, what fits into encrypted_content and comes out."""

import base64
import json
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from proxy.translate.responses import envelope

SIGNED = {"type": "thinking", "thinking": "Hm", "signature": "c2ln", "new": [1.0, None]}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
USE = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
RESULT = {"type": "tool_of_tomorrow_tool_result", "tool_use_id": "srvtoolu_1"}
COMPACTION = {"type": "compaction", "content": None}
VALUES = 3
"""JSON values in an envelope with one redacted block, as they are counted."""
BLOCKS = [SIGNED, REDACTED, USE, RESULT, COMPACTION]


def sealed(*blocks: object) -> str:
    return envelope.sealed([Raw(json.dumps(block).encode()) for block in blocks])


def packed(unpacked: bytes, prefix: str = "ccp1.") -> str:
    wire = base64.urlsafe_b64encode(zlib.compress(unpacked)).decode()
    return prefix + wire.rstrip("=")


def test_r4_envelope_returns_each_block_as_it_was_received() -> None:
    received = b'{ "type":"thinking","thinking":"\\u00e9","signature":"s","n":1.50}'

    [block] = envelope.opened(envelope.sealed([Raw(received)])).blocks

    assert bytes(block.received) == received
    assert block.type == "thinking"


def test_r4_envelope_is_as_its_contract_says() -> None:
    text = sealed(SIGNED)
    wire = text.removeprefix("ccp1.")

    assert text.startswith("ccp1.")
    assert "=" not in wire
    padded = wire + "=" * (-len(wire) % 4)
    assert json.loads(zlib.decompress(base64.urlsafe_b64decode(padded))) == [SIGNED]


def test_r4_envelope_takes_back_what_its_base64_costs() -> None:
    signature = base64.b64encode(random.Random(1).randbytes(3000)).decode()
    block = {**SIGNED, "signature": signature}

    assert len(sealed(block)) < 1.1 * len(json.dumps(block))


def test_r4_decode_accepts_all_that_is_ever_put_in() -> None:
    blocks = envelope.opened(sealed(*BLOCKS)).blocks

    assert [json.loads(bytes(block.received)) for block in blocks] == BLOCKS


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        {"type": "tool_result", "tool_use_id": "t"},
        {"type": "thinking", "thinking": "Hm"},
        {"type": "thinking", "signature": "s"},
        {"type": "redacted_thinking"},
        {"type": "server_tool_use", "id": "t", "name": "f", "input": []},
        {"type": "server_tool_use", "id": "t", "input": {}},
        {"type": "web_search_tool_result"},
        {"type": "compaction", "content": 5},
        {"type": 5},
        {"data": "x"},
        [],
        "x",
    ],
    ids=str,
)
def test_r4_decode_takes_anything_else_for_foreign(block: object) -> None:
    assert not envelope.opened(sealed(SIGNED, block)).blocks


WHOLE = sealed(SIGNED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gAAAAABo",
        "ccp2." + WHOLE[5:],
        WHOLE[5:],
        WHOLE[:-1],
        WHOLE[:20],
        WHOLE + "A",
        WHOLE[:20] + "!" + WHOLE[20:],
        WHOLE[:20] + "\n" + WHOLE[20:],
        "ccp1.é",
        "ccp1.",
        packed(b""),
        packed(b"[]"),
        packed(b"{}"),
        packed(b"[" * 100_000),
        packed(b'[{"type":"redacted_thinking","data":"\xff"}]'),
        packed(json.dumps([SIGNED]).encode(), prefix="ccp1"),
        packed(b'[{"type":"redacted_thinking","data":"' + b"x" * (8 << 20) + b'"}]'),
    ],
    ids=range(18),
)
def test_r4_decode_takes_what_is_damaged_for_foreign(text: str) -> None:
    assert not envelope.opened(text).blocks


def test_r4_decode_takes_a_wrong_checksum_for_foreign() -> None:
    wire = bytearray(zlib.compress(json.dumps([SIGNED]).encode()))
    wire[-1] ^= 1

    assert not envelope.opened("ccp1." + base64.urlsafe_b64encode(wire).decode()).blocks


def test_r4_decode_reads_up_to_eight_mebibytes() -> None:
    frame = b'[{"type":"redacted_thinking","data":""}]'
    data = b"x" * ((8 << 20) - len(frame) - VALUES * 100)

    opened = envelope.opened(packed(frame.replace(b'""', b'"%b"' % data)))

    assert len(opened.blocks) == 1
    assert opened.room == 8 << 20


@pytest.mark.parametrize(
    "unpacked",
    [
        b'[{"type":"redacted_thinking","data":"' + b"x" * (8 << 20) + b'"}]',
        b"[" + b"1," * (4 << 20),
        b"[" + b"{}," * (2 << 20),
        b'["' + b"x" * (7 << 20),
    ],
    ids=["too long", "numbers", "objects", "no JSON"],
)
def test_r4_decode_counts_the_room_of_what_it_refuses(unpacked: bytes) -> None:
    opened = envelope.opened(packed(unpacked))

    assert not opened.blocks
    assert opened.room >= min(len(unpacked), 8 << 20)


def test_r4_decode_counts_the_room_of_what_turns_out_to_be_damaged() -> None:
    wire = bytearray(zlib.compress(b"x" * (5 << 20)))
    wire[-1] ^= 1

    opened = envelope.opened("ccp1." + base64.urlsafe_b64encode(wire).decode())

    assert not opened.blocks
    assert opened.room >= 4 << 20


def test_r4_decode_counts_values_and_wide_text_as_in_a_body() -> None:
    said = [{"type": "redacted_thinking", "data": text} for text in ("", "😀")]

    narrow, wide = (envelope.opened(sealed(one)).room for one in said)

    assert narrow == len(json.dumps([said[0]])) + VALUES * 100
    assert wide == narrow + 5 * len(json.dumps("😀")[1:-1])


@pytest.mark.parametrize(
    "received",
    [
        b'{"type":"text","text":"Hi","data":"","type":"redacted_thinking"}',
        b'{"type":"redacted_thinking","data":"","text":"Hi","type":"text"}',
        b'{"type":"thinking","thinking":"","signature":"s","data":"","type":"redacted_thinking"}',
    ],
)
def test_r4_decode_takes_a_block_of_two_types_for_foreign(received: bytes) -> None:
    assert not envelope.opened(packed(b"[%b]" % received)).blocks


@given(st.text() | st.binary().map(packed))
def test_anything_at_all_is_opened_or_foreign(text: str) -> None:
    assert not envelope.opened(text).blocks


@given(st.lists(st.sampled_from(BLOCKS), min_size=1), st.data())
def test_what_was_changed_on_the_way_is_foreign(
    blocks: list[dict], data: st.DataObject
) -> None:
    text = sealed(*blocks)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters()) + text[at + 1 :]

    opened = envelope.opened(changed).blocks

    assert [json.loads(bytes(one.received)) for one in opened] in ([], blocks)
