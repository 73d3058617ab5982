"""Each overlay in a namespace with Pod Security `restricted`, and its removal."""

from datetime import timedelta

import pytest

import logins
from kustomizations import ROOT, log_in, make_keys
from node import PATIENCE, rolled_out, until
from refresher import refresh

OVERLAYS = ["api-key", "workload-identity", "max-pvc", "max-secret", "cronjob"]
UPGRADE = str(ROOT / "tests/manifests/users/upgrade")


@pytest.fixture
def strict(namespace):
    """A namespace that enforces `restricted`, with the Secrets that users create."""
    label = "pod-security.kubernetes.io/enforce=restricted"
    namespace("label", "namespace", namespace.namespace, label)
    until(lambda: namespace.run("get", "serviceaccount/default").stdout)
    until(lambda: namespace.run("get", "configmap/kube-root-ca.crt").stdout)
    make_keys(namespace)
    namespace(
        "create", "configmap", "claude-workload-identity",
        "--from-literal=federation-rule-id=fdrl_test",
        "--from-literal=organization-id=org-of-a-test",
    )  # fmt: skip
    return namespace


@pytest.fixture(scope="session")
def kinds(kubectl):
    """Every kind a namespace can hold except events, which expire on their own."""
    words = ("api-resources", "--namespaced", "--verbs=list", "--output=name")
    return ",".join(kind for kind in kubectl(*words).split() if "events" not in kind)


def install(kubectl, folder):
    """Apply it, and wait until everything in it has run."""
    kubectl("apply", "--kustomize", folder)
    rolled_out(kubectl, "deployment/claude-code-proxy")
    if kubectl.run("get", "statefulset/claude-refresher").stdout:
        expires_at = refresh.utc_now() + timedelta(hours=8)
        log_in(kubectl, logins.login(expires_at=expires_at).decode())
        rolled_out(kubectl, "statefulset/claude-refresher")
    if kubectl.run("get", "cronjob/claude-refresher").stdout:
        kubectl("create", "job", "now", "--from=cronjob/claude-refresher")
        kubectl.wait("job/now", "condition=Failed")
        assert "NoCredentials" in kubectl("logs", "job/now")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_runs_under_restricted_and_goes_without_a_trace(
    strict, kinds, overlay
):
    folder = str(ROOT / "kustomize/overlays" / overlay)
    before = everything(strict, kinds)
    install(strict, folder)
    if overlay == "max-secret":
        until(lambda: strict.run("get", "secret/claude-access-token").stdout)

    strict("delete", "--kustomize", folder, timeout=3 * PATIENCE)

    becomes(strict, kinds, before)


def test_a_volume_that_was_not_applied_keeps_its_login(strict, kinds):
    before = everything(strict, kinds)
    strict("apply", "--kustomize", str(ROOT / "manifests/pvc"))
    install(strict, UPGRADE)

    strict("delete", "--kustomize", UPGRADE, timeout=3 * PATIENCE)

    becomes(strict, kinds, before | {"persistentvolumeclaim/claude-credentials"})


def everything(kubectl, kinds):
    words = ("get", kinds, "--ignore-not-found", "--output=name")
    return set(kubectl(*words).split())


def becomes(kubectl, kinds, expected):
    """Wait for the garbage collection of what the deleted objects owned."""
    until(
        lambda: everything(kubectl, kinds) == expected,
        within=2 * PATIENCE,
        what=lambda: f"left: {everything(kubectl, kinds) ^ expected}",
    )
