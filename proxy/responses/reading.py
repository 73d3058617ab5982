"""From a request of the Responses API to what goes upstream, and the way back."""

import functools
from collections.abc import Callable

import falcon
import msgspec
from msgspec import Raw, Struct, structs

from proxy import admission, body, joining
from proxy.responses import kept
from proxy.schema import responses_request
from proxy.services import Services
from proxy.translate import assemble, warn
from proxy.translate.responses import context, items, request

_TRIGGER = Raw(b'{"type":"compaction_trigger"}')
_NOTHING = (b"", b"null")

_encode = msgspec.json.Encoder().encode


class Asked(Struct, frozen=True):
    """A request and its JSON, parts of which the response repeats."""

    request: responses_request.ResponsesRequest
    body: bytes

    @property
    def model(self) -> str | None:
        """See ``front.Asked``."""
        return self.request.model

    @property
    def stream(self) -> bool | None:
        """See ``front.Asked``."""
        return self.request.stream


def content(asked: Asked) -> object:
    """All that was sent: the response repeats much of it."""
    return joining.data_of(asked.body)


class WayBack(Struct, frozen=True):
    """What a response depends on."""

    context: context.Context
    keeping: kept.Keeping | None
    """``None`` for a response that is not to be kept, or for which there is no room."""
    now: Callable[[], int]
    """Seconds since the epoch."""


def repaired(way_back: WayBack, sent: assemble.Translation) -> WayBack:
    """The way back once a repaired request has been sent instead."""
    made = request.repaired_context(way_back.context, sent.request)
    return structs.replace(way_back, context=made)


class Reader:
    """Reads the requests of all paths that take an input, which differ in what they ask.

    Its methods raise ``InvalidRequestError`` for what cannot be honoured.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pending = kept.Pending(services.store.limit // 2)

    def decode(self, given: bytes) -> Asked:
        """A request's body; what its fields mean is checked later."""
        return Asked(body.decode(given, responses_request.DECODER), given)

    def decode_whole(self, given: bytes) -> Asked:
        """For what never comes as a stream, whatever the client asks for."""
        asked = self.decode(given)
        whole = structs.replace(asked.request, stream=None, stream_options=None)
        return structs.replace(asked, request=whole)

    def create(
        self, asked: Asked, req: falcon.Request, arriving: admission.Body
    ) -> tuple[assemble.Translation, WayBack]:
        """A response to create."""
        wanted, owner = asked.request, req.context.owner
        reading, translation = self._read(wanted, owner, arriving)
        made = request.response_context(wanted, asked.body, reading, translation)
        keeping = None
        if made.store and not made.compact:
            keeping = kept.keeping(
                self._services.store.responses,
                self._pending,
                owner,
                wanted.previous_response_id,
                [one.raw for one in reading.own],
            )
        made = structs.replace(made, store=keeping is not None)
        return translation, WayBack(made, keeping, self._now)

    def compact(
        self, asked: Asked, req: falcon.Request, arriving: admission.Body
    ) -> tuple[assemble.Translation, WayBack]:
        """A conversation to compact: as a response whose input asks for it at its end."""
        wanted = asked.request
        goes_on = wanted.previous_response_id is not None
        alone = goes_on and bytes(wanted.input) in _NOTHING
        own = [] if alone else [one.raw for one in items.sent(wanted)]
        triggered = structs.replace(
            wanted, input=Raw(_encode([*own, _TRIGGER])), store=False
        )
        return self.create(structs.replace(asked, request=triggered), req, arriving)

    def count(
        self, asked: Asked, req: falcon.Request, arriving: admission.Body
    ) -> tuple[assemble.Translation, None]:
        """An input whose tokens are to be counted: the same translation."""
        _, translation = self._read(asked.request, req.context.owner, arriving)
        return assemble.counted(translation), None

    def _read(
        self,
        wanted: responses_request.ResponsesRequest,
        owner: bytes,
        arriving: admission.Body,
    ) -> tuple[request.Reading, assemble.Translation]:
        services, config = self._services, self._services.config
        sent = items.sent(wanted)
        recalled = kept.recalled(
            services.store.responses, owner, wanted.previous_response_id, sent
        )
        with body.turn(sum(map(len, recalled.data))):
            body.admit_recalled(recalled.data, config.max_body_bytes, arriving)
            warnings = warn.Warnings(strict=config.strict_params)
            take = functools.partial(body.admit_unpacked, arriving)
            reading = request.to_ask(
                wanted, sent, config, warnings, recalled.earlier, take=take
            )
            translation = services.translation(reading.ask, warnings)
        return reading, translation

    def _now(self) -> int:
        return int(self._services.now())
