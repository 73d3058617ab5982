"""A mistake is reported where a person looks: the CR, its events, the pod's log."""

import json

import pytest

from callers import Caller, python_container
from kustomizations import (
    ROOT,
    kustomization,
    make_inbound_key,
    secret,
    sidecar_environ,
)
from node import condition, rolled_out, until

MAX_PVC = "kustomize/overlays/max-pvc"
DEPLOYMENT = "deployment/claude-code-proxy"
CR = "claudecredential/claude"
PROBE = """
import json, os, urllib.request
found = {name: os.environ.get(name) for name in ("PORT_PORT", "HEALTH_PORT")}
for port in (8089, 8080):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
        found[port] = answer.status
print(json.dumps(found))
"""


def test_without_a_login_the_cr_and_the_proxy_say_what_to_do(namespace):
    make_inbound_key(namespace)
    namespace("apply", "--kustomize", str(ROOT / MAX_PVC))

    namespace.wait(CR, "condition=LoginRequired")
    rolled_out(namespace, DEPLOYMENT)
    answer = Caller(namespace).ask()

    assert "NoCredentials" in namespace("get", CR)
    assert "claude auth login" in namespace("describe", CR)
    assert answer.status == 503
    assert answer.error["code"] == "no_credentials"
    assert "claude auth login" in answer.error["message"]
    until(lambda: "claude auth login" in namespace("logs", DEPLOYMENT))


@pytest.fixture
def hostpath(namespace, tmp_path):
    """overlays/max-pvc on a directory owned by root that no fsGroup ever changes."""
    directory = tmp_path / "volume"
    directory.mkdir(mode=0o755)
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"hostpath-{namespace.namespace}"},
        "spec": {
            "storageClassName": "hostpath",
            "capacity": {"storage": "64Mi"},
            "accessModes": ["ReadWriteOnce"],
            "claimRef": {
                "namespace": namespace.namespace,
                "name": "claude-credentials",
            },
            "hostPath": {"path": str(directory)},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "claude-credentials"},
        "spec": {"storageClassName": "hostpath"},
    }
    namespace.apply(volume)
    make_inbound_key(namespace)
    folder = kustomization(tmp_path / "k", MAX_PVC, patches=[claim])
    namespace("apply", "--kustomize", folder)
    yield directory
    namespace("delete", "pv", volume["metadata"]["name"], "--wait=false")


def ready(namespace):
    """The condition Ready, once the operator has judged."""

    def judged():
        found = condition(namespace.json("get", CR), "Ready")
        return found if found and found["reason"] != "Pending" else None

    return until(judged)


def test_an_unwritable_volume_is_reported_before_anyone_logs_in(namespace, hostpath):
    found = ready(namespace)

    assert found["reason"] == "Blocked"
    message = "/var/lib/claude is not writable, so a new token could not be saved"
    assert message in found["message"]
    assert message in namespace("logs", "claude-refresher-0")
    until(lambda: "Blocked" in namespace("get", "events"))


def test_a_login_that_only_root_may_read_is_reported(namespace, hostpath):
    login = hostpath / ".credentials.json"
    login.write_text("{}")
    login.chmod(0o600)  # as busybox and `kubectl cp` leave it

    until(lambda: "cannot be read" in ready(namespace)["message"])
    found = ready(namespace)

    message = "/var/lib/claude/.credentials.json cannot be read"
    assert found["reason"] == "Blocked"
    assert message in found["message"]
    assert message in namespace("logs", "claude-refresher-0")


# Kubernetes gives a pod variables for each Service of its namespace: HEALTH_PORT=tcp://...
# for one called `health`, PORT_PORT for `port`.
NAMES = ["port", "host", "health", "log-level", "proxy-api-key", "claude-code-proxy"]


def test_services_named_like_settings_change_nothing(namespace, anthropic, tmp_path):
    secret(namespace, "anthropic-api-key", **{"api-key": "sk-ant-api03-of-a-test"})
    for name in NAMES:
        namespace("create", "service", "clusterip", name, "--tcp=8080:8080")
    bare = {"name": "bare", "image": "claude-code-proxy", "imagePullPolicy": "Never"}
    pod = {
        "metadata": {"labels": {"app": "agent"}},
        "spec": {
            "containers": [
                python_container("agent", "infinity", command=["sleep"]),
                {**bare, "env": [{"name": "ANTHROPIC_API_KEY", "value": "any"}]},
            ]
        },
    }
    agent = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "agent",
            "labels": {"claude-proxy.internal/inject": "true"},
        },
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": pod},
    }
    folder = kustomization(
        tmp_path / "k",
        agent,
        components=["kustomize/components/sidecar", "kustomize/components/api-key"],
        patches=[
            sidecar_environ(
                "Deployment", "agent", ANTHROPIC_API_BASE=anthropic.base_url
            )
        ],
    )
    namespace("apply", "--kustomize", folder)
    rolled_out(namespace, "deployment/agent")

    def found():
        words = ("deployment/agent", "--container=agent", "--", "python3", "-c", PROBE)
        return namespace.run("exec", *words).stdout

    answer = json.loads(until(found))
    assert answer["HEALTH_PORT"].startswith("tcp://")
    assert answer["PORT_PORT"].startswith("tcp://")
    assert (answer["8089"], answer["8080"]) == (200, 200)
