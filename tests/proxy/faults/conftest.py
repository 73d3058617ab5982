"""claude-proxy in a real gunicorn, in front of an upstream that breaks on demand.

Two proxies serve all tests of a process: a patient one with the usual deadlines, and
an impatient one whose deadlines a test can wait for. After each test nothing may be left.
"""

from pathlib import Path

import pytest

from quick_proxy import Proxy
from scripted_upstream import ScriptedUpstream


@pytest.fixture(scope="session")
def _upstream():
    with ScriptedUpstream() as running:
        yield running


@pytest.fixture
def upstream(_upstream):
    """The upstream as if it had just started; at the end no call may be open."""
    _upstream.calls.clear()
    _upstream.forget()
    yield _upstream
    _upstream.wait_until_idle()


def _shared(tmp_path_factory, upstream, name, **settings):
    proxy = Proxy(tmp_path_factory.mktemp(name), upstream, **settings)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="session")
def _patient(tmp_path_factory, _upstream):
    yield from _shared(tmp_path_factory, _upstream, "patient", retry_grace=0.2)


@pytest.fixture(scope="session")
def _impatient(tmp_path_factory, _upstream):
    yield from _shared(
        tmp_path_factory,
        _upstream,
        "impatient",
        client_timeout=1,
        retry_grace=0.2,
        header_timeout=1,
        idle_timeout=1,
        progress_timeout=2,
        total_timeout=4,
    )


@pytest.fixture
def proxy(_patient, upstream):
    with _patient.lent(upstream):
        yield _patient


@pytest.fixture
def impatient(_impatient, upstream):
    with _impatient.lent(upstream):
        yield _impatient


@pytest.fixture
def start(tmp_path, upstream):
    """A proxy of the test's own."""
    started = []

    def begin(**settings):
        directory = Path(tmp_path, str(len(started)))
        directory.mkdir()
        started.append(Proxy(directory, upstream, **settings))
        upstream.calls.clear()
        return started[-1]

    yield begin
    for proxy in started:
        proxy.stop()
