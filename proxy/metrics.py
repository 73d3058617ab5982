"""Prometheus metrics: sums of what completions noted. What is the case now: ``gauges``.

No label holds anything that a client chooses: models are those of the capability table
and ``other``, codes and warnings are the proxy's own. What Anthropic never reported has
no sample at all.
"""

import functools
import re
import threading
import time
from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Gauge,
    generate_latest,
)
from prometheus_client.openmetrics import exposition as openmetrics

from proxy import capabilities, gauges, log, sums, trail

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

REFUSALS = ("host_not_allowed", "invalid_api_key", "origin_not_allowed")
"""Why requests are turned away at the door (``inbound_auth``)."""

_COUNTERS = {
    "requests": (
        "Completions, by HTTP status (499: the client left) and the error's code.",
        ["api", "model", "status", "code"],
    ),
    "errors": (
        "Completions that failed, by the error's code and what went wrong upstream.",
        ["code", "reason"],
    ),
    "refused": (
        "Requests turned away: without a key, by a web page, for another host.",
        ["code"],
    ),
    "warnings": ("What was changed or ignored in requests.", ["code"]),
    "upstream_calls": ("Calls to Anthropic, by how they ended.", ["outcome"]),
    "upstream_retries": (
        "Calls beyond a completion's first, by what made them necessary.",
        ["kind"],
    ),
    "tokens": ("Tokens billed, by kind; none is of two kinds.", ["kind", "model"]),
    "cost_usd": ("What was billed, by Anthropic's list prices.", ["model"]),
    "unpriced_tokens": ("Tokens that have no known price.", ["model"]),
    "undelivered_tokens": (
        "Tokens billed for responses that no client received whole.",
        ["kind", "model"],
    ),
    "undelivered_cost_usd": (
        "What was billed for responses that no client received whole.",
        ["model"],
    ),
    "joins": ("Retries that joined the call of the request that they repeat.", []),
    "unclaimed_calls": (
        "Calls that went on after their client had left, and whose outcome no retry took.",
        [],
    ),
    "server_tool_uses": ("Uses of Anthropic's own tools.", ["tool", "model"]),
}
"""Counters by name, each with its help text and its labels."""

_HISTOGRAMS = {
    "request_duration_seconds": (
        "Time from the arrival of a request to the end of its response.",
        ["model"],
        _SECONDS,
    ),
    "first_event_seconds": (
        "Time from the arrival of a request to the first content of Anthropic's.",
        ["model"],
        _SECONDS,
    ),
    "own_seconds": (
        "Time that the proxy itself adds before the first byte of a response.",
        [],
        _OWN_SECONDS,
    ),
}
"""Histograms by name, each with its help text, its labels and its buckets' bounds."""

_EXEMPLAR = re.compile(r"[\w.-]{1,64}", re.ASCII)


@functools.lru_cache(256)
def model_label(name: str) -> str:
    """A model as a label: its name in the capability table, else ``other``."""
    plain = plain_name(name)
    return plain if plain in capabilities.IDS else "other"


@functools.lru_cache(256)
def plain_name(model: str) -> str:
    """A model's name as price lists have it: Anthropic's, without a date."""
    if model in capabilities.IDS:
        return model
    return capabilities.undated(capabilities.to_anthropic_id(model))


def code_label(code: str | None) -> str:
    """An error's code as a label: empty for none, ``other`` for one that is not ours."""
    if not code:
        return ""
    return code if code in CODES else "other"


class Metrics:
    """One process's metrics, in a registry of their own."""

    def __init__(self, state: Callable[[], gauges.State]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(gauges.Gauges(state))
        self.streams_in_flight = 0
        self._lock = threading.Lock()
        Gauge(
            "claude_proxy_streams_in_flight",
            "Streamed responses in flight.",
            registry=self._registry,
        ).set_function(lambda: self.streams_in_flight)
        self._sums = sums.Sums(
            {
                name: sums.Counter(f"claude_proxy_{name}", *facts)
                for name, facts in _COUNTERS.items()
            },
            {
                name: sums.Histogram(f"claude_proxy_{name}", *facts)
                for name, facts in _HISTOGRAMS.items()
            },
        )
        self._registry.register(self._sums)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        # Prometheus sees no increase in a series whose first sample is above zero, so
        # alerts would miss the first event.
        counters = self._sums.counters
        for code in CODES:
            counters["errors"].add(code, "", amount=0)
        for outcome in trail.Outcome:
            counters["upstream_calls"].add(outcome, amount=0)
        for code in REFUSALS:
            counters["refused"].add(code, amount=0)

    def stream_began(self) -> None:
        """Count a streamed response, until ``stream_ended``."""
        with self._lock:
            self.streams_in_flight += 1

    def stream_ended(self) -> None:
        """Count one streamed response less."""
        with self._lock:
            self.streams_in_flight -= 1

    def refused(self, code: str) -> None:
        """Count a request that was turned away before any API saw it."""
        with self._sums.lock:
            self._sums.counters["refused"].add(code)

    def completed(
        self, record: log.Completion, way: trail.Trail, bill: trail.Bill
    ) -> None:
        """Count one completion."""
        known = _EXEMPLAR.fullmatch(record.request_id)
        example = sums.Example(record.request_id, time.time()) if known else None
        model = model_label(record.upstream_model)
        with self._sums.lock:
            self._ended(model, record, example)
            self._called(way)
            self._took(model, record, example)
            self._billed(model, bill)

    def _ended(
        self, model: str, record: log.Completion, example: sums.Example | None
    ) -> None:
        counters, code = self._sums.counters, code_label(record.code)
        status = str(record.status)
        counters["requests"].add(record.api, model, status, code, example=example)
        if record.failed:
            counters["errors"].add(code or "other", record.reason, example=example)
        if record.joined:
            counters["joins"].add()
        if record.unclaimed:
            counters["unclaimed_calls"].add()
        for warning in record.warnings:
            counters["warnings"].add(warning)

    def _called(self, way: trail.Trail) -> None:
        counters = self._sums.counters
        for call in way.calls:
            counters["upstream_calls"].add(call.outcome or trail.Outcome.CANCELLED)
        for step in way.steps:
            counters["upstream_retries"].add(step)

    def _took(
        self, model: str, record: log.Completion, example: sums.Example | None
    ) -> None:
        histograms = self._sums.histograms
        histograms["request_duration_seconds"].observe(
            model, value=record.duration_ms / 1000, example=example
        )
        if (first := record.first_event_ms) is not None:
            histograms["first_event_seconds"].observe(
                model, value=first / 1000, example=example
            )
        if (own := record.own_ms) is not None:
            histograms["own_seconds"].observe(value=own / 1000, example=example)

    def _billed(self, model: str, bill: trail.Bill) -> None:
        counters = self._sums.counters
        for kind, tokens in bill.total.tokens.items():
            counters["tokens"].add(kind, model, amount=tokens)
        for kind, tokens in bill.lost.tokens.items():
            counters["undelivered_tokens"].add(kind, model, amount=tokens)
        if searches := bill.total.web_searches:
            counters["server_tool_uses"].add("web_search", model, amount=searches)
        if bill.unpriced:
            counters["unpriced_tokens"].add(model, amount=bill.unpriced)
        if bill.cost:
            counters["cost_usd"].add(model, amount=bill.cost)
        if bill.lost_cost:
            counters["undelivered_cost_usd"].add(model, amount=bill.lost_cost)

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
