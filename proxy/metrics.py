"""Prometheus metrics: sums of what completions noted, and what is the case now.

No label holds anything that a client chooses: models are those of the capability table
and ``other``, codes and warnings are the proxy's own. What Anthropic never reported has
no sample at all.
"""

import platform
import re
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version

from msgspec import Struct
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from proxy import bounded, capabilities, limits, log, trail

# each would be a second series for every counter
disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
_OWN_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)

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

_EXEMPLAR = re.compile(r"[\w.-]{1,64}", re.ASCII)


def model_label(name: str) -> str:
    """A model as a label: its name in the capability table, else ``other``."""
    row = capabilities.model_for(plain_name(name))
    return row.id if row.known else "other"


def plain_name(model: str) -> str:
    """A model's name as price lists have it: Anthropic's, without a date."""
    return capabilities.undated(capabilities.to_anthropic_id(model))


def code_label(code: str | None) -> str:
    """An error's code as a label: empty for none, ``other`` for one that is not ours."""
    if not code:
        return ""
    return code if code in CODES else "other"


class State(Struct, frozen=True, kw_only=True):
    """What is the case now."""

    in_flight: int
    slots: int
    """How many completions may be in flight."""
    windows: dict[str, limits.Window]
    """By the names in ``limits.WINDOWS``."""
    verdict: limits.Verdict | None
    credential: str
    """The kind of the credential's source: ``credentials.Kind``."""
    expires_at: float | None
    refused_at: float | None
    log_lines_dropped: int
    remembered: dict[str, bounded.Facts]
    """How each kind of what the process remembers is doing: ``store.Store.facts``."""


