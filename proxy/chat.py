"""``POST /v1/chat/completions``: the resource, and OpenAI's chat API as a front."""

import functools
from collections.abc import Callable, Sequence

import falcon
import msgspec
from msgspec import Struct

from proxy import admission, body, event_stream, front, serving, store
from proxy.schema import chat_request, messages_response
from proxy.services import Services
from proxy.translate import accumulator, assemble, warn
from proxy.translate.chat import kept, request, response, stream, stream_encoder

_encode = msgspec.json.Encoder().encode


class ChatCompletions:
    """``POST /v1/chat/completions``: a chat completion, whole or streamed."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._api = api(services)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Serve a completion."""
        serving.respond(self._services, self._api, req, resp)


class WayBack(Struct, frozen=True):
    """What a response depends on."""

    context: request.ResponseContext
    remember: Callable[[messages_response.Message], None] | None
    """Keeps the turn of a complete response; ``None`` if it cannot call a tool.

    Not for a response of which this version knows only parts.
    """


def api(
    services: Services,
) -> front.Front[chat_request.ChatRequest, WayBack]:
    """The chat API."""

    def translate(
        chat: chat_request.ChatRequest, req: falcon.Request, _: admission.Body
    ) -> tuple[assemble.Translation, WayBack]:
        """What to send, with kept turns in their place, and what the response needs.

        Raises ``InvalidRequestError``.
        """
        config = services.config
        warnings = warn.Warnings(strict=config.strict_params)
        model = request.asked_model(chat, config.default_model)
        turns, owner = services.store.turns, req.context.owner
        found = _recalled(turns, owner, chat.messages, model)
        asked = request.to_ask(chat, config.default_model, warnings, found)
        sent = services.translation(asked, warnings)
        context = request.response_context(chat, asked, sent)
        remember = (
            functools.partial(_remember, turns, owner)
            if chat.tools and services.store.limit
            else None
        )
        return sent, WayBack(context, remember)

    return front.Front(
        name="chat",
        decode=functools.partial(body.decode, decoder=chat_request.DECODER),
        content=lambda chat: chat,
        translate=translate,
        whole=_Whole,
        streamed=_streamed,
    )


class _Whole:
    """A response for a client that does not stream."""

    def __init__(self, way_back: WayBack, created: int) -> None:
        self._context = way_back.context
        self._remember = way_back.remember
        self._created = created
        self._accumulated = accumulator.MessageAccumulator()
        self.finish_reason: str | None = None
        self.stored = False

    @property
    def skipped(self) -> int:
        return self._accumulated.skipped

    def feed(self, batch: event_stream.Batch) -> None:
        self._accumulated.feed_all(batch)

    def encoded(self) -> bytes:
        """The chat completion, once all events are in. A turn that calls tools is kept."""
        message = self._accumulated.message
        answered = response.to_openai_response(
            message,
            model=self._context.model,
            created=self._created,
            names=self._context.names,
            legacy_functions=self._context.legacy_functions,
        )
        self.finish_reason = answered.choices[0].finish_reason
        if self._remember is not None and not self.skipped:
            self._remember(message)
        return _encode(answered)


class _Remembering(stream_encoder.StreamEncoder):
    """A streamed response whose turn is kept before the client sees its end."""

    def __init__(
        self,
        chunks: stream.ChunkStream,
        remember: Callable[[messages_response.Message], None],
    ) -> None:
        super().__init__(chunks)
        self._accumulated = accumulator.MessageAccumulator()
        self._remember = remember

    def feed(self, events: Sequence[messages_response.Event]) -> bytes:
        self._accumulated.feed_all(events)
        encoded = super().feed(events)
        if self.complete and not self.skipped:
            self._remember(self._accumulated.message)
        return encoded


def _streamed(way_back: WayBack, created: int) -> stream_encoder.StreamEncoder:
    """A response for a client that streams."""
    context = way_back.context
    chunks = stream.ChunkStream(
        model=context.model,
        created=created,
        names=context.names,
        legacy_functions=context.legacy_functions,
        include_usage=context.include_usage,
    )
    if way_back.remember is None:
        return stream_encoder.StreamEncoder(chunks)
    return _Remembering(chunks, way_back.remember)


# ------------------------------------------------------------------ kept turns


def _recalled(
    turns: store.Turns,
    owner: bytes,
    history: Sequence[chat_request.Message],
    model: str,
) -> kept.Turns:
    """The turns of a history that were kept, if this model said them.

    Signed thinking is of no use to another model.
    """
    called = kept.call_ids(history)
    found: dict[str, kept.Turn] = {}
    for data in turns.find(owner, called) if called else ():
        turn = kept.decode(data)
        if turn.model == kept.model_name(model):
            found.update(dict.fromkeys(turn.uses, turn))
    return found


def _remember(
    turns: store.Turns, owner: bytes, message: messages_response.Message
) -> None:
    """Keep the turn of a complete response, if a client may send it back."""
    turn = kept.to_keep(message)
    if turn is not None:
        turns.keep(owner, turn.uses, kept.encode(turn))
