"""The calls of one completion, up to its first content: what failures mean, and what next.

``proxy.retry`` decides; this does what was decided. It holds the credential's lease and
the pass of the model's rate limit until the response has begun, or no call would help.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain

from msgspec import Struct, structs

from proxy import (
    cancellation,
    errors,
    event_stream,
    lease,
    outgoing,
    patience,
    refusals,
    retry,
    trail,
    transport,
)
from proxy.credentials import Token
from proxy.limits import Limits
from proxy.schema import messages_response
from proxy.translate import error
from proxy.translate import headers as response_headers
from proxy.translate.assemble import Translation

OAUTH_BETA = "oauth-2025-04-20"  # required with any OAuth or federation token

ERROR_BODY_TIMEOUT = 5.0
"""Seconds for the body of an error, whose status is known already."""

_SUSPECT = {retry.Failure.STALE, retry.Failure.UNREACHED, retry.Failure.LATE}
"""Failures after which no kept connection is used: a network that changed kills all."""


class Standing(Struct, frozen=True, kw_only=True):
    """What all completions of a process share."""

    credential: lease.Credential
    sender: transport.Transport
    troubles: patience.Troubles
    """By ``outgoing.limited_by``."""
    limits: patience.Gates
    """Likewise, while Anthropic has named a wait."""
    reported: Limits
    """What Anthropic says of its limits."""
    refusals: refusals.Refusals


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


def to_headers(
    credential: lease.Credential, token: Token, betas: tuple[str, ...] = ()
) -> dict[str, str]:
    """The credential's header, beta flags, and a profile's own headers."""
    flags = betas
    if token.oauth and OAUTH_BETA not in betas:
        flags = (*betas, OAUTH_BETA)
    headers = {"authorization": f"Bearer {token.value}", **credential.source.headers}
    return {**headers, "anthropic-beta": ",".join(flags)} if flags else headers


class Opening:
    """The calls of one completion; ``run`` it once."""

    def __init__(
        self,
        standing: Standing,
        sent: outgoing.Sent,
        scope: cancellation.CancelScope,
        way: trail.Trail,
        on_repair: Callable[[Translation], None],
    ) -> None:
        self._standing = standing
        self._on_repair = on_repair
        self._way = way
        self._sent = sent
        self._scope = scope
        self._key = outgoing.limited_by(sent)
        self._attempts = retry.Attempts()
        self._fresh = False
        self._lease: lease.Lease
        self._limit: patience.Pass

    def run(self) -> event_stream.EventStream:
        """Call until content begins to arrive, or no further call would help.

        Raises ``UpstreamError`` or ``UnavailableError``, which carry what the client
        gets, and ``ClientGoneError``.
        """
        leases: list[lease.Lease | patience.Pass] = []
        anticipated = outgoing.anticipated(self._sent, self._standing.refusals)
        if anticipated is not None:
            self._sent = anticipated
            self._on_repair(anticipated)
        try:
            self._lease = self._standing.credential.lease(self._scope.wait)
            leases.append(self._lease)
            self._limit = self._enter()
            leases.append(self._limit)
            while True:
                posts = self._attempts.posts + 1
                self._attempts = structs.replace(self._attempts, posts=posts)
                try:
                    stream = self._call()
                except _FailedCall as failed:
                    self._after(failed)
                    if self._lease not in leases:
                        leases.append(self._lease)
                else:
                    self._lease.accepted()
                    self._limit.open()
                    # the stream keeps this object, and not the body or the completion
                    del self._sent, self._on_repair
                    return stream
        except cancellation.Cancelled as ex:
            raise event_stream.to_error(ex.reason) from None
        finally:
            for held in leases:
                held.release()

    def _enter(self) -> patience.Pass:
        """Pass the gate of the credential's rate limit for this model."""
        entry = self._standing.limits.enter(self._key)
        if not isinstance(entry, patience.Pass):
            limited = error.limited(entry, self._circumstances())
            limited.reason = "limit_known"
            raise limited
        return entry

    def _after(self, failed: _FailedCall) -> None:
        """Do what comes before the next call. Raises the error where there is none."""
        if failed.error.status == 429 and failed.retry_after:  # noqa: PLR2004 - rate limit
            self._limit.close(failed.retry_after)
        step, pause = retry.next_step(
            failed.failure,
            self._attempts,
            time_left=self._scope.time_left,
            retry_after=failed.retry_after,
        )
        self._attempts = retry.used(self._attempts, step)
        self._fresh = failed.failure in _SUSPECT
        match step:
            case retry.Step.RETRY | retry.Step.RECONNECT:
                if pause:
                    self._scope.wait(pause)
            case retry.Step.RENEW:
                credential = self._standing.credential
                renewed = credential.renewed(self._lease, self._scope.wait)
                if renewed is None:
                    raise self._given_up(failed) from None
                self._lease = renewed
            case retry.Step.REPAIR:
                known = self._standing.refusals
                repaired = outgoing.repaired(self._sent, failed.message, known)
                if repaired is None:
                    raise self._given_up(failed) from None
                self._sent = repaired
                self._on_repair(repaired)
            case retry.Step.GIVE_UP:
                raise self._given_up(failed) from None
        self._way.step(step.name.lower())  # only now is it sure that a call follows

    def _given_up(self, failed: _FailedCall) -> errors.ProxyError:
        """The client's error, with what it says of the credential and the model noted."""
        given, source = failed.error, self._standing.credential.source
        if given.status in error.WORTH_A_RETRY:
            self._standing.troubles.failed(self._key)
        if failed.failure is retry.Failure.UNAUTHORIZED:
            if source.changes:
                given = error.being_replaced(source.name)
            self._lease.refused(given)
        elif given.code == "credential_not_allowed":
            self._lease.refused(given)
        return given

    def _circumstances(
        self, headers: Mapping[str, str] | None = None
    ) -> error.Circumstances:
        return error.Circumstances(
            credential=self._standing.credential.source.name,
            oauth=self._lease.token.oauth,
            retry_after=response_headers.retry_after(headers or {}, datetime.now(UTC)),
            lasted=self._standing.troubles.lasted(self._key),
        )

    def _call(self) -> event_stream.EventStream:
        sent, token = self._sent, self._lease.token
        headers = to_headers(self._standing.credential, token, sent.betas)
        if sent.version is not None:
            headers["anthropic-version"] = sent.version
        response: transport.Response | None = None
        path, body = outgoing.on_the_wire(sent)
        self._way.call()
        try:
            response = self._standing.sender.post(
                path, body, headers, self._scope, fresh=self._fresh
            )
            return self._begin(response)
        except BaseException as ex:
            if response is not None:
                response.close()
            self._way.end(_outcome(ex))
            if isinstance(ex, transport.TransportError):
                raise self._unreached(ex) from None
            if isinstance(ex, cancellation.Cancelled):
                raise self._late(ex.reason) from None
            raise

    def _unreached(self, ex: transport.TransportError) -> _FailedCall:
        """What a call without a response means."""
        match ex:
            case transport.UnreachedError(obstacle=obstacle):
                meant = error.unreachable(obstacle.value, self._circumstances())
                meant.reason = obstacle.name.lower()
            case transport.CutError():
                meant = error.unreachable("its response was cut", self._circumstances())
                meant.reason = "cut"
            case _:
                meant = error.unreadable(self._circumstances())
                meant.reason = "unreadable"
        stale = isinstance(ex, transport.StaleError)
        failure = retry.Failure.STALE if stale else retry.Failure.UNREACHED
        return _FailedCall(failure, meant)

    def _late(self, reason: cancellation.Reason) -> Exception:
        """What a cancelled call means: worth another one, if a deadline ended it."""
        meant = event_stream.to_error(reason)
        if isinstance(meant, errors.UpstreamError) and self._scope.try_again():
            return _FailedCall(retry.Failure.LATE, meant)
        return meant

    def _begin(self, response: transport.Response) -> event_stream.EventStream:
        """Look at a response up to its first content."""
        self._way.answered(response.status)
        self._standing.reported.observe(response.headers, time.time())
        if response.status // 100 != 2:  # noqa: PLR2004 - the class of successes
            raise self._refused(response)
        kind = response.headers.get("content-type", "").lower()
        if self._sent.counts or "text/event-stream" not in kind:
            opening = self._whole(response)
            event_stream.until_content(iter([opening]), self._way.started)
            return self._stream(response, opening, iter(()))
        arriving = event_stream.batches(response)
        try:
            opening, end = event_stream.until_content(arriving, self._way.started)
        except event_stream.UNREADABLE:
            opening, end = event_stream.Batch(), None
        if end is not None:
            circumstances = self._circumstances(response.headers)
            failed = error.to_openai_error(200, end.error, circumstances)
            raise _failed(failed, circumstances, end.error)
        if not opening:
            cut = error.incomplete(self._circumstances(response.headers))
            cut.reason = "cut"
            raise _FailedCall(retry.Failure.UNREACHED, cut)
        return self._stream(response, opening, arriving)

    def _whole(self, response: transport.Response) -> event_stream.Batch:
        """A response that comes whole, as the events that say as much."""
        try:
            if self._sent.counts:
                return event_stream.of_count(response)
            return event_stream.of_message(response)
        except event_stream.UNREADABLE:
            strange = error.no_stream(self._circumstances(response.headers))
            raise _FailedCall(retry.Failure.FINAL, strange) from None

    def _stream(
        self,
        response: transport.Response,
        opening: event_stream.Batch,
        rest: Iterator[event_stream.Batch],
    ) -> event_stream.EventStream:
        self._scope.content()
        troubles, key = self._standing.troubles, self._key

        def failing() -> error.Circumstances:
            circumstances = self._circumstances(response.headers)
            troubles.failed(key)
            return circumstances

        head = event_stream.Head(
            warnings=self._sent.warnings,
            model=_model_of(opening) or self._sent.model,
            request_id=response.headers.get("request-id", ""),
            headers=outgoing.passed_headers(
                self._sent, response.headers, datetime.now(UTC)
            ),
        )
        return event_stream.EventStream(
            head,
            response,
            chain([opening], rest),
            self._scope,
            self._way,
            failing=failing,
            whole=lambda: troubles.over(key),
        )

    def _refused(self, response: transport.Response) -> _FailedCall:
        circumstances = self._circumstances(response.headers)
        self._scope.within(ERROR_BODY_TIMEOUT)
        try:
            body = response.read()
        except transport.TransportError:
            body = b""
        except cancellation.Cancelled:
            if not self._scope.try_again():
                raise
            body = b""
        reported = error.decode_error(body)
        failed = error.to_openai_error(response.status, reported, circumstances)
        failed.headers.update(
            outgoing.passed_headers(self._sent, response.headers, datetime.now(UTC))
        )
        failed.upstream_request_id = response.headers.get("request-id", "")
        return _failed(failed, circumstances, reported)


