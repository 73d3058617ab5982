"""A real node for tests: `tests/cluster/cluster run -- pytest tests/cluster` has one."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from node import AuditLog, Kubectl
from oauth_standin import Standin
from stage import Stage
from standin import server

HOW = "`tests/cluster/cluster run -- pytest tests/cluster` has one"


@pytest.fixture(scope="session", autouse=True)
def kubectl() -> Kubectl:
    """`kubectl` as the cluster's admin, in no namespace; without a node, a skip."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip(f"no KUBECONFIG: {HOW}")
    if "CLUSTER_AUDIT_LOG" not in os.environ:  # tests are no guests of a real cluster
        pytest.skip(f"KUBECONFIG is of some other cluster than the tests' own: {HOW}")
    return Kubectl()


@contextmanager
def a_namespace(name: str, **labels: str) -> Iterator[Kubectl]:
    """`kubectl` in a fresh namespace, which goes at the end of the block."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower().removeprefix("test_")).strip("-")
    name = f"{words[:40]}-{secrets.token_hex(3)}"
    kubectl = Kubectl()
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }
    )
    try:
        yield kubectl.within(name)
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """`kubectl` in a fresh namespace of this test; its name is `namespace.namespace`."""
    with a_namespace(request.node.name) as kubectl:
        yield kubectl


@pytest.fixture(scope="module")
def restricted(request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """The same for a whole file, and with Pod Security `restricted` enforced."""
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    with a_namespace(request.node.path.stem, **label) as kubectl:
        yield kubectl


@pytest.fixture(scope="session")
def image() -> SimpleNamespace:
    """The names of the two images, as manifests have them."""
    return SimpleNamespace(
        proxy="claude-code-proxy", refresher="claude-code-proxy-refresher"
    )


@pytest.fixture(scope="session")
def outside() -> str:
    """The address on which a test's own servers are reached by pods."""
    return "10.77.0.1"


@pytest.fixture
def anthropic(outside: str) -> Iterator[server.StandIn]:
    """The stand-in for Anthropic's API, where pods reach it."""
    with server.serve(outside) as standin:
        yield standin


@pytest.fixture(scope="module")
def empty_stage(
    restricted: Kubectl, outside: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """A `restricted` namespace for a whole file, where Anthropic's hosts are stood in."""
    directory = tmp_path_factory.mktemp("stage")
    with Standin(directory, outside) as standin:
        yield Stage(restricted, standin, directory)


@pytest.fixture
def audit() -> AuditLog:
    """What was asked of the API server since the test began."""
    return AuditLog(os.environ["CLUSTER_AUDIT_LOG"])
