"""What is the case now, as Prometheus metrics: what is not known has no sample."""

import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version

from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy import bounded, limits

_BUILD = {
    "version": version("claude-code-proxy"),  # found by reading files
    "python": platform.python_version(),
}


class State(Struct, frozen=True, kw_only=True):
    """What is the case now."""

    ready: bool
    """What `/readyz` says: the credential is usable, and the keys file in order."""
    in_flight: int
    held: int
    """Calls for whose outcome nobody waits: ``held_calls.HeldCalls.alone``."""
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
    remembered: dict[str, bounded.Figures]
    """How each kind of what the process remembers is doing: ``store.Store.figures``."""


class Gauges(Collector):
    """Gauges, made when they are asked for: what is not known has no sample."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """One family for each gauge, as of now (prometheus_client's Collector)."""
        state = self._state()
        for name, words, value in (
            (
                "ready",
                "1 while there is a usable credential and the keys file is in order.",
                state.ready,
            ),
            ("requests_in_flight", "Completions in flight.", state.in_flight),
            (
                "held_calls",
                "Calls whose client has left, and that a retry may join.",
                state.held,
            ),
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
            _BUILD,
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
