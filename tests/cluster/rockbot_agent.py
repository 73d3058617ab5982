"""RockBot's agent as its chart installs it, and what the tests read off it."""

from collections import Counter

from kustomizations import ROOT
from node import rolled_out, running, until

OVERLAY = "kustomize/overlays/rockbot"
CHART = str(ROOT / "tests/cluster/rockbot")
AGENT = "deployment/rockbot-agent"
SELECTOR = "app=rockbot-agent"
KINDS = "deployment,configmap,secret,serviceaccount,persistentvolumeclaim"
ANSWERED = {"Balanced stop": 2, "Low stop": 2, "High stop": 2}


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


def memory(pod):
    [container] = pod["spec"]["containers"]
    return container["resources"]["limits"]["memory"]


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
