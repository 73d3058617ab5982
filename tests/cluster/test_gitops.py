"""What GitOps tools make of a ClaudeCredential: kstatus, and Argo CD's Lua.

Both judge with their own code, in `tests/cluster/health`.
"""

import json
import subprocess

import pytest

from kustomizations import ROOT
from shell import GITOPS, Shell, pasted

SCRIPT = str(ROOT / "manifests/argocd/health.lua")
INSTALL = pasted("kubectl create configmap argocd-cm ", GITOPS)
KEY = "resource.customizations.health.claude-proxy.internal_ClaudeCredential"


def credential(observed, **conditions):
    """A ClaudeCredential at generation 2 whose conditions are status and reason."""
    status = {
        "observedGeneration": observed,
        "conditions": [
            {"type": kind, "status": value, "reason": reason, "message": "why"}
            for kind, (value, reason) in conditions.items()
        ],
    }
    return {
        "apiVersion": "claude-proxy.internal/v1alpha1",
        "kind": "ClaudeCredential",
        "metadata": {"name": "claude", "namespace": "agents", "generation": 2},
        "spec": {},
        "status": status,
    }


def judged(judge, one):
    """(status, message) of an object."""
    done = subprocess.run(
        ["health", *judge],
        input=json.dumps(one),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return tuple(done.stdout.rstrip("\n").split("\t", 1))


VALID, LOST = ("True", "TokenValid"), ("False", "LoginRequired")


@pytest.mark.parametrize(
    ("one", "argo", "kstatus"),
    [
        (credential(-1, Ready=("Unknown", "Pending")), "Progressing", "InProgress"),
        (credential(1, Ready=VALID), "Progressing", "InProgress"),
        (credential(2, Ready=VALID), "Healthy", "Current"),
        (
            credential(2, Ready=LOST, Stalled=("True", "LoginRequired")),
            "Degraded",
            "Failed",
        ),
        (
            credential(2, Ready=LOST, Reconciling=("True", "RefreshScheduled")),
            "Progressing",
            "InProgress",
        ),
        (
            credential(2, Ready=VALID, Suspended=("True", "Suspended")),
            "Suspended",
            "Current",
        ),
        (credential(2, Ready=("False", "Blocked")), "Degraded", "InProgress"),
        (credential(2), "Progressing", "Current"),
    ],
    ids=[
        "nobody has looked",
        "another spec was seen",
        "in order",
        "a person must log in",
        "another attempt follows",
        "suspended",
        "not ready",
        "no condition",
    ],
)
def test_a_claudecredential_is_well_only_if_its_refresher_says_so(one, argo, kstatus):
    assert judged(["lua", SCRIPT], one)[0] == argo
    assert judged(["kstatus"], one)[0] == kstatus


def test_argo_cd_shows_the_reason_and_the_message():
    one = credential(2, Ready=LOST, Stalled=("True", "LoginLost"))

    assert judged(["lua", SCRIPT], one) == ("Degraded", "LoginLost: why")


def test_a_claudecredential_that_no_refresher_watches_is_not_well(namespace):
    namespace("apply", "--kustomize", str(ROOT / "manifests/crd"))
    one = {
        "apiVersion": "claude-proxy.internal/v1alpha1",
        "kind": "ClaudeCredential",
        "metadata": {"name": "another"},
        "spec": {},
    }
    namespace.apply(one)

    found = namespace.json("get", "claudecredential", "another")

    assert judged(["lua", SCRIPT], found)[0] == "Progressing"
    assert judged(["kstatus"], found)[0] == "InProgress"


def test_the_documented_command_adds_the_check_and_leaves_the_rest(namespace, tmp_path):
    namespace("create", "configmap", "argocd-cm", "--from-literal=url=https://argo")
    here = f"--namespace={namespace.namespace}"
    command = INSTALL.replace("--namespace=argocd", here).replace(
        "apply ", f"apply {here} "
    )

    Shell(namespace, tmp_path).run(command.replace("manifests/", f"{ROOT}/manifests/"))

    data = namespace.json("get", "configmap", "argocd-cm")["data"]
    assert data["url"] == "https://argo"
    assert data[KEY] == (ROOT / "manifests/argocd/health.lua").read_text()
