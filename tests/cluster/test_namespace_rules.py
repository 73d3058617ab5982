"""What a namespace and a cluster may demand: quotas, one instance, a private registry."""

import pytest

from kustomizations import ROOT, kustomization, make_keys
from node import rolled_out, until, why_it_waits
from shell import KUBERNETES, Shell, pasted, yaml_blocks

DEPLOYMENT = "deployment/claude-code-proxy"
OVERLAY = "kustomize/overlays/api-key"


def test_a_quota_of_cpu_limits_needs_the_documented_default(namespace):
    make_keys(namespace)
    namespace("create", "quota", "cpu", "--hard=limits.cpu=4")
    namespace("apply", "--kustomize", str(ROOT / OVERLAY))
    until(lambda: "must specify limits.cpu" in namespace("get", "events"))

    [limits] = [one for one in yaml_blocks(KUBERNETES) if one["kind"] == "LimitRange"]
    namespace.apply(limits)
    namespace("rollout", "restart", DEPLOYMENT)

    rolled_out(namespace, DEPLOYMENT)


@pytest.fixture
def second(tmp_path):
    """overlays/max-secret once more, under other names."""
    return kustomization(
        tmp_path / "k", "kustomize/overlays/max-secret", nameSuffix="-b"
    )


def test_a_second_instance_in_a_namespace_is_warned_about(namespace, second):
    namespace("apply", "--kustomize", str(ROOT / "manifests/crd"))

    def warnings():
        done = namespace.run("apply", "--dry-run=server", "--kustomize", second)
        assert done.returncode == 0, done.stderr
        return done.stderr if "Warning" in done.stderr else ""

    found = until(warnings)  # a new policy takes effect with a delay
    assert "one proxy per namespace" in found
    assert "one refresher per namespace" in found


def test_the_first_instance_is_not_warned_about(namespace):
    namespace("apply", "--kustomize", str(ROOT / "manifests/crd"))
    folder = str(ROOT / "kustomize/overlays/max-secret")

    done = namespace.run("apply", "--dry-run=server", "--kustomize", folder)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_pull_secret_reaches_every_pod_and_none_waits_for_it(namespace, tmp_path):
    make_keys(namespace)
    create = pasted("kubectl create secret docker-registry ").replace("…", "any")
    Shell(namespace, tmp_path).run(create)
    folder = kustomization(
        tmp_path / "k", OVERLAY, components=["kustomize/components/pull-secret"]
    )
    namespace("apply", "--kustomize", folder)
    rolled_out(namespace, DEPLOYMENT)

    for pod in namespace.json("get", "pods")["items"]:
        assert pod["spec"]["imagePullSecrets"] == [{"name": "claude-registry"}]


def test_an_image_that_no_registry_has_is_named_by_the_pod(namespace, tmp_path):
    make_keys(namespace)
    image = {"name": "claude-code-proxy", "newName": "10.77.0.1:1/none", "newTag": "1"}
    folder = kustomization(tmp_path / "k", OVERLAY, images=[image])

    namespace("apply", "--kustomize", folder)

    why_it_waits(namespace, "app=claude-code-proxy", r"10\.77\.0\.1:1/none")
