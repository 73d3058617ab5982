"""claude-proxy in a real gunicorn, in front of an upstream that breaks on demand.

Two proxies serve all tests of a process: a patient one with the usual deadlines, and
an impatient one whose deadlines a test can wait for. After each test nothing may be left.

Even the impatient one gives each step some seconds, so that on a busy machine nothing is
late but what a test means to be. Whoever waits for its deadlines waits together, see
`together`.
"""

from concurrent import futures
from pathlib import Path

import pytest

from quick_proxy import Proxy
from scripted_upstream import ScriptedUpstream
from waiting import LONG

SLOW_BODIES = f"from proxy import admission; admission.PATIENCE = {LONG}\n"
"""No body is too slow."""


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
    yield from _shared(
        tmp_path_factory, _upstream, "patient", retry_grace=0.2, before=SLOW_BODIES
    )


@pytest.fixture(scope="session")
def _impatient(tmp_path_factory, _upstream):
    yield from _shared(
        tmp_path_factory,
        _upstream,
        "impatient",
        retry_grace=0.2,
        header_timeout=8,
        idle_timeout=8,
        progress_timeout=16,
        total_timeout=24,
    )


@pytest.fixture
def proxy(_patient, upstream):
    with _patient.lent(upstream):
        yield _patient


@pytest.fixture(scope="session")
def together(_impatient, _upstream):
    """Have `work(impatient, upstream, *case)` done for all cases at the same time.

    Gives a future for each case. The upstream must tell the cases' calls apart by their
    model strings.
    """

    def begin(work, cases):
        _upstream.calls.clear()
        _upstream.forget()
        with _impatient.lent(_upstream), futures.ThreadPoolExecutor(len(cases)) as pool:
            return {
                case: pool.submit(work, _impatient, _upstream, *case) for case in cases
            }

    return begin


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
