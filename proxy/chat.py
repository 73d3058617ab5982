"""``POST /v1/chat/completions``: the resource, and OpenAI's chat API as a front."""

import falcon
import msgspec

from proxy import body, completion, event_stream, front, serving
from proxy.schema import chat_request
from proxy.translate import accumulator, assemble, warn
from proxy.translate.chat import request, response, stream, stream_encoder

_encode = msgspec.json.Encoder().encode


class ChatCompletions:
    def __init__(self, services: completion.Services) -> None:
        self._services = services
        self._api = api(services)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Serve a completion."""
        serving.respond(self._services, self._api, req, resp)


def api(
    services: completion.Services,
) -> front.Front[chat_request.ChatRequest, request.ResponseContext]:
    """The chat API."""

    def translate(
        chat: chat_request.ChatRequest, _req: falcon.Request
    ) -> tuple[assemble.Translation, request.ResponseContext]:
        config = services.config
        warnings = warn.Warnings(strict=config.strict_params)
        asked = request.to_ask(chat, config.default_model, warnings)
        sent = completion.translation(services, asked, warnings)
        return sent, request.response_context(chat, asked, sent)

    return front.Front(
        name="chat",
        decode=body.decode,
        translate=translate,
        whole=_Whole,
        streamed=_streamed,
    )


class _Whole:
    """A response for a client that does not stream."""

    def __init__(self, context: request.ResponseContext, created: int) -> None:
        self._context = context
        self._created = created
        self._accumulated = accumulator.MessageAccumulator()
        self.finish_reason: str | None = None

    @property
    def skipped(self) -> int:
        return self._accumulated.skipped

    def feed(self, batch: event_stream.Batch) -> None:
        for event in batch:
            self._accumulated.feed(event)

    def encoded(self) -> bytes:
        answered = response.to_openai_response(
            self._accumulated.message,
            model=self._context.model,
            created=self._created,
            names=self._context.names,
            legacy_functions=self._context.legacy_functions,
        )
        self.finish_reason = answered.choices[0].finish_reason
        return _encode(answered)


def _streamed(
    context: request.ResponseContext, created: int
) -> stream_encoder.StreamEncoder:
    """A response for a client that streams."""
    return stream_encoder.StreamEncoder(
        stream.ChunkStream(
            model=context.model,
            created=created,
            names=context.names,
            legacy_functions=context.legacy_functions,
            include_usage=context.include_usage,
        )
    )
