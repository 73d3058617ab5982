"""components/scale: several replicas under load, while pods die, drain and are replaced.

The load is OpenAI's SDK, with its own retries and without, and answers of up to 19
seconds. What a failure looks like counts too: never a complete answer.
"""

import json
import os
import signal
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
import yaml

import metrics_api
import slow_upstream
from kustomizations import KEY, kustomization, make_keys, proxy_environ
from metrics_api import IN_FLIGHT, in_flight
from node import rolled_out, running, until
from sdk_load import ADDRESSES, NEWCOMERS, Load
from shell import KUBERNETES, yaml_blocks

DEPLOYMENT = "deployment/claude-code-proxy"
SCALER = "horizontalpodautoscaler/claude-code-proxy"
PODS = "app=claude-code-proxy"
SLICES = "kubernetes.io/service-name=claude-code-proxy"
OUTLASTING = 6
"""Retries that take longer than a busy node may take to notice that a pod is gone; the SDK's
two are over after a second and a half, which is enough on a quick node alone."""
LONG = ((300,),)
"""Seconds of a stream that no drain waits for, and that ends after every rollout."""
FOR_LONG = 600
"""Seconds of a stream that its client ends."""


@pytest.fixture(scope="module")
def upstream(outside):
    with slow_upstream.serve(outside) as url:
        yield url


@pytest.fixture(scope="module")
def apply(upstream, tmp_path_factory):
    """Apply overlays/api-key with the component, so small that other tests have room."""

    def run(kubectl, *patches):
        make_keys(kubectl)
        proxy = proxy_environ(ANTHROPIC_API_BASE=upstream)
        [container] = proxy["spec"]["template"]["spec"]["containers"]
        container["resources"] = {"requests": {"cpu": "50m", "memory": "128Mi"}}
        folder = kustomization(
            tmp_path_factory.mktemp("scale") / "k",
            "kustomize/overlays/api-key",
            components=["kustomize/components/scale"],
            patches=[proxy, *patches],
        )
        kubectl("apply", "--kustomize", folder)
        rolled_out(kubectl, DEPLOYMENT)

    return run


@pytest.fixture(scope="module")
def three(restricted, apply):
    """A namespace with three replicas."""
    apply(restricted)
    replicas(restricted, 3)
    return restricted


def replicas(kubectl, number):
    """Have the autoscaler keep at least this many, and wait for them."""
    patch = json.dumps({"spec": {"minReplicas": number}})
    kubectl("patch", SCALER, "--type=merge", f"--patch={patch}")
    kubectl.wait(DEPLOYMENT, f"jsonpath={{.status.readyReplicas}}={number}")


@pytest.fixture
def load():
    """Start a load on a namespace's Service."""

    def start(kubectl, **how):
        service = kubectl.json("get", "service", "claude-code-proxy")
        return Load(f"http://{service['spec']['clusterIP']}/v1", KEY, **how)

    return start


def goes_on(*loads, calls=8):
    """Wait for this many more calls of each load that begin from now on."""
    now = time.time()
    for one in loads:
        until(
            lambda one=one: sum(call.began > now for call in one.calls) >= calls,
            within=120,
        )


def only(failures, *allowed):
    """Assert that every failure is one of these kinds of error."""
    assert [one for one in failures if not one.trouble.startswith(allowed)] == []


