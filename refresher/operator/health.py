"""`/healthz`, `/readyz` and `/metrics`, on all interfaces, without a key.

Liveness is "the scheduler looked lately": nothing about the token or the cluster, since
a restart mends neither. Readiness is "the access token works now".
"""

import time
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from refresher.operator.status import Report
from refresher.outcome import Kind, Outcome

STALE = 30.0
"""Seconds without a look at the volume after which the operator counts as stuck."""
_TRY_SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 130)


class Metrics:
    """What is counted. A time of 0 means that there is none."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._expires = self._gauge(
            "claude_credential_expiration_timestamp_seconds",
            "When the access token ends",
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
            "claude_refresh_next_timestamp_seconds", "When the next try is due"
        )
        self._failures = self._gauge(
            "claude_refresh_consecutive_failures", "Failed tries in a row"
        )
        self._tries = Counter(
            "claude_refresh", "Tries by outcome", ["result"], registry=self.registry
        )
        self._seconds = Histogram(
            "claude_refresh_duration_seconds",
            "How long a try took",
            buckets=_TRY_SECONDS,
            registry=self.registry,
        )
        self._publishes = Counter(
            "claude_token_publish",
            "Times the Secret was applied",
            ["result"],
            registry=self.registry,
        )
        for kind in Kind:
            if kind not in {Kind.NOT_DUE, Kind.SKIPPED}:
                self._tries.labels(kind.value)
        for result in ("published", "failed"):
            self._publishes.labels(result)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry)

    def show(self, report: Report) -> None:
        """Take a look's report."""
        credential = report.credential
        login_ends = credential.login_ends_at if credential else None
        self._expires.set(credential.expires_at.timestamp() if credential else 0)
        self._login_ends.set(login_ends.timestamp() if login_ends else 0)
        self._ready.set(report.ready.true)
        self._login_required.set(report.login_required.true)
        self._next.set(report.next_at.timestamp() if report.next_at else 0)
        self._failures.set(report.failures)

    def count_try(self, outcome: Outcome, seconds: float) -> None:
        """Count one try's end."""
        self._tries.labels(outcome.kind.value).inc()
        self._seconds.observe(seconds)

    def count_publish(self, result: str) -> None:
        """Count one application of the Secret: `published` or `failed`."""
        self._publishes.labels(result).inc()


class Health:
    """The answers, from the latest report."""

    def __init__(self, metrics: Metrics, ticked_at: Callable[[], float | None]) -> None:
        self._metrics = metrics
        self._ticked_at = ticked_at
        self._report: Report | None = None
        self._runner: web.AppRunner | None = None

    def show(self, report: Report) -> None:
        """Take a look's report."""
        self._report = report
        self._metrics.show(report)

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
            text = f"the volume was not looked at for {STALE:.0f} s\n"
            return web.Response(status=503, text=text)
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._report is None:
            return web.Response(status=503, text="not looked yet\n")
        ready = self._report.ready
        text = f"{ready.reason}: {ready.message}\n"
        return web.Response(status=200 if ready.true else 503, text=text)

    async def _metrics_page(self, _: web.Request) -> web.Response:
        page = generate_latest(self._metrics.registry)
        return web.Response(body=page, headers={"content-type": CONTENT_TYPE_LATEST})
