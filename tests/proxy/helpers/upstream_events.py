"""Responses of Anthropic's, event by event, to script the stand-in with."""

from openai_client import NEWEST


def text(words):
    """The events of a text block that comes in one piece."""
    return _block({"type": "text", "text": ""}, {"type": "text_delta", "text": words})


def tool_use(name, *pieces):
    """The events of a tool call whose arguments come in these pieces of JSON."""
    start = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return _block(start, *deltas)


def _block(start, *deltas):
    return [
        {"type": "content_block_start", "index": 0, "content_block": start},
        *[
            {"type": "content_block_delta", "index": 0, "delta": delta}
            for delta in deltas
        ],
        {"type": "content_block_stop", "index": 0},
    ]


def message(block, stop_reason="end_turn"):
    """The events of a whole answer with that one block."""
    opened = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": NEWEST,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    stopped = {"stop_reason": stop_reason, "stop_sequence": None}
    return [
        {"type": "message_start", "message": opened},
        *block,
        {"type": "message_delta", "delta": stopped, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]
