"""A response that has begun, as its events: where content begins, and where it ends.

The first content is the boundary. What goes wrong before it is a status for the client,
and may be tried again; after it, an error inside the stream. A stream that ends without
a stop reason and ``message_stop`` never looks complete.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct

from proxy import cancellation, errors, sse, trail, transport
from proxy.schema import messages_decoding, messages_response
from proxy.translate import error, json_text, whole

UNREADABLE = (transport.TransportError, msgspec.DecodeError, sse.EventTooLargeError)
"""What iterating over ``batches`` raises for a broken response."""

_ENDS = {messages_response.MessageStop, messages_response.ErrorEvent}
_ONLY_PINGS = {messages_response.Ping}


class Batch(list[messages_response.Event]):
    """Events that arrived together: one write to the client for them."""

    raw = b""
    """The same as they came, for a client that gets them so: whole server-sent events."""

    def first(self, count: int) -> "Batch":
        """The first events of it."""
        return (
            self
            if count == len(self)
            else batch_of(self[:count], sse.first(self.raw, count))
        )


def batch_of(events: Iterable[messages_response.Event], raw: bytes) -> Batch:
    """A batch (its own constructor would have to be Python's, and slower)."""
    batch = Batch(events)
    batch.raw = raw
    return batch


class Head(Struct, frozen=True, kw_only=True):
    """What is known of a completion once its response has begun."""

    warnings: tuple[str, ...]
    """Of the request that was sent in the end: a 400 may have been repaired."""
    model: str
    """As Anthropic names it."""
    request_id: str
    headers: Mapping[str, str]
    """Headers to pass on to the client, under the names that its API has for them."""


class EventStream:
    """The events of a response whose content has begun, in batches.

    ``failing`` is called when the response breaks and gives the circumstances of the
    error; ``whole`` when it is complete. Always ``close`` it: a generator that never
    started runs no ``finally``.
    """

    def __init__(
        self,
        head: Head,
        response: transport.Response,
        batches: Iterator[Batch],
        scope: cancellation.CancelScope,
        way: trail.Trail,
        *,
        failing: Callable[[], error.Circumstances],
        whole: Callable[[], None],
    ) -> None:
        self.head = head
        self._response = response
        self._batches = batches
        self._scope = scope
        self._way = way
        self._failing = failing
        self._whole = whole
        self._unfinished = False  # a message has begun, and has no stop reason yet

    def __iter__(self) -> Iterator[Batch]:
        """Batches of events, the last one ending with ``message_stop``.

        Raises ``UpstreamError`` for a cut, a stall, an ``error`` event or an end without
        a stop reason, ``UnavailableError`` when the proxy shuts down,
        ``ClientGoneError``.
        """
        try:
            for batch in self._batches:
                if not batch:  # nothing has come
                    yield batch
                    continue
                types = set(map(type, batch))
                if messages_response.MessageStart in types:
                    self._unfinished = True
                if messages_response.MessageDelta in types:
                    self._count(batch)
                if not types.isdisjoint(_ENDS):
                    yield from self._ended(batch)
                    return
                if types != _ONLY_PINGS:
                    self._scope.progress()
                yield batch
        except cancellation.Cancelled as ex:
            self._way.end(outcome_of(ex.reason))
            raise to_error(ex.reason) from None
        except UNREADABLE:
            raise self._incomplete() from None
        raise self._incomplete()

    def flow(self) -> int | None:
        """See ``transport.Response.flow``: an empty batch stands for b""."""
        return self._response.flow()

    def _count(self, batch: Batch) -> None:
        """Note what a batch reports of the response's usage and of its end."""
        first = [*map(type, batch)].index(messages_response.MessageDelta)
        for event in batch[first:]:
            if type(event) is messages_response.MessageDelta:
                self._way.progressed(event.usage)
                if event.delta.stop_reason is not None:
                    self._unfinished = False

    def _ended(self, batch: Batch) -> Iterator[Batch]:
        """The events up to the first that ends the response; an error is raised."""
        kinds = [*map(type, batch)]
        end = min(kinds.index(kind) for kind in _ENDS if kind in kinds)
        match batch[end]:
            case messages_response.ErrorEvent(reported):
                if end:
                    yield batch.first(end)
                raise self._reported(reported)
            case _ if self._unfinished:
                if end:
                    yield batch.first(end)
                raise self._incomplete()
            case _:
                self._response.close(over=True)  # before the client can leave
                self._whole()
                self._way.end(trail.Outcome.COMPLETE)
                yield batch.first(end + 1)

    # What makes an error does not raise it: a frame that keeps the error it raises would
    # leave itself, and all that it knows, to the garbage collector.

    def _reported(self, reported: messages_response.Error) -> errors.ProxyError:
        failed = error.to_openai_error(200, reported, self._failing())
        self._way.end(trail.outcome_of(failed.status))
        return failed

    def _incomplete(self) -> errors.UpstreamError:
        broken = error.incomplete(self._failing())
        broken.reason = "cut"
        self._way.end(trail.Outcome.CUT)
        return broken

    def close(self) -> None:
        """Let go of the response; where it is not complete, the client has left."""
        self._way.end(trail.Outcome.CANCELLED)
        self._response.close()


def to_error(reason: cancellation.Reason) -> Exception:
    """What a cancelled scope means for the client."""
    match reason:
        case cancellation.Reason.CLIENT_GONE:
            return errors.ClientGoneError()
        case cancellation.Reason.DRAINING:
            return errors.shutting_down()
        case cancellation.Reason.HEADER_TIMEOUT:
            what = "Anthropic took the request and did not begin its response in time"
        case cancellation.Reason.IDLE_TIMEOUT:
            what = (
                "The connection to Anthropic fell silent: not even a ping came in time"
            )
        case cancellation.Reason.PROGRESS_TIMEOUT:
            what = "Anthropic kept the connection alive but sent no content in time"
        case cancellation.Reason.TOTAL_TIMEOUT:
            what = "Anthropic did not complete its response within TOTAL_TIMEOUT"
    late = error.timed_out(what)
    late.reason = reason.name.lower()
    return late


def outcome_of(reason: cancellation.Reason) -> trail.Outcome:
    """How a cancelled call counts."""
    match reason:
        case cancellation.Reason.CLIENT_GONE | cancellation.Reason.DRAINING:
            return trail.Outcome.CANCELLED
        case _:
            return trail.Outcome.TIMED_OUT


def batches(response: transport.Response) -> Iterator[Batch]:
    """The events of a response, those of one read together.

    What came before an event that cannot be read is yielded before the error is raised.
    An empty batch says that nothing has come, if the response flows.
    """
    decoder = sse.Decoder()
    for data in response:
        if not data:
            yield Batch()
            continue
        payloads = decoder.feed(data)
        events, broken = messages_decoding.decode_events(payloads)
        if broken is not None:  # half a surrogate pair is no reason to fail
            payloads = list(map(json_text.whole_characters, payloads))
            events, broken = messages_decoding.decode_events(payloads)
        if events:
            batch = Batch(events)
            batch.raw = decoder.raw
            if broken is not None:
                batch.raw = sse.first(batch.raw, len(events))
            yield batch
        if broken is not None:
            try:
                raise broken
            finally:
                del broken  # or this frame and the error would keep each other alive


def of_message(response: transport.Response) -> Batch:
    """The events of a message that came whole, from a gateway that ignores ``stream``.

    Raises what is in ``UNREADABLE``.
    """
    payloads = whole.to_payloads(_body(response))
    names = (msgspec.json.decode(one, type=_Named).type for one in payloads)
    raw = b"".join(map(sse.encode_named, names, payloads))
    return batch_of(map(messages_decoding.decode_event, payloads), raw)


class _Named(Struct):
    type: str


def of_count(response: transport.Response) -> Batch:
    """A count of tokens: an end, and the response as it came. Raises likewise."""
    body = _body(response)
    try:
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (UnicodeDecodeError, RecursionError) as ex:
        raise msgspec.DecodeError(type(ex).__name__) from None
    return batch_of([messages_response.MessageStop()], body)


def _body(response: transport.Response) -> bytes:
    """A whole body, as long as an event may be."""
    parts, size = [], 0
    for data in response:
        parts.append(data)
        size += len(data)
        if size > sse.MAX_EVENT:
            raise sse.EventTooLargeError
    return b"".join(parts)


def until_content(
    arriving: Iterator[Batch],
    started: Callable[[messages_response.Usage], None],
) -> tuple[Batch, messages_response.ErrorEvent | None]:
    """The events up to and with the batch in which content begins, or an error before it.

    Pings before it keep the connection to Anthropic alive; only ``raw`` has them.
    Content is whatever follows ``message_start``, be it only the end. An empty list
    without an error: there was no content at all. ``started`` gets the usage with which
    the response begins.
    """
    opening = Batch()
    for batch in arriving:
        opening.raw += batch.raw
        for i, event in enumerate(batch):
            match event:
                case messages_response.ErrorEvent():
                    return opening, event
                case messages_response.MessageStart(message):
                    opening[:] = [event]
                    started(message.usage)
                case messages_response.Ping():
                    pass
                case _:
                    if opening:
                        opening += batch[i:]
                        return opening, None
    return Batch(), None
