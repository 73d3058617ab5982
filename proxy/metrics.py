"""Prometheus metrics. Labels are statuses and token kinds: nothing a client chooses."""

from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

# each would be a second series for every counter
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


class Metrics:
    """One process's metrics, in a registry of their own."""

    def __init__(
        self, in_flight: Callable[[], float], expires_at: Callable[[], float | None]
    ) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "claude_proxy_requests",
            "Completions served, by HTTP status (499: the client left).",
            ["status"],
            registry=self._registry,
        )
        self._duration = Histogram(
            "claude_proxy_request_duration_seconds",
            "Time from the arrival of a request to the end of its response.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._first_event = Histogram(
            "claude_proxy_first_event_seconds",
            "Time from the arrival of a request to Anthropic's first event.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._tokens = Counter(
            "claude_proxy_tokens",
            "Tokens, by kind.",
            ["kind"],
            registry=self._registry,
        )
        Gauge(
            "claude_proxy_requests_in_flight",
            "Completions in flight.",
            registry=self._registry,
        ).set_function(in_flight)
        Gauge(
            "claude_proxy_credential_expiration_timestamp_seconds",
            "When the access token expires; 0 where that is not known.",
            registry=self._registry,
        ).set_function(lambda: expires_at() or 0.0)

    def completed(
        self,
        *,
        status: int,
        seconds: float,
        first_event_seconds: float | None,
        tokens: dict[str, int],
    ) -> None:
        """Count one completion. ``tokens`` maps a kind (input, output, …) to a count."""
        self._requests.labels(str(status)).inc()
        self._duration.observe(seconds)
        if first_event_seconds is not None:
            self._first_event.observe(first_event_seconds)
        for kind, count in tokens.items():
            if count:
                self._tokens.labels(kind).inc(count)

    def text(self) -> bytes:
        """The exposition, in ``CONTENT_TYPE``."""
        return generate_latest(self._registry)
