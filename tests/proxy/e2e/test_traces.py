"""OpenTelemetry: what arrives at a receiver on loopback."""

import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import proxy_command
from openai_client import ask, connect, user
from waiting import until

pytest.importorskip("opentelemetry.exporter", reason="the extra [otel]")

CANARY = "canary-of-a-prompt"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@contextmanager
def receiver():
    """An OTLP receiver; gives its URL and the spans that it received."""
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    spans = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            raw = self.rfile.read(int(self.headers["content-length"]))
            assert CANARY.encode() not in raw
            sent = trace_service_pb2.ExportTraceServiceRequest.FromString(raw)
            for resource in sent.resource_spans:
                for scope in resource.scope_spans:
                    spans.extend((resource.resource, span) for span in scope.spans)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        server.server_close()


def attributes(thing):
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value"))
        for one in thing.attributes
    }


def test_a_completion_and_its_calls_are_spans_of_the_clients_trace(start, standin):
    with receiver() as (url, spans):
        running = start(
            ANTHROPIC_API_KEY="sk-ant-canary",
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            OTEL_BSP_SCHEDULE_DELAY=50,
            NO_PROXY="*",
        )
        standin.fail_next(status=529, headers={"retry-after": "0"})
        with connect(running) as client:
            answer = ask(
                client,
                messages=[user(CANARY)],
                user=CANARY,
                extra_headers={"traceparent": PARENT, "x-request-id": "mine"},
            )
        until(lambda: len(spans) == 3)
    [whole] = [span for _, span in spans if span.parent_span_id.hex() == PARENT[36:52]]
    calls = [span for _, span in spans if span is not whole]
    assert {span.trace_id.hex() for _, span in spans} == {PARENT[3:35]}
    assert {call.parent_span_id for call in calls} == {whole.span_id}
    facts = attributes(whole)
    assert facts["gen_ai.operation.name"] == "chat"
    assert facts["gen_ai.provider.name"] == "anthropic"
    assert facts["gen_ai.usage.output_tokens"] == answer.usage.completion_tokens
    assert facts["gen_ai.usage.input_tokens"] == answer.usage.prompt_tokens
    assert facts["claude_proxy.request_id"] == "mine"
    assert whole.name == f"chat {facts['gen_ai.response.model']}"
    calls.sort(key=lambda call: call.start_time_unix_nano)
    assert [attributes(call).get("error.type") for call in calls] == [
        "overloaded",
        None,
    ]
    assert [attributes(call)["http.response.status_code"] for call in calls] == [
        529,
        200,
    ]
    for call in calls:
        assert call.start_time_unix_nano <= call.end_time_unix_nano
        assert call.end_time_unix_nano <= whole.end_time_unix_nano
    assert attributes(spans[0][0])["service.name"] == "claude-proxy"


def test_spans_that_wait_are_sent_when_the_proxy_stops(start):
    with receiver() as (url, spans):
        running = start(
            ANTHROPIC_API_KEY="sk-ant-canary",
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{url}/v1/traces",
            OTEL_BSP_SCHEDULE_DELAY=3_600_000,
            NO_PROXY="*",
        )
        with connect(running) as client:
            ask(client)
        until(lambda: running.completions)
        running.stop()
        assert len(spans) == 2


def test_without_the_extra_the_variable_stops_the_start_and_names_it(tmp_path):
    settings = {"ANTHROPIC_API_KEY": "k", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}
    program = (
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *more: "
        "None if name == 'opentelemetry.exporter' else find(name, *more)\n"
        "from proxy.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=proxy_command.environment(tmp_path, settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == proxy_command.CONFIG_ERROR
    assert "claude-code-proxy[otel]" in done.stderr
