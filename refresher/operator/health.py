"""`/healthz`, `/readyz` and `/metrics`, on all interfaces, without a key.

Liveness is "the volume was looked at lately": nothing about the token or the cluster,
since a restart mends neither. Readiness is "there is a ClaudeCredential, and the access
token works".
"""

import time
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from refresher.operator.board import Board
from refresher.operator.check import Verdict
from refresher.operator.observation import Observation
from refresher.outcome import Kind, Outcome

STALE = 30.0
"""Seconds without a look at the volume after which the operator counts as stuck."""
_ATTEMPT_SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 130)


class Metrics:
    """What is counted. A time of 0 means that there is none."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._managed = self._gauge(
            "claude_credential_managed",
            "1 while a ClaudeCredential asks for this login to be kept fresh",
        )
        self._expires = self._gauge(
            "claude_credential_expiration_timestamp_seconds",
            "When the access token expires",
        )
        self._login_ends = self._gauge(
            "claude_login_expiration_timestamp_seconds",
            "When the login itself ends; only a person can log in again",
        )
        self._ready = self._gauge(
            "claude_credential_ready", "1 while the access token works"
        )
        self._login_required = self._gauge(
            "claude_login_required", "1 when a person must log in, now or soon"
        )
        self._next = self._gauge(
            "claude_refresh_next_timestamp_seconds", "When the next attempt is due"
        )
        self._failures = self._gauge(
            "claude_refresh_consecutive_failures", "Failed attempts in a row"
        )
        self._attempts = self._counter("claude_refresh", "Attempts by outcome")
        self._seconds = Histogram(
            "claude_refresh_duration_seconds",
            "How long an attempt took",
            buckets=_ATTEMPT_SECONDS,
            registry=self.registry,
        )
        self._publishes = self._counter(
            "claude_token_publish", "Times the Secret was written"
        )
        self._checks = self._counter(
            "claude_token_check", "Times Anthropic was asked about the access token"
        )
        for kind in Kind:
            if kind not in {Kind.NOT_DUE, Kind.SKIPPED}:
                self._attempts.labels(kind.value)
        for result in ("published", "failed"):
            self._publishes.labels(result)
        for verdict in Verdict:
            self._checks.labels(verdict.value)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, ["result"], registry=self.registry)

    def show(self, observed: Observation) -> None:
        """Take over what was last observed."""
        credential = observed.credential
        login_ends = credential.login_ends_at if credential else None
        known = credential is not None and credential.expiry_known
        self._managed.set(observed.managed.true)
        self._expires.set(
            credential.expires_at.timestamp() if credential and known else 0
        )
        self._login_ends.set(login_ends.timestamp() if login_ends else 0)
        self._ready.set(observed.ready.true)
        self._login_required.set(observed.login_required.true)
        self._next.set(observed.next_at.timestamp() if observed.next_at else 0)
        self._failures.set(observed.failures)

    def count_attempt(self, outcome: Outcome, seconds: float) -> None:
        """Count one attempt's end."""
        self._attempts.labels(outcome.kind.value).inc()
        self._seconds.observe(seconds)

    def count_publish(self, result: str) -> None:
        """Count one write of the Secret: `published` or `failed`."""
        self._publishes.labels(result).inc()

    def count_check(self, result: str) -> None:
        """Count one check of the token, by `Verdict`."""
        self._checks.labels(result).inc()


class Health:
    """The responses, from what is on the board."""

    def __init__(
        self, board: Board, metrics: Metrics, ticked_at: Callable[[], float | None]
    ) -> None:
        self._board = board
        self._metrics = metrics
        self._ticked_at = ticked_at
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> None:
        """Listen. Raises OSError where the port is taken."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics_page)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, port=port).start()

    async def stop(self) -> None:
        """Close the port."""
        if self._runner:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        ticked_at = self._ticked_at()
        if ticked_at is None or time.monotonic() - ticked_at > STALE:
            text = f"the volume has not been looked at for {STALE:.0f} s\n"
            return web.Response(status=503, text=text)
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        observed = self._board.observation.value
        if observed is None:
            return web.Response(status=503, text="not observed yet\n")
        word = observed.ready if observed.managed.true else observed.managed
        text = f"{word.reason}: {word.message}\n"
        return web.Response(status=200 if word.true else 503, text=text)

    async def _metrics_page(self, _: web.Request) -> web.Response:
        observed = self._board.observation.value
        if observed:
            self._metrics.show(observed)
        page = generate_latest(self._metrics.registry)
        return web.Response(body=page, headers={"content-type": CONTENT_TYPE_LATEST})
