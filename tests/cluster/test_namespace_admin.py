"""One command by a cluster's admin, once; after it a namespace's admin needs nobody.

The namespace enforces the restricted profile, which has nothing to say to our pods.
"""

import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OVERLAYS = ["api-key", "workload-identity", "max-pvc", "max-secret", "cronjob"]
SOMEBODY = ["--as=somebody", "--as-group=system:authenticated"]


def kubectl(*words: object, data: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["kubectl", *map(str, words)],
        input=data,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def restricted(namespace: str, crd: object) -> str:
    """A namespace of `somebody`, who holds `admin` there; no pod is ever made in it."""
    profile = "pod-security.kubernetes.io"
    somebody = ["--clusterrole=admin", "--user=somebody"]
    here = ["-n", namespace, "create"]
    for words in (
        ["label", "namespace", namespace, f"{profile}/enforce=restricted"],
        ["label", "namespace", namespace, f"{profile}/warn=restricted"],
        [*here, "rolebinding", "somebody", *somebody],
        [*here, "quota", "no-pods", "--hard=pods=0"],
    ):
        done = kubectl(*words)
        assert done.returncode == 0, done.stderr
    return namespace


@pytest.fixture
def fast_sync(tmp_path: Path) -> Path:
    """A kustomization of somebody's own, which asks for more than an overlay."""
    for name in ("manifests", "kustomize"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "mine").mkdir()
    kustomization = {
        "resources": ["../kustomize/overlays/max-secret"],
        "components": [
            f"../kustomize/components/{name}"
            for name in ("fast-sync", "network-policy")
        ],
    }
    (tmp_path / "mine/kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return tmp_path / "mine"


def rendered(folder: Path) -> set[str]:
    made = kubectl("kustomize", folder)
    assert made.returncode == 0, made.stderr
    return {
        f"{one['kind']}/{one['metadata']['name']}".lower()
        for one in yaml.safe_load_all(made.stdout)
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_admin_of_the_namespace_applies_and_deletes_an_overlay(
    restricted: str, overlay: str
) -> None:
    folder = ROOT / "kustomize/overlays" / overlay
    apply_and_delete(restricted, folder)


def test_an_admin_of_the_namespace_may_give_the_right_to_patch_pods(
    restricted: str, fast_sync: Path
) -> None:
    apply_and_delete(restricted, fast_sync)


def apply_and_delete(namespace: str, folder: Path) -> None:
    mine = ["-n", namespace, *SOMEBODY]

    applied = kubectl(*mine, "apply", "-k", folder)
    assert (applied.returncode, applied.stderr) == (0, "")  # and no warning
    again = kubectl(*mine, "apply", "-k", folder)
    assert {line.rpartition(" ")[2] for line in again.stdout.splitlines()} == {
        "unchanged"
    }

    for name in rendered(folder):
        assert kubectl(*mine, "get", name).returncode == 0, name
    deleted = kubectl(*mine, "delete", "--wait=false", "-k", folder)
    assert (deleted.returncode, deleted.stderr) == (0, "")


def test_the_cluster_wide_part_needs_the_clusters_admin(restricted: str) -> None:
    refused = kubectl(*SOMEBODY, "apply", "-k", ROOT / "manifests/crd")

    assert refused.returncode != 0
    assert "forbidden" in refused.stderr


@pytest.mark.parametrize("user", ["own-deployment", "jobs"])
def test_the_restricted_profile_has_nothing_to_say_of_the_sidecar(
    restricted: str, user: str
) -> None:
    made = kubectl("kustomize", ROOT / "tests/manifests/users" / user)
    objects = [  # no API server knows ScaledJobs here
        one for one in yaml.safe_load_all(made.stdout) if one["kind"] != "ScaledJob"
    ]

    applied = kubectl(
        *("-n", restricted, "apply", "--dry-run=server", "-f", "-"),
        data=yaml.safe_dump_all(objects),
    )

    assert applied.returncode == 0, applied.stderr
    assert "would violate" in applied.stderr  # the user's own containers do
    assert "claude" not in applied.stderr
