"""``POST /v1/chat/completions``: admit, read, translate, call, answer, tell.

The responder is thin; ``_Completion`` holds what one completion holds (a slot, a guard,
an upstream answer, the facts for its log line) and lets go of all of it exactly once,
however the completion ends.
"""

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

import falcon
import msgspec
from msgspec import Struct

from proxy import admission, body, errors, guard, log, metrics, settings, upstream
from proxy.capabilities import Live
from proxy.schema import anthropic, completion
from proxy.translate import fold, frames, request, response, stream

CLIENT_GONE = 499
"""nginx's status for a client that left; nobody reads it but the log."""

_encode = msgspec.json.Encoder().encode


class Services(Struct, frozen=True, kw_only=True):
    """What a completion needs of the world."""

    config: settings.Settings
    calls: upstream.Upstream
    slots: admission.Admission
    bodies: admission.Bodies
    watch: guard.Watch
    measured: metrics.Metrics
    live: Callable[[], Live]
    """What Anthropic's models list says, without waiting for it."""
    now: Callable[[], float] = time.time
    """Seconds since the epoch, for ``created``."""


class ChatCompletions:
    def __init__(self, services: Services) -> None:
        self._services = services

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer a completion, whole or as a stream that the server closes."""
        one = _Completion(self._services, req.context.request_id)
        try:
            one.start(req)
            for name, value in one.headers().items():
                resp.set_header(name, value)
            if one.reading.stream:
                resp.content_type = "text/event-stream; charset=utf-8"
                resp.set_header("cache-control", "no-cache")
                resp.set_header("x-accel-buffering", "no")
                resp.stream = Stream(one)
                return  # the server closes the stream, and that the completion
            resp.data = one.whole()
        except upstream.ClientGoneError:
            resp.status = f"{CLIENT_GONE} Client Closed Request"
            one.gone()
        except errors.ProxyError as ex:
            ex.headers.update(one.headers())
            one.failed(ex)
            one.close()
            raise
        except BaseException:
            one.record.status = HTTPStatus.INTERNAL_SERVER_ERROR
            one.close()
            raise
        one.close()


class _Completion:
    """One completion in flight, and everything it holds."""

    reading: request.Reading

    def __init__(self, services: Services, request_id: str) -> None:
        self.record = log.Completion(request_id=request_id, status=HTTPStatus.OK)
        self._services = services
        self._started = time.monotonic()
        self._slot: admission.Slot | None = None
        self._guard: guard.Guard | None = None
        self._answer: upstream.Answer | None = None
        self._warnings: tuple[str, ...] = ()
        self._closed = False

    # ------------------------------------------------------------ before the answer

    def start(self, req: falcon.Request) -> None:
        """Admit, read, translate, call: to the first event of the answer.

        A completion that would be refused is refused before its body is read. The slot
        itself is taken after that: a client that sends slowly takes nobody's.
        """
        services, record = self._services, self.record
        _check(services.slots.refusal())
        with services.bodies.under_way() as reserve:
            translation = self._translated(req, reserve)
            self._admit()
            self._guard = services.watch.guard(req.env.get("gunicorn.socket"))
            self._answer = services.calls.open(translation, self._guard)
        record.first_event_ms = self._elapsed_ms()
        opened = self._answer.opened
        record.calls, record.upstream_request_id = opened.calls, opened.request_id
        record.upstream_model = opened.model
        self.reading, self._warnings = opened.reading, opened.warnings

    def _translated(
        self, req: falcon.Request, reserve: Callable[[int], bool]
    ) -> request.Translation:
        services, record = self._services, self.record
        try:
            sent = body.read(req, services.config.max_body_bytes, reserve)
        except ConnectionError:
            raise upstream.ClientGoneError from None
        chat = body.decode(sent)
        record.model, record.stream = chat.model or "", bool(chat.stream)
        translation = request.to_anthropic_request(
            chat, services.config, services.live()
        )
        record.model, self._warnings = translation.reading.model, translation.warnings
        record.upstream_model = translation.request.model
        return translation

    def _admit(self) -> None:
        """Take a slot. Raises ``UnavailableError`` at once where there is none."""
        match self._services.slots.enter():
            case admission.Slot() as slot:
                self._slot = slot
            case refusal:
                _check(refusal)

    def headers(self) -> dict[str, str]:
        """What every answer tells beside its body."""
        opened = self._answer.opened if self._answer is not None else None
        told = {
            "x-proxy-warnings": ", ".join(self._warnings),
            "x-anthropic-model": self.record.upstream_model,
            "x-anthropic-request-id": opened.request_id if opened else "",
            **(opened.headers if opened else {}),
        }
        return {name: value for name, value in told.items() if _is_header_safe(value)}

    # ------------------------------------------------------------ the answer

    def batches(self) -> Iterator[list[anthropic.Event]]:
        if self._answer is None:
            raise RuntimeError("not started")
        return iter(self._answer)

    def whole(self) -> bytes:
        """The folded answer of a client that does not stream."""
        folder = fold.Folder()
        for batch in self.batches():
            for event in batch:
                folder.feed(event)
        message = folder.message
        answer = response.to_openai_response(
            message,
            model=self.reading.model,
            created=int(self._services.now()),
            client_names=self.reading.client_names,
            legacy_functions=self.reading.legacy_functions,
        )
        self.told(message.usage, answer.choices[0].finish_reason, folder.skipped)
        return _encode(answer)

    def chunks(self) -> stream.ChunkStream:
        return stream.ChunkStream(
            model=self.reading.model,
            created=int(self._services.now()),
            client_names=self.reading.client_names,
            legacy_functions=self.reading.legacy_functions,
            include_usage=self.reading.include_usage,
        )

    # ------------------------------------------------------------ the end

    def told(
        self,
        usage: anthropic.Usage,
        finish_reason: completion.FinishReason | None,
        skipped: int,
    ) -> None:
        """Note what the answer held."""
        record = self.record
        record.input_tokens = usage.input_tokens or 0
        record.output_tokens = usage.output_tokens or 0
        record.cache_read_tokens = usage.cache_read_input_tokens or 0
        record.cache_write_tokens = usage.cache_creation_input_tokens or 0
        record.finish_reason, record.skipped_events = finish_reason, skipped

    def failed(self, error: errors.ProxyError) -> None:
        """Note an error that is the whole answer."""
        self.record.code, self.record.status = error.code, error.status
        if error.calls:
            self.record.calls = error.calls
            self.record.upstream_request_id = error.upstream_request_id

    def broken(self, error: completion.Error) -> None:
        """Note an error that was told inside a stream: its status was sent before."""
        self.record.code = error.code

    def gone(self) -> None:
        """Note that the client did not wait for its answer."""
        self.record.client_gone, self.record.status = True, CLIENT_GONE

    def close(self) -> None:
        """Let go of everything and write the log line; once."""
        if self._closed:
            return
        self._closed = True
        for held in (self._answer, self._guard):
            if held is not None:
                held.close()
        if self._slot is not None:
            self._slot.release()
        self._tell()

    def _elapsed_ms(self) -> float:
        return round((time.monotonic() - self._started) * 1000, 1)

    def _tell(self) -> None:
        record = self.record
        record.duration_ms, record.warnings = self._elapsed_ms(), self._warnings
        log.COMPLETIONS.info(record)
        first = record.first_event_ms
        self._services.measured.completed(
            status=record.status,
            seconds=record.duration_ms / 1000,
            first_event_seconds=None if first is None else first / 1000,
            tokens={
                "input": record.input_tokens,
                "output": record.output_tokens,
                "cache_read": record.cache_read_tokens,
                "cache_write": record.cache_write_tokens,
            },
        )


def _check(refusal: admission.Refusal | None) -> None:
    match refusal:
        case admission.Refusal.AT_CAPACITY:
            raise errors.UnavailableError(
                "All slots are taken (MAX_REQUESTS)", code="at_capacity", retry=True
            )
        case admission.Refusal.SHUTTING_DOWN:
            raise errors.UnavailableError(
                "The proxy is shutting down", code="shutting_down", retry=True
            )
        case None:
            pass


def _is_header_safe(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable()


def _in_band(ex: errors.ProxyError) -> completion.Error:
    """An error as it is told inside a stream, where a stall is one way to be cut."""
    code = "stream_incomplete" if ex.code == "upstream_timeout" else ex.code
    return completion.Error(message=ex.message, type=ex.type, param=ex.param, code=code)


class Stream:
    """The body of a streamed answer: an iterable that the server closes.

    Ends in one of three ways: ``[DONE]``; the error object and then ``StreamCut``,
    because a client takes a proper end for a complete answer; or closed by the server,
    whose client left.
    """

    def __init__(self, one: _Completion) -> None:
        self._one = one
        self._chunks = one.chunks()
        self._pieces = self._told()

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def _told(self) -> Iterator[bytes]:
        chunks, one = self._chunks, self._one
        feed = frames.Frames(chunks).feed
        try:
            for batch in one.batches():
                if piece := feed(batch):
                    yield piece
        except errors.ProxyError as ex:
            told = _in_band(ex)
            one.broken(told)
            yield frames.error(told)
            raise errors.StreamCut from None
        except upstream.ClientGoneError:
            raise errors.StreamCut from None
        finally:
            one.told(chunks.usage, chunks.finish_reason, chunks.skipped)

    def close(self) -> None:
        """Called by the server when the response is over, whichever way."""
        if not self._chunks.complete and self._one.record.code is None:
            self._one.gone()
        self._one.close()