class _Now(Collector):
    """Gauges, made when they are asked for: what is not known has no sample."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        for name, words, value in (
            ("requests_in_flight", "Completions in flight.", state.in_flight),
            ("slots", "Completions that may be in flight: MAX_REQUESTS.", state.slots),
            (
                "credential_expiration_timestamp_seconds",
                "When the access token expires, where that is known.",
                state.expires_at,
            ),
            (
                "credential_refusal_timestamp_seconds",
                "When Anthropic last refused the credential, if it did.",
                state.refused_at,
            ),
        ):
            family = GaugeMetricFamily(f"claude_proxy_{name}", words, labels=[])
            if value is not None:
                family.add_metric([], value)
            yield family
        yield CounterMetricFamily(
            "claude_proxy_log_lines_dropped",
            "Log lines that were dropped because stdout was not read in time.",
            value=state.log_lines_dropped,
        )
        yield _info(
            "credential_info",
            "Where the credential comes from.",
            {"source": state.credential},
        )
        yield _info(
            "build_info",
            "The versions of the proxy and of Python.",
            {
                "version": version("claude-code-proxy"),
                "python": platform.python_version(),
            },
        )
        yield from self._limits(state)
        yield from self._remembered(state)

    def _limits(self, state: State) -> Iterator[Metric]:
        used = GaugeMetricFamily(
            "claude_proxy_limit_utilization_ratio",
            "The share of a limit of Anthropic's that is used, as last reported.",
            labels=["window"],
        )
        resets = GaugeMetricFamily(
            "claude_proxy_limit_reset_timestamp_seconds",
            "When a limit of Anthropic's is reset, as last reported.",
            labels=["window"],
        )
        for name, window in state.windows.items():
            if window.utilization is not None:
                used.add_metric([name], window.utilization)
            if window.resets_at is not None:
                resets.add_metric([name], window.resets_at)
        yield used
        yield resets
        said = state.verdict
        yield _info(
            "limit_info",
            "What a subscription's limits amount to, and which of them decides.",
            {"status": said.status, "claim": said.claim, "overage": said.overage}
            if said
            else None,
            labels=["status", "claim", "overage"],
        )

    def _remembered(self, state: State) -> Iterator[Metric]:
        for name, words in (
            ("bytes", "What is remembered between requests, in bytes."),
            ("entries", "What is remembered between requests: turns, responses, ..."),
            ("hits", "Look-ups that found what they were for."),
            ("misses", "Look-ups that did not."),
            ("evictions", "What had to give way to something newer."),
        ):
            kind = (
                GaugeMetricFamily
                if name in {"bytes", "entries"}
                else CounterMetricFamily
            )
            family = kind(f"claude_proxy_memory_{name}", words, labels=["kind"])
            for what, facts in state.remembered.items():
                family.add_metric([what], getattr(facts, name))
            yield family


def _info(
    name: str, words: str, facts: dict[str, str] | None, labels: list[str] | None = None
) -> Metric:
    family = GaugeMetricFamily(
        f"claude_proxy_{name}", words, labels=labels or list(facts or {})
    )
    if facts is not None:
        family.add_metric(list(facts.values()), 1)
    return family


class Metrics:
    """One process's metrics, in a registry of their own."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Now(state))
        self._requests = self._counter(
            "requests",
            "Completions, by HTTP status (499: the client left) and the error's code.",
            ["api", "model", "status", "code"],
        )
        self.streams_in_flight = 0
        self._lock = threading.Lock()
        Gauge(
            "claude_proxy_streams_in_flight",
            "Streamed responses in flight.",
            registry=self._registry,
        ).set_function(lambda: self.streams_in_flight)
        self._errors = self._counter(
            "errors",
            "Completions that failed, by the error's code and, on the way to Anthropic, "
            "the reason.",
            ["code", "reason"],
        )
        self._warnings = self._counter(
            "warnings", "What was changed or ignored in requests.", ["code"]
        )
        self._calls = self._counter(
            "upstream_calls", "Calls to Anthropic, by how they ended.", ["outcome"]
        )
        self._retries = self._counter(
            "upstream_retries",
            "Calls beyond a completion's first, by what made them necessary.",
            ["kind"],
        )
        self._tokens = self._counter(
            "tokens", "Tokens billed, by kind; none is of two kinds.", ["kind", "model"]
        )
        self._cost = self._counter(
            "cost_usd", "What was billed, by Anthropic's list prices.", ["model"]
        )
        self._unpriced = self._counter(
            "unpriced_tokens", "Tokens that have no known price.", ["model"]
        )
        self._undelivered_tokens = self._counter(
            "undelivered_tokens",
            "Tokens billed for responses that no client received whole.",
            ["kind", "model"],
        )
        self._undelivered_cost = self._counter(
            "undelivered_cost_usd",
            "What was billed for responses that no client received whole.",
            ["model"],
        )
        self._tools = self._counter(
            "server_tool_uses", "Uses of Anthropic's own tools.", ["tool", "model"]
        )
        self._duration = self._histogram(
            "request_duration_seconds",
            "Time from the arrival of a request to the end of its response.",
            ["model"],
        )
        self._first_event = self._histogram(
            "first_event_seconds",
            "Time from the arrival of a request to the first content of Anthropic's.",
            ["model"],
        )
        self._own = self._histogram(
            "own_seconds",
            "Time that the proxy itself adds before the first byte of a response.",
            [],
            _OWN_SECONDS,
        )

    def _counter(self, name: str, words: str, labels: list[str]) -> Counter:
        return Counter(f"claude_proxy_{name}", words, labels, registry=self._registry)

    def _histogram(
        self,
        name: str,
        words: str,
        labels: list[str],
        buckets: tuple[float, ...] = _SECONDS,
    ) -> Histogram:
        return Histogram(
            f"claude_proxy_{name}",
            words,
            labels,
            buckets=buckets,
            registry=self._registry,
        )

    def stream_began(self) -> None:
        """Count a streamed response, until ``stream_ended``."""
        with self._lock:
            self.streams_in_flight += 1

    def stream_ended(self) -> None:
        """Count one streamed response less."""
        with self._lock:
            self.streams_in_flight -= 1

    def completed(
        self, record: log.Completion, way: trail.Trail, bill: trail.Bill
    ) -> None:
        """Count one completion."""
        model, code = model_label(record.upstream_model), code_label(record.code)
        known = _EXEMPLAR.fullmatch(record.request_id)
        exemplar = {"request_id": record.request_id} if known else None
        self._requests.labels(record.api, model, str(record.status), code).inc(
            exemplar=exemplar
        )
        if record.failed:
            self._errors.labels(code or "other", record.reason).inc(exemplar=exemplar)
        for warning in record.warnings:
            self._warnings.labels(warning).inc()
        for call in way.calls:
            self._calls.labels(str(call.outcome or trail.Outcome.CANCELLED)).inc()
        for step in way.steps:
            self._retries.labels(step).inc()
        self._duration.labels(model).observe(record.duration_ms / 1000, exemplar)
        if record.first_event_ms is not None:
            self._first_event.labels(model).observe(
                record.first_event_ms / 1000, exemplar
            )
        if record.own_ms is not None:
            self._own.observe(record.own_ms / 1000, exemplar)
        self._billed(model, bill)

    def _billed(self, model: str, bill: trail.Bill) -> None:
        for kind, count in bill.total.tokens.items():
            self._tokens.labels(kind, model).inc(count)
        for kind, count in bill.lost.tokens.items():
            self._undelivered_tokens.labels(kind, model).inc(count)
        if bill.total.web_searches:
            self._tools.labels("web_search", model).inc(bill.total.web_searches)
        if bill.unpriced:
            self._unpriced.labels(model).inc(bill.unpriced)
        if bill.cost:
            self._cost.labels(model).inc(bill.cost)
        if bill.lost_cost:
            self._undelivered_cost.labels(model).inc(bill.lost_cost)

    def exposition(self, *, as_openmetrics: bool = False) -> tuple[str, bytes]:
        """Content type and body.

        OpenMetrics has exemplars: the id of a request behind a number.
        """
        if as_openmetrics:
            return (
                openmetrics.CONTENT_TYPE_LATEST,
                openmetrics.generate_latest(self._registry),  # type: ignore[no-untyped-call]
            )
        return CONTENT_TYPE_LATEST, generate_latest(self._registry)
