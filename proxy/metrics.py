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


CODES = frozenset(
    {
        "at_capacity",
        "conflict",
        "context_length_exceeded",
        "credential_not_allowed",
        "credentials_expired",
        "credentials_refused",
        "insufficient_quota",
        "internal_error",
        "invalid_api_key",
        "invalid_body",
        "invalid_json",
        "invalid_type",
        "invalid_value",
        "missing_required_parameter",
        "model_not_found",
        "no_credentials",
        "overloaded",
        "permission_denied",
        "rate_limit_exceeded",
        "request_timeout",
        "request_too_large",
        "shutting_down",
        "stream_incomplete",
        "unsupported_encoding",
        "unsupported_media_type",
        "unsupported_value",
        "upstream_error",
        "upstream_timeout",
        "upstream_unreachable",
    }
)
"""The codes that are a label of their own: Anthropic may invent others at any time."""


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
        self._errors = Counter(
            "claude_proxy_errors",
            "Completions that failed, by the error's code and, on the way to Anthropic, "
            "the reason.",
            ["code", "reason"],
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
        code: str | None = None,
        reason: str = "",
        first_event_seconds: float | None,
        tokens: dict[str, int],
    ) -> None:
        """Count one completion. ``tokens`` maps a kind (input, output, …) to a count.

        ``code`` is the error's, if it failed; one that is not ours counts as ``other``.
        """
        self._requests.labels(str(status)).inc()
        if code is not None or reason:
            known = code if code in CODES else "other"
            self._errors.labels(known, reason).inc()
        self._duration.observe(seconds)
        if first_event_seconds is not None:
            self._first_event.observe(first_event_seconds)
        for kind, count in tokens.items():
            if count:
                self._tokens.labels(kind).inc(count)

    def text(self) -> bytes:
        """The exposition, in ``CONTENT_TYPE``."""
        return generate_latest(self._registry)
