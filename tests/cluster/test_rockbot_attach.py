"""Laid over somebody else's Deployment, kept through his changes, and taken off again."""

import json
from pathlib import Path

import pytest

OVERLAY = Path(__file__).parents[2] / "kustomize/overlays/rockbot"
LABELS = {"app": "rockbot-agent"}
APPLY = ("apply", "--server-side", "--field-manager=claude-proxy", "-k")


def chart(image):
    """What RockBot's chart makes, as far as the overlay meets it."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "rockbot-agent", "labels": LABELS},
        "spec": {
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {
                    "securityContext": {"fsGroup": 2000},
                    "initContainers": [{"name": "init-agent-data", "image": image}],
                    "containers": [
                        {
                            "name": "agent",
                            "image": image,
                            "envFrom": [{"secretRef": {"name": "rockbot-secrets"}}],
                            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                        }
                    ],
                    "volumes": [{"name": "data", "emptyDir": {}}],
                },
            },
        },
    }


@pytest.fixture
def rockbot(namespace):
    """`kubectl` where RockBot is, in a namespace in which no pod is ever made."""
    namespace("create", "quota", "no-pods", "--hard=pods=0")
    helm(namespace, "agent:1")
    return namespace


def helm(kubectl, image):
    how = ("apply", "--server-side", "--field-manager=helm", "-f", "-")
    kubectl(*how, data=json.dumps(chart(image)))


def deployment(kubectl):
    found = kubectl.json("get", "deployment", "rockbot-agent")
    return found["metadata"]["labels"], found["spec"]


def names(kubectl):
    spec = deployment(kubectl)[1]["template"]["spec"]
    return {
        kind: [c["name"] for c in spec[kind]]
        for kind in ("initContainers", "containers")
    }


def test_the_sidecar_joins_what_is_there_and_stays_through_an_upgrade(rockbot):
    rockbot(*APPLY, OVERLAY)
    helm(rockbot, "agent:2")

    spec = deployment(rockbot)[1]["template"]["spec"]
    assert names(rockbot) == {
        "initContainers": ["init-agent-data", "claude-proxy"],
        "containers": ["agent"],
    }
    (agent,) = spec["containers"]
    assert agent["image"] == "agent:2"
    assert {one["name"] for one in agent["env"]} >= {"LLM__Balanced__Endpoint"}
    assert agent["envFrom"] == [{"secretRef": {"name": "rockbot-secrets"}}]


def test_detaching_leaves_exactly_what_was_there(rockbot):
    before = deployment(rockbot)

    rockbot(*APPLY, OVERLAY)
    assert deployment(rockbot) != before
    rockbot(*APPLY, OVERLAY / "detach")

    assert deployment(rockbot) == before


@pytest.mark.parametrize(
    "folder", [OVERLAY, OVERLAY / "detach"], ids=["attach", "detach"]
)
def test_where_there_is_no_rockbot_nothing_is_made(namespace, folder):
    refused = namespace.run(*APPLY, folder)

    assert refused.returncode != 0
    assert namespace("get", "deployments", "-o", "name") == ""
