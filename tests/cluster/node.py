"""What a test does with the node: `kubectl`, and a look into the audit log."""

import json
import subprocess
import time
from pathlib import Path

MINUTE = 60.0


class Kubectl:
    """`kubectl`, in one namespace or in none.

    kubectl("delete", "pod", "web")             its output; an AssertionError if it fails
    kubectl.json("get", "pods")["items"]        its output as objects
    kubectl.apply({"kind": "Pod", ...}, text)   objects, or YAML
    kubectl.wait("pod/web")                     until it is Ready, or another condition
    kubectl.within("elsewhere")                 the same in another namespace
    """

    def __init__(self, namespace=None):
        self.namespace = namespace

    def within(self, namespace):
        return Kubectl(namespace)

    def run(self, *words, data=None, timeout=MINUTE):
        """Run it, whatever it says: the finished process, with its output as text."""
        where = ("--namespace", self.namespace) if self.namespace else ()
        return subprocess.run(
            ["kubectl", *where, *words],
            input=data,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def __call__(self, *words, data=None, timeout=MINUTE):
        done = self.run(*words, data=data, timeout=timeout)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def json(self, *words):
        return json.loads(self(*words, "--output=json"))

    def apply(self, *objects, server_side=False):
        """Apply objects and YAML texts, in one call."""
        texts = [one if isinstance(one, str) else json.dumps(one) for one in objects]
        how = ("--server-side",) if server_side else ()
        return self("apply", *how, "--filename=-", data="\n---\n".join(texts))

    def wait(self, what, condition="condition=Ready", *, within=MINUTE):
        """Wait for one object; if it is in vain, say what the node knows of it."""
        done = self.run(
            "wait", what, f"--for={condition}", f"--timeout={within}s",
            timeout=within + 10,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stderr}\n{self.describe(what)}"

    def describe(self, what):
        about = self.run("describe", what).stdout
        logs = self.run("logs", what, "--all-containers", "--prefix", "--tail=40")
        return f"{about}\n{logs.stdout}"


class AuditLog:
    """What was asked of the API server from now on: no bodies, but who asked for what."""

    def __init__(self, path):
        self._path = Path(path)
        self._start = self._path.stat().st_size

    def entries(self, user=""):
        """The requests that were answered, in order; those of one user, if named.

        A service account's name is `system:serviceaccount:NAMESPACE:NAME`. Who was not
        recognised has none.
        """
        with self._path.open("rb") as file:
            file.seek(self._start)
            lines = file.read().splitlines(keepends=True)
        entries = [json.loads(line) for line in lines if line.endswith(b"\n")]
        return [one for one in entries if user in {"", one["user"].get("username")}]


def until(condition, *, within=MINUTE, what="it did not come to pass"):
    """Poll until `condition()` is true and return its value."""
    end = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.2)
    return value
