"""The application in process, in front of the strict stand-in."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from falcon import testing

from proxy import app, errors, files, log, log_writer, settings
from standin import caching, server
from waiting import LONG

pytest.register_assert_rewrite("row_cases")  # its checks explain themselves


@pytest.fixture(scope="session", autouse=True)
def _patient_files() -> Iterator[None]:
    """No file of a test hangs, however long its reader is kept from running."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "PATIENCE", LONG)
        yield


@pytest.fixture(scope="session")
def _running() -> Iterator[server.StandIn]:
    with server.serve() as running:
        yield running


@pytest.fixture
def standin(_running: server.StandIn) -> server.StandIn:
    """The stand-in as if it had just started."""
    _forget(_running)
    return _running


def _forget(running: server.StandIn) -> None:
    running.requests.clear()
    running.scripted.clear()
    running.accept_tokens = None
    running.hangups = 0
    running.cache = caching.Cache()


@contextmanager
def _client(**given: object) -> Iterator[testing.TestClient]:
    given.setdefault("anthropic_api_key", "sk-ant-api03-test")
    proxy = app.create_app(settings.Settings(**given))
    proxy.catalogue.refresh()  # not in the background of somebody's test
    try:
        yield testing.TestClient(proxy.wsgi, headers={"host": "localhost"})
    finally:
        proxy.close()


@pytest.fixture
def make_client(
    standin: server.StandIn,
) -> Iterator[Callable[..., testing.TestClient]]:
    """A client of an application with these settings, in front of the stand-in."""
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(
            _client(**{"anthropic_api_base": standin.base_url, **given})
        )


@pytest.fixture(scope="session")
def _default_client(_running: server.StandIn) -> Iterator[testing.TestClient]:
    _forget(_running)  # what an earlier test left would spoil its models list
    with _client(anthropic_api_base=_running.base_url) as client:
        yield client


@pytest.fixture
def client(
    _default_client: testing.TestClient, standin: server.StandIn
) -> testing.TestClient:
    """A client of an application with default settings, in front of the stand-in."""
    return _default_client


@pytest.fixture
def make_stream(
    client: testing.TestClient,
) -> Callable[[dict], tuple[list[bytes], bool]]:
    """Read a streamed answer as a server does: its pieces, and whether it was cut."""

    def read(given: dict) -> tuple[list[bytes], bool]:
        environ = testing.create_environ(
            "/v1/chat/completions",
            method="POST",
            headers={"content-type": "application/json"},
            host="localhost",
            body=json.dumps(given),
        )
        body = client.app(environ, lambda *_: None)
        pieces: list[bytes] = []
        try:
            pieces.extend(body)
        except errors.StreamCut:
            return pieces, True
        finally:
            body.close()
        return pieces, False

    return read


@pytest.fixture
def log_lines(monkeypatch, tmp_path) -> Iterator[Callable[[], list[dict]]]:
    """What was logged so far, each line parsed."""
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    writer = log_writer.Writer(descriptor, lambda count: b"%d dropped\n" % count)
    monkeypatch.setattr(log, "writer", writer)
    handler = log.Handler()
    logger = logging.getLogger("proxy")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)

    def lines():
        writer.flush(LONG)
        return [json.loads(line) for line in path.read_bytes().splitlines()]

    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
