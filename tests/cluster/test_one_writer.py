"""The operator's pod as it ships: its memory, how it stops, and other writers beside it.

The overlay max-secret, and on the same volume the CronJob too, which users should not
run beside the operator and will.
"""

import json
import secrets
import threading
import time

import pytest

from installation import DUE, REFRESHER, SECRET, instant, revision
from node import until
from oauth_standin import Behaviour

SUSPENDED = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: claude-refresher}
spec: {suspend: true}
"""
MEMORY = """
import json, pathlib, time
most = {}
while True:
    running = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_text().split("\\0")
            lines = (path / "status").read_text().splitlines()
        except OSError:
            continue  # it has just ended
        status = dict(line.split(":", 1) for line in lines)
        if "VmHWM" in status:
            peak = round(int(status["VmHWM"].split()[0]) / 1024)
            if "operator" in words:
                running["operator"] = peak
            if "--debug-file" in words:
                running["cli"] = peak
    most |= running
    if "cli" not in running:
        break
    time.sleep(0.05)
print(json.dumps(most))
"""
"""Prints the peak memory in MiB of the operator and its CLI, once the CLI has ended."""


@pytest.fixture(scope="module")
def installed(empty_installation):
    installation = empty_installation
    installation.apply(
        "kustomize/overlays/max-secret", "manifests/cronjob",
        patches=[{"patch": SUSPENDED}],
    )  # fmt: skip
    installation.started()
    return installation


@pytest.fixture
def installation(installed):
    """A healthy login, and a pod that is ready."""
    installed.becomes_healthy()
    return installed


def is_asked(installation, **how):
    """Import a login that is due; `how` the token endpoint then behaves.

    Returns once the CLI has called, with the number of calls before that.
    """
    before = len(installation.standin.token_calls())
    installation.standin.behaviour = Behaviour(**how)
    installation.log_in(DUE)
    until(
        lambda: installation.standin.token_calls()[before:], what=installation.diagnosis
    )
    return before


def test_the_operator_and_its_cli_need_little_memory(installation):
    is_asked(installation, delay=12)

    most = json.loads(installation.in_refresher("python3", "-c", MEMORY))

    assert set(most) == {"operator", "cli"}
    assert sum(most.values()) < 512  # the limit is twice that
    print(f"the most MiB held: {most}")  # noqa: T201 - pytest -rP


def test_a_pod_that_is_deleted_in_a_renewal_saves_and_publishes_it_first(
    installation, audit
):
    may_be_answered = threading.Event()
    before = is_asked(installation, held_until=may_be_answered)
    old = installation.kubectl.json("get", "pod", REFRESHER)["metadata"]["uid"]
    asked_to_end = time.time()
    installation.kubectl("delete", "pod", REFRESHER, "--wait=false")
    may_be_answered.set()

    until(lambda: another(installation, old), what=installation.diagnosis)
    installation.kubectl.wait(f"pod/{REFRESHER}")

    made = recreated(installation, audit)
    wrote = published(installation, audit)
    assert [when for when in wrote if asked_to_end < when < made], (asked_to_end, wrote)
    assert len(installation.standin.token_calls()) == before + 1
    assert installation.standin.ledger.reused == 0
    file = installation.in_refresher("cat", "/var/lib/claude/.credentials.json")
    token = json.loads(file)["claudeAiOauth"]["accessToken"]
    assert installation.standin.ledger.accepts(token)
    assert installation.status["tokenRevision"] == revision(token)
    secret = installation.kubectl.json("get", "secret", SECRET)["metadata"][
        "annotations"
    ]
    assert set(secret.values()) == {revision(token)}
    assert installation.container(REFRESHER)["restartCount"] == 0


def another(installation, old):
    text = installation.kubectl(
        "get", "pod", REFRESHER, "-o", "json", "--ignore-not-found"
    )
    return text and json.loads(text)["metadata"]["uid"] != old


def entries(installation, audit, verb, resource, user=""):
    return [
        entry
        for entry in audit.entries(user)
        if entry["verb"] == verb
        and entry["objectRef"].get("namespace") == installation.kubectl.namespace
        and entry["objectRef"]["resource"] == resource
    ]


def recreated(installation, audit):
    """When the StatefulSet's controller created the pod."""
    made = [
        instant(entry["stageTimestamp"])
        for entry in entries(installation, audit, "create", "pods")
        if "statefulset-controller" in entry["user"].get("username", "")
        or "statefulset" in entry.get("userAgent", "")
    ]
    assert len(made) == 1
    return made[0]


def published(installation, audit):
    user = f"system:serviceaccount:{installation.kubectl.namespace}:claude-refresher"
    return [
        instant(entry["stageTimestamp"])
        for entry in entries(installation, audit, "patch", "secrets", user)
    ]


def test_operator_cronjob_and_a_person_at_once_renew_once(installation):
    may_be_answered = threading.Event()
    before = is_asked(installation, held_until=may_be_answered)
    said = {}

    def by_hand():
        said["person"] = installation.in_refresher("claude-refresher", "once")

    person = threading.Thread(target=by_hand)
    person.start()
    job = f"at-once-{secrets.token_hex(3)}"
    installation.kubectl("create", "job", job, "--from=cronjob/claude-refresher")
    until(lambda: installation.kubectl.json("get", "job", job)["status"].get("ready"))
    assert installation.standin.token_calls()[-1]["status"] is None  # still unanswered
    may_be_answered.set()
    person.join()
    installation.kubectl.wait(f"job/{job}", "condition=Complete")
    said["job"] = installation.kubectl("logs", f"job/{job}")

    assert [text[:8] for text in said.values()] == ["NotDue: ", "NotDue: "]
    assert len(installation.standin.token_calls()) == before + 1
    assert installation.standin.ledger.reused == 0
    installation.becomes("Ready", "True", "TokenValid")
    assert installation.container(REFRESHER)["restartCount"] == 0
