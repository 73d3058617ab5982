"""Each overlay in a namespace with Pod Security `restricted`, and off again."""

from datetime import timedelta

import pytest

import logins
from node import until
from overlays import ROOT, make_keys, rolled_out
from refresher import refresh

OVERLAYS = ["api-key", "workload-identity", "max-pvc", "max-secret", "cronjob"]
UPGRADE = str(ROOT / "tests/manifests/users/upgrade")


@pytest.fixture
def strict(namespace):
    """A namespace that takes no pod outside of `restricted`, with what users make."""
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
    """All that a namespace can hold, but for events, which tell of it and end."""
    words = ("api-resources", "--namespaced", "--verbs=list", "--output=name")
    return ",".join(kind for kind in kubectl(*words).split() if "events" not in kind)


def log_in(kubectl):
    """Give the refresher a login, and wait until it is content."""
    kubectl.wait(
        "pod/claude-refresher-0", "jsonpath={.status.containerStatuses[0].started}=true"
    )
    expires_at = refresh.utc_now() + timedelta(hours=8)
    kubectl(
        "exec", "-i", "claude-refresher-0", "--", "claude-refresher", "import",
        data=logins.login(expires_at=expires_at).decode(),
    )  # fmt: skip
    rolled_out(kubectl, "statefulset/claude-refresher")


def install(kubectl, folder):
    """Apply it, and wait until all that it brings has run."""
    kubectl("apply", "--kustomize", folder)
    rolled_out(kubectl, "deployment/claude-code-proxy")
    if kubectl.run("get", "statefulset/claude-refresher").stdout:
        log_in(kubectl)
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

    strict("delete", "--kustomize", folder)

    becomes(strict, kinds, before)


def test_the_volume_and_its_login_stay_where_they_were_not_applied(strict, kinds):
    before = everything(strict, kinds)
    strict("apply", "--kustomize", str(ROOT / "manifests/pvc"))
    install(strict, UPGRADE)

    strict("delete", "--kustomize", UPGRADE)

    becomes(strict, kinds, before | {"persistentvolumeclaim/claude-credentials"})


def everything(kubectl, kinds):
    words = ("get", kinds, "--ignore-not-found", "--output=name")
    return set(kubectl(*words).split())


def becomes(kubectl, kinds, expected):
    """The cluster collects what belonged to what was deleted."""
    until(
        lambda: everything(kubectl, kinds) == expected,
        what=lambda: f"left: {everything(kubectl, kinds) ^ expected}",
    )
