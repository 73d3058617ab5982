"""Streams of Anthropic's, translated for clients of the Responses API."""

import json

import msgspec

from proxy import sse
from proxy.schema import messages_decoding
from proxy.translate import accumulator
from proxy.translate.responses import (
    context,
    envelope,
    response,
    stream,
    stream_encoder,
)
from upstream_blocks import as_data, decoded

CREATED, ENDED = 1_790_000_000, 1_790_000_009

TOOLS = {
    "mcp__files__read": context.Client(name="read", namespace="mcp__files"),
    "exec": context.Client(kind="custom", name="exec"),
    "js__run": context.Client(kind="custom", name="run", namespace="js"),
    "shell": context.Client(kind="shell", name="shell"),
    "local_shell": context.Client(kind="local_shell", name="local_shell"),
    "apply_patch": context.Client(kind="apply_patch", name="apply_patch"),
    "tool_search": context.Client(kind="tool_search", name="tool_search"),
}
ASKED = context.Context(model="claude-sonnet-4.6", tools=TOOLS)


def encoder(asked=ASKED, **given):
    given = {"created": CREATED, "now": lambda: ENDED} | given
    return stream_encoder.StreamEncoder(stream.EventStream(asked, **given))


def told(events, asked=ASKED, *, batches=False, **given):
    """The events that a streaming client reads, the last payload included.

    ``batches``: all that Anthropic sends comes in one read.
    """
    encoding = encoder(asked, **given)
    whole = decoded(events)
    pieces = [whole] if batches else [[event] for event in whole]
    return read(b"".join(encoding.feed(piece) for piece in pieces))


def read(wire):
    """The events of a stream's bytes; the name of each is its type."""
    *blocks, rest = wire.decode().split("\n\n")
    assert rest == ""
    events = []
    for block in blocks:
        if block == "data: [DONE]":
            events.append("[DONE]")
            continue
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def types(events):
    return [event if isinstance(event, str) else event["type"] for event in events]


def last(events):
    """The object of the event that ends the response."""
    ends = {"response.completed", "response.incomplete", "response.failed"}
    [response_] = [e["response"] for e in events if e != "[DONE]" and e["type"] in ends]
    return response_


def plain(events, asked=ASKED, **given):
    """The response that a client reads which does not stream."""
    given = {"created": CREATED, "now": lambda: ENDED} | given
    whole = accumulator.MessageAccumulator()
    for event in decoded(events):
        whole.feed(event)
    return as_data(response.to_response(whole.message, asked, **given))


def items(events, asked=ASKED, **given):
    """The output, which both kinds of clients get alike."""
    streamed = last(told(events, asked, **given))["output"]
    whole = plain(events, asked, **given)["output"]
    assert [with_compact_arguments(one) for one in streamed] == whole
    return whole


def with_compact_arguments(item):
    """A stream passes the model's own spacing on."""
    if item["type"] != "function_call" or item["status"] == "incomplete":
        return item
    try:
        compact = msgspec.json.format(item["arguments"], indent=-1)
    except ValueError:
        return item
    return {**item, "arguments": compact}


def opened(item):
    """The blocks in an item's envelope."""
    return [
        json.loads(bytes(block.received))
        for block in envelope.opened(item["encrypted_content"]).blocks
    ]


def recorded(path):
    return [
        messages_decoding.decode_event(payload)
        for payload in sse.Decoder().feed(path.read_bytes())
    ]
