"""From Anthropic's events to what a client of the Responses API receives."""

from typing import NoReturn

import msgspec
from msgspec import Struct

from proxy import errors, event_stream
from proxy.responses.reading import WayBack
from proxy.schema import responses_response as out
from proxy.translate import accumulator
from proxy.translate.responses import response, stream, stream_encoder

_encode = msgspec.json.Encoder().encode


class Whole:
    """A response for a client that does not stream."""

    def __init__(self, way_back: WayBack, created: int) -> None:
        self._way_back = way_back
        self._created = created
        self._accumulated = accumulator.MessageAccumulator()
        self.finish_reason: str | None = None
        self.stored = False

    @property
    def skipped(self) -> int:
        """See ``front.Facts``."""
        return self._accumulated.skipped

    def feed(self, batch: event_stream.Batch) -> None:
        """See ``front.Whole``."""
        self._accumulated.feed_all(batch)

    def encoded(self) -> bytes:
        """The response object as JSON. Raises as ``ResponseObject.ended`` does."""
        return _encode(self.response())

    def response(self) -> out.Response:
        """The response object, which is kept if it is to be."""
        made = response.to_response(
            self._accumulated.message,
            self._way_back.context,
            created=self._created,
            now=self._way_back.now,
            keep=self._way_back.keeping or stream.keep_nothing,
        )
        details = made.incomplete_details
        self.finish_reason = details.reason if details else made.status
        self.stored = made.store
        return made


class Compacted(Whole):
    """A compaction: its item alone, in an object of its own."""

    def encoded(self) -> bytes:
        """A ``response.compaction`` as JSON: its ``output`` is the compaction item alone."""
        made = self.response()
        compaction = {
            "id": made.id,
            "object": "response.compaction",
            "created_at": made.created_at,
            "output": [one for one in made.output if isinstance(one, out.Compaction)],
            "usage": made.usage,
        }
        return _encode(compaction)


class _Counted(Struct):
    input_tokens: int


class Count:
    """A count of tokens, in OpenAI's words."""

    def __init__(self, _: None, _created: int) -> None:
        self.finish_reason: str | None = None
        self.skipped = 0
        self.stored = False
        self._body = b""

    def feed(self, batch: event_stream.Batch) -> None:
        """Take Anthropic's body, the one batch of ``event_stream.of_count``."""
        self._body = batch.raw

    def encoded(self) -> bytes:
        """``{"object": "response.input_tokens", "input_tokens": …}``.

        Raises ``UpstreamError`` if Anthropic's body holds no count.
        """
        try:
            count = msgspec.json.decode(self._body, type=_Counted).input_tokens
        except msgspec.ValidationError:
            raise errors.UpstreamError(
                "Anthropic's response holds no count",
                status=502,
                type="server_error",
                code="upstream_error",
            ) from None
        return _encode({"object": "response.input_tokens", "input_tokens": count})


def streamed(way_back: WayBack, created: int) -> stream_encoder.StreamEncoder:
    """A response for a client that streams."""
    return stream_encoder.StreamEncoder(
        stream.EventStream(
            way_back.context,
            created=created,
            now=way_back.now,
            keep=way_back.keeping or stream.keep_nothing,
        )
    )


def never_streamed(_way_back: object, _created: int) -> NoReturn:
    """For what is always one object."""
    raise RuntimeError
