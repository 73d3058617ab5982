"""The refresher without an operator: the overlay cronjob, and the real CLI.

All the time chat completions are asked for: by the agent from its sidecar on the same
volume, by the neighbour from the overlay's proxy.
"""

import json
import secrets
import time

import pytest

from node import until
from oauth_standin import Behaviour
from shell import Shell, pasted
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


LOGIN = pasted("kubectl run claude-login ")
IMPORT = LOGIN.replace(" -it ", " -i ").replace(
    "claude auth login", "claude-refresher import < .credentials.json"
)
"""The same with other last words, as docs/kubernetes.md says."""


def log_in(stage, shell, access_left=28800):
    """Import a login with the document's command; gives its token's revision."""
    login = stage.standin.login(access_left)
    (shell.directory / ".credentials.json").write_text(json.dumps(login))
    assert "installed in /var/lib/claude: " in shell.run(IMPORT)
    return revision(login["claudeAiOauth"]["accessToken"])


@pytest.fixture(scope="module")
def day(empty_stage):
    """The overlay, then a login, then RockBot: in the document's order."""
    stage = empty_stage
    stage.apply(OVERLAY, patches=[{"patch": SUSPENDED}])
    log_in(stage, Shell(stage.kubectl, stage.directory))
    stage.with_agents("token-from-pvc")
    stage.rolled_out("claude-code-proxy", *EVERYBODY)
    return stage


@pytest.fixture
def stage(day):
    day.standin.behaviour = Behaviour()
    return day


@pytest.fixture
def shell(stage):
    return Shell(stage.kubectl, stage.directory)


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
    due = log_in(stage, shell, DUE)
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
    assert "Refreshed: the new access token is valid until " in log
    stage.kubectl.wait(f"job/{job}", "condition=Complete")
    [renewed] = {used for app in PROXIES for _, used in stage.calls(app, after)}
    assert renewed != due
    ours = f"system:serviceaccount:{stage.kubectl.namespace}:"
    asked = [one["user"].get("username", "") for one in audit.entries()]
    assert [user for user in asked if user.startswith(ours)] == []


def test_a_job_that_is_not_due_starts_no_cli(stage, shell):
    token = log_in(stage, shell, 3600)
    before = len(cli_calls(stage))
    with stage.nobody_notices(*EVERYBODY):
        job, code, log = run_a_job(stage)

    assert code == 0
    assert log.startswith("NotDue: the access token is valid until ")
    assert len(cli_calls(stage)) == before
    stage.kubectl.wait(f"job/{job}", "condition=Complete")
    stage.uses_only(token, *PROXIES)


def test_a_lost_login_fails_the_job_in_words_until_a_person_logs_in(stage, shell):
    stage.standin.behaviour = Behaviour(status=400, error="invalid_grant")
    log_in(stage, shell, DUE)

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
    token = log_in(stage, shell)
    assert run_a_job(stage)[1] == 0
    for app in PROXIES:
        stage.uses(app, token)


def test_a_person_logs_in_by_the_documents_command(stage, shell):
    command = LOGIN
    for here, more in (  # the way to the stand-in, as a company's proxy would need it
        ("--restart=Never", f"--env=HTTPS_PROXY={stage.standin.url}"),
        ("--restart=Never", "--env=NODE_EXTRA_CA_CERTS=/etc/world/ca.pem"),
        ('"volumeMounts": [', '{"name": "world", "mountPath": "/etc/world"},'),
        ('"volumes": [', '{"name": "world", "configMap": {"name": "world"}},'),
    ):
        assert command.count(here) == 1
        command = command.replace(here, f"{here} {more}")

    shown = shell.answer(command, "Paste code here", stage.standin.ledger.code())

    assert "https://claude.ai/oauth/authorize" in shown
    assert "Login successful." in shown
    assert run_a_job(stage)[2].startswith("NotDue: ")
    after = time.time()
    stage.answered(*EVERYBODY)
    [token] = {used for app in PROXIES for _, used in stage.calls(app, after)}
    assert token == stage.newest()
