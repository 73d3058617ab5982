"""What an admin does to running pods: a rollout, a drain, an eviction."""

import json
import threading

import pytest

import oauth_standin
from callers import Caller, Load, stream
from kustomizations import (
    kustomization,
    log_in,
    make_authority,
    make_inbound_key,
    make_keys,
    proxy_environ,
    refresher_at,
)
from node import rolled_out, running, until
from oauth_ledger import Behaviour

DEPLOYMENT = "deployment/claude-code-proxy"
STATEFULSET = "statefulset/claude-refresher"
PROXY, REFRESHER = "app=claude-code-proxy", "app.kubernetes.io/name=claude-refresher"
READ = "print(open('/var/lib/claude/.credentials.json').read())"


def test_a_rollout_fails_no_request_and_cuts_no_stream(namespace, anthropic, tmp_path):
    make_keys(namespace)
    folder = kustomization(
        tmp_path / "k",
        "kustomize/overlays/api-key",
        patches=[proxy_environ(ANTHROPIC_API_BASE=anthropic.base_url)],
    )
    namespace("apply", "--kustomize", folder)
    rolled_out(namespace, DEPLOYMENT)
    [old] = running(namespace, PROXY)
    rest_may_come = threading.Event()
    anthropic.answer_with(stream("first", rest_may_come, "second"))

    with Caller(namespace).streaming() as lines:
        next(line for line in lines if "first" in line)
        load = Load(namespace)
        load.goes_on()
        namespace("rollout", "restart", DEPLOYMENT)
        rolled_out(namespace, DEPLOYMENT)
        rest_may_come.set()
        rest = list(lines)
    namespace.wait(f"pod/{old['metadata']['name']}", "delete")
    answers = load.goes_on()

    assert "data: [DONE]\n" in rest
    assert set(answers) == {"200"}


@pytest.fixture
def standin(tmp_path, outside):
    with oauth_standin.Standin(tmp_path, outside) as running:
        yield running


@pytest.fixture
def max_pvc(namespace, standin, tmp_path):
    """Apply overlays/max-pvc against the stand-in, every pod with a label of this test."""
    make_inbound_key(namespace)
    make_authority(namespace, standin.ca_file.read_text())
    label = {"pairs": {"of-the-test": namespace.namespace}, "includeTemplates": True}
    folder = kustomization(
        tmp_path / "k",
        "kustomize/overlays/max-pvc",
        patches=[proxy_environ(ANTHROPIC_API_BASE=standin.url), refresher_at(standin)],
        labels=[label],
    )
    namespace("apply", "--kustomize", folder)


@pytest.mark.alone
def test_a_drain_moves_everything_and_an_uncordon_brings_it_back(
    namespace, max_pvc, standin
):
    log_in(namespace, json.dumps(standin.login(access_left=8 * 3600)))
    rolled_out(namespace, STATEFULSET)
    rolled_out(namespace, DEPLOYMENT)
    caller = Caller(namespace)
    ours = f"--pod-selector=of-the-test={namespace.namespace}"

    try:
        drained = namespace.run(
            "drain", "node0", ours, "--delete-emptydir-data", "--timeout=120s",
            timeout=130,
        )  # fmt: skip
        left = namespace.json("get", "pods", "--field-selector=spec.nodeName=node0")
    finally:
        namespace("uncordon", "node0")

    assert drained.returncode == 0, drained.stderr
    assert [pod["metadata"]["name"] for pod in left["items"]] == ["caller"]
    rolled_out(namespace, STATEFULSET)
    rolled_out(namespace, DEPLOYMENT)
    assert caller.ask().status == 200
    assert standin.token_calls() == []


def test_an_evicted_refresher_finishes_its_renewal_before_the_next_starts(
    namespace, max_pvc, standin
):
    may_be_answered = threading.Event()
    standin.behaviour = Behaviour(held_until=may_be_answered)
    before = standin.login(access_left=200)
    log_in(namespace, json.dumps(before))
    until(standin.token_calls)
    old = refresher(namespace)["metadata"]["uid"]

    evict(namespace, "claude-refresher-0")
    [call] = standin.token_calls()
    assert call["status"] is None, "the eviction came too late to be a test"
    may_be_answered.set()
    until(lambda: (pod := refresher(namespace)) and pod["metadata"]["uid"] != old)

    assert call["status"] == 200
    rolled_out(namespace, STATEFULSET)
    after = namespace("exec", "claude-refresher-0", "--", "python3", "-c", READ)
    assert json.loads(after) != before
    assert standin.token_calls() == [call]


def refresher(namespace):
    """The refresher's pod, or None; a second one fails the test."""
    pods = namespace.json("get", "pods", "--selector", REFRESHER)["items"]
    assert len(pods) < 2
    return pods[0] if pods else None


def evict(namespace, name):
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace.namespace},
    }
    where = f"/api/v1/namespaces/{namespace.namespace}/pods/{name}/eviction"
    namespace("create", "--raw", where, "--filename=-", data=json.dumps(eviction))
