"""The shipped kustomizations in a test's world, and callers of what they make.

folder = kustomization(tmp_path / "k", "kustomize/overlays/api-key",
                       patches=[proxy_environ(ANTHROPIC_API_BASE=standin.base_url)])
namespace("apply", "--kustomize", folder)

caller = Caller(namespace)
assert caller.ask("http://claude-code-proxy/v1", KEY).status == 200
"""

import json
import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import yaml

from node import until

ROOT = Path(__file__).parents[2]
SERVICE = "http://claude-code-proxy/v1"
KEY = "an-inbound-key"
API_KEY = "sk-ant-api03-of-a-test"


def kustomization(folder, *resources, components=(), patches=(), **more):
    """Write one as a user's own; its folder. Ours are named from the project's root.

    Objects among the resources become files of it.
    """
    folder.mkdir(parents=True)
    listed = []
    for number, one in enumerate(resources):
        if isinstance(one, dict):
            name = f"{number}.yaml"
            (folder / name).write_text(yaml.safe_dump(one))
            listed.append(name)
        else:
            listed.append(_from(folder, one))
    written = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": listed,
        "components": [_from(folder, one) for one in components],
        "patches": [_patch(one) for one in patches],
        **more,
    }
    (folder / "kustomization.yaml").write_text(json.dumps(written))
    return str(folder)


def _from(folder, ours):
    # kustomize takes folders outside of its own by relative paths only
    return os.path.relpath(ROOT / ours, folder.resolve())


def _patch(one):
    return one if "patch" in one else {"patch": json.dumps(one)}


def pod_patch(kind, name, *, labels=None, **spec):
    """A patch of a pod template."""
    template = {"spec": spec}
    if labels:
        template["metadata"] = {"labels": labels}
    group = "batch/v1" if kind == "Job" else "apps/v1"
    return {
        "apiVersion": group,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"template": template},
    }


def as_list(environ):
    return [{"name": name, "value": value} for name, value in environ.items()]


def proxy_environ(**environ):
    """A patch of the Deployment behind the Service."""
    container = {"name": "proxy", "env": as_list(environ)}
    return pod_patch("Deployment", "claude-code-proxy", containers=[container])


def sidecar_environ(kind, name, **environ):
    """A patch of the sidecar in a pod of somebody's own."""
    container = {"name": "claude-proxy", "env": as_list(environ)}
    return pod_patch(kind, name, initContainers=[container])


def make_keys(kubectl):
    """The two Secrets that a user makes for overlays/api-key."""
    make_inbound_key(kubectl)
    secret(kubectl, "anthropic-api-key", **{"api-key": API_KEY})


def make_inbound_key(kubectl):
    secret(kubectl, "claude-proxy-key", key=KEY)


def secret(kubectl, name, **words):
    given = [f"--from-literal={key}={value}" for key, value in words.items()]
    kubectl("create", "secret", "generic", name, *given)


def python_pod(name, *args, command=("python3", "-c"), **spec):
    """A pod that runs Python under Pod Security `restricted`."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [python_container(name, *args, command=command)],
            **spec,
        },
    }


def python_container(name, *args, command=("python3", "-uc"), **more):
    return {
        "name": name,
        "image": "claude-code-proxy",
        "imagePullPolicy": "Never",
        "command": list(command),
        "args": list(args),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **more,
    }


class Answer(NamedTuple):
    status: int
    """0 where there was no answer."""
    text: str

    @property
    def error(self):
        return json.loads(self.text)["error"]


# What runs in a caller's pod: one call, its status and body printed; or calls without
# end, a line for each. A connection that is kept may find the proxy about to end, which
# says so and closes it: then, as OpenAI's clients do, the call is made again.
ASK = """
import json, sys, urllib.error, urllib.request
url, key, body = sys.argv[1:]
def ask(url, key, body):
    request = urllib.request.Request(url + "/chat/completions", data=body.encode(),
        headers={"content-type": "application/json", "authorization": "Bearer " + key})
    if not key: request.remove_header("Authorization")
    try:
        return urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as answer:
        return answer
"""
PRINT = """
with ask(url, key, body) as answer:
    print(answer.status, flush=True)
    while piece := answer.read1():
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
"""
LOAD = """
import http.client, threading, time, urllib.parse
def call(send):
    while True:
        try:
            told = str(send())
        except (OSError, http.client.HTTPException) as ex:
            told = f"{time.strftime('%X')} {send.__name__}: {ex!r}"
        sys.stdout.write(told + "\\n")  # in one piece: others write too
        sys.stdout.flush()
        time.sleep(0.1)
def anew():
    with ask(url, key, body) as answer:
        answer.read()
        return answer.status
where = urllib.parse.urlsplit(url)
kept = http.client.HTTPConnection(where.netloc, timeout=30)
def over_a_kept_connection():
    headers = {"content-type": "application/json", "authorization": "Bearer " + key}
    kept.request("POST", where.path + "/chat/completions", body, headers)
    answer = kept.getresponse()
    answer.read()
    if answer.status == 503 and answer.headers["connection"] == "close":
        return anew()
    return answer.status
