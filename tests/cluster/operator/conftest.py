"""What the operator's tests share."""

import pytest

from fake_claude import FakeClaude
from tests.cluster.operator.api_proxy import ApiProxy
from tests.cluster.operator.house import ROOT, House


@pytest.fixture(scope="session")
def server(kubectl):
    """The API server's address, where the CRD is known."""
    kubectl("apply", "--kustomize", str(ROOT / "manifests/crd"))
    [cluster] = kubectl.json("config", "view")["clusters"]
    return cluster["cluster"]["server"]


@pytest.fixture
def house(namespace, tmp_path, server):
    """A namespace, a volume, the operator's rights; no ClaudeCredential yet."""
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
