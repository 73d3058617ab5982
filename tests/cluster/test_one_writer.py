"""The operator's pod as it is shipped: what it costs, how it ends, and its company.

The overlay max-secret, and on the same volume the CronJob too, which users are not meant
to have beside the operator and will.
"""

import json
import secrets
import threading
import time

import pytest

from node import until
from oauth_standin import Behaviour
from stage import DUE, REFRESHER, SECRET, instant, revision

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
"""The most MiB that the operator and its CLI held, when the CLI has ended."""


@pytest.fixture(scope="module")
def day(empty_stage):
    stage = empty_stage
    stage.apply(
        "kustomize/overlays/max-secret", "manifests/cronjob",
        patches=[{"patch": SUSPENDED}],
    )  # fmt: skip
    stage.started()
    return stage


@pytest.fixture
def stage(day):
    """A login that is well, and a pod that is ready."""
    day.is_well()
    return day


def is_asked(stage, delay):
    """Begin a login that is due; the CLI waits `delay` seconds for its answer.

    Returns when it has asked, with how many calls there were before.
    """
    before = len(stage.standin.token_calls())
    stage.standin.behaviour = Behaviour(delay=delay)
    stage.log_in(DUE)
    until(lambda: stage.standin.token_calls()[before:], what=stage.told)
    return before


def test_the_operator_and_its_cli_hold_little_memory(stage):
    is_asked(stage, delay=3)

    most = json.loads(stage.in_refresher("python3", "-c", MEMORY))

    assert set(most) == {"operator", "cli"}
    assert sum(most.values()) < 512  # the limit is twice that
    print(f"the most MiB held: {most}")  # noqa: T201 - pytest -rP


def test_a_pod_that_is_deleted_in_a_renewal_saves_and_publishes_it_first(stage, audit):
    before = is_asked(stage, delay=8)
    old = stage.kubectl.json("get", "pod", REFRESHER)["metadata"]["uid"]
    asked_to_end = time.time()
    stage.kubectl("delete", "pod", REFRESHER, "--wait=false")

    until(lambda: another(stage, old), within=120, what=stage.told)
    stage.kubectl.wait(f"pod/{REFRESHER}")

    made = made_again(stage, audit)
    wrote = published(stage, audit)
    assert [when for when in wrote if asked_to_end < when < made], (asked_to_end, wrote)
    assert len(stage.standin.token_calls()) == before + 1
    assert stage.standin.ledger.reused == 0
    file = stage.in_refresher("cat", "/var/lib/claude/.credentials.json")
    token = json.loads(file)["claudeAiOauth"]["accessToken"]
    assert stage.standin.ledger.accepts(token)
    assert stage.status["tokenRevision"] == revision(token)
    secret = stage.kubectl.json("get", "secret", SECRET)["metadata"]["annotations"]
    assert set(secret.values()) == {revision(token)}
    assert stage.container(REFRESHER)["restartCount"] == 0


def another(stage, old):
    text = stage.kubectl("get", "pod", REFRESHER, "-o", "json", "--ignore-not-found")
    return text and json.loads(text)["metadata"]["uid"] != old


def entries(stage, audit, verb, resource, user=""):
    return [
        entry
        for entry in audit.entries(user)
        if entry["verb"] == verb
        and entry["objectRef"].get("namespace") == stage.kubectl.namespace
        and entry["objectRef"]["resource"] == resource
    ]


def made_again(stage, audit):
    """When the StatefulSet's controller made the pod."""
    made = [
        instant(entry["stageTimestamp"])
        for entry in entries(stage, audit, "create", "pods")
        if "statefulset-controller" in entry["user"].get("username", "")
        or "statefulset" in entry.get("userAgent", "")
    ]
    assert len(made) == 1
    return made[0]


def published(stage, audit):
    user = f"system:serviceaccount:{stage.kubectl.namespace}:claude-refresher"
    return [
        instant(entry["stageTimestamp"])
        for entry in entries(stage, audit, "patch", "secrets", user)
    ]


def test_operator_cronjob_and_a_person_at_once_ask_once(stage):
    before = is_asked(stage, delay=12)
    said = {}

    def by_hand():
        said["person"] = stage.in_refresher("claude-refresher", "once")

    person = threading.Thread(target=by_hand)
    person.start()
    job = f"at-once-{secrets.token_hex(3)}"
    stage.kubectl("create", "job", job, "--from=cronjob/claude-refresher")
    until(
        lambda: stage.kubectl.json("get", "job", job)["status"].get("ready"), within=10
    )
    assert stage.standin.token_calls()[-1]["status"] is None  # still unanswered
    person.join()
    stage.kubectl.wait(f"job/{job}", "condition=Complete")
    said["job"] = stage.kubectl("logs", f"job/{job}")

    assert [text[:8] for text in said.values()] == ["NotDue: ", "NotDue: "]
    assert len(stage.standin.token_calls()) == before + 1
    assert stage.standin.ledger.reused == 0
    stage.becomes("Ready", "True", "TokenValid")
    assert stage.container(REFRESHER)["restartCount"] == 0
