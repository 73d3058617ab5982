"""``/v1/responses``: OpenAI's Responses API, as resources and as a front.

Its contract is docs/responses.md. What a client refers to is looked up in the memory of
this process (``kept_responses``), the translation is ``translate.responses``.
"""

from collections.abc import Callable
from typing import NoReturn

import falcon
import msgspec
from msgspec import Raw, Struct, structs

from proxy import (
    body,
    completion,
    errors,
    event_stream,
    front,
    kept_responses,
    serving,
    store,
)
from proxy.relay.request import Relayed
from proxy.schema import responses_request
from proxy.schema import responses_response as out
from proxy.translate import accumulator, assemble, warn
from proxy.translate.responses import (
    context,
    items,
    request,
    response,
    stream,
    stream_encoder,
)

PAGE = 20
LARGEST_PAGE = 100
"""Items of one page of a response's input."""

_TRIGGER = Raw(b'{"type":"compaction_trigger"}')
_COUNTED = (
    "model", "system", "messages", "tools", "tool_choice", "thinking", "output_config",
    "cache_control", "speed",
)  # fmt: skip
"""The fields of a Messages request that count_tokens takes."""

_encode = msgspec.json.Encoder().encode


class Asked(Struct, frozen=True):
    """A request and its JSON, parts of which the response repeats."""

    request: responses_request.ResponsesRequest
    body: bytes

    @property
    def model(self) -> str | None:
        return self.request.model

    @property
    def stream(self) -> bool | None:
        return self.request.stream


class WayBack(Struct, frozen=True):
    """What a response depends on."""

    context: context.Context
    keeping: kept_responses.Keeping | None
    now: Callable[[], int]


# ------------------------------------------------------------------ from request to ask


class _Reader:
    """Turns requests into what goes upstream; the same for all that have an input."""

    def __init__(self, services: completion.Services) -> None:
        self.services = services
        self._pending = kept_responses.Pending(services.store.limit)

    def decode(self, given: bytes) -> Asked:
        return Asked(body.decode(given, responses_request.DECODER), given)

    def decode_whole(self, given: bytes) -> Asked:
        """For what never comes as a stream, whatever the client asks for."""
        asked = self.decode(given)
        whole = structs.replace(asked.request, stream=None, stream_options=None)
        return structs.replace(asked, request=whole)

    def create(
        self, asked: Asked, req: falcon.Request
    ) -> tuple[assemble.Translation, WayBack]:
        """A response to create."""
        wanted = asked.request
        memory, owner = self.services.store, req.context.owner
        sent, found = self._input(wanted, owner)
        reading, translated = self._translated(wanted, found)
        made = request.response_context(wanted, asked.body, reading, translated)
        keeping = None
        if made.store and not reading.conversation.compact:
            own = items.resolved(sent, found)
            previous = wanted.previous_response_id
            keeping = kept_responses.keeping(
                memory, self._pending, owner, previous, own
            )
        if keeping is None:
            made = structs.replace(made, store=False)
        return translated, WayBack(made, keeping, self.now)

    def compact(
        self, asked: Asked, req: falcon.Request
    ) -> tuple[assemble.Translation, WayBack]:
        """A conversation to compact: as a response whose input asks for it at its end."""
        wanted = asked.request
        alone = wanted.previous_response_id is not None and bytes(wanted.input) in {
            b"",
            b"null",
        }
        own = [] if alone else items.sent(wanted)
        triggered = structs.replace(
            wanted, input=Raw(_encode([*own, _TRIGGER])), store=False
        )
        return self.create(structs.replace(asked, request=triggered), req)

    def count(self, asked: Asked, req: falcon.Request) -> tuple[Relayed, None]:
        """An input whose tokens are to be counted: of the very same translation."""
        _, found = self._input(asked.request, req.context.owner)
        _, translated = self._translated(asked.request, found)
        fields = msgspec.json.decode(_encode(translated.request), type=dict[str, Raw])
        counted = {name: fields[name] for name in _COUNTED if name in fields}
        return Relayed(
            endpoint="count_tokens",
            body=_encode(counted),
            model=translated.request.model,
            version=translated.version,
            betas=translated.betas,
            beta=False,
            thinks=False,
            warnings=translated.warnings,
        ), None

    def now(self) -> int:
        return int(self.services.now())

    def _input(
        self, wanted: responses_request.ResponsesRequest, owner: bytes
    ) -> tuple[list[Raw], items.Earlier]:
        """The request's own items, and what is known of those that it refers to."""
        sent = items.sent(wanted)
        kept = self.services.store.responses
        previous = wanted.previous_response_id
        return sent, kept_responses.earlier(kept, owner, previous, sent)

    def _translated(
        self, wanted: responses_request.ResponsesRequest, found: items.Earlier
    ) -> tuple[request.Reading, assemble.Translation]:
        config = self.services.config
        warnings = warn.Warnings(strict=config.strict_params)
        reading = request.to_ask(wanted, config, warnings, found)
        return reading, completion.translation(self.services, reading.ask, warnings)


