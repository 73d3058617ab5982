"""A namespace with a ClaudeCredential, a volume, and the operator that keeps it fresh.

The operator runs as a process beside the tests, signed in as the ServiceAccount that
manifests/refresher makes, with the rights that its Role gives and no others.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import logins
from node import until
from refresher import credentials, files, refresh

ROOT = Path(__file__).parents[3]
SECRET = "claude-access-token"


class House:
    def __init__(self, kubectl, directory, server):
        self.kubectl = kubectl  # the admin's, in this house's namespace
        self.namespace = kubectl.namespace
        self.directory = directory
        self.server = server
        self.volume = directory / "claude"
        self.volume.mkdir(mode=0o700)
        self.process = None
        self.runs = 0
        self.environ = {}
        self.grant()

    def grant(self):
        """Give the operator the rights that are shipped."""
        rights = ROOT / "manifests/refresher/rights"
        self.kubectl("apply", "--kustomize", str(rights))

    # The cluster, as the admin.

    def get(self, kind, name):
        text = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text else None

    def create(self, *, annotations=None, **spec):
        """Make the ClaudeCredential; without words it publishes to the Secret."""
        body = {
            "apiVersion": "claude-proxy.internal/v1alpha1",
            "kind": "ClaudeCredential",
            "metadata": {"name": "claude", "annotations": annotations or {}},
            "spec": spec or {"publish": {"secretName": SECRET}},
        }
        self.kubectl.apply(body)

    @property
    def status(self):
        return (self.get("claudecredential", "claude") or {}).get("status", {})

    def condition(self, kind):
        """(status, reason) of a condition, or None."""
        for each in self.status.get("conditions", []):
            if each["type"] == kind:
                return each["status"], each["reason"]
        return None

    def becomes(self, kind, status, reason, seconds=30):
        until(
            lambda: self.condition(kind) == (status, reason),
            within=seconds,
            what=lambda: f"{kind} is not {status}/{reason}; it said:\n{self.log}",
        )

    @property
    def events(self):
        """(type, reason) of the events, oldest first."""
        found = self.kubectl.json("get", "events")["items"]
        ours = [each for each in found if each["involvedObject"]["name"] == "claude"]
        ours.sort(key=lambda each: int(each["metadata"]["resourceVersion"]))
        return [(each["type"], each["reason"]) for each in ours]

    @property
    def secret(self):
        """The Secret's keys as text, or None."""
        found = self.get("secret", SECRET)
        if found is None:
            return None
        return {
            key: base64.b64decode(value).decode()
            for key, value in (found.get("data") or {}).items()
        }

    # The volume, as a person or the CLI changes it.

    def login(self, left=28800, access="access-1", **words):
        """Put a login in the volume whose access token lives for `left` seconds."""
        expires_at = refresh.utc_now() + timedelta(seconds=left)
        data = logins.login(expires_at=expires_at, access=access, **words)
        files.replace(self.volume / credentials.FILE_NAME, data)

    @property
    def token(self):
        """The access token in the volume."""
        text = (self.volume / credentials.FILE_NAME).read_text()
        return json.loads(text)["claudeAiOauth"]["accessToken"]

    # The operator.

    def start(self, claude, *, server=None, **environ):
        """Start the operator, and wait until it looks at the volume."""
        self.begin(claude, server=server, **environ)
        until(lambda: self.ask("/healthz")[0] == 200, what=lambda: self.log)

    def begin(self, claude, *, server=None, **environ):
        self.runs += 1
        config = self.directory / "kubeconfig"
        config.write_text(json.dumps(self._kubeconfig(server or self.server)))
        self.port = 18080 + int.from_bytes(os.urandom(2)) % 10000
        with self._log_file.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "refresher", "operator"],
                cwd="/",
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(ROOT),
                    "PYTHONWARNINGS": "ignore",
                    "HOME": str(self.directory),
                    "KUBECONFIG": str(config),
                    "POD_NAMESPACE": self.namespace,
                    "CLAUDE_CONFIG_DIR": str(self.volume),
                    "CLAUDE_BIN": str(claude),
                    "HEALTH_PORT": str(self.port),
                    **environ,
                },
            )

    def _kubeconfig(self, server):
        token = self.kubectl("create", "token", "claude-refresher").strip()
        cluster = {"server": server}
        if server.startswith("https"):
            cluster["insecure-skip-tls-verify"] = True
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "node", "cluster": cluster}],
            "users": [{"name": "us", "user": {"token": token}}],
            "contexts": [{"name": "us", "context": {"cluster": "node", "user": "us"}}],
            "current-context": "us",
        }

    @property
    def _log_file(self):
        return self.directory / f"operator-{self.runs}.log"

    @property
    def log(self):
        return self._log_file.read_text()

    def ask(self, path):
        """(status, text) of the health port; (0, "") while nobody listens."""
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as ex:
            return ex.code, ex.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name):
        """The value of a metric; labels are a part of the name."""
        for line in self.ask("/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return None

    def stop(self, number=signal.SIGTERM):
        """End the operator; its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        self.process = None
        return code
