"""What a test does with the node: `kubectl`, waiting, and reading the audit log."""

import functools
import json
import os
import re
import secrets
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

import yaml

PATIENCE = 120.0
"""Seconds to wait for what takes a few: the machine may be busy with three tests."""


GROUPS = {
    "claudecredentials": "apis/claude-proxy.internal/v1alpha1",
    "endpointslices": "apis/discovery.k8s.io/v1",
}
"""Where the API server serves a resource, if not with the core ones."""


class Kubectl:
    """`kubectl`, in one namespace or in none.

    kubectl("delete", "pod", "web")             its output; AssertionError if it fails
    kubectl.json("get", "pods")["items"]        its output as objects
    kubectl.apply({"kind": "Pod", ...}, text)   objects, or YAML
    kubectl.read("pods/web")                    an object by its path, or None
    kubectl.wait("pod/web")                     until it is Ready, or another condition
    kubectl.within("elsewhere")                 the same in another namespace
    """

    def __init__(self, namespace=None):
        self.namespace = namespace

    def within(self, namespace):
        return Kubectl(namespace)

    def run(self, *words, data=None, timeout=PATIENCE):
        """Run it, whether it succeeds or not; returns the finished process, output as text."""
        where = ("--namespace", self.namespace) if self.namespace else ()
        return subprocess.run(
            ["kubectl", *where, *words],
            input=data,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def __call__(self, *words, data=None, timeout=PATIENCE):
        done = self.run(*words, data=data, timeout=timeout)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def json(self, *words):
        return json.loads(self(*words, "--output=json"))

    def read(self, path):
        """GET a path in the namespace, such as `pods/web` or `pods?labelSelector=app=web`.

        Returns None if nothing is there. For what is polled: it does without the
        program, which takes more of the node's time to start than the answer does.
        """
        group = GROUPS.get(re.split("[/?]", path)[0], "api/v1")
        server, token = _api_server()
        request = urllib.request.Request(
            f"{server}/{group}/namespaces/{self.namespace}/{path}",
            headers={"authorization": f"Bearer {token}"},
        )
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl._create_unverified_context()),
        )
        try:
            with opener.open(request, timeout=PATIENCE) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    def apply(self, *objects, server_side=False):
        """Apply objects and YAML texts, in one call."""
        texts = [one if isinstance(one, str) else json.dumps(one) for one in objects]
        how = ("--server-side",) if server_side else ()
        return self("apply", *how, "--filename=-", data="\n---\n".join(texts))

    def wait(self, what, condition="condition=Ready", *, within=PATIENCE):
        """Wait for one object; on a timeout, fail with what the cluster knows about it."""
        done = self.run(
            "wait", what, f"--for={condition}", f"--timeout={within:.0f}s",
            timeout=within + 10,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stderr}\n{self.describe(what)}"

    def describe(self, what):
        about = self.run("describe", what).stdout
        logs = self.run("logs", what, "--all-containers", "--prefix", "--tail=40")
        return f"{about}\n{logs.stdout}"


@functools.cache
def _api_server():
    """The API server's address, and the admin's token."""
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    [cluster], [user] = config["clusters"], config["users"]
    return cluster["cluster"]["server"], user["user"]["token"]


def make_namespace(name, **labels):
    """`kubectl` in a fresh namespace that is named after a test."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower().removeprefix("test_")).strip("-")
    name = f"{words[:40]}-{secrets.token_hex(3)}"
    Kubectl().apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }
    )
    return Kubectl(name)


class AuditLog:
    """The requests the API server received from now on: who asked for what, no bodies."""

    def __init__(self, path):
        self._path = Path(path)
        self._start = self._path.stat().st_size

    def entries(self, user=""):
        """The answered requests in order, or those of one user if it is named.

        A service account's name is `system:serviceaccount:NAMESPACE:NAME`. Requests
        that failed authentication have no name.
        """
        with self._path.open("rb") as file:
            file.seek(self._start)
            lines = file.read().splitlines(keepends=True)
        entries = [json.loads(line) for line in lines if line.endswith(b"\n")]
        return [one for one in entries if user in {"", one["user"].get("username")}]


def until(condition, *, within=PATIENCE, what="the condition was never met"):
    """Poll until `condition()` is true and return its value."""
    end = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.2)
    return value


def condition(resource, kind):
    """The condition of this type in an object's status, or None."""
    conditions = resource.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), None)


def why_it_waits(kubectl, selector, expected):
    """Wait until a pod gives a matching reason for not starting, as `kubectl get` shows."""

    def found():
        reasons = [
            f"{state['reason']}: {state.get('message', '')}"
            for pod in kubectl.json("get", "pods", "--selector", selector)["items"]
            for one in _containers(pod)
            if (state := one["state"].get("waiting"))
        ]
        return any(re.search(expected, one) for one in reasons) and reasons

    return until(found, what=lambda: kubectl("describe", "pods", "-l", selector))


def _containers(pod):
    status = pod["status"]
    return [
        *status.get("initContainerStatuses", []),
        *status.get("containerStatuses", []),
    ]


def running(kubectl, selector):
    """The pods of a selector that are not terminating."""
    pods = kubectl.json("get", "pods", "--selector", selector)["items"]
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def rolled_out(kubectl, what, within=PATIENCE):
    """Wait until a workload's rollout is complete."""
    done = kubectl.run(
        "rollout", "status", what, f"--timeout={within:.0f}s", timeout=within + 10
    )
    assert done.returncode == 0, f"{done.stderr}\n{kubectl.describe(what)}"
