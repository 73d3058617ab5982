"""Whoever may patch pods may swap their images. The refresher may only annotate them."""

import itertools
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from node import PATIENCE, Kubectl, until

ROOT = Path(__file__).parents[2]
FAST_SYNC = ROOT / "kustomize/components/fast-sync"
POLICY = "claude-refresher-only-annotates"
OURS = "claude-proxy.internal/token-revision"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "consumer",
        "labels": {"claude-proxy.internal/consumer": "true"},
        "annotations": {"theirs": "kept"},
    },
    "spec": {
        "schedulerName": "nobody",  # it must never run
        "containers": [{"name": "agent", "image": "agent"}],
    },
}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1"}
DENIED: dict[str, dict[str, Any]] = {
    "an image": {"spec": {"containers": [{"name": "agent", "image": "evil"}]}},
    "a deadline": {"spec": {"activeDeadlineSeconds": 1}},
    "another label": {"metadata": {"labels": {"app": "another"}}},
    "a label less": {"metadata": {"labels": {"claude-proxy.internal/consumer": None}}},
    "another annotation": {"metadata": {"annotations": {"theirs": "changed"}}},
    "a new annotation": {"metadata": {"annotations": {"new": "one", OURS: "1"}}},
    "an annotation less": {"metadata": {"annotations": {"theirs": None}}},
    "a finalizer": {"metadata": {"finalizers": ["for.ever/stuck"]}},
    "an owner": {"metadata": {"ownerReferences": [OWNER]}},
}


class Refresher(NamedTuple):
    """Its ServiceAccount, with the shipped rights and those of fast-sync.

    It sends what the operator sends. (`kubectl patch` would first `get` the pod.)
    """

    kubectl: Kubectl
    server: str
    token: str

    def patch(self, change):
        """Patch the pod; returns the response's status and text."""
        namespace = self.kubectl.namespace
        request = urllib.request.Request(
            f"{self.server}/api/v1/namespaces/{namespace}/pods/consumer",
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
                request, context=trusting, timeout=PATIENCE
            ) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as ex:
            with ex:
                return ex.code, ex.read().decode()


@pytest.fixture
def refresher(kubectl, namespace):
    kubectl("apply", "-k", ROOT / "manifests/crd")
    namespace("apply", "-k", ROOT / "manifests/refresher/rights")
    namespace("apply", "-f", FAST_SYNC / "role.yaml")
    namespace("apply", "-f", FAST_SYNC / "rolebinding.yaml")
    token = namespace("create", "token", "claude-refresher").strip()
    config = namespace.json("config", "view")
    made = Refresher(namespace, config["clusters"][0]["cluster"]["server"], token)
    # The namespace's default ServiceAccount and a new policy take effect with a delay.
    until(
        lambda: namespace.run("apply", "-f", "-", data=json.dumps(POD)).returncode == 0
    )
    # Each try is another change: to repeat one that was let through changes nothing.
    seconds = itertools.count(9999, -1)
    until(
        lambda: made.patch({"spec": {"activeDeadlineSeconds": next(seconds)}})[0] == 422
    )
    return made


def test_the_refresher_annotates_a_pod(refresher):
    for change in ({OURS: "0123456789ab"}, {OURS: "ba9876543210"}, {OURS: None}):
        assert refresher.patch({"metadata": {"annotations": change}}) == (200, "")


def test_the_refresher_changes_nothing_else(refresher):
    for what, change in DENIED.items():
        status, said = refresher.patch(change)

        assert (status, POLICY in said) == (422, True), what


def test_the_refresher_may_list_and_patch_pods_and_nothing_else(refresher):
    user = f"--as=system:serviceaccount:{refresher.kubectl.namespace}:claude-refresher"
    verbs = ("get", "list", "watch", "create", "update", "patch", "delete")
    can = {
        verb
        for verb in verbs
        if refresher.kubectl.run(user, "auth", "can-i", verb, "pods").returncode == 0
    }

    assert can == {"list", "patch"}


def test_the_policy_leaves_everybody_else_alone(refresher):
    refresher.kubectl("label", "pod", "consumer", "app=another")
