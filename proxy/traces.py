"""OpenTelemetry: a span for each completion, and one below it for each call to Anthropic.

Off unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set; the SDK reads it and its relatives
itself. The spans are our own, by the conventions for generative AI, and made when a
completion is over, from what its log line says: no prompt can be in them. A client's
``traceparent`` makes them part of its trace.

The SDK is an extra (``claude-code-proxy[otel]``), so it is imported only where it is used.
"""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING, Any

from proxy import redaction
from proxy.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy import log, trail

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Traces:
    """Sends spans, once it was started, if the environment says where to.

    Raises ``SettingsError`` where it says so and the extra is not installed.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        named = [name for name in ENDPOINTS if environ.get(name)]
        self._wanted = bool(named)
        self._tracer: Any = None
        if named and importlib.util.find_spec("opentelemetry.exporter") is None:
            raise SettingsError(
                f"{named[0]}: needs an extra: pip install 'claude-code-proxy[otel]'"
            )

    def start(self) -> None:
        """Start the thread that sends; once, after the fork. It ends with the process."""
        if not self._wanted:
            return
        from opentelemetry.exporter.otlp.proto.http import (  # noqa: PLC0415 - an extra
            trace_exporter,
        )
        from opentelemetry.sdk import resources, trace  # noqa: PLC0415
        from opentelemetry.sdk.trace import export  # noqa: PLC0415

        resource = resources.Resource.create()
        if str(resource.attributes["service.name"]).startswith("unknown_service"):
            name = resources.Resource({"service.name": "claude-proxy"})
            resource = resource.merge(name)
        provider = trace.TracerProvider(resource=resource)
        sender = export.BatchSpanProcessor(trace_exporter.OTLPSpanExporter())
        provider.add_span_processor(sender)
        self._tracer = provider.get_tracer("claude-proxy")

    def completed(
        self, record: log.Completion, way: trail.Trail, traceparent: str
    ) -> None:
        """Send the spans of a completion that has just ended."""
        if self._tracer is None:
            return
        from opentelemetry import trace  # noqa: PLC0415 - only where it is used
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

        carrier = {"traceparent": traceparent} if traceparent else {}
        parent = tracecontext.TraceContextTextMapPropagator().extract(carrier)
        ended = time.time()
        span = self._tracer.start_span(
            f"chat {record.upstream_model}".strip(),
            context=parent,
            kind=trace.SpanKind.SERVER,
            start_time=_nanoseconds(ended - record.duration_ms / 1000),
            attributes=attributes(record),
        )
        for call in way.calls:
            outcome = str(call.outcome or "cancelled")
            below = self._tracer.start_span(
                f"chat {record.upstream_model}".strip(),
                context=trace.set_span_in_context(span),
                kind=trace.SpanKind.CLIENT,
                start_time=_nanoseconds(call.began),
                attributes=_of_call(record, call.status, outcome),
            )
            if outcome != "complete":
                below.set_status(trace.StatusCode.ERROR, outcome)
            below.end(_nanoseconds(call.ended or ended))
        if record.failed:
            span.set_status(trace.StatusCode.ERROR, record.code or "")
        span.end(_nanoseconds(ended))


def attributes(record: log.Completion) -> dict[str, Any]:
    """A completion's attributes, by the conventions for generative AI."""
    given = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": redaction.printable(record.model),
        "gen_ai.response.model": redaction.printable(record.upstream_model),
        "gen_ai.response.finish_reasons": (
            [record.finish_reason] if record.finish_reason else None
        ),
        "gen_ai.usage.input_tokens": (
            record.input_tokens + record.cache_read_tokens + record.cache_write_tokens
        ),
        "gen_ai.usage.output_tokens": record.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": record.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": record.cache_write_tokens,
        "http.response.status_code": record.status,
        "error.type": (record.code or str(record.status)) if record.failed else None,
        "claude_proxy.request_id": record.request_id,
        "claude_proxy.streamed": record.stream,
        "claude_proxy.cost_usd": record.cost_usd,
        "claude_proxy.first_event_ms": record.first_event_ms,
        "claude_proxy.own_ms": record.own_ms,
        "claude_proxy.warnings": list(record.warnings) or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _of_call(record: log.Completion, status: int, outcome: str) -> dict[str, Any]:
    given = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": redaction.printable(record.upstream_model),
        "http.response.status_code": status or None,
        "error.type": outcome if outcome != "complete" else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