def kill(pod):
    """Kill the pod's processes, which the node shows among its own."""
    uid = pod["metadata"]["uid"]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (
                uid in (process / "cgroup").read_text()
                and b"claude-proxy" in (process / "cmdline").read_bytes()
            ):
                os.kill(int(process.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_the_autoscaler_keeps_two_replicas_without_any_metrics(namespace, apply):
    apply(namespace)

    namespace.wait(DEPLOYMENT, "jsonpath={.status.readyReplicas}=2")


def test_a_scale_up_from_one_to_three_fails_nothing(namespace, apply, load):
    apply(namespace, scaler([{"op": "replace", "path": LEAST, "value": 1}]))
    assert len(running(namespace, PODS)) == 1
    with load(namespace, retries=0) as calls:
        goes_on(calls)
        replicas(namespace, 3)
        # Those who call already stay with their pod; the new ones are for new clients.
        once = {"addresses": NEWCOMERS, "delays": ((0.2,),), "calls": 1}
        with load(namespace, retries=0, **once) as new:
            goes_on(calls)

    assert calls.failures() == []
    assert new.failures() == []
    assert all(has_answered(pod) for pod in running(namespace, PODS))


LEAST = "/spec/minReplicas"


def scaler(operations):
    """A patch of the HorizontalPodAutoscaler."""
    target = {"kind": "HorizontalPodAutoscaler", "name": "claude-code-proxy"}
    return {"target": target, "patch": json.dumps(operations)}


def has_answered(pod):
    """Whether a pod has answered a completion."""
    text = httpx2.get(f"http://{pod['status']['podIP']}:8090/metrics").text
    return "\nclaude_proxy_requests_total{" in text


def test_replicas_follow_the_answers_in_progress_where_an_adapter_serves_them(
    namespace, apply, outside
):
    """As the documents say, with a target that eight answers reach."""
    apply(namespace, scaler(by_answers(per_pod=2)))
    replicas(namespace, 2)

    with (
        metrics_api.serve(namespace, outside, PODS),
        answers_in_progress(namespace, 8),
    ):
        namespace.wait(DEPLOYMENT, "jsonpath={.spec.replicas}=4")


def by_answers(per_pod):
    """The documented patch, with another target."""
    [documented] = [
        patch["patch"]
        for block in yaml_blocks(KUBERNETES, "patches")
        for patch in block["patches"]
        if IN_FLIGHT in patch["patch"]
    ]
    [operation] = yaml.safe_load(documented)
    operation["value"]["pods"]["target"]["averageValue"] = str(per_pod)
    return [operation]


@contextmanager
def answers_in_progress(kubectl, number):
    """Open streams that last until the block ends."""
    pod, *_ = running(kubectl, PODS)
    body = {
        "stream": True,
        "messages": [{"role": "user", "content": str(FOR_LONG)}],
    }
    with ExitStack() as stack:
        for _ in range(number):
            answer = stack.enter_context(
                httpx2.stream(
                    "POST",
                    f"http://{pod['status']['podIP']}:8080/v1/chat/completions",
                    json=body,
                    headers={"authorization": f"Bearer {KEY}"},
                    timeout=60,
                )
            )
            assert answer.status_code == 200
        yield


def test_a_killed_pod_fails_only_what_it_was_answering(three, load):
    with (
        load(three, retries=OUTLASTING) as retried,
        load(three, retries=0) as plain,
    ):
        goes_on(retried, plain)
        victim = max(running(three, PODS), key=in_flight)
        before = restarts(three, victim)
        killed = time.time()
        kill(victim)
        until(lambda: restarts(three, victim) > before)
        three.wait(f"pod/{victim['metadata']['name']}")
        back = time.time()
        goes_on(retried, plain)

    assert retried.failures() == []
    only(plain.failures(), "APIConnectionError", "RemoteProtocolError")
    for call in plain.failures():
        assert call.ended >= killed
        assert call.began <= back


def restarts(kubectl, pod):
    [status] = kubectl.json("get", "pod", pod["metadata"]["name"])["status"][
        "containerStatuses"
    ]
    return status["restartCount"]


def test_an_evicted_pod_fails_nothing_and_the_budget_protects_the_others(three, load):
    with load(three, retries=2) as retried, load(three, retries=0) as plain:
        goes_on(retried, plain)
        first, second, _ = running(three, PODS)
        assert evict(three, first).returncode == 0
        refused = evict(three, second)
        three.wait(f"pod/{first['metadata']['name']}", "delete")
        three.wait(DEPLOYMENT, "jsonpath={.status.readyReplicas}=3")
        goes_on(retried, plain)

    assert "Cannot evict pod as it would violate" in refused.stderr
    assert retried.failures() == []
    assert [one for one in plain.failures() if "shutting_down" not in one.trouble] == []


def evict(kubectl, pod):
    name, namespace = pod["metadata"]["name"], kubectl.namespace
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
    }
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
    return kubectl.run(
        "create", "--raw", path, "--filename=-", data=json.dumps(eviction)
    )


def test_a_rollout_fails_no_answer_and_longer_streams_fail_loudly(three, load):
    with (
        load(three, retries=2) as retried,
        load(three, retries=2, stream=True) as streams,
        load(three, retries=0, stream=True, delays=LONG, calls=1) as longer,
    ):
        goes_on(retried, streams)
        three("rollout", "restart", DEPLOYMENT)
        rolled_out(three, DEPLOYMENT)
        goes_on(retried, streams)
        until(lambda: len(longer.calls) == len(ADDRESSES))

    assert retried.failures() == []
    assert streams.failures() == []
    assert len(longer.failures()) == len(ADDRESSES)
    only(longer.failures(), "APIError")


def test_a_stopping_pod_leaves_the_service_before_it_refuses(three):
    pod, *_ = running(three, PODS)
    name = pod["metadata"]["name"]
    three("delete", "pod", name, "--wait=false")

    until(lambda: name not in ready_endpoints(three))
    answer = httpx2.post(
        f"http://{pod['status']['podIP']}:8080/v1/chat/completions",
        json={"messages": [{"role": "user", "content": "0"}]},
        headers={"authorization": f"Bearer {KEY}"},
        timeout=20,
    )

    assert answer.status_code == 200
    three.wait(f"pod/{name}", "delete")
    three.wait(DEPLOYMENT, "jsonpath={.status.readyReplicas}=3")


def ready_endpoints(kubectl):
    slices = kubectl.read(f"endpointslices?labelSelector={SLICES}")["items"]
    return {
        endpoint["targetRef"]["name"]
        for one in slices
        for endpoint in one["endpoints"] or []
        if endpoint["conditions"]["ready"]
    }
