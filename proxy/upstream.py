"""One completion's way to Anthropic and back, up to the meaning of each failure.

``Upstream.open`` makes the calls: the credential, the one retry loop (``proxy.retry``),
and a look at the first event, so that an error can still be a status line. It gives an
``Answer``, which yields events as they arrive and raises when they end too early: a
stream without ``message_stop`` never looks complete.
"""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec
from msgspec import Struct, structs

from proxy import credentials, errors, guard, retry, sse, transport
from proxy.schema import anthropic, events
from proxy.translate import error, repair, request

PATH = "/v1/messages"
OAUTH_BETA = "oauth-2025-04-20"  # required with any OAuth or federation token

_encode = msgspec.json.Encoder().encode


class ClientGoneError(Exception):
    """The client left, so nobody is to be answered."""


class _FailedCall(Exception):  # noqa: N818 - carries the decision's input
    """A call that gave no answer, with its error and what it means for a retry."""

    def __init__(
        self,
        failure: retry.Failure,
        answer: errors.ProxyError,
        *,
        retry_after: float | None = None,
        message: str = "",
    ) -> None:
        super().__init__(failure)
        self.failure = failure
        self.answer = answer
        self.retry_after = retry_after
        self.message = message


class Opened(Struct, frozen=True, kw_only=True):
    """What is known of a call once its answer has begun."""

    reading: request.Reading
    warnings: tuple[str, ...]
    """Of what was sent in the end: a 400 may have been repaired."""
    calls: int
    model: str
    """As Anthropic names it."""
    request_id: str
    headers: Mapping[str, str]
    """Headers to pass on to the client, in OpenAI's names."""


class Answer:
    """An answer that has begun: its events, in batches of what arrived together.

    Always ``close`` it; a generator that was never started would run no ``finally``.
    """

    def __init__(
        self,
        opened: Opened,
        reply: transport.Reply,
        batches: Iterator[list[anthropic.Event]],
        context: error.Context,
        watch: guard.Guard,
    ) -> None:
        self.opened = opened
        self._reply = reply
        self._batches = batches
        self._context = context
        self._watch = watch

    def __iter__(self) -> Iterator[list[anthropic.Event]]:
        """Batches of events, the last one ending with ``message_stop``.

        Raises ``UpstreamError`` for a cut, a stall or an ``error`` event,
        ``UnavailableError`` when the proxy shuts down, ``ClientGoneError``.
        """
        try:
            for batch in self._batches:
                kinds = {type(event) for event in batch}
                if anthropic.ErrorEvent in kinds:
                    yield from self._failed(batch)
                if kinds != _ONLY_PINGS:
                    self._watch.progress()
                if anthropic.MessageStop in kinds:
                    self._reply.close(over=True)  # before the client can leave
                    yield batch
                    return
                yield batch
        except guard.Cancelled as ex:
            raise cancelled(ex.reason) from None
        except (transport.TransportError, msgspec.DecodeError, sse.EventTooLargeError):
            raise error.incomplete(self._context) from None
        raise error.incomplete(self._context)

    def _failed(self, batch: list[anthropic.Event]) -> Iterator[list[anthropic.Event]]:
        """What came before an ``error`` event, and then that as an exception."""
        end = _error_in(batch)
        if end is not None:
            if told := batch[: batch.index(end)]:
                yield told
            raise error.to_openai_error(200, end.error, self._context)

    def close(self) -> None:
        self._reply.close()


_ONLY_PINGS = {anthropic.Ping}


def _error_in(batch: list[anthropic.Event]) -> anthropic.ErrorEvent | None:
    return next((one for one in batch if isinstance(one, anthropic.ErrorEvent)), None)