# ------------------------------------------------------------------ the way back


class _Whole:
    """A response for a client that does not stream."""

    def __init__(self, way_back: WayBack, created: int) -> None:
        self._way_back = way_back
        self._created = created
        self._accumulated = accumulator.MessageAccumulator()
        self.finish_reason: str | None = None

    @property
    def skipped(self) -> int:
        return self._accumulated.skipped

    def feed(self, batch: event_stream.Batch) -> None:
        for event in batch:
            self._accumulated.feed(event)

    def response(self) -> out.Response:
        """The response object, kept where that was asked for."""
        made = response.to_response(
            self._accumulated.message,
            self._way_back.context,
            created=self._created,
            now=self._way_back.now,
            keep=self._way_back.keeping or stream.keep_nothing,
        )
        details = made.incomplete_details
        self.finish_reason = details.reason if details else made.status
        return made

    def encoded(self) -> bytes:
        return _encode(self.response())


class _Compacted(_Whole):
    """A compaction: its item alone, as an object of its own."""

    def encoded(self) -> bytes:
        made = self.response()
        output = [one for one in made.output if isinstance(one, out.Compaction)]
        if not output:
            raise errors.UpstreamError(
                "Anthropic's response holds no compaction",
                status=502,
                type="server_error",
                code="upstream_error",
            )
        return _encode(
            {
                "id": made.id,
                "object": "response.compaction",
                "created_at": made.created_at,
                "output": output,
                "usage": made.usage,
            }
        )


class _Count:
    """A count of tokens, in OpenAI's words."""

    def __init__(self, _: None, _created: int) -> None:
        self.finish_reason: str | None = None
        self.skipped = 0
        self._body = b""

    def feed(self, batch: event_stream.Batch) -> None:
        self._body = batch.raw

    def encoded(self) -> bytes:
        counted = msgspec.json.decode(self._body, type=_Counted)
        return _encode(
            {"object": "response.input_tokens", "input_tokens": counted.input_tokens}
        )


class _Counted(Struct):
    input_tokens: int


def _streamed(way_back: WayBack, created: int) -> stream_encoder.StreamEncoder:
    """A response for a client that streams."""
    return stream_encoder.StreamEncoder(
        stream.EventStream(
            way_back.context,
            created=created,
            now=way_back.now,
            keep=way_back.keeping or stream.keep_nothing,
        )
    )


def _never_streamed(_way_back: object, _created: int) -> NoReturn:
    raise RuntimeError("this is always one object")


# ------------------------------------------------------------------ resources


class Responses:
    """``POST /v1/responses``."""

    def __init__(self, reader: _Reader) -> None:
        self._services = reader.services
        self._api = front.Front(
            name="responses",
            decode=reader.decode,
            translate=reader.create,
            whole=_Whole,
            streamed=_streamed,
        )

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Create a response."""
        serving.respond(self._services, self._api, req, resp)

    def on_get(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """No WebSocket is served: Codex then goes on with HTTP at once."""
        if "websocket" in (req.get_header("upgrade") or "").lower():
            raise errors.InvalidRequestError(
                "Responses are not served over WebSockets: use HTTP",
                status=426,
                code="upgrade_not_supported",
            )
        raise falcon.HTTPMethodNotAllowed(["POST"])


class InputTokens:
    """``POST /v1/responses/input_tokens``."""

    def __init__(self, reader: _Reader) -> None:
        self._services = reader.services
        self._api = front.Front(
            name="input_tokens",
            decode=reader.decode_whole,
            translate=reader.count,
            whole=_Count,
            streamed=_never_streamed,
        )

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Count the tokens of an input."""
        serving.respond(self._services, self._api, req, resp)


