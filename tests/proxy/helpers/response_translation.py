"""Recorded streams of Anthropic's, translated for a streaming and a plain client."""

import json
from collections.abc import Iterable

import msgspec

from proxy import sse
from proxy.schema import chat_response, messages_decoding, messages_response
from proxy.translate import accumulator
from proxy.translate.chat import response, stream

CREATED = 1_790_000_000


def events_of(pieces: Iterable[bytes]) -> list[messages_response.Event]:
    decoder = sse.Decoder()
    return [
        messages_decoding.decode_event(payload)
        for piece in pieces
        for payload in decoder.feed(piece)
    ]


def chunks_of(
    events: Iterable[messages_response.Event],
    *,
    names: response.ClientNames | None = None,
    legacy: bool = False,
    include_usage: bool = True,
) -> list[chat_response.Chunk]:
    translator = stream.ChunkStream(
        model="claude-sonnet-4-6",
        created=CREATED,
        names=names or response.ClientNames(),
        legacy_functions=legacy,
        include_usage=include_usage,
    )
    return [chunk for event in events for chunk in translator.feed(event)]


def completion_of(
    events: Iterable[messages_response.Event],
    *,
    names: response.ClientNames | None = None,
    legacy: bool = False,
) -> chat_response.ChatCompletion:
    whole = accumulator.MessageAccumulator()
    for event in events:
        whole.feed(event)
    return response.to_openai_response(
        whole.message,
        model="claude-sonnet-4-6",
        created=CREATED,
        names=names or response.ClientNames(),
        legacy_functions=legacy,
    )


def as_data(value: object) -> dict:
    """A struct as the JSON that a client reads."""
    return json.loads(msgspec.json.encode(value))
