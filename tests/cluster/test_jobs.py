"""components/sidecar-job: work that ends, with the proxy beside it."""

import json

import pytest

from callers import python_container
from kustomizations import kustomization, secret

COMPONENTS = ["kustomize/components/sidecar-job", "kustomize/components/api-key"]
INJECTED = {"claude-proxy.internal/inject": "true"}
ASK_AT_ONCE = """
import urllib.request
body = b'{"messages": [{"role": "user", "content": "Hello"}]}'
request = urllib.request.Request("http://127.0.0.1:8089/v1/chat/completions", data=body,
    headers={"content-type": "application/json"})
print(urllib.request.urlopen(request).status)
"""
# A slow machine, on which the proxy takes a while to listen.
SLOW = "import os, time; time.sleep(4); os.execvp('claude-proxy', ['claude-proxy'])"


@pytest.fixture
def here(namespace):
    """A namespace that enforces `restricted`, with the sidecar's key."""
    label = "pod-security.kubernetes.io/enforce=restricted"
    namespace("label", "namespace", namespace.namespace, label)
    secret(namespace, "anthropic-api-key", **{"api-key": "sk-ant-api03-of-a-test"})
    return namespace


def template(work=ASK_AT_ONCE):
    """A pod template of a user's own work."""
    containers = [python_container("work", work)]
    return {"spec": {"restartPolicy": "Never", "containers": containers}}


def job(name, work=ASK_AT_ONCE):
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": INJECTED},
        "spec": {"backoffLimit": 0, "template": template(work)},
    }


@pytest.fixture
def apply(here, anthropic, tmp_path):
    """Apply a user's work with the sidecar, which calls the stand-in."""
    upstream = {"name": "ANTHROPIC_API_BASE", "value": anthropic.base_url}

    def run(work, pod="/spec/template", **sidecar):
        proxy = f"{pod}/spec/initContainers/0"
        patch = [
            {"op": "add", "path": f"{proxy}/env/-", "value": upstream},
            *(
                {"op": "add", "path": f"{proxy}/{name}", "value": value}
                for name, value in sidecar.items()
            ),
        ]
        target = {"kind": work["kind"]}
        folder = kustomization(
            tmp_path / "k",
            work,
            components=COMPONENTS,
            patches=[{"patch": json.dumps(patch), "target": target}],
        )
        here("apply", "--kustomize", folder)

    return run


def done(here, name):
    """The work's log, once its Job is complete."""
    here.wait(f"job/{name}", "condition=Complete")
    return here("logs", f"job/{name}", "--container=work")


def test_a_job_completes_when_its_work_does(here, apply):
    apply(job("work"))

    assert done(here, "work") == "200\n"


def test_the_work_starts_once_the_proxy_listens(here, apply):
    apply(job("work"), command=["python3", "-c", SLOW])

    assert done(here, "work") == "200\n"


def test_a_job_fails_when_its_work_does(here, apply):
    apply(job("work", "raise SystemExit(3)"))

    here.wait("job/work", "condition=Failed")


def test_a_cronjobs_run_completes_when_its_work_does(here, apply):
    spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": job("any")["spec"]}}
    nightly = {"name": "nightly", "labels": INJECTED}
    apply(
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": nightly,
            "spec": spec,
        },
        pod="/spec/jobTemplate/spec/template",
    )

    here("create", "job", "now", "--from=cronjob/nightly")

    assert done(here, "now") == "200\n"


@pytest.fixture
def keda(kubectl):
    """A CRD for KEDA's ScaledJob that accepts anything."""
    group, plural = "keda.sh", "scaledjobs"
    name = f"{plural}.{group}"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": anything},
    }
    names = {"kind": "ScaledJob", "plural": plural, "singular": "scaledjob"}
    kubectl.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": name},
            "spec": {
                "group": group,
                "names": names | {"listKind": "ScaledJobList"},
                "scope": "Namespaced",
                "versions": [version],
            },
        }
    )
    kubectl.wait(f"crd/{name}", "condition=Established")
    yield
    kubectl("delete", "crd", name)


def test_a_scaled_job_makes_jobs_that_complete(here, keda, apply):
    research = {"name": "research", "labels": INJECTED}
    triggers = [{"type": "rabbitmq", "metadata": {"queueName": "work"}}]
    spec = {"jobTargetRef": job("any")["spec"], "triggers": triggers}
    apply(
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledJob",
            "metadata": research,
            "spec": spec,
        },
        pod="/spec/jobTargetRef/template",
    )

    made = here.json("get", "scaledjob", "research")["spec"]["jobTargetRef"]
    here.apply(job("research") | {"spec": made})  # as KEDA does for each message

    assert done(here, "research") == "200\n"
