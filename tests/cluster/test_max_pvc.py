"""The shape the project was asked for: two processes that share a volume, nothing else.

The overlay max-pvc, and beside it a stand-in for RockBot with the proxy as a sidecar on
the same volume. All the time both ask for chat completions: the agent its sidecar, the
neighbour the overlay's own proxy behind the Service. The CLI is the real one.
"""

import time

import pytest

from node import until
from oauth_standin import Behaviour
from shell import Shell, pasted
from stage import DUE, REFRESHER, instant

EVERYBODY = ("agent", "neighbour")


@pytest.fixture(scope="module")
def day(empty_stage):
    """The overlay, then a login, then RockBot: in the document's order."""
    stage = empty_stage
    stage.apply("kustomize/overlays/max-pvc")
    stage.started()
    stage.log_in()
    stage.with_agents("token-from-pvc")
    stage.rolled_out("claude-code-proxy", *EVERYBODY)
    return stage


@pytest.fixture
def stage(day):
    """The same with a login that is well, at the beginning of each test."""
    day.is_well()
    day.answered(*EVERYBODY)
    return day


def test_the_real_cli_renews_and_no_request_fails(stage):
    lives = stage.lives()
    with stage.nobody_notices(*EVERYBODY):
        token, seconds = stage.renewed()
        stage.uses_only(token, "agent", "claude-code-proxy")
        stage.answered(*EVERYBODY)

    assert stage.standin.ledger.reused == 0
    assert stage.lives() == lives
    print(f"renewed {seconds:.1f} s after the import began")  # noqa: T201 - pytest -rP


def test_the_columns_tell_of_a_renewal(stage):
    since = time.time()
    stage.renewed()

    columns = stage.columns()

    assert (columns["READY"], columns["REASON"]) == ("True", "TokenValid")
    assert 28000 < instant(columns["EXPIRES"]) - time.time() <= 28800
    assert instant(columns["EXPIRES"]) - instant(columns["NEXT"]) == 240
    assert columns["LAST"] in {f"{seconds}s" for seconds in range(20)}
    assert ("Normal", "Refreshed") in stage.events(since)


def test_a_person_logs_in_by_the_documents_command(stage):
    shell = Shell(stage.kubectl, stage.directory)
    since = time.time()

    shown = shell.answer(
        pasted(f"kubectl exec -it {REFRESHER} "),
        "Paste code here",
        stage.standin.ledger.code(),
    )

    assert "https://claude.ai/oauth/authorize" in shown
    assert "Login successful." in shown
    until(lambda: stage.status["tokenRevision"] == stage.newest(), within=10)
    stage.becomes("Ready", "True", "TokenValid")
    assert ("Normal", "CredentialsChanged") in stage.events(since)
    stage.uses_only(stage.newest(), "agent", "claude-code-proxy")


def test_a_failing_renewal_is_told_and_harms_nobody(stage):
    since = time.time()
    stage.standin.behaviour = Behaviour(status=429, error="rate_limited")
    with stage.nobody_notices(*EVERYBODY):
        stage.log_in(DUE)
        stage.becomes("Ready", "True", "RefreshFailing")

    columns = stage.columns()
    assert (columns["READY"], columns["REASON"]) == ("True", "RefreshFailing")
    assert 0 < instant(columns["EXPIRES"]) - time.time() < DUE
    assert 30 < instant(columns["NEXT"]) - time.time() <= 60
    assert ("Warning", "RefreshFailed") in stage.events(since)
    assert stage.status["failedAttempts"] == 1
    stage.kubectl.wait(f"pod/{REFRESHER}")


def test_a_lost_login_is_told_and_a_new_one_is_noticed(stage):
    since = time.time()
    restarts = stage.container(REFRESHER)["restartCount"]
    stage.standin.behaviour = Behaviour(status=400, error="invalid_grant")
    with stage.nobody_notices(*EVERYBODY):  # the last token is still good
        stage.log_in(DUE)
        stage.becomes("Ready", "False", "LoginRequired")
        stage.becomes("LoginRequired", "True", "LoginLost")
        columns = stage.columns()
        assert (columns["READY"], columns["REASON"]) == ("False", "LoginRequired")
        assert (columns["EXPIRES"], columns["NEXT"]) == ("", "")
        assert ("Warning", "LoginRequired") in stage.events(since)
        stage.kubectl.wait(f"pod/{REFRESHER}", "condition=Ready=False")
        assert stage.container(REFRESHER)["restartCount"] == restarts

    stage.standin.behaviour = Behaviour()
    stage.log_in()
    began = time.monotonic()
    stage.becomes("Ready", "True", "TokenValid", within=5)
    print(f"a new login was noticed within {time.monotonic() - began:.1f} s")  # noqa: T201 - pytest -rP
    assert stage.columns()["READY"] == "True"
    assert ("Normal", "CredentialsChanged") in stage.events(since)
    stage.kubectl.wait(f"pod/{REFRESHER}")
    assert stage.container(REFRESHER)["restartCount"] == restarts
