"""``POST /v1/messages`` and its ``count_tokens``: Anthropic's own API, relayed.

The two resources, and the front of each. What is passed on, and what is decided here, is
in ``proxy.relay``.
"""

import falcon

from proxy import (
    admission,
    body,
    capabilities,
    errors,
    event_stream,
    front,
    joining,
    serving,
    sse,
)
from proxy.relay import error, fold, headers, request
from proxy.schema import messages_response
from proxy.services import Services
from proxy.translate import json_text

_PING = sse.encode_named("ping", b'{"type": "ping"}')
"""Anthropic's own sign of life, which its clients pass over."""


class Messages:
    """``POST /v1/messages``: a message, whole or streamed."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._api = api(services, "messages")

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Serve a message."""
        serving.respond(self._services, self._api, req, resp)


class CountTokens:
    """``POST /v1/messages/count_tokens``: how many input tokens a message would have."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._api = api(services, "count_tokens")

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Count the tokens of a prompt."""
        serving.respond(self._services, self._api, req, resp)


def api(
    services: Services, endpoint: request.Endpoint
) -> front.Front[request.Asked, str]:
    """One endpoint. The way back is the id of the request."""

    def translate(
        asked: request.Asked, req: falcon.Request, _: admission.Body
    ) -> tuple[request.Relayed, str]:
        """The request under Anthropic's name of its model, otherwise as it came."""
        name = (asked.model or "").strip() or services.config.default_model
        model = capabilities.to_anthropic_id(name)
        row = capabilities.model_for(model, services.live())
        sent = request.Relayed(
            endpoint=endpoint,
            body=request.to_body(asked, model, endpoint),
            model=model,
            version=headers.version(req.get_header("anthropic-version")),
            betas=headers.betas(req.get_header("anthropic-beta")),
            beta=req.get_param("beta") == "true",
            thinks=endpoint == "messages" and request.thinks(asked.fields, row),
        )
        return sent, req.context.request_id

    def decode(given: bytes) -> request.Asked:
        return request.to_asked(body.fields(given), endpoint)

    return front.Front(
        name=endpoint,
        decode=decode,
        content=_content,
        translate=translate,
        whole=_Whole if endpoint == "messages" else _Count,
        streamed=_Streamed,
    )


def _content(asked: request.Asked) -> object:
    return {name: joining.data_of(bytes(value)) for name, value in asked.fields.items()}


class _Whole:
    """The message, for a client that does not stream."""

    def __init__(self, _request_id: str, _created: int) -> None:
        self.finish_reason: str | None = None
        self.skipped = 0
        self.stored = False
        self._fold = fold.Fold()

    def feed(self, batch: event_stream.Batch) -> None:
        self.finish_reason = _stop_reason(batch) or self.finish_reason
        self._fold.feed(json_text.whole_characters(batch.raw))

    def encoded(self) -> bytes:
        return self._fold.message()


class _Count:
    """A count of tokens."""

    def __init__(self, _request_id: str, _created: int) -> None:
        self.finish_reason: str | None = None
        self.skipped = 0
        self.stored = False
        self._body = b""

    def feed(self, batch: event_stream.Batch) -> None:
        self._body = batch.raw

    def encoded(self) -> bytes:
        return self._body


class _Streamed:
    """Anthropic's events, as they came."""

    def __init__(self, request_id: str, _created: int) -> None:
        self.finish_reason: str | None = None
        self.skipped = 0
        self.stored = False
        self.complete = False
        self._request_id = request_id

    def feed(self, batch: event_stream.Batch) -> bytes:
        self.finish_reason = _stop_reason(batch) or self.finish_reason
        self.complete = isinstance(batch[-1], messages_response.MessageStop)
        return batch.raw

    def keep_alive(self) -> bytes:
        return _PING

    def broken(self, error_: errors.ProxyError) -> bytes:
        return error.to_event(error_, error_.upstream_request_id or self._request_id)


def _stop_reason(batch: event_stream.Batch) -> str | None:
    for event in batch:
        if type(event) is messages_response.MessageDelta:
            return event.delta.stop_reason
    return None