for send in (anew, anew, over_a_kept_connection):
    threading.Thread(target=call, args=[send]).start()
"""
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


class Caller:
    """A pod of the namespace from which others are called."""

    def __init__(self, kubectl):
        self.kubectl = kubectl
        kubectl.apply(python_pod("caller", "infinity", command=["sleep"]))
        kubectl.wait("pod/caller")

    def ask(self, url=SERVICE, key=KEY, **body):
        """Call; a name that the busy node cannot look up just now is asked for again."""

        def answered():
            done = self.kubectl.run(
                "exec", "caller", "--", *self._words(url, key, body)
            )
            return None if "Temporary failure in name" in done.stderr else done

        done = until(answered)
        status, _, text = done.stdout.partition("\n")
        return Answer(int(status or 0), text or done.stderr)

    @contextmanager
    def streaming(self, url=SERVICE, key=KEY, **body):
        """The lines of an answer, as they arrive in the pod."""
        words = self._words(url, key, {"stream": True, **body})
        where = ("--namespace", self.kubectl.namespace, "exec", "caller", "--")
        with subprocess.Popen(
            ["kubectl", *where, *words], stdout=subprocess.PIPE, text=True
        ) as reading:
            yield reading.stdout
            reading.stdout.close()

    def _words(self, url, key, body):
        text = json.dumps(HELLO | body)
        return "python3", "-c", ASK + PRINT, url, key, text


def stream(*pieces):
    """A stream for the stand-in: words, and events for which it waits in between."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    block = {"type": "text", "text": ""}
    yield {"type": "message_start", "message": message}
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    for one in pieces:
        if isinstance(one, str):
            delta = {"type": "text_delta", "text": one}
            yield {"type": "content_block_delta", "index": 0, "delta": delta}
        else:
            yield one
    yield {"type": "content_block_stop", "index": 0}
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": usage}
    yield {"type": "message_stop"}


class Load:
    """A pod that calls the Service again and again, and notes each call that failed.

    By its address: names are looked up by others, who may be slow on a busy machine.
    """

    def __init__(self, kubectl, key=KEY):
        self.kubectl = kubectl
        service = kubectl.json("get", "service", "claude-code-proxy")
        url = f"http://{service['spec']['clusterIP']}/v1"
        kubectl.apply(python_pod("load", ASK + LOAD, url, key, json.dumps(HELLO)))
        kubectl.wait("pod/load")

    def answers(self):
        return self.kubectl("logs", "load").splitlines()

    def goes_on(self, calls=40):
        """Wait until there are so many more; what each of all was answered."""
        end = len(self.answers()) + calls
        until(lambda: len(self.answers()) >= end)
        return self.answers()


def why_it_waits(kubectl, selector, expected):
    """Wait until a pod says why it does not start, in the words of `kubectl get`."""

    def found():
        told = [
            f"{state['reason']}: {state.get('message', '')}"
            for pod in kubectl.json("get", "pods", "--selector", selector)["items"]
            for one in _containers(pod)
            if (state := one["state"].get("waiting"))
        ]
        return any(re.search(expected, one) for one in told) and told

    return until(found, what=lambda: kubectl("describe", "pods", "-l", selector))


def _containers(pod):
    status = pod["status"]
    return [
        *status.get("initContainerStatuses", []),
        *status.get("containerStatuses", []),
    ]


def running(kubectl, selector):
    """The pods of a selector that are not about to end."""
    pods = kubectl.json("get", "pods", "--selector", selector)["items"]
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def rolled_out(kubectl, what, within=60):
    done = kubectl.run(
        "rollout", "status", what, f"--timeout={within}s", timeout=within + 10
    )
    assert done.returncode == 0, f"{done.stderr}\n{kubectl.describe(what)}"


def refresher_at(standin):
    """A patch of the refresher: its Anthropic is the OAuth stand-in.

    Needs `make_authority`.
    """
    environ = {
        "HTTPS_PROXY": standin.url,
        "NODE_EXTRA_CA_CERTS": "/authority/ca.pem",
    }
    container = {
        "name": "refresher",
        "env": as_list(environ),
        "volumeMounts": [{"name": "authority", "mountPath": "/authority"}],
    }
    volume = {"name": "authority", "configMap": {"name": "authority"}}
    return pod_patch(
        "StatefulSet", "claude-refresher", containers=[container], volumes=[volume]
    )


def make_authority(kubectl, pem):
    """The ConfigMap with the CA of a stand-in."""
    kubectl("create", "configmap", "authority", f"--from-literal=ca.pem={pem}")


def log_in(kubectl, login):
    """Give the refresher a login, as soon as it runs."""
    pod = "claude-refresher-0"
    kubectl.wait(f"pod/{pod}", "create")
    started = "jsonpath={.status.containerStatuses[0].started}=true"
    kubectl.wait(f"pod/{pod}", started)
    words = ("exec", "--stdin", pod, "--", "claude-refresher", "import")
    kubectl(*words, data=login)
