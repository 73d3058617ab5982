"""overlays/rockbot: the sidecar attached to an agent that Helm installed, and detached.

The chart in rockbot/ has the shape of RockBot's own; `helm` is the real one.
"""

import subprocess
from collections import Counter
from types import SimpleNamespace

import pytest

from kustomizations import ROOT, kustomization, secret, sidecar_environ
from node import rolled_out, running, until

OVERLAY = "kustomize/overlays/rockbot"
AGENT = "deployment/rockbot-agent"
SELECTOR = "app=rockbot-agent"
KINDS = "deployment,configmap,secret,serviceaccount,persistentvolumeclaim"
MODELS = {"claude-sonnet-4-6", "claude-haiku-4-5", "claude-opus-4-6"}

# Server-side apply is what Helm 4 does, client-side what Helm 3 did.
ways_of_helm = pytest.mark.parametrize("server_side", ["true", "false"])


@pytest.fixture
def helm(namespace):
    """`helm` in the test's namespace."""

    def run(*words):
        done = subprocess.run(
            ["helm", "--namespace", namespace.namespace, *words],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture
def install(namespace, helm):
    """Install the release `rockbot`."""

    def run(server_side="true"):
        chart = str(ROOT / "tests/cluster/rockbot")
        helm("install", "rockbot", chart, f"--server-side={server_side}")

    return run


@pytest.fixture
def overlay(namespace, anthropic, tmp_path):
    """The overlay's two commands, against the stand-in."""
    secret(namespace, "anthropic-api-key", **{"api-key": "sk-ant-api03-of-a-test"})
    environ = {"ANTHROPIC_API_BASE": anthropic.base_url}
    attaching = kustomization(
        tmp_path / "attaching",
        OVERLAY,
        patches=[sidecar_environ("Deployment", "rockbot-agent", **environ)],
    )
    apply = ("apply", "--server-side", "--field-manager=claude-proxy", "-k")
    return SimpleNamespace(
        attach=lambda: namespace.run(*apply, attaching),
        detach=lambda: namespace.run(*apply, str(ROOT / OVERLAY / "detach")),
    )


def attached(namespace, overlay):
    done = overlay.attach()
    assert done.returncode == 0, done.stderr
    rolled_out(namespace, AGENT)


def agent(namespace):
    """The agent's only pod."""
    rolled_out(namespace, AGENT)
    [pod] = running(namespace, SELECTOR)
    return pod


def ready(pod):
    """The READY column of `kubectl get pods`."""
    status = pod["status"]
    sidecars = {
        one["name"]
        for one in pod["spec"]["initContainers"]
        if one.get("restartPolicy") == "Always"
    }
    found = status["containerStatuses"] + [
        one for one in status["initContainerStatuses"] if one["name"] in sidecars
    ]
    return f"{sum(one['ready'] for one in found)}/{len(found)}"


def answers(namespace, pod, calls=6):
    """The results of the agent's first calls, by tier."""
    name = pod["metadata"]["name"]

    def logged():
        return namespace("logs", name, "--container=agent").splitlines()

    until(lambda: len(logged()) >= calls)
    return Counter(logged()[:calls])


ANSWERED = {"Balanced stop": 2, "Low stop": 2, "High stop": 2}


@ways_of_helm
def test_it_attaches_and_stays_through_helms_upgrade_and_rollback(
    namespace, anthropic, helm, install, overlay, server_side
):
    install(server_side)
    attached(namespace, overlay)
    pod = agent(namespace)
    assert ready(pod) == "2/2"
    assert answers(namespace, pod) == ANSWERED

    upgraded = ("--reuse-values", "--set=memory=160Mi")
    chart = str(ROOT / "tests/cluster/rockbot")
    how = f"--server-side={server_side}"
    helm("upgrade", "rockbot", chart, *upgraded, how)

    pod = agent(namespace)
    assert memory(pod) == "160Mi"
    assert ready(pod) == "2/2"
    assert answers(namespace, pod) == ANSWERED

    helm("rollback", "rockbot", "1", how)

    pod = agent(namespace)
    assert memory(pod) == "128Mi"
    assert ready(pod) == "2/2"
    assert answers(namespace, pod) == ANSWERED
    asked = [one.body for one in anthropic.requests if one.path == "/v1/messages"]
    assert {body["model"] for body in asked} == MODELS


def memory(pod):
    [container] = pod["spec"]["containers"]
    return container["resources"]["limits"]["memory"]


@ways_of_helm
def test_a_detach_leaves_what_helm_made_and_helm_removes_that(
    namespace, helm, install, overlay, server_side
):
    empty = made_by_helm(namespace)
    install(server_side)
    agent(namespace)
    before = made_by_helm(namespace)

    attached(namespace, overlay)
    assert made_by_helm(namespace) != before
    done = overlay.detach()

    assert done.returncode == 0, done.stderr
    assert ready(agent(namespace)) == "1/1"
    assert made_by_helm(namespace) == before

    helm("uninstall", "rockbot", "--wait")

    assert made_by_helm(namespace) == empty


def made_by_helm(namespace):
    """The objects of the namespace, without what the cluster records on them."""
    until(lambda: namespace.run("get", "serviceaccount/default").stdout)
    until(lambda: namespace.run("get", "configmap/kube-root-ca.crt").stdout)
    items = namespace.json("get", KINDS)["items"]
    for one in items:
        one.pop("status", None)
        for name in ("resourceVersion", "generation", "managedFields"):
            one["metadata"].pop(name, None)
        revision = "deployment.kubernetes.io/revision"
        one["metadata"].get("annotations", {}).pop(revision, None)
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in items}


def test_without_an_agent_it_is_refused_and_nothing_is_left(namespace, overlay):
    before = made_by_helm(namespace)

    done = overlay.attach()

    assert done.returncode != 0
    assert 'The Deployment "rockbot-agent" is invalid' in done.stderr
    assert made_by_helm(namespace) == before


def test_pod_security_warns_about_rockbots_containers_and_not_ours(
    namespace, install, overlay
):
    install()
    label = "pod-security.kubernetes.io/warn=restricted"
    namespace("label", "namespace", namespace.namespace, label)

    warnings = overlay.attach().stderr

    assert '"init-agent-data"' in warnings
    assert "claude-proxy" not in warnings
