"""After one command by the cluster's admin, a namespace's admin needs nobody else.

The namespace enforces the restricted profile, which our pods satisfy.
"""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OVERLAYS = ["api-key", "workload-identity", "max-pvc", "max-secret", "cronjob"]


LABELS = {"app": "claude-code-proxy"}
ORIGINAL = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "claude-code-proxy"},
    "spec": {
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS},
            "spec": {
                "containers": [
                    {
                        "name": "proxy",
                        "image": "the-original",
                        "ports": [{"containerPort": 8080}],
                        "volumeMounts": [
                            {"name": "credentials", "mountPath": "/root/.claude"}
                        ],
                        "readinessProbe": {
                            "httpGet": {"path": "/health", "port": 8080}
                        },
                        "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}},
                    }
                ],
                "volumes": [
                    {
                        "name": "credentials",
                        "persistentVolumeClaim": {"claimName": "claude-credentials"},
                    }
                ],
            },
        },
    },
}
"""The proxy that this project replaces, as far as an upgrade touches it."""


@pytest.fixture
def somebody(kubectl, namespace):
    """`kubectl` as the admin of a restricted namespace with a quota of no pods."""
    kubectl("apply", "-k", ROOT / "manifests/crd")
    for how in ("enforce", "warn"):
        label = f"pod-security.kubernetes.io/{how}=restricted"
        kubectl("label", "namespace", namespace.namespace, label)
    who = ("--clusterrole=admin", "--user=somebody")
    namespace("create", "rolebinding", "somebody", *who)
    namespace("create", "quota", "no-pods", "--hard=pods=0")

    def run(*words, data=None):
        return namespace.run("--as=somebody", *words, data=data)

    return run


@pytest.fixture
def fast_sync(tmp_path):
    """A user's kustomization that adds components to an overlay."""
    for name in ("manifests", "kustomize"):
        (tmp_path / name).symlink_to(ROOT / name)
    kustomization = {
        "resources": ["../kustomize/overlays/max-secret"],
        "components": [
            "../kustomize/components/fast-sync",
            "../kustomize/components/network-policy",
        ],
    }
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return tmp_path / "mine"


def apply_twice_and_delete(somebody, names, folder):
    applied = somebody("apply", "-k", folder)
    assert (applied.returncode, applied.stderr) == (0, "")  # no warning
    again = somebody("apply", "-k", folder)
    assert {line.split()[-1] for line in again.stdout.splitlines()} == {"unchanged"}

    for name in names:
        assert somebody("get", name).returncode == 0, name
    deleted = somebody("delete", "--wait=false", "-k", folder)
    assert (deleted.returncode, deleted.stderr) == (0, "")


def names(kubectl, folder):
    objects = yaml.safe_load_all(kubectl("kustomize", folder))
    return {f"{one['kind']}/{one['metadata']['name']}" for one in objects}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_admin_of_the_namespace_applies_and_deletes_an_overlay(
    somebody, kubectl, overlay
):
    folder = ROOT / "kustomize/overlays" / overlay
    apply_twice_and_delete(somebody, names(kubectl, folder), folder)


def test_an_admin_of_the_namespace_may_grant_the_patching_of_pods(
    somebody, kubectl, fast_sync
):
    apply_twice_and_delete(somebody, names(kubectl, fast_sync), fast_sync)


def test_another_apply_of_the_cluster_wide_part_changes_nothing(kubectl):
    folder = ROOT / "manifests/crd"
    kubectl("apply", "-k", folder)

    again = kubectl("apply", "-k", folder)

    assert {line.split()[-1] for line in again.splitlines()} == {"unchanged"}


def test_the_cluster_wide_part_needs_a_cluster_admin(somebody):
    refused = somebody("apply", "-k", ROOT / "manifests/crd")

    assert refused.returncode != 0
    assert "forbidden" in refused.stderr


@pytest.mark.parametrize("user", ["own-deployment", "jobs"])
def test_the_sidecar_satisfies_the_restricted_profile(somebody, namespace, user):
    text = namespace("kustomize", ROOT / "tests/manifests/users" / user)
    objects = [  # no API server knows ScaledJobs here
        one for one in yaml.safe_load_all(text) if one["kind"] != "ScaledJob"
    ]

    applied = namespace.run(
        *("apply", "--dry-run=server", "-f", "-"), data=yaml.safe_dump_all(objects)
    )

    assert applied.returncode == 0, applied.stderr
    assert "would violate" in applied.stderr  # the user's own containers do
    assert "claude" not in applied.stderr


def test_an_applied_original_becomes_ours_and_keeps_nothing(somebody):
    """Its volume is not part of the upgrade, so it is not touched."""
    somebody("apply", "-f", "-", data=yaml.safe_dump(ORIGINAL))

    done = somebody("apply", "-k", ROOT / "tests/manifests/users/upgrade")

    assert done.returncode == 0, done.stderr
    assert "deployment.apps/claude-code-proxy configured" in done.stdout
    found = somebody("get", "deployment", "claude-code-proxy", "-o", "yaml").stdout
    deployment = yaml.safe_load(found)["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    assert "cpu" not in container["resources"]["limits"]
    assert "readinessProbe" not in container
    assert {one["mountPath"] for one in container["volumeMounts"]} == {
        "/tmp",
        "/var/lib/claude",
    }
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
