"""Streams of Anthropic's made of blocks, each with its deltas, as its events."""

import json

import msgspec

from proxy.schema import messages_decoding


def text(*pieces, citations=()):
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    cited = [{"type": "citations_delta", "citation": one} for one in citations]
    return {"type": "text", "text": ""}, [*deltas, *cited]


def thinking(*pieces, signature="c2ln"):
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    signed = [{"type": "signature_delta", "signature": signature}] if signature else []
    return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, *signed]


def redacted(data="ZGF0YQ=="):
    return {"type": "redacted_thinking", "data": data}, []


def call(name, *pieces, use_id="toolu_1", given=None):
    start = {"type": "tool_use", "id": use_id, "name": name, "input": given or {}}
    return start, _json_deltas(pieces)


def search(*pieces, use_id="srvtoolu_1", name="web_search", **more):
    start = {"type": "server_tool_use", "id": use_id, "name": name, "input": {}, **more}
    return start, _json_deltas(pieces)


def found(*urls, use_id="srvtoolu_1", kind="web_search_tool_result", content=None):
    hits = [
        {"type": "web_search_result", "url": url, "title": "T", "page_age": None,
         "encrypted_content": "ZW5j"}
        for url in urls
    ]  # fmt: skip
    content = hits if content is None else content
    return {"type": kind, "tool_use_id": use_id, "content": content}, []


def compaction(content, **more):
    delta = {"type": "compaction_delta", "content": content, **more}
    return {"type": "compaction", "content": None}, [delta]


def citation(url="https://a.example/", **more):
    return {
        "type": "web_search_result_location", "url": url, "title": "A",
        "cited_text": "so it is", "encrypted_index": "aWR4", **more,
    }  # fmt: skip


def _json_deltas(pieces):
    return [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def start(index, block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index, one):
    return {"type": "content_block_delta", "index": index, "delta": one}


def stop(index):
    return {"type": "content_block_stop", "index": index}


PING = {"type": "ping"}
HEAD = {"id": "msg_01A", "model": "claude-sonnet-4-6", "usage": {"input_tokens": 3}}


def head(**more):
    return {"type": "message_start", "message": {**HEAD, **more}}


def end(reason="end_turn", **more):
    return [
        {"type": "message_delta", "delta": {"stop_reason": reason, **more},
         "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]  # fmt: skip


def events_of_blocks(*blocks):
    """The events of blocks that come one after another."""
    return [
        event
        for index, (begun, deltas) in enumerate(blocks)
        for event in (
            start(index, begun), *[delta(index, one) for one in deltas], stop(index),
        )
    ]  # fmt: skip


def message(*blocks, reason="end_turn", details=None, **more):
    """The events of a whole message."""
    more_of_end = {"stop_details": details} if details else {}
    return [head(**more), *events_of_blocks(*blocks), *end(reason, **more_of_end)]


def decoded(events):
    return [
        messages_decoding.decode_event(json.dumps(event).encode()) for event in events
    ]


def as_data(value):
    """A struct as the JSON that a client reads."""
    return json.loads(msgspec.json.encode(value))
