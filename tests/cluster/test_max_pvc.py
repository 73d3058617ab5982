"""overlays/max-pvc: two processes that share a volume and nothing else.

Beside the overlay runs a stand-in for RockBot with the proxy as a sidecar on the same
volume. Both request chat completions all the time: the agent from its sidecar, the
neighbour from the overlay's own proxy behind the Service. The CLI is the real one.
"""

import json
import time

import pytest

from installation import DUE, REFRESHER, instant
from node import until
from oauth_standin import Behaviour
from shell import Shell, pasted

EVERYBODY = ("agent", "neighbour")


@pytest.fixture(scope="module")
def installed(empty_installation):
    """The overlay, then a login, then RockBot: the documented order."""
    installation = empty_installation
    installation.apply("kustomize/overlays/max-pvc")
    installation.started()
    installation.log_in()
    installation.with_agents("token-from-pvc")
    installation.rolled_out("claude-code-proxy", *EVERYBODY)
    return installation


@pytest.fixture
def installation(installed):
    """The same, with a healthy login at the start of each test."""
    installed.becomes_healthy()
    installed.answered(*EVERYBODY)
    return installed


def test_the_real_cli_renews_and_no_request_fails(installation):
    before = installation.restarts()
    with installation.nobody_notices(*EVERYBODY):
        token, seconds = installation.renewed()
        installation.uses_only(token, "agent", "claude-code-proxy")
        installation.answered(*EVERYBODY)

    assert installation.standin.ledger.reused == 0
    assert installation.restarts() == before
    print(f"renewed {seconds:.1f} s after the import began")  # noqa: T201 - pytest -rP


def test_the_doctor_in_the_pod_finds_nothing_broken(installation):
    doctor = ("exec", REFRESHER, "--", "claude-refresher", "doctor", "--json")
    lines = json.loads(installation.kubectl(*doctor))  # which ended with 0

    well = {line["check"] for line in lines if line["verdict"] == "ok"}
    examined = {"login", "access token", "CLI", "network", "ClaudeCredential", "rights"}
    assert examined <= well, lines


def test_the_columns_show_a_renewal(installation):
    since = time.time()
    installation.renewed()

    columns = installation.columns()

    assert (columns["READY"], columns["REASON"]) == ("True", "TokenValid")
    assert 28000 < instant(columns["EXPIRES"]) - time.time() <= 28800
    assert instant(columns["EXPIRES"]) - instant(columns["NEXT"]) == 240
    assert columns["LAST"] in {f"{seconds}s" for seconds in range(120)}
    installation.reports("Normal", "Refreshed", since)


def test_a_person_logs_in_with_the_documented_command(installation):
    shell = Shell(installation.kubectl, installation.directory)
    since = time.time()

    shown = shell.answer(
        pasted(f"kubectl exec -it {REFRESHER} "),
        "Paste code here",
        installation.standin.ledger.code(),
    )

    assert "https://claude.ai/oauth/authorize" in shown
    assert "Login successful." in shown
    until(lambda: installation.status.get("tokenRevision") == installation.newest())
    installation.becomes("Ready", "True", "TokenValid")
    installation.reports("Normal", "CredentialsChanged", since)
    installation.uses_only(installation.newest(), "agent", "claude-code-proxy")


def test_a_failing_renewal_is_reported_and_harms_nobody(installation):
    since = time.time()
    installation.standin.behaviour = Behaviour(status=429, error="rate_limited")
    with installation.nobody_notices(*EVERYBODY):
        installation.log_in(DUE)
        installation.becomes("Ready", "True", "RefreshFailing")
        columns, status = installation.columns(), installation.status

    assert (columns["READY"], columns["REASON"]) == ("True", "RefreshFailing")
    assert int(since) <= instant(columns["EXPIRES"]) - DUE < time.time()
    asked = [call["time"] for call in installation.standin.token_calls()]
    attempt = min(each for each in asked if each > since)  # which began before that
    assert int(since) + 60 <= instant(columns["NEXT"]) <= attempt + 60
    installation.reports("Warning", "RefreshFailed", since)
    assert status["failedAttempts"] == 1
    installation.kubectl.wait(f"pod/{REFRESHER}")


def test_a_lost_login_is_reported_and_a_new_one_is_noticed(installation):
    since = time.time()
    restarts = installation.container(REFRESHER)["restartCount"]
    installation.standin.behaviour = Behaviour(status=400, error="invalid_grant")
    with installation.nobody_notices(*EVERYBODY):  # the last token is still good
        installation.log_in(DUE)
        installation.becomes("Ready", "False", "LoginRequired")
        installation.becomes("LoginRequired", "True", "LoginLost")
        columns = installation.columns()
        assert (columns["READY"], columns["REASON"]) == ("False", "LoginRequired")
        assert (columns["EXPIRES"], columns["NEXT"]) == ("", "")
        installation.reports("Warning", "LoginRequired", since)
        installation.kubectl.wait(f"pod/{REFRESHER}", "condition=Ready=False")
        assert installation.container(REFRESHER)["restartCount"] == restarts

    installation.standin.behaviour = Behaviour()
    installation.log_in()
    began = time.monotonic()
    installation.becomes("Ready", "True", "TokenValid")
    print(f"a new login was noticed within {time.monotonic() - began:.1f} s")  # noqa: T201 - pytest -rP
    assert installation.columns()["READY"] == "True"
    installation.reports("Normal", "CredentialsChanged", since)
    installation.kubectl.wait(f"pod/{REFRESHER}")
    assert installation.container(REFRESHER)["restartCount"] == restarts
