"""Calls to the Messages API for this process's one credential, and what failures mean.

``Upstream.open`` makes the calls of one completion: the credential, the one retry loop
(``proxy.retry``), and a look at the first event, so that an error can still be a status
line. It returns an ``EventStream``, which yields events as they arrive and raises when
they end too early: a stream without ``message_stop`` never looks complete.
"""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec
from msgspec import Struct, structs

from proxy import cancellation, credentials, errors, retry, sse, transport
from proxy.schema import messages_response
from proxy.translate import error, repair, request

MESSAGES_PATH = "/v1/messages"
MODELS_PATH = "/v1/models?limit=1000"
OAUTH_BETA = "oauth-2025-04-20"  # required with any OAuth or federation token
MODELS_DEADLINES = cancellation.Deadlines(header=5.0, progress=5.0, total=10.0)
"""A client waits for the models list, and the built-in one is nearly as good."""

_encode = msgspec.json.Encoder().encode
_UNREADABLE = (transport.TransportError, msgspec.DecodeError, sse.EventTooLargeError)


class _FailedCall(Exception):  # noqa: N818 - carries the retry decision's input
    """A call without a usable response: the client's error, and the kind of failure."""

    def __init__(
        self,
        failure: retry.Failure,
        error: errors.ProxyError,
        *,
        retry_after: float | None = None,
        message: str = "",
    ) -> None:
        super().__init__(failure)
        self.failure = failure
        self.error = error
        self.retry_after = retry_after
        self.message = message


class Head(Struct, frozen=True, kw_only=True):
    """What is known of a completion once its response has begun."""

    context: request.ResponseContext
    warnings: tuple[str, ...]
    """Of the request that was sent in the end: a 400 may have been repaired."""
    calls: int
    model: str
    """As Anthropic names it."""
    request_id: str
    headers: Mapping[str, str]
    """Headers to pass on to the client, under OpenAI's names."""


class EventStream:
    """A response that has begun: its events, in batches of what arrived together.

    Always ``close`` it: a generator that never started runs no ``finally``.
    """

    def __init__(
        self,
        head: Head,
        response: transport.Response,
        batches: Iterator[list[messages_response.Event]],
        circumstances: error.Circumstances,
        scope: cancellation.CancelScope,
    ) -> None:
        self.head = head
        self._response = response
        self._batches = batches
        self._circumstances = circumstances
        self._scope = scope

    def __iter__(self) -> Iterator[list[messages_response.Event]]:
        """Batches of events, the last one ending with ``message_stop``.

        Raises ``UpstreamError`` for a cut, a stall or an ``error`` event,
        ``UnavailableError`` when the proxy shuts down, ``ClientGoneError``.
        """
        try:
            for batch in self._batches:
                types = {type(event) for event in batch}
                if messages_response.ErrorEvent in types:
                    yield from self._failed(batch)
                if types != _ONLY_PINGS:
                    self._scope.progress()
                if messages_response.MessageStop in types:
                    self._response.close(over=True)  # before the client can leave
                    yield batch
                    return
                yield batch
        except cancellation.Cancelled as ex:
            raise to_error(ex.reason) from None
        except _UNREADABLE:
            raise error.incomplete(self._circumstances) from None
        raise error.incomplete(self._circumstances)

    def _failed(
        self, batch: list[messages_response.Event]
    ) -> Iterator[list[messages_response.Event]]:
        """Yield what came before an ``error`` event, then raise what it means."""
        end = _error_in(batch)
        if end is not None:
            if before := batch[: batch.index(end)]:
                yield before
            raise error.to_openai_error(200, end.error, self._circumstances)

    def close(self) -> None:
        self._response.close()


_ONLY_PINGS = {messages_response.Ping}


def _error_in(
    batch: list[messages_response.Event],
) -> messages_response.ErrorEvent | None:
    found = (e for e in batch if isinstance(e, messages_response.ErrorEvent))
    return next(found, None)


