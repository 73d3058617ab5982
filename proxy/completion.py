"""One completion, by whichever API it was asked for: admit, read, translate, call, log.

Everything but the wire format is the same for all APIs: the slot, the deadlines, the
client that hangs up, the credential, the log line. What differs is a ``front.Front``.

``Completion`` holds what one completion holds (a slot, a cancel scope, an upstream
response, the facts for its log line) and releases all of it exactly once, however the
completion ends.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import falcon

from proxy import (
    admission,
    body,
    cancellation,
    errors,
    event_stream,
    front,
    held_calls,
    joining,
    log,
    metrics,
    outgoing,
    redaction,
    trail,
)
from proxy.services import Services
from proxy.translate.assemble import Translation

CLIENT_GONE = 499
"""nginx's status for a client that left; only the log shows it."""


class Completion:
    """One completion in flight, and everything it holds."""

    def __init__(
        self, services: Services, api: front.Front[Any, Any], request_id: str
    ) -> None:
        self.record = log.Completion(request_id=request_id, api=api.name, status=200)
        self._services = services
        self._api = api
        self._way_back: Any = None
        self._started = time.monotonic()
        self._slot: admission.Slot | None = None
        self._scope: cancellation.CancelScope | None = None
        self._events: event_stream.EventStream | None = None
        self._name = ""  # of equal requests; only a retry of a plain one may join
        self._call: held_calls.Call | None = None
        self._joined: held_calls.Call | None = None
        self._headers: Mapping[str, str] = {}  # empty until the response has begun
        self._warnings: tuple[str, ...] = ()
        self._way = trail.Trail()
        self._traceparent = ""
        self._waited = 0.0  # for the client's body and for Anthropic, in seconds
        self._streaming = self._closed = False

    # ------------------------------------------------------- before the response

    def start(self, req: falcon.Request) -> None:
        """Admit, read, translate, call: up to the first event of the response.

        Or up to the outcome of the call that it joins, as a retry. A completion that
        would be refused is refused before its body is read. The slot itself is taken
        after that, so that a client that sends slowly takes nobody's.
        """
        services = self._services
        self._traceparent = req.env.get("HTTP_TRACEPARENT", "")
        refusal = services.slots.refusal()
        is_full = refusal is admission.Refusal.AT_CAPACITY
        if refusal and not (is_full and services.held.serves(req.context.owner)):
            raise self._refused(refusal)
        with services.bodies.under_way() as arriving:
            sent = self._translated(req, arriving)
            if sent is not None:
                self._open(sent, req)
        if self._joined is not None:
            self._take_outcome(self._joined, req)

    def _open(self, sent: outgoing.Sent, req: falcon.Request) -> None:
        services, record = self._services, self.record
        slot = self._slot = self._admitted()
        scope = self._scope = services.watchdog.scope(req.env.get("gunicorn.socket"))
        if self._name and not sent.counts:
            owner = req.context.owner
            self._call = services.held.began(
                owner, self._name, scope=scope, slot=slot, way=self._way, record=record
            )
        waiting = time.monotonic()
        self._events = services.upstream.open(sent, scope, self._way, self._on_repair)
        self._waited += time.monotonic() - waiting
        record.first_event_ms = self._elapsed_ms()
        head = self._events.head
        record.upstream_request_id = head.request_id
        record.upstream_model = head.model
        self._warnings = head.warnings
        self._headers = self._headers_with(head.request_id, head.headers)

    def _on_repair(self, sent: Translation) -> None:
        self._way_back = self._api.repaired(self._way_back, sent)

    def _translated(
        self, req: falcon.Request, arriving: admission.Body
    ) -> outgoing.Sent | None:
        """What goes upstream; ``None`` for a retry that has joined a call."""
        given = body.read(req, self._services.config.max_body_bytes, arriving)
        self._waited = time.monotonic() - self._started
        with body.turn(len(given)):
            body.admit(given, arriving)
            asked = self._api.decode(given)
            record = self.record
            record.model, record.stream = asked.model or "", bool(asked.stream)
            if not asked.stream and self._services.held.grace:
                self._name = self._name_of(self._api.content(asked), req)
                self._joined = self._services.held.join(req.context.owner, self._name)
            if self._joined is not None:
                return None
            return self._translation_of(asked, req, arriving)

    def _name_of(self, content: object, req: falcon.Request) -> str:
        """What a retry shares with the request that it repeats."""
        sent = req.env.get  # of all headers, these two count
        return joining.name_of(
            (
                self._api.name,
                req.path,
                req.query_string,
                sent("HTTP_ANTHROPIC_VERSION", ""),
                sent("HTTP_ANTHROPIC_BETA", ""),
            ),
            content,
        )

    def _translation_of(
        self, asked: front.Asked, req: falcon.Request, arriving: admission.Body
    ) -> outgoing.Sent:
        record = self.record
        sent, self._way_back = self._api.translate(asked, req, arriving)
        record.model = record.model.strip() or self._services.config.default_model
        record.upstream_model, self._warnings = sent.model, sent.warnings
        return sent

    def _admitted(self) -> admission.Slot:
        """A slot. Raises ``UnavailableError`` at once where there is none."""
        services = self._services
        entered = services.slots.enter()
        while entered is admission.Refusal.AT_CAPACITY and services.held.give_way():
            entered = services.slots.enter()
        if isinstance(entered, admission.Refusal):
            raise self._refused(entered)
        services.troubles.over(admission.Refusal.AT_CAPACITY)
        return entered

    def _refused(self, refusal: admission.Refusal) -> errors.UnavailableError:
        """What a refusal means. The longer the house is full, the longer the wait."""
        if refusal is admission.Refusal.SHUTTING_DOWN:
            return errors.shutting_down()
        troubles = self._services.troubles
        lasted = troubles.lasted(refusal)
        troubles.failed(refusal)
        return errors.at_capacity("All slots are taken (MAX_REQUESTS)", lasted)

    def headers(self) -> Mapping[str, str]:
        """The headers of every response, beside its body."""
        if self._headers or self._joined is not None:
            return self._headers
        return self._headers_with("", {})

    def _headers_with(
        self, request_id: str, passed: Mapping[str, str]
    ) -> Mapping[str, str]:
        headers = {
            "x-proxy-warnings": ", ".join(self._warnings),
            "x-anthropic-model": self.record.upstream_model,
            "x-anthropic-request-id": request_id,
            **passed,
        }
        return redaction.redacted_all(
            {
                name: value
                for name, value in headers.items()
                if value and value.isascii() and value.isprintable()
            }
        )

    # ------------------------------------------------------- the response

    def batches(self) -> Iterator[event_stream.Batch]:
        """Anthropic's events. Raises as ``EventStream`` does."""
        if self._events is None:
            raise RuntimeError
        return iter(self._events)

    def flow(self) -> int | None:
        """Have ``batches`` yield an empty one where it would wait, if it can."""
        return self._events.flow() if self._events is not None else None

    def whole(self) -> bytes:
        """The complete response, for a client that does not stream.

        Raises ``ClientGoneError`` if that has left; a retry may have got it instead.
        """
        if self._joined is not None and self._joined.body is not None:
            return self._joined.body
        whole = self._api.whole(self._way_back, int(self._services.now()))
        waiting = time.monotonic()
        for batch in self.batches():
            whole.feed(batch)
        self._waited += time.monotonic() - waiting
        encoded = whole.encoded()
        self.note_outcome(whole)
        self.note_first_byte()
        if self._call is None:
            return encoded
        self._call.body = encoded
        del encoded, whole  # what is kept for a retry is counted, in the store
        if not self._is_for_own_client(self._call):
            raise errors.ClientGoneError
        return self._call.body

    def streamed(self) -> front.Streamed:
        """What encodes the response for a client that streams."""
        return self._api.streamed(self._way_back, int(self._services.now()))

    # ------------------------------------------------------- a retry

    def _take_outcome(self, call: held_calls.Call, req: falcon.Request) -> None:
        """Wait for the outcome of the call that was joined, and raise it if an error."""
        services, record = self._services, self.record
        record.joined = True
        waiting = time.monotonic()
        with services.watchdog.scope(req.env.get("gunicorn.socket")) as scope:
            scope.content()  # the call has the deadlines
            try:
                services.held.wait(call, scope)
            except cancellation.Cancelled as ex:
                raise event_stream.to_error(ex.reason) from None
        self._waited += time.monotonic() - waiting
        self._way, self._warnings = call.way, call.record.warnings
        self._headers = call.headers
        log.note_joined(record, call.record)
        if call.error is not None:
            raise call.error
        self.note_first_byte()

    def passed_on(self, error: errors.ProxyError) -> bool:
        """Whether an error is not for this client, which has left.

        Then a retry has got it, if one was waiting.
        """
        call = self._call
        if call is None or self._closed:
            return False
        call.error = error.anew()
        call.error.upstream_request_id = (
            error.upstream_request_id or self.record.upstream_request_id
        )
        return not self._is_for_own_client(call)

    def _is_for_own_client(self, call: held_calls.Call) -> bool:
        """Hand over a call's outcome; where its client has left, wait for a retry.

        The watchdog is late where the process was held up, by a CPU limit for example:
        then the outcome and the end of its client are found at once.
        """
        call.headers, call.record.warnings = self.headers(), self._warnings
        if time.monotonic() - self._started > held_calls.SOONEST:
            call.scope.look_for_client()
        if self._services.held.ended(call):
            return True
        self._release()
        self._services.held.linger(call)
        return False

    # ------------------------------------------------------- the end

    def note_outcome(self, facts: front.Facts) -> None:
        """Note for the log line what the response held."""
        self.record.finish_reason = facts.finish_reason
        self.record.skipped_events = facts.skipped
        self.record.stored = facts.stored

    def note_first_byte(self) -> None:
        """Note what the proxy itself has added: all time but that of waiting."""
        if self.record.own_ms is None:
            own = time.monotonic() - self._started - self._waited
            self.record.own_ms = round(own * 1000, 2)

    def note_error(self, error: errors.ProxyError) -> None:
        """Note an error that is the whole response."""
        self.record.code, self.record.status = error.code, error.status
        self.record.reason = error.reason
        known = error.upstream_request_id or self.record.upstream_request_id
        error.upstream_request_id = self.record.upstream_request_id = known

    def note_stream_error(self, error: errors.ProxyError) -> None:
        """Note an error inside a stream, whose status line went out before."""
        self.record.code, self.record.reason = error.code, error.reason

    def begin_stream(self) -> None:
        """Count this completion among the streams, until it is closed."""
        self._streaming = True
        self._services.metrics.stream_began()

    def on_silence(self, seconds: float, callback: Callable[[], None]) -> None:
        """Have ``callback`` called whenever Anthropic sends nothing for so long."""
        if self._scope is not None:
            self._scope.silence = seconds
            self._scope.on_silence = callback

    def cancel(self) -> None:
        """End the upstream call: the client cannot be written to."""
        if self._scope is not None:
            self._scope.cancel(cancellation.Reason.CLIENT_GONE)

    def note_client_gone(self) -> None:
        """Note that the client did not wait for its response."""
        self.record.client_gone, self.record.status = True, CLIENT_GONE

    def close(self) -> None:
        """Release everything and write the log line; once."""
        if self._closed:
            return
        self._closed = True
        if self._streaming:
            self._services.metrics.stream_ended()
        self._release()
        if self._call is not None:
            self._services.held.forget(self._call)
            self.record.unclaimed = self._call.unclaimed
            if self._call.taken:
                self._way = trail.Trail()  # what it cost is noted by who got it
        self._write_log_line()

    def _release(self) -> None:
        """Let go of all that others could use."""
        for held in (self._events, self._scope):
            if held is not None:
                held.close()
        if self._slot is not None:
            self._slot.release()
        self._way_back = None

    def _elapsed_ms(self) -> float:
        return round((time.monotonic() - self._started) * 1000, 1)

    def _write_log_line(self) -> None:
        record = self.record
        record.duration_ms, record.warnings = self._elapsed_ms(), self._warnings
        record.calls = len(self._way.calls)
        bill = self._way.bill(
            self._services.prices,
            metrics.plain_name(record.upstream_model),
            delivered=record.code is None and not record.client_gone,
        )
        log.note_bill(record, bill)
        log.completed(record)
        self._services.metrics.completed(record, self._way, bill)
        self._services.history.completed(record, self._way, bill)
        self._services.traces.completed(record, self._way, self._traceparent)
