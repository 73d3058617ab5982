"""A real proxy in front of the stand-in, and a watch over what clients do beside it."""

import os

import pytest
from prometheus_client import parser

import health_port
import proxy_command
from clients import environments, received
from clients.outside import Outside
from openai_client import KEY
from standin import server
from waiting import until


@pytest.fixture(scope="module")
def _standin():
    with server.serve() as running:
        yield running


@pytest.fixture(scope="module")
def _proxy(_standin, tmp_path_factory):
    with proxy_command.running(
        tmp_path_factory.mktemp("claude-proxy"),
        ANTHROPIC_API_KEY=KEY,
        ANTHROPIC_API_BASE=_standin.base_url,
    ) as running:
        yield running


@pytest.fixture
def standin(_standin):
    """The upstream, with nothing received yet; what a test scripts must be used."""
    _standin.requests.clear()
    yield _standin
    left, _standin.scripted = list(_standin.scripted), type(_standin.scripted)()
    assert not left


@pytest.fixture
def ledger(standin):
    """What reached the stand-in, for suites in other processes."""
    with received.serve(standin) as running:
        yield running


@pytest.fixture
def environ(tmp_path):
    """A client's environment: loopback is reached directly, and nothing else at all."""
    with Outside() as outside:
        yield {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "HTTP_PROXY": outside.url,
            "HTTPS_PROXY": outside.url,
            "NODE_USE_ENV_PROXY": "1",
            "NO_PROXY": "127.0.0.1,localhost",
        }
    assert outside.wanted == [], "a client wanted to leave the machine"


@pytest.fixture
def proxy(_proxy):
    """The proxy. Nothing in a test may be tried again, by the proxy or by a client."""
    wait_until_idle(_proxy)
    before = len(_proxy.completions)
    yield _proxy
    wait_until_idle(_proxy)
    for line in _proxy.completions[before:]:
        assert line["calls"] <= 1, f"asked Anthropic more than once: {line}"
        final = line["code"] is None or line["status"] in (400, 404)
        assert final, f"a client may ask again: {line}"


def wait_until_idle(proxy):
    """Wait until each completion has its log line, which is counted after it was written."""
    url = f"{proxy.health_url}/metrics"

    def counted():
        families = parser.text_string_to_metric_families(health_port.get(url).text)
        samples = [sample for family in families for sample in family.samples]
        requests = [x.value for x in samples if x.name == "claude_proxy_requests_total"]
        return sum(requests)

    in_flight = "claude_proxy_requests_in_flight"
    until(lambda: proxy.metric(in_flight) == 0)
    until(lambda: counted() == len(proxy.completions))


def environment(name):
    """The directory of an environment, or a skip that says how to get it."""
    if not environments.is_made(name):
        reason = f"no environment for {name}: run .ci/clients"
        if os.environ.get("CLIENTS_REQUIRED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return environments.directory(name)


@pytest.fixture
def find_environment():
    return environment