def to_error(reason: cancellation.Reason) -> Exception:
    """What a cancelled scope means for the client."""
    match reason:
        case cancellation.Reason.CLIENT_GONE:
            return errors.ClientGoneError()
        case cancellation.Reason.DRAINING:
            return errors.shutting_down()
        case cancellation.Reason.HEADER_TIMEOUT:
            return error.timed_out("begin its response")
        case cancellation.Reason.PROGRESS_TIMEOUT:
            return error.timed_out("send the next part of its response")
        case cancellation.Reason.TOTAL_TIMEOUT:
            return error.timed_out("complete its response")


class Upstream:
    """Anthropic's API, for this process's one credential."""

    def __init__(
        self,
        credential: credentials.Credential,
        sender: transport.Transport,
        watchdog: cancellation.Watchdog,
    ) -> None:
        self._credential = credential
        self._sender = sender
        self._watchdog = watchdog

    def models_list(self) -> bytes:
        """The body of Anthropic's models list; asks once, with the present token.

        Raises ``ProxyError`` where there is no token, and ``TransportError``.
        """
        headers = self._headers(self._credential.token())
        with self._watchdog.scope(None, MODELS_DEADLINES) as scope:
            try:
                response = self._sender.get(MODELS_PATH, headers, scope)
                try:
                    if response.status != 200:  # noqa: PLR2004 - the one good status
                        raise transport.UnreachedError
                    return response.read()
                finally:
                    response.close()
            except cancellation.Cancelled:
                raise transport.UnreachedError from None

    def open(
        self, translation: request.Translation, scope: cancellation.CancelScope
    ) -> EventStream:
        """Call until a response begins, or no further call would help.

        Raises ``UpstreamError`` or ``UnavailableError``, which carry what the client
        gets, and ``ClientGoneError``.
        """
        attempts = retry.Attempts()
        try:
            token = self._credential.token()
            while True:
                attempts = structs.replace(attempts, calls=attempts.calls + 1)
                try:
                    return self._call(translation, token, scope, attempts.calls)
                except _FailedCall as failed:
                    step, pause = retry.next_step(
                        failed.failure, attempts, failed.retry_after
                    )
                    match step:
                        case retry.Step.RETRY:
                            attempts = structs.replace(attempts, retried=True)
                            if pause:
                                scope.wait(pause)
                        case retry.Step.REFRESH:
                            attempts = structs.replace(attempts, retried=True)
                            token = self._refreshed(token, scope, failed)
                        case retry.Step.REPAIR:
                            attempts = structs.replace(attempts, repaired=True)
                            repaired = repair.repaired(translation, failed.message)
                            if repaired is None:
                                raise failed.error from None
                            translation = repaired
                        case retry.Step.GIVE_UP:
                            self._remember(token, failed)
                            raise failed.error from None
        except cancellation.Cancelled as ex:
            raise to_error(ex.reason) from None
        except errors.ProxyError as ex:
            ex.calls = attempts.calls
            raise

    def _refreshed(
        self,
        token: credentials.Token,
        scope: cancellation.CancelScope,
        failed: _FailedCall,
    ) -> credentials.Token:
        refreshed = self._credential.refreshed(token, scope.wait)
        if refreshed is None:
            self._credential.refuse(token, failed.error)
            raise failed.error
        return refreshed

    def _remember(self, token: credentials.Token, failed: _FailedCall) -> None:
        """A refused credential is not tried again at once, one not allowed never."""
        if failed.error.code == "credential_not_allowed":
            self._credential.refuse(token, failed.error, final=True)
        elif failed.failure is retry.Failure.UNAUTHORIZED:
            self._credential.refuse(token, failed.error)

    def _circumstances(
        self, headers: Mapping[str, str] | None = None
    ) -> error.Circumstances:
        return error.Circumstances(
            credential=self._credential.source.description,
            retry_after=error.retry_after(headers) if headers is not None else None,
            pause=random.randint(1, 3),  # noqa: S311 - spreads clients, guards nothing
        )

    def _headers(
        self, token: credentials.Token, betas: tuple[str, ...] = ()
    ) -> dict[str, str]:
        """The credential's header, beta flags, and a profile's own headers."""
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
        scope: cancellation.CancelScope,
        calls: int,
    ) -> EventStream:
        headers = self._headers(token, translation.betas)
        if translation.version is not None:
            headers["anthropic-version"] = translation.version
        try:
            body = _encode(translation.request)
            response = self._sender.post(MESSAGES_PATH, body, headers, scope)
        except transport.TransportError:
            unreached = error.unreachable(self._circumstances())
            raise _FailedCall(retry.Failure.UNREACHED, unreached) from None
        try:
            return self._begin(translation, response, scope, calls)
        except BaseException:
            response.close()
            raise

    def _begin(
        self,
        translation: request.Translation,
        response: transport.Response,
        scope: cancellation.CancelScope,
        calls: int,
    ) -> EventStream:
        """Look at the status and the first event of a response."""
        circumstances = self._circumstances(response.headers)
        if response.status != 200:  # noqa: PLR2004 - the one good status
            raise self._refused(response, circumstances)
        if "text/event-stream" not in response.headers.get("content-type", ""):
            bad = error.unreadable(circumstances)
            raise _FailedCall(retry.Failure.BUSY, bad)
        scope.progress()
        batches = _batches(response)
        try:
            first = _first(batches)
        except _UNREADABLE:
            cut = error.incomplete(circumstances)
            raise _FailedCall(retry.Failure.UNREACHED, cut) from None
        if first is None:
            cut = error.incomplete(circumstances)
            raise _FailedCall(retry.Failure.UNREACHED, cut)
        end = _error_in(first)
        if end is not None and not isinstance(first[0], messages_response.MessageStart):
            failed = error.to_openai_error(200, end.error, circumstances)
            raise _failed(failed, circumstances, end.error.message)
        head = Head(
            context=translation.context,
            warnings=translation.warnings,
            calls=calls,
            model=_model_of(first) or translation.request.model,
            request_id=response.headers.get("request-id", ""),
            headers=error.passed_headers(response.headers, datetime.now(UTC)),
        )
        return EventStream(
            head, response, _chained(first, batches), circumstances, scope
        )

    def _refused(
        self, response: transport.Response, circumstances: error.Circumstances
    ) -> _FailedCall:
        try:
            body = response.read()
        except transport.TransportError:
            body = b""
        reported = error.decode_error(body)
        failed = error.to_openai_error(response.status, reported, circumstances)
        failed.headers.update(error.passed_headers(response.headers, datetime.now(UTC)))
        failed.upstream_request_id = response.headers.get("request-id", "")
        return _failed(failed, circumstances, reported.message if reported else "")


