"""The stand-in in this process, and real `claude-proxy` processes in front of it."""

import contextlib

import httpx2
import pytest

import dotnet_client
import proxy_command
from loopback import PLAIN
from openai_client import KEY, connect
from standin import server
from waiting import LONG


@pytest.fixture(scope="session")
def _standin():
    with server.serve() as running:
        yield running


@pytest.fixture(scope="session")
def _shared(_standin, tmp_path_factory):
    """It has the models list, so that it asks for that in nobody's test."""
    directory = tmp_path_factory.mktemp("claude-proxy")
    base, _standin.accept_tokens = _standin.base_url, None
    with proxy_command.running(
        directory, ANTHROPIC_API_KEY=KEY, ANTHROPIC_API_BASE=base
    ) as running:
        with connect(running) as client:
            assert list(client.models.list())
        yield running


@pytest.fixture
def standin(_standin):
    """The upstream, with nothing received yet; what a test scripts must be used."""
    _standin.requests.clear()
    _standin.accept_tokens = None
    yield _standin
    left, _standin.scripted = list(_standin.scripted), type(_standin.scripted)()
    assert not left


@pytest.fixture
def proxy(_shared, standin):
    """A proxy with an API key and otherwise its defaults, one for many tests."""
    return _shared


@pytest.fixture
def start(standin, tmp_path):
    """Start further proxies in front of the stand-in, with settings of their own."""
    with contextlib.ExitStack() as stack:

        def begin(*arguments, **settings):
            directory = tmp_path / f"proxy-{settings.get('PORT', '')}"
            directory.mkdir(exist_ok=True)
            settings = {"ANTHROPIC_API_BASE": standin.base_url} | settings
            return stack.enter_context(
                proxy_command.running(directory, *arguments, **settings)
            )

        yield begin


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    """Loopback is reached directly, whatever the machine's own settings are."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture(params=[True, False], ids=["strict", "lenient"])
def client(proxy, request):
    with connect(proxy, strict=request.param) as opened:
        yield opened


@pytest.fixture
def http(proxy):
    """A plain HTTP client, for what the official one would not send."""
    with httpx2.Client(
        base_url=proxy.url, trust_env=False, timeout=LONG, verify=PLAIN
    ) as opened:
        yield opened


@pytest.fixture(
    params=[dotnet_client.OLDER, dotnet_client.NEWER], ids=["10.5", "10.11"]
)
def agent(proxy, request):
    """A .NET client of either version."""
    with dotnet_client.Client(proxy.url, request.param) as client:
        yield client


@pytest.fixture
def newer(proxy):
    """The newer of the two, where they do not differ."""
    with dotnet_client.Client(proxy.url) as client:
        yield client
