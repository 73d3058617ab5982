"""A namespace with the operator's rights, a volume, and the operator as a process.

The operator runs beside the tests, signed in as the ServiceAccount that
manifests/refresher makes, with the rights that its Role gives and no others.
"""

import base64
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import logins
from node import PATIENCE, until
from operator_process import ROOT, OperatorProcess
from refresher import credentials, files, refresh

SECRET = "claude-access-token"
REQUEST = "claude-proxy.internal/refresh-requested-at"


class Installation:
    def __init__(self, kubectl, directory, server, anthropic):
        self.kubectl = kubectl  # the admin's, in this namespace
        self.namespace = kubectl.namespace
        self.directory = directory
        self.server = server
        self.anthropic = anthropic
        self.volume = directory / "claude"
        self.volume.mkdir(mode=0o700)
        self.operator = None
        self.grant()

    def grant(self):
        """Give the operator the rights that are shipped."""
        rights = ROOT / "manifests/refresher/rights"
        self.kubectl("apply", "--kustomize", str(rights))

    # The cluster, as the admin.

    def create(self, *, annotations=None, **spec):
        """Make the ClaudeCredential; without words it publishes to the Secret."""
        body = {
            "apiVersion": "claude-proxy.internal/v1alpha1",
            "kind": "ClaudeCredential",
            "metadata": {"name": "claude", "annotations": annotations or {}},
            "spec": spec or {"publish": {"secretName": SECRET}},
        }
        self.kubectl.apply(body)

    def request(self, value):
        """Annotate the ClaudeCredential as a person does who wants a refresh."""
        self.kubectl("annotate", "--overwrite", "ccred/claude", f"{REQUEST}={value}")

    @property
    def status(self):
        return (self.kubectl.read("claudecredentials/claude") or {}).get("status", {})

    def condition(self, kind):
        """(status, reason) of a condition, or None."""
        for each in self.status.get("conditions", []):
            if each["type"] == kind:
                return each["status"], each["reason"]
        return None

    def becomes(self, kind, status, reason, seconds=PATIENCE):
        until(
            lambda: self.condition(kind) == (status, reason),
            within=seconds,
            what=lambda: (
                f"{kind} is {self.condition(kind)}, not {status}/{reason}; the log:\n"
                f"{self.log}"
            ),
        )

    @property
    def events(self):
        """(type, reason) of the events, oldest first."""
        found = self.kubectl.read("events")["items"]
        ours = [each for each in found if each["involvedObject"]["name"] == "claude"]
        ours.sort(key=lambda each: int(each["metadata"]["resourceVersion"]))
        return [(each["type"], each["reason"]) for each in ours]

    def reports(self, kind, reason):
        """Wait for an event, which follows the status that it belongs to."""
        until(
            lambda: (kind, reason) in self.events,
            what=lambda: (
                f"no {kind} {reason} among {self.events}; the log:\n{self.log}"
            ),
        )

    @property
    def secret(self):
        """The Secret's keys as text, or None."""
        found = self.kubectl.read(f"secrets/{SECRET}")
        if found is None:
            return None
        return {
            key: base64.b64decode(value).decode()
            for key, value in (found.get("data") or {}).items()
        }

    def make_secret(self, **data):
        """Make the Secret as a person would, before the operator does."""
        self.kubectl.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": SECRET},
                "stringData": data,
            }
        )

    # The volume, as a person or the CLI changes it.

    def login(self, left=28800, access="access-1", **words):
        """Put a login in the volume whose access token has `left` seconds."""
        expires_at = refresh.utc_now() + timedelta(seconds=left)
        data = logins.login(expires_at=expires_at, access=access, **words)
        files.replace(self.volume / credentials.FILE_NAME, data)

    @property
    def token(self):
        """The access token in the volume."""
        text = (self.volume / credentials.FILE_NAME).read_text()
        return json.loads(text)["claudeAiOauth"]["accessToken"]

    def login_falls_due(self, claude):
        """Have a login that is published, and that is due from now on.

        The pause after a failure is ten minutes, so one attempt is all that is made.
        """
        self.login()
        self.create()
        self.start(claude.path, REFRESH_INTERVAL="600")
        self.becomes("Published", "True", "TokenPublished")
        self.login(left=200)

    # The operator.

    def start(self, claude, *, server=None, **environ):
        """Start the operator, and wait until it looks at the volume."""
        self.operator = OperatorProcess(
            self.directory,
            self.volume,
            claude,
            self._kubeconfig(server or self.server),
            self.namespace,
            **{**self.anthropic.environ, **environ},
        )
        until(lambda: self.operator.ask("/healthz")[0] == 200, what=lambda: self.log)

    def doctor(self):
        """Run the doctor as `kubectl exec` would; its lines by check."""
        environ = Path(f"/proc/{self.operator.process.pid}/environ").read_bytes()
        done = subprocess.run(
            [sys.executable, "-m", "refresher", "doctor", "--json"],
            cwd="/",
            env=dict(each.split(b"=", 1) for each in environ.split(b"\0") if each),
            capture_output=True,
            check=False,
        )
        return {line["check"]: line for line in json.loads(done.stdout)}

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
    def log(self):
        return self.operator.log
