"""Pods that call the proxy: one call, a stream, or a load that records every failure.

caller = Caller(namespace)
assert caller.ask("http://claude-code-proxy/v1", KEY).status == 200
"""

import json
import subprocess
from contextlib import contextmanager
from typing import NamedTuple

from kustomizations import KEY
from node import until

SERVICE = "http://claude-code-proxy/v1"


def python_pod(name, *args, command=("python3", "-c"), **spec):
    """A pod that runs Python and satisfies Pod Security `restricted`."""
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
    """0 if there was no response."""
    text: str

    @property
    def error(self):
        return json.loads(self.text)["error"]


# What runs in a caller's pod: one call that prints its status and body, or calls without
# end that print a line each. A kept connection may find the proxy draining, which says
# so and closes it; the call is then repeated, as OpenAI's clients do.
ASK = """
import json, sys, urllib.error, urllib.request
url, key, body = sys.argv[1:]
def ask(url, key, body):
    request = urllib.request.Request(url + "/chat/completions", data=body.encode(),
        headers={"content-type": "application/json", "authorization": "Bearer " + key})
    if not key: request.remove_header("Authorization")
    try:
        return urllib.request.urlopen(request, timeout=100)
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
            result = str(send())
        except (OSError, http.client.HTTPException) as ex:
            result = f"{time.strftime('%X')} {send.__name__}: {ex!r}"
        sys.stdout.write(result + "\\n")  # one write: other threads print too
        sys.stdout.flush()
        time.sleep(0.1)
def anew():
    with ask(url, key, body) as answer:
        answer.read()
        return answer.status
where = urllib.parse.urlsplit(url)
kept = http.client.HTTPConnection(where.netloc, timeout=100)
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
    """A pod of the namespace from which calls are made."""

    def __init__(self, kubectl):
        self.kubectl = kubectl
        kubectl.apply(python_pod("caller", "infinity", command=["sleep"]))
        kubectl.wait("pod/caller")

    def ask(self, url=SERVICE, key=KEY, **body):
        """Make one call; a name lookup that the busy node failed is repeated."""

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
        """The lines of a response, as they arrive in the pod."""
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
    """A stream for the stand-in: text, and events that it waits for in between."""
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
    """A pod that calls the Service continuously and logs the result of each call.

    It calls by address, since name lookups may be slow on a busy machine.
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
        """Wait for this many more calls; returns the results of all of them."""
        end = len(self.answers()) + calls
        until(lambda: len(self.answers()) >= end)
        return self.answers()
