"""overlays/cronjob: the refresher without an operator, with the real CLI.

Chat completions are requested all the time: by the agent from its sidecar on the same
volume, by the neighbour from the overlay's proxy.
"""

import json
import secrets

import pytest

from installation import DUE, revision
from node import PATIENCE, until
from oauth_standin import Behaviour
from shell import Shell, pasted

EVERYBODY = ("agent", "neighbour")
PROXIES = ("agent", "claude-code-proxy")
OVERLAY = "kustomize/overlays/cronjob"
SUSPENDED = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: claude-refresher}
spec: {suspend: true}
"""
"""Otherwise the shipped schedule could fire in the middle of a test."""


LOGIN = pasted("kubectl run claude-login ")
IMPORT = LOGIN.replace(" -it ", " -i ").replace(
    "claude auth login", "claude-refresher import --force < .credentials.json"
)
"""The same pod with another command, as documented."""


def log_in(installation, shell, access_left=28800):
    """Import a login with the documented command; returns its token's revision."""
    login = installation.standin.login(access_left)
    (shell.directory / ".credentials.json").write_text(json.dumps(login))
    assert "installed in /var/lib/claude; " in shell.run(IMPORT)
    return revision(login["claudeAiOauth"]["accessToken"])


@pytest.fixture(scope="module")
def installed(empty_installation):
    """The overlay, then a login, then RockBot: the documented order."""
    installation = empty_installation
    installation.apply(OVERLAY, patches=[{"patch": SUSPENDED}])
    log_in(installation, Shell(installation.kubectl, installation.directory))
    installation.with_agents("token-from-pvc")
    installation.rolled_out("claude-code-proxy", *EVERYBODY)
    return installation


@pytest.fixture
def installation(installed):
    installed.standin.behaviour = Behaviour()
    return installed


@pytest.fixture
def shell(installation):
    return Shell(installation.kubectl, installation.directory)


@pytest.fixture
def run_every_minute(installation):
    """Let the CronJob run every minute, which is quick enough for a test."""
    yield lambda: change(installation, schedule="* * * * *", suspend=False)
    change(installation, suspend=True)
    jobs = lambda: installation.kubectl.json("get", "jobs")["items"]  # noqa: E731
    until(lambda: not any(job["status"].get("active") for job in jobs()))


def change(installation, **spec):
    patch = json.dumps({"spec": spec})
    installation.kubectl("patch", "cronjob/claude-refresher", f"--patch={patch}")


def ended(installation, job):
    """(exit code, log) of a Job's only pod, once it has ended."""

    def over():
        pods = installation.kubectl.json("get", "pods", f"--selector=job-name={job}")[
            "items"
        ]
        for pod in pods:
            for status in pod["status"].get("containerStatuses", []):
                if "terminated" in status["state"]:
                    return pod["metadata"]["name"], status["state"]["terminated"]
        return None

    pod, state = until(over, what=f"{job} does not end")
    return state["exitCode"], installation.kubectl("logs", pod)


def run_a_job(installation):
    """Run by hand what the schedule runs."""
    name = f"by-hand-{secrets.token_hex(3)}"
    installation.kubectl("create", "job", name, "--from=cronjob/claude-refresher")
    return name, *ended(installation, name)


def first_scheduled(installation):
    """The Job that the CronJob created first, or None."""
    jobs = [
        job["metadata"]
        for job in installation.kubectl.json("get", "jobs")["items"]
        if not job["metadata"]["name"].startswith("by-hand-")
    ]
    jobs.sort(key=lambda each: each["creationTimestamp"])
    return jobs[0]["name"] if jobs else None


def cli_calls(installation):
    """The CLI's calls to Anthropic's hosts; the proxy's do not name a host."""
    return [call for call in installation.standin.calls if call["host"]]


def test_a_scheduled_run_renews_and_the_proxy_serves_the_new_token(
    installation, shell, run_every_minute, audit
):
    before = len(installation.standin.token_calls())
    due = log_in(installation, shell, DUE)
    for app in PROXIES:
        installation.uses(app, due)
    with installation.nobody_notices(*EVERYBODY):
        run_every_minute()
        job = until(
            lambda: first_scheduled(installation),
            within=2 * PATIENCE,
            what="no run was scheduled",
        )
        code, log = ended(installation, job)
        installation.answered(*EVERYBODY)

    assert code == 0
    assert "Refreshed: the new access token is valid until " in log
    installation.kubectl.wait(f"job/{job}", "condition=Complete")
    assert len(installation.standin.token_calls()) == before + 1
    [renewed] = {token for app in PROXIES for token in installation.used(app)}
    assert renewed != due
    ours = f"system:serviceaccount:{installation.kubectl.namespace}:"
    asked = [one["user"].get("username", "") for one in audit.entries()]
    assert [user for user in asked if user.startswith(ours)] == []


def test_a_job_that_is_not_due_starts_no_cli(installation, shell):
    token = log_in(installation, shell, 3600)
    before = len(cli_calls(installation))
    with installation.nobody_notices(*EVERYBODY):
        job, code, log = run_a_job(installation)

    assert code == 0
    assert log.startswith("NotDue: the access token is valid until ")
    assert len(cli_calls(installation)) == before
    installation.kubectl.wait(f"job/{job}", "condition=Complete")
    installation.uses_only(token, *PROXIES)


def test_a_lost_login_fails_the_job_with_a_reason_until_a_person_logs_in(
    installation, shell
):
    installation.standin.behaviour = Behaviour(status=400, error="invalid_grant")
    log_in(installation, shell, DUE)

    job, code, log = run_a_job(installation)
    calls = len(cli_calls(installation))
    _, again, said = run_a_job(installation)

    assert (code, again) == (78, 78)
    assert (
        "LoginRequired: the login is lost: Anthropic refused the refresh token" in log
    )
    assert "LoginRequired: the login is lost" in said
    assert len(cli_calls(installation)) == calls
    installation.kubectl.wait(f"job/{job}", "condition=Failed")

    installation.standin.behaviour = Behaviour()
    token = log_in(installation, shell)
    assert run_a_job(installation)[1] == 0
    for app in PROXIES:
        installation.uses(app, token)


def test_a_person_logs_in_with_the_documented_command(installation, shell):
    command = LOGIN
    for here, more in (  # the way to the stand-in, as a company's proxy would need it
        ("--restart=Never", f"--env=HTTPS_PROXY={installation.standin.url}"),
        ("--restart=Never", "--env=NODE_EXTRA_CA_CERTS=/etc/anthropic-standin/ca.pem"),
        (
            '"volumeMounts": [',
            '{"name": "anthropic-standin", "mountPath": "/etc/anthropic-standin"},',
        ),
        (
            '"volumes": [',
            '{"name": "anthropic-standin", "configMap": {"name": "anthropic-standin"}},',
        ),
    ):
        assert command.count(here) == 1
        command = command.replace(here, f"{here} {more}")

    shown = shell.answer(command, "Paste code here", installation.standin.ledger.code())

    assert "https://claude.ai/oauth/authorize" in shown
    assert "Login successful." in shown
    assert run_a_job(installation)[2].startswith("NotDue: ")
    installation.answered(*EVERYBODY)
    [token] = {token for app in PROXIES for token in installation.used(app)}
    assert token == installation.newest()
