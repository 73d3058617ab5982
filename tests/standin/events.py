"""A finished answer as a message, or as the server-sent events of that message."""

import json
from collections.abc import Iterator
from typing import Any

from standin.answers import Answer
from standin.call import Block

Event = dict[str, Any]
_PIECE = 24  # characters in a delta


def message(answer: Answer, head: Block, usage: Block) -> Block:
    """Give the answer as the body of a plain response.

    `head` holds the fields that say how it came about, `model` among them.
    """
    content = [_finished(block) for block in answer.content]
    return (
        _envelope(answer)
        | head
        | {
            "content": content,
            "stop_reason": answer.stop_reason,
            "stop_sequence": answer.stop_sequence,
            "stop_details": answer.stop_details,
            "usage": usage | _output(answer),
        }
    )


def stream(answer: Answer, head: Block, usage: Block) -> Iterator[Event]:
    """Give the answer as events; their usage is cumulative, as the API's is."""
    opened = usage | {"output_tokens": 1}
    start = _envelope(answer) | head | {"content": [], "usage": opened}
    yield {"type": "message_start", "message": start}
    yield {"type": "ping"}
    for index, block in enumerate(answer.content):
        opening = {"type": "content_block_start", "index": index}
        yield opening | {"content_block": _opened(block)}
        for delta in _deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "stop_details": answer.stop_details,
    }
    counted = {n: v for n, v in usage.items() if n in _DELTA_USAGE} | _output(answer)
    yield {"type": "message_delta", "delta": delta, "usage": counted}
    yield {"type": "message_stop"}


_DELTA_USAGE = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)


def encode(event: Event) -> bytes:
    """Write one event as it goes over the wire."""
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event['type']}\ndata: {data}\n\n".encode()


def _envelope(answer: Answer) -> Block:
    return {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
    }


def _output(answer: Answer) -> Block:
    kinds = [block["type"] for block in answer.content]
    searches = kinds.count("server_tool_use")
    return {
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"thinking_tokens": answer.thinking_tokens},
        "server_tool_use": {"web_search_requests": searches} if searches else None,
    }


def _finished(block: Block) -> Block:
    match block["type"]:
        case "tool_use":
            return _opened(block) | {"input": _parsed(block["json"])}
        case "thinking":
            shown = ("type", "thinking", "signature")
            return {name: block[name] for name in shown}
        case "redacted_thinking":
            return _opened(block)
        case _:
            return block


def _parsed(written: str) -> Block:
    """Read a call's arguments; those that were cut short are given as none."""
    try:
        parsed = json.loads(written)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _opened(block: Block) -> Block:
    match block["type"]:
        case "tool_use":
            caller = {"type": "direct"}
            named = {name: block[name] for name in ("type", "id", "name")}
            return named | {"input": {}, "caller": caller}
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "redacted_thinking":
            return {"type": "redacted_thinking", "data": block["data"]}
        case "server_tool_use":
            return block | {"input": {}}
        case "web_search_tool_result":
            return block
        case "compaction":
            return block | {"content": None}
        case _:
            return {"type": "text", "text": ""}


def _deltas(block: Block) -> Iterator[Event]:
    match block["type"]:
        case "tool_use":
            yield {"type": "input_json_delta", "partial_json": ""}
            for piece in _pieces(block["json"]):
                yield {"type": "input_json_delta", "partial_json": piece}
        case "thinking":
            for piece in _pieces(block["thinking"]):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "redacted_thinking" | "web_search_tool_result":
            return
        case "compaction":
            both = ("content", "encrypted_content")
            yield {"type": "compaction_delta"} | {name: block[name] for name in both}
        case "server_tool_use":
            written = json.dumps(block["input"], ensure_ascii=False)
            yield {"type": "input_json_delta", "partial_json": written}
        case _:
            for piece in _pieces(block["text"]):
                yield {"type": "text_delta", "text": piece}
            for citation in block.get("citations", ()):
                yield {"type": "citations_delta", "citation": citation}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]
