"""Health, readiness and metrics on a port of their own."""

import threading
from concurrent import futures

import httpx2
import openai
import pytest
from prometheus_client import parser

import health_port
import proxy_command
from loopback import PLAIN
from openai_client import ask, connect
from upstream_events import message, text
from waiting import LONG, until


@pytest.fixture(scope="module")
def _keyed(_standin, tmp_path_factory):
    with proxy_command.running(
        tmp_path_factory.mktemp("keyed"),
        ANTHROPIC_API_BASE=_standin.base_url,
        ANTHROPIC_API_KEY="key-of-the-tests",
        PROXY_API_KEY="inbound-key",
    ) as running:
        yield running


@pytest.fixture
def keyed(_keyed, standin):
    """A proxy with a key, which its health port does not ask for."""
    return _keyed


def ask_api(running, path):
    url = f"{running.url}{path}"
    return httpx2.get(url, timeout=LONG, trust_env=False, verify=PLAIN)


def samples(running):
    text = health_port.get(f"{running.health_url}/metrics").text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples, name, *labels):
    """The sum of a metric's samples that have these labels among theirs."""
    return sum(
        value
        for (found, *values), value in samples.items()
        if found == name and set(labels) <= set(values)
    )


def test_the_health_port_answers_without_a_key(keyed):
    get = health_port.get
    assert get(f"{keyed.health_url}/healthz").json() == {"status": "ok"}
    assert get(f"{keyed.health_url}/readyz").json() == {"status": "ready"}
    assert get(f"{keyed.health_url}/nothing").status_code == 404
    metrics = get(f"{keyed.health_url}/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")


def test_the_api_port_has_the_originals_health_and_no_metrics(keyed):
    assert ask_api(keyed, "/health").json() == {"status": "ok"}
    assert ask_api(keyed, "/metrics").status_code == 404


def test_the_metrics_count_what_was_answered(keyed, standin):
    before = samples(keyed)
    with connect(keyed, api_key="inbound-key") as client:
        usage = ask(client).usage
        ask(client, streamed=True)
        standin.fail_next(status=402, type="billing_error")
        with pytest.raises(openai.APIStatusError):
            ask(client)

    def change():
        return {
            name: value - before.get(name, 0) for name, value in samples(keyed).items()
        }

    duration = "claude_proxy_request_duration_seconds_count"
    more = until(lambda: (now := change()) and total(now, duration) >= 3 and now)
    assert total(more, "claude_proxy_requests_total", "200") == 2
    assert total(more, "claude_proxy_requests_total", "402") == 1
    generated = sum(
        total(more, "claude_proxy_tokens_total", kind)
        for kind in ("output", "thinking")
    )
    assert generated == 2 * usage.completion_tokens
    assert total(more, "claude_proxy_tokens_total", "input") == 2 * usage.prompt_tokens
    assert total(more, duration) == 3
    assert samples(keyed)["claude_proxy_requests_in_flight",] == 0


def test_a_scraper_that_asks_for_openmetrics_gets_it(keyed):
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    with connect(keyed, api_key="inbound-key") as client:
        ask(client)
    answer = health_port.get(f"{keyed.health_url}/metrics", headers={"accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_a_running_completion_is_counted_and_does_not_delay_a_probe(keyed, standin):
    go_on = threading.Event()
    answer = message(text("slow"))
    standin.answer_with([*answer[:2], go_on, *answer[2:]])
    with (
        connect(keyed, api_key="inbound-key") as client,
        futures.ThreadPoolExecutor() as pool,
    ):
        waiting = pool.submit(ask, client)
        try:
            until(lambda: samples(keyed)["claude_proxy_requests_in_flight",] == 1)
            assert health_port.get(f"{keyed.health_url}/healthz").is_success
        finally:
            go_on.set()
        assert waiting.result(LONG).choices[0].message.content == "slow"
    until(lambda: samples(keyed)["claude_proxy_requests_in_flight",] == 0)
