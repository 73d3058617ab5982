"""A namespace with a Claude login on a volume, and a stand-in for Anthropic's hosts.

What stands in it is what users apply: `Stage.apply` takes folders of `kustomize` and
`manifests` into a kustomization of its own, as a user does, and adds `world`, which says
where Anthropic's hosts are.
"""

import hashlib
import json
import re
import secrets
import time
from contextlib import contextmanager
from datetime import UTC, datetime

from node import until
from oauth_standin import Behaviour
from overlays import kustomization

REFRESHER = "claude-refresher-0"
SECRET = "claude-access-token"
DUE = 200
"""Seconds: a token with so many left is due, and the CLI renews it."""


def revision(token):
    """A token's name, as the CR has it."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]


class Stage:
    def __init__(self, kubectl, standin, directory):
        self.kubectl = kubectl
        self.standin = standin
        self.directory = directory
        kubectl(
            "create", "configmap", "world",
            f"--from-literal=url={standin.url}", f"--from-file={standin.ca_file}",
        )  # fmt: skip
        kubectl(
            "create", "secret", "generic", "claude-proxy-key", "--from-literal=key=k"
        )

    def apply(self, *resources, components=(), patches=()):
        """Apply these folders of the project together, as a kustomization of ours."""
        folder = kustomization(
            self.directory / f"kustomization-{secrets.token_hex(4)}",
            *resources,
            components=[*components, "tests/cluster/world"],
            patches=patches,
        )
        self.kubectl("apply", "--kustomize", folder)

    def with_agents(self, token):
        """Apply what asks for completions all the time; `token` names a component."""
        components = [f"kustomize/components/{name}" for name in ("sidecar", token)]
        self.apply("tests/cluster/agent", components=components)

    def is_well(self):
        """Begin a login on a stand-in that behaves, and wait until all say so."""
        self.standin.behaviour = Behaviour()
        self.log_in()
        self.becomes("Ready", "True", "TokenValid")
        self.kubectl.wait(f"pod/{REFRESHER}")

    def rolled_out(self, *names):
        for name in names:
            self.kubectl.wait(f"deployment/{name}", "condition=Available", within=120)

    # The login.

    def started(self):
        """Wait until the refresher's container runs; it is not ready without a login."""
        until(
            lambda: (self.container(REFRESHER) or {}).get("started"),
            within=120,
            what=lambda: self.kubectl.describe("statefulset/claude-refresher"),
        )

    def log_in(self, access_left=28800):
        """Begin a login and hand it over as a user does; gives its tokens."""
        login = self.standin.login(access_left)
        self.in_refresher("claude-refresher", "import", data=json.dumps(login))
        return login["claudeAiOauth"]

    def in_refresher(self, *words, data=None):
        stdin = () if data is None else ("--stdin",)
        words = (*stdin, REFRESHER, "--", *words)
        return self.kubectl("exec", *words, data=data, timeout=180)

    def renewed(self, within=60):
        """Begin a login that is due, and wait for its renewal.

        Gives the new token's revision, and the seconds from the import to the CR.
        """
        self.standin.behaviour = Behaviour()
        before = self.status.get("refreshes", 0)
        began = time.monotonic()
        due = revision(self.log_in(DUE)["accessToken"])
        until(
            lambda: self.status.get("refreshes", 0) > before,
            within=within,
            what=self.told,
        )
        after = self.status["tokenRevision"]
        assert after != due, "the CR still has the token of before"
        return after, time.monotonic() - began

    def newest(self):
        """The access token that Anthropic gave out last, by its revision."""
        return revision(self.standin.ledger.newest)

    # What the CR says.

    @property
    def status(self):
        return self.kubectl.json("get", "claudecredential", "claude").get("status", {})

    def condition(self, kind):
        """(status, reason), or None."""
        for each in self.status.get("conditions", []):
            if each["type"] == kind:
                return each["status"], each["reason"]
        return None

    def becomes(self, kind, status, reason, within=60):
        until(
            lambda: self.condition(kind) == (status, reason),
            within=within,
            what=lambda: f"{kind} is not {status}/{reason}\n{self.told()}",
        )

    def told(self):
        return (
            self.kubectl.describe("claudecredential/claude")
            + self.kubectl.run("logs", REFRESHER, "--tail=40").stdout
        )

    def columns(self):
        """What `kubectl get claudecredentials` shows, by the heads of its columns."""
        head, row = self.kubectl("get", "claudecredentials").splitlines()
        starts = [found.start() for found in re.finditer(r"\S+", head)]
        ends = [*starts[1:], None]
        return {
            head[start:end].strip(): row[start:end].strip()
            for start, end in zip(starts, ends, strict=True)
        }

    def events(self, since=0.0):
        """(type, reason) of what was told about the CR, oldest first."""
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

    # Pods.

    def pods(self, app):
        """The pods that are not about to end."""
        found = self.kubectl.json("get", "pods", f"--selector=app={app}")["items"]
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def container(self, pod):
        """The status of a pod's only container, or None."""
        text = self.kubectl("get", "pod", pod, "-o", "json", "--ignore-not-found")
        status = json.loads(text)["status"] if text else {}
        return next(iter(status.get("containerStatuses", [])), None)

    def lives(self):
        """Which pods there are, and how often their containers started anew."""
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
        """What `agent` or `neighbour` wrote down since then."""
        begin = datetime.fromtimestamp(int(since), UTC).isoformat()
        words = ("logs", f"deployment/{who}", "--container=agent")
        lines = self.kubectl(*words, f"--since-time={begin}").splitlines()
        return [each for each in map(json.loads, lines) if each["time"] >= since]

    def answered(self, *who, within=60):
        """Wait until each of them was answered again."""
        for each in who:
            self._answers(each, time.time(), 1, within)

    @contextmanager
    def nobody_notices(self, *who):
        """What happens in the block costs none of them a request."""
        since = time.time()
        yield
        for each in who:
            answers = self._answers(each, since, 8)
            failed = [one["trouble"] for one in answers if one["trouble"]]
            assert not failed, f"{each}: {len(failed)} failed, such as {failed[0]}"

    def _answers(self, who, since, good, within=60):
        def enough():
            answers = self.answers(who, since)
            return answers if sum(not one["trouble"] for one in answers) >= good else []

        return until(
            enough,
            within=within,
            what=lambda: f"{who}: {self.answers(who, since)[-3:]}",
        )

    def calls(self, app, since=0.0):
        """(when, token) of each call of an app's pods at Anthropic's, oldest first."""
        addresses = {each["status"].get("podIP") for each in self.pods(app)}
        return [
            (call["time"], revision(call["access_token"]))
            for call in self.standin.calls
            if call["path"] == "/v1/messages"
            and call["client"] in addresses
            and call["time"] >= since
        ]

    def uses(self, app, token, within=150):
        """Wait until an app calls with this token; gives when it first did."""
        return until(
            lambda: next(
                (when for when, used in self.calls(app) if used == token), None
            ),
            within=within,
            what=lambda: f"{app} still uses {self.calls(app)[-1:]}, not {token}",
        )

    def uses_only(self, token, *apps):
        """From now on each of these apps calls with this token and with no other."""
        now = time.time()
        for app in apps:
            calls = until(lambda app=app: self.calls(app, now), what=f"{app} is silent")
            used = {each for _, each in calls}
            assert used == {token}, f"{app} uses {used}, not {token} alone"


def instant(text):
    """A time of the API server's in seconds."""
    return datetime.fromisoformat(text).timestamp()