def _failed(
    failed: errors.ProxyError, circumstances: error.Circumstances, message: str
) -> _FailedCall:
    """An error that Anthropic reported, as the retry loop sees it."""
    match failed.status:
        case 400:
            failure = retry.Failure.INVALID
        case 401:
            failure = retry.Failure.UNAUTHORIZED
        case 429 | 500 | 502 | 503 if "retry-after" in failed.headers:
            failure = retry.Failure.BUSY
        case _:
            failure = retry.Failure.FINAL
    return _FailedCall(
        failure, failed, retry_after=circumstances.retry_after, message=message
    )


def _model_of(batch: list[messages_response.Event]) -> str:
    match batch[0]:
        case messages_response.MessageStart(message):
            return message.model
        case _:
            return ""


def _batches(
    response: transport.Response,
) -> Iterator[list[messages_response.Event]]:
    """All events of one read together: one write to the client for them.

    What came before an event that cannot be read is yielded before the error is raised.
    """
    decoder = sse.Decoder()
    for data in response:
        batch: list[messages_response.Event] = []
        try:
            for payload in decoder.feed(data):
                batch.append(messages_response.decode_event(payload))  # noqa: PERF401 - kept on an error
        except msgspec.DecodeError:
            if batch:
                yield batch
            raise
        if batch:
            yield batch


def _first(
    batches: Iterator[list[messages_response.Event]],
) -> list[messages_response.Event] | None:
    """The batch in which the message or its error begins, without the pings before it."""
    for batch in batches:
        for i, event in enumerate(batch):
            if isinstance(
                event, messages_response.MessageStart | messages_response.ErrorEvent
            ):
                return batch[i:]
    return None


def _chained(
    first: list[messages_response.Event],
    rest: Iterator[list[messages_response.Event]],
) -> Iterator[list[messages_response.Event]]:
    yield first
    yield from rest
