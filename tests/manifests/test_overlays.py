"""What each overlay creates in the cluster, and what it grants: two tables."""

from typing import Any

import pytest

from rendered import FOLDERS, OVERLAYS, ROOT, USERS, Render

PROXY = {"Deployment/claude-code-proxy", "Service/claude-code-proxy"}
VOLUME = {"PersistentVolumeClaim/claude-credentials"}
OPERATOR = {
    "ClaudeCredential/claude",
    "Role/claude-refresher",
    "RoleBinding/claude-refresher",
    "ServiceAccount/claude-refresher",
    "StatefulSet/claude-refresher",
}

OBJECTS: dict[str, set[str]] = {
    "api-key": PROXY,
    "workload-identity": PROXY | {"ServiceAccount/claude-code-proxy"},
    "max-pvc": PROXY | VOLUME | OPERATOR,
    "max-secret": PROXY | VOLUME | OPERATOR,
    "cronjob": PROXY | VOLUME | {"CronJob/claude-refresher"},
    "rockbot": {"Deployment/rockbot-agent"},
}

NAMED_RIGHTS = [
    ("claude-proxy.internal", "claudecredentials", "claude", {"list", "watch"}),
    ("claude-proxy.internal", "claudecredentials/status", "claude", {"patch"}),
    ("", "secrets", "claude-access-token", {"create", "patch"}),
    ("", "events", "", {"create"}),
]
FAST_SYNC = [("", "pods", "", {"list", "patch"})]

RIGHTS: dict[str, list[Any]] = {
    "kustomize/overlays/api-key": [],
    "kustomize/overlays/workload-identity": [],
    "kustomize/overlays/max-pvc": NAMED_RIGHTS,
    "kustomize/overlays/max-secret": NAMED_RIGHTS,
    "kustomize/overlays/cronjob": [],
    "kustomize/overlays/rockbot": [],
    "tests/manifests/users/monitored": NAMED_RIGHTS,
    "tests/manifests/users/own-deployment": [],
    "tests/manifests/users/jobs": [],
    "tests/manifests/users/upgrade": NAMED_RIGHTS,
    "tests/manifests/users/everything": NAMED_RIGHTS + FAST_SYNC,
    "tests/manifests/users/inject-all": [],
    "tests/manifests/users/pull-secret": NAMED_RIGHTS,
    "tests/manifests/users/rockbot-gitops": [],
    "tests/manifests/users/rockbot-pvc": [],
    "tests/manifests/users/rockbot-secret": [],
    "tests/manifests/users/scaled": [],
}

PROXY_READS = {
    "api-key": None,
    "workload-identity": None,
    "max-pvc": "/var/lib/claude/.credentials.json",
    "max-secret": "/var/lib/claude/access-token",
    "cronjob": "/var/lib/claude/.credentials.json",
}


def test_the_tables_cover_every_overlay() -> None:
    assert set(OBJECTS) == set(OVERLAYS)
    folders = (ROOT / "kustomize/overlays").iterdir()
    assert {folder.name for folder in folders} == set(OVERLAYS)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_these_objects_and_no_others(
    render: Render, overlay: str
) -> None:
    assert render(f"kustomize/overlays/{overlay}").names() == OBJECTS[overlay]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_rights_are_those_of_the_table(render: Render, folder: str) -> None:
    objects = render(folder)
    granted = [
        (group, resource, name, set(rule["verbs"]))
        for role in objects.of("Role")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    ]

    assert sorted(granted, key=str) == sorted(RIGHTS[folder], key=str)
    bound = {one["roleRef"]["name"] for one in objects.of("RoleBinding")}
    assert bound == {one["metadata"]["name"] for one in objects.of("Role")}
    for binding in objects.of("RoleBinding"):
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["name"]) == (
            "ServiceAccount",
            "claude-refresher",
        )


@pytest.mark.parametrize(("overlay", "path"), PROXY_READS.items())
def test_the_proxy_reads_its_credential_where_the_table_says(
    render: Render, overlay: str, path: str | None
) -> None:
    pod = render(f"kustomize/overlays/{overlay}").pod("Deployment/claude-code-proxy")

    found = {one["name"]: one.get("value") for one in pod.container("proxy")["env"]}
    assert found.get("CLAUDE_CREDENTIALS_PATH") == path


def test_only_max_secret_publishes(render: Render) -> None:
    published = {
        overlay: render(f"kustomize/overlays/{overlay}").one("ClaudeCredential/claude")[
            "spec"
        ]
        for overlay in ("max-pvc", "max-secret")
    }

    assert published == {
        "max-pvc": {},
        "max-secret": {"publish": {"secretName": "claude-access-token"}},
    }


def test_the_upgrade_is_max_pvc_without_the_existing_volume(
    render: Render,
) -> None:
    upgrade = render("tests/manifests/users/upgrade").names()

    assert upgrade == OBJECTS["max-pvc"] - VOLUME


def test_the_upgrade_keeps_what_the_original_cannot_change(render: Render) -> None:
    objects = render("tests/manifests/users/upgrade")
    deployment = objects.one("Deployment/claude-code-proxy")["spec"]
    service = objects.one("Service/claude-code-proxy")["spec"]

    assert deployment["selector"] == {"matchLabels": {"app": "claude-code-proxy"}}
    # Otherwise a Deployment that was not made by `kubectl apply` would have two containers.
    names = [one["name"] for one in deployment["template"]["spec"]["containers"]]
    assert names == ["proxy"]
    # A named port would not resolve in the pod that is being replaced.
    assert service["ports"] == [{"port": 80, "targetPort": 8080}]
    assert service["selector"] == {"app": "claude-code-proxy"}


def test_detaching_from_rockbot_applies_nothing_at_all(render: Render) -> None:
    (detached,) = render("kustomize/overlays/rockbot/detach")
    (attached,) = render("kustomize/overlays/rockbot")

    assert set(detached) == {"apiVersion", "kind", "metadata"}
    assert detached["metadata"] == {"name": attached["metadata"]["name"]}


def test_gitops_never_prunes_or_deletes_rockbots_deployment(render: Render) -> None:
    (attached,) = render("kustomize/overlays/rockbot")

    assert attached["metadata"]["annotations"] == {
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
    }


def test_fast_sync_turns_the_annotation_on(render: Render) -> None:
    objects = render("tests/manifests/users/everything")

    assert objects.one("ClaudeCredential/claude")["spec"]["publish"] == {
        "secretName": "claude-access-token",
        "annotatePods": True,
    }


def test_a_users_own_namespace_and_images_reach_everything(render: Render) -> None:
    objects = render("tests/manifests/users/everything")

    assert {one["metadata"]["namespace"] for one in objects} == {"agents"}
    subjects = [s for one in objects.of("RoleBinding") for s in one["subjects"]]
    assert {one["namespace"] for one in subjects} == {"agents"}
    images = {c["image"] for pod in objects.pods() for c in pod.containers()}
    assert images == {
        "images.example/claude-code-proxy:7",
        "images.example/claude-code-proxy-refresher:7",
    }


def test_every_documented_kustomization_is_in_the_tables() -> None:
    assert {f"tests/manifests/users/{name}" for name in USERS} <= set(RIGHTS)