def _failed(
    failed: errors.ProxyError,
    circumstances: error.Circumstances,
    reported: messages_response.Error | None,
) -> _FailedCall:
    """An error response as the retry loop sees it.

    ``reported`` is ``None`` where something else than Anthropic responded, say a login
    page: its 401 says nothing of the credential.
    """
    match failed.status:
        case 400:
            failure = retry.Failure.INVALID
        case 401 if reported is not None:
            failure = retry.Failure.UNAUTHORIZED
        case 429 | 500 | 502 | 503 if "retry-after" in failed.headers:
            failure = retry.Failure.BUSY
        case _:
            failure = retry.Failure.FINAL
    return _FailedCall(
        failure,
        failed,
        retry_after=circumstances.retry_after,
        message=reported.message if reported is not None else "",
    )


def _outcome(ex: BaseException) -> trail.Outcome:
    """How a call ended that has no response, or none that can be used."""
    match ex:
        case _FailedCall(failure=retry.Failure.UNREACHED):
            return trail.Outcome.CUT
        case _FailedCall(error=failed):
            return trail.outcome_of(failed.status)
        case transport.StaleError():
            return trail.Outcome.STALE
        case transport.UnreachedError():
            return trail.Outcome.UNREACHED
        case transport.CutError():
            return trail.Outcome.CUT
        case cancellation.Cancelled(reason=reason):
            return event_stream.outcome_of(reason)
        case _:
            return trail.Outcome.SERVER_ERROR


def _model_of(batch: event_stream.Batch) -> str:
    match batch[0]:
        case messages_response.MessageStart(message):
            return message.model
        case _:
            return ""
