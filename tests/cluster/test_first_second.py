"""A container that is stopped while it starts ends at once, not after its grace period.

The pods here are held by a finalizer, so that their exit codes can be read afterwards: 137
is a container that was killed when its grace period was over.
"""

import json
import re

import pytest

from kustomizations import ROOT
from node import until
from shell import KUBERNETES

HELD = "claude-proxy.internal/held-by-a-test"
PROXY_ENVIRON = {"ANTHROPIC_API_KEY": "any", "HEALTH_PORT": "8090"}
RESTRICTED = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def container(image, *args, environ, **more):
    return {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "args": list(args),
        "env": [{"name": name, "value": value} for name, value in environ.items()],
        "securityContext": RESTRICTED,
        **more,
    }


def pod(*, containers, **spec):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "brief", "finalizers": [HELD]},
        "spec": {
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 40,
            "containers": containers,
            **spec,
        },
    }


@pytest.fixture
def exit_code(restricted):
    """Delete the pod as soon as its container `main` runs; returns its exit code."""

    def status(kind):
        found = restricted.json("get", "pod", "brief")["status"].get(kind, [])
        return next((one["state"] for one in found if one["name"] == "main"), {})

    def run(body, kind="containerStatuses"):
        restricted.apply(body)
        until(lambda: status(kind).keys() & {"running", "terminated"})
        restricted("delete", "pod", "brief", "--wait=false")
        return until(lambda: status(kind).get("terminated"))["exitCode"]

    yield run
    release = json.dumps({"metadata": {"finalizers": None}})
    restricted("patch", "pod", "brief", "--type=merge", f"--patch={release}")
    restricted.wait("pod/brief", "delete")


@pytest.mark.parametrize("args", [[], ["demo"]], ids=["serve", "demo"])
def test_a_proxy_stopped_in_its_first_second_is_not_killed(image, exit_code, args):
    main = container(image.proxy, *args, environ=PROXY_ENVIRON)

    assert exit_code(pod(containers=[main])) != 137


def test_an_operator_stopped_in_its_first_second_is_not_killed(
    restricted, image, exit_code
):
    restricted("apply", "--kustomize", str(ROOT / "manifests/refresher/rights"))
    environ = {"POD_NAMESPACE": restricted.namespace}
    main = container(image.refresher, "operator", environ=environ)
    account = {
        "serviceAccountName": "claude-refresher",
        "automountServiceAccountToken": True,
    }

    assert exit_code(pod(containers=[main], **account)) != 137


def test_a_sidecar_stopped_in_its_first_second_is_not_killed(image, exit_code):
    sidecar = container(image.proxy, environ=PROXY_ENVIRON, restartPolicy="Always")
    waiting = container(
        image.proxy, environ={}, command=["python3", "-c", "import sys; sys.exit()"]
    )
    body = pod(containers=[waiting | {"name": "agent"}], initContainers=[sidecar])

    assert exit_code(body, "initContainerStatuses") != 137


def test_a_login_pod_stopped_in_its_first_second_is_not_killed(image, exit_code):
    main = container(
        image.refresher, environ={}, command=["claude", "auth", "login"], args=[]
    )
    [overrides] = re.findall("--overrides='(.*?)'", KUBERNETES.read_text(), re.DOTALL)
    shared = json.loads(overrides)["spec"]["shareProcessNamespace"]

    body = pod(containers=[main], shareProcessNamespace=shared)

    assert exit_code(body) != 137
