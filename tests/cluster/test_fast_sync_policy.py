"""Who may patch pods may swap their images. The refresher may only annotate them."""

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "consumer",
        "labels": {"claude-proxy.internal/consumer": "true"},
        "annotations": {"theirs": "kept"},
    },
    "spec": {
        "schedulerName": "nobody",  # it is never to run
        "containers": [{"name": "agent", "image": "agent"}],
    },
}

OURS = "claude-proxy.internal/token-revision"
POLICY = "claude-refresher-only-annotates"
DENIED: dict[str, dict[str, Any]] = {
    "an image": {"spec": {"containers": [{"name": "agent", "image": "evil"}]}},
    "a deadline": {"spec": {"activeDeadlineSeconds": 1}},
    "another label": {"metadata": {"labels": {"app": "another"}}},
    "a label less": {"metadata": {"labels": {"claude-proxy.internal/consumer": None}}},
    "another annotation": {"metadata": {"annotations": {"theirs": "changed"}}},
    "a new annotation": {"metadata": {"annotations": {"new": "one", OURS: "1"}}},
    "an annotation less": {"metadata": {"annotations": {"theirs": None}}},
    "a finalizer": {"metadata": {"finalizers": ["for.ever/stuck"]}},
    "an owner": {
        "metadata": {
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1"}
            ]
        }
    },
}


def kubectl(*words: object, data: object = None, check: bool = True) -> str:
    done = subprocess.run(
        ["kubectl", *map(str, words)],
        input=json.dumps(data),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


class Refresher(NamedTuple):
    """The ServiceAccount, signed in, with the rights that we ship and fast-sync's.

    It asks as the operator does. (`kubectl patch` would first `get` the pod.)
    """

    namespace: str
    server: str
    token: str

    def patch(self, change: dict[str, Any]) -> tuple[int, str]:
        """Give the status of the answer, and its words."""
        request = urllib.request.Request(
            f"{self.server}/api/v1/namespaces/{self.namespace}/pods/consumer",
            method="PATCH",
            data=json.dumps(change).encode(),
            headers={
                "authorization": f"Bearer {self.token}",
                "content-type": "application/strategic-merge-patch+json",
            },
        )
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        try:
            with urllib.request.urlopen(
                request, context=trusting, timeout=30
            ) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as ex:
            with ex:
                return ex.code, ex.read().decode()


@pytest.fixture
def refresher(namespace: str, crd: object) -> Refresher:
    rights = ROOT / "kustomize/components/fast-sync"
    kubectl("-n", namespace, "apply", "-k", ROOT / "manifests/refresher/rights")
    kubectl("-n", namespace, "apply", "-f", rights / "role.yaml")
    kubectl("-n", namespace, "apply", "-f", rights / "rolebinding.yaml")
    token = kubectl("-n", namespace, "create", "token", "claude-refresher")
    config = json.loads(kubectl("config", "view", "-o", "json"))
    made = Refresher(
        namespace, config["clusters"][0]["cluster"]["server"], token.strip()
    )
    # A new namespace gets its default ServiceAccount, and a new policy its force, when
    # the controllers come to it.
    until(lambda: kubectl("-n", namespace, "apply", "-f", "-", data=POD, check=False))
    until(lambda: made.patch({"spec": {"activeDeadlineSeconds": 999}})[0] == 422)
    return made


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_the_refresher_annotates_a_pod(refresher: Refresher) -> None:
    for change in ({OURS: "0123456789ab"}, {OURS: "ba9876543210"}, {OURS: None}):
        assert refresher.patch({"metadata": {"annotations": change}}) == (200, "")


def test_the_refresher_changes_nothing_else(refresher: Refresher) -> None:
    for what, change in DENIED.items():
        status, said = refresher.patch(change)

        assert (status, POLICY in said) == (422, True), what


def test_the_refresher_lists_pods_and_can_do_nothing_more_with_them(
    refresher: Refresher,
) -> None:
    user = f"--as=system:serviceaccount:{refresher.namespace}:claude-refresher"
    can = {
        verb
        for verb in ("get", "list", "watch", "create", "update", "patch", "delete")
        if kubectl(
            *("-n", refresher.namespace, user, "auth", "can-i", verb, "pods"),
            check=False,
        ).startswith("yes")
    }

    assert can == {"list", "patch"}


def test_the_policy_is_about_the_refresher_alone(refresher: Refresher) -> None:
    kubectl("-n", refresher.namespace, "label", "pod", "consumer", "app=another")