class Compact:
    """``POST /v1/responses/compact``."""

    def __init__(self, reader: _Reader) -> None:
        self._services = reader.services
        self._api = front.Front(
            name="compact",
            decode=reader.decode_whole,
            translate=reader.compact,
            whole=_Compacted,
            streamed=_never_streamed,
        )

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Compact a conversation."""
        serving.respond(self._services, self._api, req, resp)


class Response:
    """``/v1/responses/{response_id}``: one that was kept."""

    def __init__(self, kept: store.Responses) -> None:
        self._kept = kept

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, response_id: str
    ) -> None:
        if req.get_param("stream") == "true":
            raise errors.InvalidRequestError(
                "stream: must be false; a response is streamed once, while it is made",
                param="stream",
                code="unsupported_value",
            )
        resp.data = kept_responses.to_object(_found(self._kept, req, response_id))

    def on_delete(
        self, req: falcon.Request, resp: falcon.Response, response_id: str
    ) -> None:
        if not self._kept.delete(req.context.owner, response_id):
            _not_found(response_id)
        resp.data = _encode({"id": response_id, "object": "response", "deleted": True})


class InputItems:
    """``GET /v1/responses/{response_id}/input_items``."""

    def __init__(self, kept: store.Responses) -> None:
        self._kept = kept

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, response_id: str
    ) -> None:
        found = _found(self._kept, req, response_id)
        order = _param(req, "order", "desc")
        if order not in {"asc", "desc"}:
            raise errors.InvalidRequestError(
                "order: must be asc or desc", param="order", code="invalid_value"
            )
        limit = _param(req, "limit", str(PAGE))
        if not limit.isdecimal() or not 1 <= int(limit) <= LARGEST_PAGE:
            raise errors.InvalidRequestError(
                f"limit: must be an integer from 1 to {LARGEST_PAGE}",
                param="limit",
                code="invalid_value",
            )
        resp.data = kept_responses.to_page(
            found.input,
            newest_first=order == "desc",
            limit=int(limit),
            after=req.get_param("after"),
        )


class Cancel:
    """``POST /v1/responses/{response_id}/cancel``: nothing runs in the background."""

    def __init__(self, kept: store.Responses) -> None:
        self._kept = kept

    def on_post(
        self, req: falcon.Request, _resp: falcon.Response, response_id: str
    ) -> None:
        _found(self._kept, req, response_id)
        raise errors.InvalidRequestError("Cannot cancel a synchronous response.")


def add_routes(
    app: falcon.App[falcon.Request, falcon.Response], services: completion.Services
) -> None:
    """All of the API's paths."""
    kept = services.store.responses
    root = "/v1/responses"
    reader = _Reader(services)
    app.add_route(root, Responses(reader))
    app.add_route(f"{root}/input_tokens", InputTokens(reader))
    app.add_route(f"{root}/compact", Compact(reader))
    app.add_route(f"{root}/{{response_id}}", Response(kept))
    app.add_route(f"{root}/{{response_id}}/input_items", InputItems(kept))
    app.add_route(f"{root}/{{response_id}}/cancel", Cancel(kept))


def _param(req: falcon.Request, name: str, default: str) -> str:
    return req.get_param(name) or default


def _found(
    kept: store.Responses, req: falcon.Request, response_id: str
) -> store.Response:
    found = kept.find(req.context.owner, response_id)
    return found if found is not None else _not_found(response_id)


def _not_found(response_id: str) -> NoReturn:
    raise errors.InvalidRequestError(
        f"Response with id '{response_id[:64]}' not found.", status=404
    )
