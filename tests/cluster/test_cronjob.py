"""The refresher without an operator: the overlay cronjob, and the real CLI.

All the time chat completions are asked for: by the agent from its sidecar on the same
volume, by the neighbour from the overlay's proxy.
"""

import json
import os
import secrets
import subprocess
import time

import pytest

from login_pod import IMPORT
from node import until
from oauth_standin import Behaviour
from stage import DUE, revision

EVERYBODY = ("agent", "neighbour")
PROXIES = ("agent", "claude-code-proxy")
OVERLAY = "kustomize/overlays/cronjob"
SUSPENDED = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: claude-refresher}
spec: {suspend: true}
"""
"""Else a tick of the shipped schedule could come in the middle of a test."""


class Shell:
    """A shell of somebody who works in the namespace."""

    def __init__(self, stage):
        self.directory = stage.directory
        config = self.directory / "kubeconfig"
        config.write_text(stage.kubectl("config", "view", "--raw"))
        self.environ = {**os.environ, "KUBECONFIG": str(config)}
        where = f"--namespace={stage.kubectl.namespace}"
        self.run(f"kubectl config set-context --current {where}")

    def run(self, command):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log_in(self, standin, access_left=28800):
        """Import a login with the README's command; gives its token's revision."""
        login = standin.login(access_left)
        (self.directory / ".credentials.json").write_text(json.dumps(login))
        assert "installed in /var/lib/claude: " in self.run(IMPORT)
        return revision(login["claudeAiOauth"]["accessToken"])


@pytest.fixture(scope="module")
def day(empty_stage):
    """The overlay, then a login, then RockBot: in the README's order."""
    stage = empty_stage
    stage.apply(OVERLAY, patches=[{"patch": SUSPENDED}])
    Shell(stage).log_in(stage.standin)
    stage.apply(
        "tests/cluster/agent",
        components=[
            "kustomize/components/sidecar",
            "kustomize/components/token-from-pvc",
        ],
    )
    stage.rolled_out("claude-code-proxy", *EVERYBODY)
    return stage


@pytest.fixture
def stage(day):
    day.standin.behaviour = Behaviour()
    return day


@pytest.fixture
def shell(stage):
    return Shell(stage)


@pytest.fixture
def every_minute(stage):
    """The CronJob ticks, with a schedule that is quick enough for a test."""
    change(stage, schedule="* * * * *", suspend=False)
    yield
    change(stage, suspend=True)
    jobs = lambda: stage.kubectl.json("get", "jobs")["items"]  # noqa: E731
    until(lambda: not any(job["status"].get("active") for job in jobs()))


def change(stage, **spec):
    patch = json.dumps({"spec": spec})
    stage.kubectl("patch", "cronjob/claude-refresher", f"--patch={patch}")


def ended(stage, job):
    """(exit code, log) of a Job's only pod, once it is over."""

    def over():
        pods = stage.kubectl.json("get", "pods", f"--selector=job-name={job}")["items"]
        for pod in pods:
            for status in pod["status"].get("containerStatuses", []):
                if "terminated" in status["state"]:
                    return pod["metadata"]["name"], status["state"]["terminated"]
        return None

    pod, state = until(over, within=120, what=f"{job} does not end")
    return state["exitCode"], stage.kubectl("logs", pod)


def run_a_job(stage):
    """Do by hand what a tick does."""
    name = f"by-hand-{secrets.token_hex(3)}"
    stage.kubectl("create", "job", name, "--from=cronjob/claude-refresher")
    return name, *ended(stage, name)


def latest_tick(stage):
    """The Job that the CronJob made last."""
    jobs = [
        job["metadata"]
        for job in stage.kubectl.json("get", "jobs")["items"]
        if not job["metadata"]["name"].startswith("by-hand-")
    ]
    return max(jobs, key=lambda each: each["creationTimestamp"])["name"]


def cli_calls(stage):
    """What the CLI asked of Anthropic's hosts; the proxy is not on this way."""
    return [call for call in stage.standin.calls if call["host"]]


def test_a_tick_renews_and_the_proxy_serves_the_new_token(
    stage, shell, every_minute, audit
):
    before = len(stage.standin.token_calls())
    due = shell.log_in(stage.standin, DUE)
    for app in PROXIES:
        stage.uses(app, due)
    with stage.nobody_notices(*EVERYBODY):
        until(
            lambda: stage.standin.token_calls()[before:],
            within=90,
            what="no tick renewed",
        )
        job = latest_tick(stage)
        code, log = ended(stage, job)
        after = time.time()
        stage.answered(*EVERYBODY)

    assert code == 0
    assert "Refreshed: a new access token is good until " in log
    stage.kubectl.wait(f"job/{job}", "condition=Complete")
    [renewed] = {used for app in PROXIES for _, used in stage.calls(app, after)}
    assert renewed != due
    ours = f"system:serviceaccount:{stage.kubectl.namespace}:"
    asked = [one["user"]["username"] for one in audit.entries()]
    assert [user for user in asked if user.startswith(ours)] == []


def test_a_job_that_is_not_due_starts_no_cli(stage, shell):
    token = shell.log_in(stage.standin, 3600)
    before = len(cli_calls(stage))
    with stage.nobody_notices(*EVERYBODY):
        job, code, log = run_a_job(stage)

    assert code == 0
    assert log.startswith("NotDue: the access token is good until ")
    assert len(cli_calls(stage)) == before
    stage.kubectl.wait(f"job/{job}", "condition=Complete")
    stage.uses_only(token, *PROXIES)


def test_a_lost_login_fails_the_job_in_words_until_a_person_logs_in(stage, shell):
    stage.standin.behaviour = Behaviour(status=400, error="invalid_grant")
    shell.log_in(stage.standin, DUE)

    job, code, log = run_a_job(stage)
    calls = len(cli_calls(stage))
    _, again, said = run_a_job(stage)

    assert (code, again) == (78, 78)
    assert (
        "LoginRequired: the login is lost: Anthropic refused the refresh token" in log
    )
    assert "LoginRequired: the login is lost" in said
    assert len(cli_calls(stage)) == calls
    stage.kubectl.wait(f"job/{job}", "condition=Failed")

    stage.standin.behaviour = Behaviour()
    token = shell.log_in(stage.standin)
    assert run_a_job(stage)[1] == 0
    for app in PROXIES:
        stage.uses(app, token)
