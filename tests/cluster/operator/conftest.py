"""What the operator's tests share."""

import pytest

from fake_claude import FakeClaude
from node import make_namespace
from oauth_ledger import Behaviour
from oauth_standin import Standin
from operator_process import ROOT
from tests.cluster.operator.api_proxy import ApiProxy
from tests.cluster.operator.installation import Installation


@pytest.fixture(scope="session")
def server(kubectl):
    """The API server's address, where the CRD is known."""
    kubectl("apply", "--kustomize", str(ROOT / "manifests/crd"))
    [cluster] = kubectl.json("config", "view")["clusters"]
    return cluster["cluster"]["server"]


@pytest.fixture
def anthropic(tmp_path):
    """Anthropic's hosts, which accept any token that was not revoked."""
    directory = tmp_path / "anthropic"
    directory.mkdir()
    with Standin(directory) as standin:
        standin.behaviour = Behaviour(unknown_tokens=True)
        yield standin


@pytest.fixture
def namespace(request):
    """`kubectl` in a fresh namespace, which goes with the node.

    Nothing runs in it: the operator is a process of the test's. To delete a namespace costs
    the node more than a hundred requests.
    """
    return make_namespace(request.node.name)


@pytest.fixture
def installed(namespace, tmp_path, server, anthropic):
    """A namespace, a volume, the operator's rights; no ClaudeCredential yet."""
    made = Installation(namespace, tmp_path, server, anthropic)
    yield made
    if made.operator and made.operator.runs:
        made.operator.kill()


@pytest.fixture
def fake(tmp_path):
    """Make a fake `claude` with the given modes, one for each run."""
    return lambda *modes: FakeClaude(tmp_path / "bin", *modes)


@pytest.fixture
def api(server):
    """A way to the API server that can go wrong."""
    with ApiProxy(server) as proxy:
        yield proxy
