"""A namespace with a Claude login on a volume, and a stand-in for Anthropic's hosts.

It holds what users apply: `Installation.apply` puts folders of `kustomize` and `manifests`
into a kustomization of its own, as a user does, and adds the component `redirect`, which
redirects Anthropic's hosts.
"""

import hashlib
import json
import re
import secrets
import time
from contextlib import contextmanager
from datetime import UTC, datetime

from kustomizations import kustomization, secret
from node import PATIENCE, condition, until
from oauth_standin import Behaviour

REFRESHER = "claude-refresher-0"
SECRET = "claude-access-token"
DUE = 200
"""Seconds: a token with this much life left is due, and the CLI renews it."""


def revision(token):
    """A token's fingerprint, as the ClaudeCredential shows it."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]


class Installation:
    def __init__(self, kubectl, standin, directory, *, inbound_key=True):
        self.kubectl = kubectl
        self.standin = standin
        self.directory = directory
        kubectl(
            "create", "configmap", "anthropic-standin",
            f"--from-literal=url={standin.url}", f"--from-file={standin.ca_file}",
        )  # fmt: skip
        if inbound_key:
            secret(kubectl, "claude-proxy-key", key="k")

    def apply(self, *resources, components=(), patches=(), how=()):
        """Apply these folders of the project together, as one kustomization."""
        folder = self.folder(*resources, components=components, patches=patches)
        self.kubectl("apply", *how, "--kustomize", folder)

    def folder(self, *resources, components=(), patches=()):
        """The same kustomization without applying it; returns its folder."""
        return kustomization(
            self.directory / f"kustomization-{secrets.token_hex(4)}",
            *resources,
            components=[*components, "tests/cluster/redirect"],
            patches=patches,
        )

    def with_agents(self, token):
        """Apply the pods that request completions all the time; `token` is a component."""
        components = [f"kustomize/components/{name}" for name in ("sidecar", token)]
        self.apply("tests/cluster/agent", components=components)

    def becomes_healthy(self):
        """Log in with a stand-in that behaves, and wait until everything reports it."""
        self.standin.behaviour = Behaviour()
        self.log_in()
        self.becomes("Ready", "True", "TokenValid")
        self.kubectl.wait(f"pod/{REFRESHER}")

    def rolled_out(self, *names):
        for name in names:
            self.kubectl.wait(
                f"deployment/{name}", "condition=Available", within=PATIENCE
            )

    # The login.

    def started(self):
        """Wait until the refresher's container runs; without a login it is not ready."""
        until(
            lambda: (self.container(REFRESHER) or {}).get("started"),
            within=PATIENCE,
            what=lambda: self.kubectl.describe("statefulset/claude-refresher"),
        )

    def log_in(self, access_left=28800):
        """Create a login and import it as a user does; returns its tokens."""
        login = self.standin.login(access_left)
        self.in_refresher(
            "claude-refresher", "import", "--force", data=json.dumps(login)
        )
        return login["claudeAiOauth"]

    def in_refresher(self, *words, data=None):
        stdin = () if data is None else ("--stdin",)
        words = (*stdin, REFRESHER, "--", *words)
        return self.kubectl("exec", *words, data=data, timeout=180)

    def renewed(self, within=PATIENCE):
        """Import a login that is due, and wait for its renewal.

        Returns the new token's revision, and the seconds from the import to the status.
        """
        self.standin.behaviour = Behaviour()
        before = self.status.get("refreshes", 0)
        began = time.monotonic()
        due = revision(self.log_in(DUE)["accessToken"])
        until(
            lambda: self.status.get("refreshes", 0) > before,
            within=within,
            what=self.diagnosis,
        )
        after = self.status["tokenRevision"]
        assert after != due, "the status still shows the previous token"
        return after, time.monotonic() - began

    def newest(self):
        """The revision of the access token that Anthropic issued last."""
        return revision(self.standin.ledger.newest)

    # The ClaudeCredential.

    @property
    def status(self):
        return self.kubectl.read("claudecredentials/claude").get("status", {})

    def condition(self, kind):
        """(status, reason), or None."""
        found = condition({"status": self.status}, kind)
        return (found["status"], found["reason"]) if found else None

    def becomes(self, kind, status, reason, within=PATIENCE):
        until(
            lambda: self.condition(kind) == (status, reason),
            within=within,
            what=lambda: f"{kind} is not {status}/{reason}\n{self.diagnosis()}",
        )

    def diagnosis(self):
        return (
            self.kubectl.describe("claudecredential/claude")
            + self.kubectl.run("logs", REFRESHER, "--tail=40").stdout
        )

    def columns(self):
        """What `kubectl get claudecredentials` shows, by column heading."""
        head, row = self.kubectl("get", "claudecredentials").splitlines()
        starts = [found.start() for found in re.finditer(r"\S+", head)]
        ends = [*starts[1:], None]
        return {
            head[start:end].strip(): row[start:end].strip()
            for start, end in zip(starts, ends, strict=True)
        }

    def events(self, since=0.0):
        """(type, reason) of the events about the ClaudeCredential, oldest first."""
        words = (
            "get",
            "events",
            "--field-selector=involvedObject.kind=ClaudeCredential",
        )
        found = self.kubectl.json(*words)["items"]
        found.sort(key=lambda each: int(each["metadata"]["resourceVersion"]))
        return [
            (each["type"], each["reason"])
            for each in found
            if instant(each["metadata"]["creationTimestamp"]) >= int(since)
        ]

    def reports(self, kind, reason, since=0.0):
        """Wait for an event, which follows the status that it belongs to."""
        until(
            lambda: (kind, reason) in self.events(since),
            what=lambda: f"no {kind} {reason} among {self.events(since)}",
        )

    # Pods.

    def pods(self, app):
        """An app's pods that are not terminating."""
        found = self.kubectl.read(f"pods?labelSelector=app={app}")["items"]
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def container(self, pod):
        """The status of a pod's only container, or None."""
        status = (self.kubectl.read(f"pods/{pod}") or {}).get("status", {})
        return next(iter(status.get("containerStatuses", [])), None)

    def restarts(self):
        """Each pod's restart counts, one per container."""
        return {
            each["metadata"]["name"]: [
                status["restartCount"]
                for kind in ("initContainerStatuses", "containerStatuses")
                for status in each["status"].get(kind, [])
            ]
            for each in self.kubectl.json("get", "pods")["items"]
        }

    # Requests.

    def answers(self, who, since):
        """What `agent` or `neighbour` logged since then."""
        begin = datetime.fromtimestamp(int(since), UTC).isoformat()
        words = ("logs", f"deployment/{who}", "--container=agent")
        lines = self.kubectl(*words, f"--since-time={begin}").splitlines()
        return [each for each in map(json.loads, lines) if each["time"] >= since]

    def answered(self, *who, within=PATIENCE):
        """Wait until each of them has been answered again."""
        for each in who:
            self._answers(each, time.time(), 1, within)

    @contextmanager
    def nobody_notices(self, *who):
        """Assert that no request of theirs fails while the block runs."""
        since = time.time()
        yield
        for each in who:
            answers = self._answers(each, since, 8)
            failed = [one["trouble"] for one in answers if one["trouble"]]
            assert not failed, f"{each}: {len(failed)} failed, such as {failed[0]}"

    def _answers(self, who, since, good, within=PATIENCE):
        def enough():
            answers = self.answers(who, since)
            return answers if sum(not one["trouble"] for one in answers) >= good else []

        return until(
            enough,
            within=within,
            what=lambda: f"{who}: {self.answers(who, since)[-3:]}",
        )

    def calls(self, app, since=0.0):
        """(time, token revision) of each upstream call by an app's pods, oldest first."""
        addresses = {each["status"].get("podIP") for each in self.pods(app)}
        return [
            (call["time"], revision(call["access_token"]))
            for call in self.standin.calls
            if call["path"] == "/v1/messages"
            and call["client"] in addresses
            and call["time"] >= since
        ]

    def uses(self, app, token, within=2 * PATIENCE):
        """Wait until an app calls with this token; returns when it first did."""
        return until(
            lambda: next(
                (when for when, used in self.calls(app) if used == token), None
            ),
            within=within,
            what=lambda: f"{app} still uses {self.calls(app)[-1:]}, not {token}",
        )

    def used(self, app):
        """The tokens with which an app calls from now on."""
        now = time.time()
        # Its only caller waits for each answer, so one call may be on its way by now.
        _, *calls = until(
            lambda: self.calls(app, now)[1:] and self.calls(app, now),
            what=f"{app} is silent",
        )
        return {token for _, token in calls}

    def uses_only(self, token, *apps):
        """Assert that each of these apps now calls with this token and no other."""
        for app in apps:
            used = self.used(app)
            assert used == {token}, f"{app} uses {used}, not {token} alone"


def instant(text):
    """A timestamp of the API server as seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()