def cancelled(reason: guard.Reason) -> Exception:
    """What the guard's verdict means for the client."""
    match reason:
        case guard.Reason.CLIENT_GONE:
            return ClientGoneError()
        case guard.Reason.DRAINING:
            return errors.UnavailableError(
                "The proxy is shutting down", code="shutting_down", retry=True
            )
        case guard.Reason.HEADER_TIMEOUT:
            return error.timed_out("answer")
        case guard.Reason.PROGRESS_TIMEOUT:
            return error.timed_out("send the next part of its answer")
        case guard.Reason.TOTAL_TIMEOUT:
            return error.timed_out("complete its answer")


class Upstream:
    """Anthropic's Messages API, for this process's one credential."""

    def __init__(
        self, credential: credentials.Credential, sender: transport.Transport
    ) -> None:
        self._credential = credential
        self._sender = sender

    def open(self, translation: request.Translation, watch: guard.Guard) -> Answer:
        """Call until an answer begins or a retry can help no more.

        Raises ``UpstreamError`` or ``UnavailableError`` with the client's answer, and
        ``ClientGoneError``.
        """
        tries = retry.Tries()
        try:
            token = self._credential.token()
            while True:
                tries = structs.replace(tries, calls=tries.calls + 1)
                try:
                    return self._call(translation, token, watch, tries.calls)
                except _FailedCall as failed:
                    step, pause = retry.next_step(
                        failed.failure, tries, failed.retry_after
                    )
                    match step:
                        case retry.Step.AGAIN:
                            tries = structs.replace(tries, retried=True)
                            if pause:
                                watch.wait(pause)
                        case retry.Step.RENEW:
                            tries = structs.replace(tries, retried=True)
                            token = self._renewed(token, watch, failed)
                        case retry.Step.REPAIR:
                            tries = structs.replace(tries, repaired=True)
                            mended = repair.repaired(translation, failed.message)
                            if mended is None:
                                raise failed.answer from None
                            translation = mended
                        case retry.Step.GIVE_UP:
                            self._remember(token, failed)
                            raise failed.answer from None
        except guard.Cancelled as ex:
            raise cancelled(ex.reason) from None
        except errors.ProxyError as ex:
            ex.calls = tries.calls
            raise

    def _renewed(
        self, token: credentials.Token, watch: guard.Guard, failed: _FailedCall
    ) -> credentials.Token:
        renewed = self._credential.renewed(token, watch.wait)
        if renewed is None:
            self._credential.refuse(token, failed.answer)
            raise failed.answer
        return renewed

    def _remember(self, token: credentials.Token, failed: _FailedCall) -> None:
        """A refused credential is not tried again at once, one not allowed never."""
        if failed.answer.code == "credential_not_allowed":
            self._credential.refuse(token, failed.answer, final=True)
        elif failed.failure is retry.Failure.UNAUTHORIZED:
            self._credential.refuse(token, failed.answer)

    def _context(self, headers: Mapping[str, str] | None = None) -> error.Context:
        return error.Context(
            credential=self._credential.source.description,
            retry_after=error.retry_after(headers) if headers is not None else None,
            pause=random.randint(1, 3),  # noqa: S311 - spreads clients, guards nothing
        )

    def headers(
        self, token: credentials.Token, betas: tuple[str, ...] = ()
    ) -> dict[str, str]:
        """The headers that make a call ours: credential, betas, a profile's own."""
        flags = (*betas, OAUTH_BETA) if token.oauth else betas
        headers = {
            "authorization": f"Bearer {token.value}",
            **self._credential.source.headers,
        }
        return {**headers, "anthropic-beta": ",".join(flags)} if flags else headers

    def _call(
        self,
        translation: request.Translation,
        token: credentials.Token,
        watch: guard.Guard,
        calls: int,
    ) -> Answer:
        headers = self.headers(token, translation.betas)
        if translation.version is not None:
            headers["anthropic-version"] = translation.version
        try:
            body = _encode(translation.request)
            reply = self._sender.post(PATH, body, headers, watch)
        except transport.TransportError:
            away = error.unreachable(self._context())
            raise _FailedCall(retry.Failure.UNREACHED, away) from None
        try:
            return self._begin(translation, reply, watch, calls)
        except BaseException:
            reply.close()
            raise

    def _begin(
        self,
        translation: request.Translation,
        reply: transport.Reply,
        watch: guard.Guard,
        calls: int,
    ) -> Answer:
        """Look at the status and the first event of a reply."""
        context = self._context(reply.headers)
        if reply.status != 200:  # noqa: PLR2004 - the one good status
            raise self._refused(reply, context)
        if "text/event-stream" not in reply.headers.get("content-type", ""):
            bad = error.unreadable(context)
            raise _FailedCall(retry.Failure.BUSY, bad)
        watch.progress()
        batches = _batches(reply)
        try:
            first = _first(batches)
        except (transport.TransportError, msgspec.DecodeError, sse.EventTooLargeError):
            cut = error.incomplete(context)
            raise _FailedCall(retry.Failure.UNREACHED, cut) from None
        if first is None:
            raise _FailedCall(retry.Failure.UNREACHED, error.incomplete(context))
        end = _error_in(first)
        if end is not None and not isinstance(first[0], anthropic.MessageStart):
            answer = error.to_openai_error(200, end.error, context)
            raise _failed(answer, context, end.error.message)
        opened = Opened(
            reading=translation.reading,
            warnings=translation.warnings,
            calls=calls,
            model=_model_of(first) or translation.request.model,
            request_id=reply.headers.get("request-id", ""),
            headers=error.passed_headers(reply.headers, datetime.now(UTC)),
        )
        return Answer(opened, reply, _chained(first, batches), context, watch)

    def _refused(self, reply: transport.Reply, context: error.Context) -> _FailedCall:
        try:
            body = reply.read()
        except transport.TransportError:
            body = b""
        said = error.decode_error(body)
        answer = error.to_openai_error(reply.status, said, context)
        answer.headers.update(error.passed_headers(reply.headers, datetime.now(UTC)))
        answer.upstream_request_id = reply.headers.get("request-id", "")
        return _failed(answer, context, said.message if said else "")


