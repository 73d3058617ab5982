"""What the operator's tests share."""

import json

import pytest

from fake_claude import FakeClaude
from tests.cluster.operator.api_proxy import ApiProxy
from tests.cluster.operator.house import House, kubectl


@pytest.fixture(scope="session")
def server(crd):
    """The API server's address."""
    config = json.loads(kubectl("config", "view", "-o", "json"))
    return config["clusters"][0]["cluster"]["server"]


@pytest.fixture
def house(namespace, tmp_path, server):
    made = House(namespace, tmp_path, server)
    yield made
    if made.process:
        made.process.kill()
        made.process.wait()


@pytest.fixture
def fake(tmp_path):
    """Make a fake `claude` with the given modes, one for each run."""
    return lambda *modes: FakeClaude(tmp_path / "bin", *modes)


@pytest.fixture
def api(server):
    """A way to the API server that can go wrong."""
    with ApiProxy(server) as proxy:
        yield proxy
