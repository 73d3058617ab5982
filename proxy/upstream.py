"""Anthropic's API, for this process's one credential."""

from collections.abc import Callable, Mapping

from proxy import (
    cancellation,
    event_stream,
    lease,
    limits,
    opening,
    outgoing,
    patience,
    refusals,
    trail,
    transport,
)
from proxy.credentials import Token
from proxy.translate.assemble import Translation
from proxy.watchdog import Watchdog

MODELS_PATH = "/v1/models?limit=1000"
MODELS_DEADLINES = cancellation.Deadlines(
    header=5.0, idle=5.0, progress=5.0, total=10.0
)
"""A client waits for the models list, and the built-in one is nearly as good."""


class Upstream:
    """Anthropic's API, for this process's one credential."""

    def __init__(
        self,
        credential: lease.Credential,
        sender: transport.Transport,
        watchdog: Watchdog,
    ) -> None:
        self.troubles = patience.Troubles()
        self.reported = limits.Limits()
        self._watchdog = watchdog
        self._standing = opening.Standing(
            credential=credential,
            sender=sender,
            troubles=self.troubles,
            limits=patience.Gates(),
            reported=self.reported,
            refusals=refusals.Refusals(),
        )

    def models_list(self) -> bytes:
        """The body of Anthropic's models list; asks once, with the present token.

        Raises ``ProxyError`` where there is no token, and ``TransportError``.
        """
        credential, sender = self._standing.credential, self._standing.sender
        headers = opening.to_headers(credential, credential.token())
        with self._watchdog.scope(None, MODELS_DEADLINES) as scope:
            try:
                try:
                    response = sender.get(MODELS_PATH, headers, scope)
                except transport.StaleError:
                    response = sender.get(MODELS_PATH, headers, scope, fresh=True)
                try:
                    if response.status != 200:  # noqa: PLR2004 - the one good status
                        raise transport.NoResponseError
                    return response.read()
                finally:
                    response.close()
            except cancellation.Cancelled:
                raise transport.UnreachedError(transport.Obstacle.TIMEOUT) from None

    def reach(
        self, token: Token | None, seconds: float
    ) -> tuple[int, Mapping[str, str]]:
        """Status and headers of the models list: whether Anthropic answers, and what.

        Raises ``TransportError``.
        """
        credential, sender = self._standing.credential, self._standing.sender
        headers = opening.to_headers(credential, token) if token is not None else {}
        deadlines = cancellation.Deadlines(seconds, seconds, seconds, seconds)
        with self._watchdog.scope(None, deadlines) as scope:
            try:
                response = sender.get("/v1/models?limit=1", headers, scope)
            except cancellation.Cancelled:
                raise transport.UnreachedError(transport.Obstacle.TIMEOUT) from None
            response.close()
            return response.status, response.headers

    def open(
        self,
        sent: outgoing.Sent,
        scope: cancellation.CancelScope,
        way: trail.Trail,
        on_repair: Callable[[Translation], None],
    ) -> event_stream.EventStream:
        """Call until content begins to arrive, or no further call would help.

        Notes on ``way`` what is called and billed; ``on_repair`` is called with what is
        sent instead of ``sent``. Raises ``UpstreamError`` or ``UnavailableError``, which
        carry what the client gets, and ``ClientGoneError``.
        """
        scope.thinks = sent.thinks
        return opening.Opening(self._standing, sent, scope, way, on_repair).run()