def _failed(
    answer: errors.ProxyError, context: error.Context, message: str
) -> _FailedCall:
    """An error that Anthropic gave, as the retry loop sees it."""
    match answer.status:
        case 400:
            failure = retry.Failure.INVALID
        case 401:
            failure = retry.Failure.UNAUTHORIZED
        case 429 | 500 | 502 | 503 if "retry-after" in answer.headers:
            failure = retry.Failure.BUSY
        case _:
            failure = retry.Failure.FINAL
    return _FailedCall(
        failure, answer, retry_after=context.retry_after, message=message
    )


def _model_of(batch: list[anthropic.Event]) -> str:
    head = batch[0]
    return head.message.model if isinstance(head, anthropic.MessageStart) else ""


def _batches(reply: transport.Reply) -> Iterator[list[anthropic.Event]]:
    """All events of one read together: one write to the client for them.

    What came before an event that cannot be read is told before the error is raised.
    """
    decoder = sse.Decoder()
    for data in reply:
        batch: list[anthropic.Event] = []
        try:
            for payload in decoder.feed(data):
                batch.append(events.decode_event(payload))  # noqa: PERF401 - kept on an error
        except msgspec.DecodeError:
            if batch:
                yield batch
            raise
        if batch:
            yield batch


def _first(
    batches: Iterator[list[anthropic.Event]],
) -> list[anthropic.Event] | None:
    """The batch in which the answer, or its error, begins; pings before it are gone."""
    for batch in batches:
        for i, event in enumerate(batch):
            if isinstance(event, anthropic.MessageStart | anthropic.ErrorEvent):
                return batch[i:]
    return None


def _chained(
    first: list[anthropic.Event], rest: Iterator[list[anthropic.Event]]
) -> Iterator[list[anthropic.Event]]:
    yield first
    yield from rest
