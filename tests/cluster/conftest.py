"""Fixtures of the tests on a real node, which `tests/cluster/cluster` starts."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from installation import Installation
from kustomizations import ROOT, kustomization, secret, sidecar_environ
from node import AuditLog, Kubectl, make_namespace
from oauth_standin import Standin
from rockbot_agent import CHART, OVERLAY
from standin import server

ALONE = "alone: runs while no other test on the node does, because it stops new pods"
HOW = "use `tests/cluster/cluster run -- pytest tests/cluster`"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", ALONE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let the tests marked `alone` have the node to themselves, whichever process runs them.

    Whoever is next in line holds `gate`, so that a test which waits for all the others
    to end is not overtaken by new ones.
    """
    if "CLUSTER_AUDIT_LOG" not in os.environ:
        return (yield)
    directory = Path(os.environ["CLUSTER_AUDIT_LOG"]).parent
    alone = item.get_closest_marker("alone")
    with (
        (directory / "gate").open("w") as gate,
        (directory / "node-lock").open("w") as node,
    ):
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(node, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def kubectl() -> Kubectl:
    """`kubectl` as the cluster's admin, in no namespace; skips without a node."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip(f"no KUBECONFIG: {HOW}")
    if "CLUSTER_AUDIT_LOG" not in os.environ:  # never touch anybody's real cluster
        pytest.skip(f"KUBECONFIG is not the test node's: {HOW}")
    return Kubectl()


@contextmanager
def a_namespace(name: str, **labels: str) -> Iterator[Kubectl]:
    """`kubectl` in a fresh namespace, which is deleted at the end of the block."""
    kubectl = make_namespace(name, **labels)
    try:
        yield kubectl
    finally:
        kubectl.within(None)("delete", "namespace", kubectl.namespace, "--wait=false")


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """`kubectl` in a fresh namespace for this test; its name is `namespace.namespace`."""
    with a_namespace(request.node.name) as kubectl:
        yield kubectl


@pytest.fixture(scope="module")
def restricted(request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """The same for a whole module, with Pod Security `restricted` enforced."""
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    with a_namespace(request.node.path.stem, **label) as kubectl:
        yield kubectl


@pytest.fixture(scope="session")
def image() -> SimpleNamespace:
    """The names of the two images, as the manifests have them."""
    return SimpleNamespace(
        proxy="claude-code-proxy", refresher="claude-code-proxy-refresher"
    )


@pytest.fixture(scope="session")
def outside() -> str:
    """The address at which pods reach a test's own servers."""
    return "10.77.0.1"


@pytest.fixture
def anthropic(outside: str) -> Iterator[server.StandIn]:
    """The stand-in for Anthropic's API, reachable from pods."""
    with server.serve(outside) as standin:
        yield standin


@pytest.fixture(scope="module")
def empty_installation(
    restricted: Kubectl, outside: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A `restricted` namespace for a whole module, with a stand-in for Anthropic."""
    directory = tmp_path_factory.mktemp("installation")
    with Standin(directory, outside) as standin:
        yield Installation(restricted, standin, directory)


@pytest.fixture
def helm(namespace):
    """`helm` in the test's namespace; returns its output."""

    def run(*words):
        done = subprocess.run(
            ["helm", "--namespace", namespace.namespace, *words],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def install(helm):
    """Install the release `rockbot`."""

    def run(server_side="true", *values):
        helm("install", "rockbot", CHART, f"--server-side={server_side}", *values)

    return run


@pytest.fixture
def overlay(namespace, anthropic, tmp_path):
    """The overlay's two commands, against the stand-in."""
    secret(namespace, "anthropic-api-key", **{"api-key": "sk-ant-api03-of-a-test"})
    environ = {"ANTHROPIC_API_BASE": anthropic.base_url}
    attaching = kustomization(
        tmp_path / "attaching",
        OVERLAY,
        patches=[sidecar_environ("Deployment", "rockbot-agent", **environ)],
    )
    apply = ("apply", "--server-side", "--field-manager=claude-proxy", "-k")
    return SimpleNamespace(
        attach=lambda: namespace.run(*apply, attaching),
        detach=lambda: namespace.run(*apply, str(ROOT / OVERLAY / "detach")),
    )


@pytest.fixture
def audit() -> AuditLog:
    """The requests to the API server since the test began."""
    return AuditLog(os.environ["CLUSTER_AUDIT_LOG"])
