"""The operator's days, on the real API server, with the rights that are shipped."""

import signal
import time
from datetime import timedelta

import pytest

from logins import age_last_attempt
from node import PATIENCE, until
from refresher import files, refresh
from tests.cluster.operator.installation import SECRET


def test_it_says_that_a_login_is_needed_and_notices_a_persons_login(installed, fake):
    installed.create()
    installed.start(fake("ok").path)
    installed.becomes("Ready", "False", "NoCredentials")
    installed.becomes("LoginRequired", "True", "NoCredentials")
    assert installed.condition("Published") == ("False", "NoToken")
    assert installed.operator.ask("/readyz")[0] == 503
    assert installed.secret is None

    installed.login()

    installed.becomes("Ready", "True", "TokenValid")
    installed.becomes("Published", "True", "TokenPublished")
    assert installed.secret["access-token"] == "access-1"
    assert installed.secret["expires-at"] == installed.status["expiresAt"]
    assert installed.operator.ask("/readyz")[0] == 200
    installed.reports("Normal", "TokenPublished")
    assert installed.events == [
        ("Warning", "LoginRequired"),
        ("Normal", "CredentialsChanged"),
        ("Normal", "TokenPublished"),
    ]


def test_it_refreshes_a_token_that_is_due_and_publishes_it_at_once(installed, fake):
    claude = fake("ok")
    installed.login(left=200)
    installed.create()
    installed.start(claude.path)

    until(lambda: installed.status.get("refreshes") == 1)
    until(
        lambda: installed.secret and installed.secret["access-token"] == installed.token
    )

    assert installed.token != "access-1"
    assert len(claude.calls) == 1
    assert installed.condition("Ready") == ("True", "TokenValid")
    assert installed.status["lastRefreshTime"]
    assert installed.status["failedAttempts"] == 0
    installed.reports("Normal", "Refreshed")
    assert ("Normal", "CredentialsChanged") not in installed.events
    assert installed.operator.metric('claude_refresh_total{result="Refreshed"}') == 1
    assert installed.operator.metric("claude_credential_ready") == 1
    assert installed.operator.metric("claude_refresh_duration_seconds_count") == 1
    assert (
        installed.operator.metric('claude_token_publish_total{result="published"}') >= 1
    )
    ends = installed.operator.metric("claude_credential_expiration_timestamp_seconds")
    assert abs(ends - time.time() - 28800) < 600


def test_the_columns_are_readable(installed, fake):
    installed.login()
    installed.create()
    installed.start(fake("ok").path)
    installed.becomes("Published", "True", "TokenPublished")

    head, row = installed.kubectl("get", "claudecredentials").splitlines()

    assert head.split() == [
        "NAME", "READY", "REASON", "LOGIN", "EXPIRES", "NEXT", "LAST", "AGE",
    ]  # fmt: skip
    assert row.split()[:4] == ["claude", "True", "TokenValid", "LoginAlive"]
    installed.kubectl.wait("ccred/claude")


def test_a_failure_is_reported_and_survives_a_restart_in_the_middle_of_the_pause(
    installed, fake
):
    claude, pause = fake("unchanged"), {"REFRESH_INTERVAL": "600"}
    installed.login(left=200)
    installed.create()
    installed.start(claude.path, **pause)
    installed.becomes("Ready", "True", "RefreshFailing")
    due = installed.status["nextRefreshTime"]

    assert installed.operator.stop() == 0
    installed.start(claude.path, **pause)
    until(lambda: installed.operator.metric("claude_refresh_consecutive_failures") == 1)

    assert len(claude.calls) == 1  # the pause goes on
    assert installed.status["nextRefreshTime"] == due
    assert installed.events.count(("Warning", "RefreshFailed")) == 1

    age_last_attempt(installed.volume, 601)
    until(lambda: installed.status["failedAttempts"] == 2)
    assert len(claude.calls) == 2


def test_a_lost_login_stops_the_attempts_and_leaves_the_secret(installed, fake):
    claude = fake("blank", "ok")
    installed.login_falls_due(claude)

    installed.becomes("Ready", "False", "LoginRequired")
    installed.becomes("LoginRequired", "True", "LoginLost")
    assert installed.secret["access-token"] == "access-1"  # it may live for minutes
    assert "nextRefreshTime" not in installed.status
    installed.reports("Warning", "LoginRequired")
    assert installed.operator.metric("claude_login_required") == 1

    age_last_attempt(installed.volume, 3600)
    installed.login(left=28800, access="access-2")
    installed.becomes("Ready", "True", "TokenValid")
    assert len(claude.calls) == 1
    until(lambda: installed.secret["access-token"] == "access-2")


@pytest.mark.parametrize(
    ("mode", "ready", "login"),
    [
        ("ok_exit_1", ("True", "TokenValid"), "LoginAlive"),
        ("ok_kept_refresh_token", ("True", "TokenValid"), "LoginAlive"),
        ("saved_then_killed", ("True", "TokenValid"), "LoginAlive"),
        ("leaves_child", ("True", "TokenValid"), "LoginAlive"),
        ("flood", ("True", "TokenValid"), "LoginAlive"),
        ("unchanged_exit_1", ("True", "RefreshFailing"), "LoginAlive"),
        ("rewritten", ("True", "RefreshFailing"), "LoginAlive"),
        ("killed", ("True", "RefreshFailing"), "LoginAlive"),
        ("short", ("True", "RefreshFailing"), "LoginAlive"),
        ("corrupt", ("False", "InvalidCredentials"), "InvalidCredentials"),
        ("no_refresh_token", ("False", "LoginRequired"), "LoginLost"),
        ("gone", ("False", "NoCredentials"), "NoCredentials"),
    ],
)
def test_however_the_cli_ends_the_file_alone_is_believed(
    installed, fake, mode, ready, login
):
    claude = fake(mode)
    installed.login_falls_due(claude)
    until(
        lambda: installed.operator.metric("claude_refresh_duration_seconds_count") == 1
    )

    installed.becomes("Ready", *ready)
    assert installed.condition("LoginRequired")[1] == login
    assert len(claude.calls) == 1
    if login == "LoginAlive":
        until(lambda: installed.secret["access-token"] == installed.token)
    else:
        assert installed.secret["access-token"] == "access-1"


def test_a_login_that_ends_soon_is_reported_while_the_attempts_go_on(installed, fake):
    installed.login(login_ends_at=refresh.utc_now() + timedelta(days=6))
    installed.create()
    installed.start(fake("ok").path)

    installed.becomes("LoginRequired", "True", "LoginEndsSoon")
    assert installed.condition("Ready") == ("True", "TokenValid")
    assert installed.status["nextRefreshTime"]
    ends = installed.operator.metric("claude_login_expiration_timestamp_seconds")
    assert abs(ends - time.time() - 6 * 86400) < 600


def test_a_request_does_not_wait_for_a_long_pause(installed, fake):
    claude = fake("unchanged", "unchanged", "ok")
    installed.login(left=-86400)
    installed.create()
    installed.start(claude.path)
    until(lambda: installed.status.get("failedAttempts") == 1)
    age_last_attempt(installed.volume, 61)
    until(lambda: installed.status.get("failedAttempts") == 2)
    age_last_attempt(installed.volume, 61)  # the pause is two minutes by now

    installed.request("noon")

    until(lambda: installed.status.get("handledRefreshRequest") == "noon")
    installed.becomes("Ready", "True", "TokenValid")
    assert len(claude.calls) == 3
    installed.reports("Normal", "RefreshRequested")


def test_a_request_also_mends_the_secret_and_starts_nothing_that_is_not_due(
    installed, fake
):
    claude = fake("ok")
    installed.login()
    installed.create()
    installed.start(claude.path)
    installed.becomes("Published", "True", "TokenPublished")
    edit = '{"data": {"access-token": "eA==", "their-own": "eQ=="}}'
    installed.kubectl("patch", "secret", SECRET, "--type=merge", "-p", edit)

    installed.request("1")

    until(lambda: installed.secret["access-token"] == "access-1")
    assert installed.secret["their-own"] == "y"  # what is not ours stays
    until(lambda: installed.status.get("handledRefreshRequest") == "1")
    assert claude.calls == []


def test_a_suspended_credential_is_published_and_never_refreshed(installed, fake):
    claude = fake("ok")
    installed.login(left=200)
    installed.create(suspend=True, publish={"secretName": SECRET})
    installed.start(claude.path)
    installed.becomes("Suspended", "True", "Suspended")
    installed.becomes("Published", "True", "TokenPublished")
    assert installed.condition("Ready") == ("True", "TokenValid")
    assert claude.calls == []

    installed.create()

    installed.becomes("Suspended", "False", "Active")
    until(lambda: installed.status.get("refreshes") == 1)
    installed.reports("Normal", "Refreshed")
    assert installed.events.count(("Normal", "Resumed")) == 1


def test_another_credential_in_the_environment_makes_it_idle(installed, fake):
    claude = fake("ok")
    installed.login(left=200)
    installed.create()
    installed.start(claude.path, ANTHROPIC_API_KEY="sk-ant-api-1")

    installed.becomes("Suspended", "True", "OtherCredential")
    assert claude.calls == []
    assert "sk-ant-api-1" not in installed.log


def test_a_volume_that_cannot_take_a_token_is_reported_long_before_it_is_due(
    installed, fake
):
    claude = fake("ok")
    installed.login(left=28800)
    (installed.volume / ".credentials.json").rename(
        installed.directory / "elsewhere.json"
    )
    (installed.volume / ".credentials.json").symlink_to(
        installed.directory / "elsewhere.json"
    )
    installed.create()
    installed.start(claude.path)

    installed.becomes("Ready", "True", "Blocked")
    assert "symbolic link" in installed.log
    installed.reports("Warning", "Blocked")


def test_a_schedule_that_is_none_is_reported(installed, fake):
    installed.login()
    installed.create(schedule="61 * * * *")
    installed.start(fake("ok").path)

    installed.becomes("Ready", "False", "InvalidSchedule")
    installed.create(schedule="17 */4 * * *", timeZone="Europe/Berlin")
    installed.becomes("Ready", "True", "TokenValid")


def test_deleting_the_credential_leaves_nothing(installed, fake):
    claude = fake("ok")
    installed.login()
    installed.create()
    installed.start(claude.path)
    installed.becomes("Published", "True", "TokenPublished")
    metadata = installed.kubectl.read("claudecredentials/claude")["metadata"]
    assert "finalizers" not in metadata
    assert list(metadata["annotations"]) == [
        "kubectl.kubernetes.io/last-applied-configuration"
    ]

    installed.kubectl("delete", "ccred", "claude")

    until(lambda: installed.secret is None)
    until(lambda: "was deleted, so nothing is refreshed" in installed.log)
    installed.login(left=200, access="access-2")
    ends = "claude_credential_expiration_timestamp_seconds"
    until(lambda: installed.operator.metric(ends) < time.time() + 3600)
    assert installed.operator.metric("claude_credential_ready") == 1
    assert installed.operator.ask("/readyz")[0] == 503
    assert claude.calls == []

    installed.create()  # the same name again is another credential
    until(lambda: installed.status.get("refreshes") == 1)
    until(lambda: installed.secret["access-token"] == installed.token)


def test_deleting_works_while_no_operator_runs(installed, fake):
    installed.login()
    installed.create()
    installed.start(fake("ok").path)
    installed.becomes("Published", "True", "TokenPublished")
    installed.operator.kill()

    installed.kubectl("delete", "ccred", "claude")

    until(lambda: installed.secret is None)


def test_a_signal_lets_the_cli_finish_and_publishes_what_it_refreshed(installed, fake):
    claude = fake("wait_then_ok")
    installed.login(left=200)
    installed.create()
    installed.start(claude.path)
    until(lambda: claude.started)

    installed.operator.process.send_signal(signal.SIGTERM)
    until(lambda: "waiting for the running CLI to finish" in installed.log)
    assert installed.operator.runs
    claude.go()

    assert installed.operator.process.wait(PATIENCE) == 0
    assert installed.status["refreshes"] == 1
    assert installed.secret["access-token"] == installed.token != "access-1"
    assert files.read_history(installed.volume).failures == 0


def test_two_operators_on_one_volume_start_one_cli(installed, fake):
    claude = fake("wait_then_ok")
    installed.login(left=200)
    installed.create()
    installed.start(claude.path)
    until(lambda: claude.started)
    first = installed.operator
    try:
        installed.start(claude.path)
        claude.go()
        until(lambda: installed.status.get("refreshes") == 1)
        installed.becomes("Ready", "True", "TokenValid")
    finally:
        first.kill()

    assert len(claude.calls) == 1


@pytest.mark.parametrize("mode", ["blank", "unchanged", "ok"])
def test_no_token_is_ever_shown(installed, fake, mode):
    secrets = ("secret-access", "secret-refresh")
    installed.login(left=200, access=secrets[0], refresh=secrets[1])
    installed.create()
    installed.start(fake(mode).path, LOG_LEVEL="debug")
    until(
        lambda: installed.operator.metric("claude_refresh_duration_seconds_count") == 1
    )
    until(lambda: installed.status.get("conditions"))

    told = [
        installed.log,
        installed.operator.ask("/metrics")[1],
        installed.operator.ask("/readyz")[1],
        installed.kubectl("get", "ccred,events", "-o", "yaml"),
    ]

    for text in told:
        assert not any(secret in text for secret in secrets)
    assert secrets[1] not in str(installed.secret)


def test_every_edit_is_judged_by_its_own_generation(installed, fake):
    installed.login()
    installed.create()
    installed.start(fake("ok").path)
    for number in range(10):
        suspended = number % 2 == 0
        installed.create(suspend=suspended)
        generation = installed.kubectl.read("claudecredentials/claude")["metadata"][
            "generation"
        ]
        until(lambda now=generation: installed.status["observedGeneration"] == now)
        assert installed.condition("Suspended")[0] == str(suspended)


def test_a_revoked_token_is_rejected_and_refreshed_on_request(installed, fake):
    claude = fake("ok")
    installed.login()
    installed.create()
    installed.start(claude.path)
    installed.becomes("Ready", "True", "TokenValid")
    installed.anthropic.ledger.revoke("access-1")

    installed.request("noon")

    until(lambda: installed.status.get("refreshes") == 1)
    installed.becomes("Ready", "True", "TokenValid")
    assert len(claude.calls) == 1
    assert installed.secret["access-token"] == installed.token != "access-1"


def test_a_secret_that_a_person_made_is_not_taken_over(installed, fake):
    installed.make_secret(**{"access-token": "mine"})
    installed.login()
    installed.create()
    installed.start(fake("ok").path)

    installed.becomes("Ready", "False", "PublishForbidden")
    assert installed.secret == {"access-token": "mine"}
    assert "creationPolicy to Merge" in installed.log


def test_with_merge_a_persons_secret_gets_our_keys_and_stays_theirs(installed, fake):
    installed.make_secret(own="mine")
    installed.login()
    installed.create(publish={"secretName": SECRET, "creationPolicy": "Merge"})
    installed.start(fake("ok").path)

    installed.becomes("Ready", "True", "TokenValid")
    assert installed.secret.keys() == {"own", "access-token", "expires-at"}
    metadata = installed.kubectl.read(f"secrets/{SECRET}")["metadata"]
    assert "ownerReferences" not in metadata

    installed.kubectl("delete", "ccred", "claude")
    until(lambda: installed.operator.ask("/readyz")[0] == 503)
    assert installed.secret["own"] == "mine"


def test_merge_says_when_there_is_no_secret(installed, fake):
    installed.login()
    installed.create(publish={"secretName": SECRET, "creationPolicy": "Merge"})
    installed.start(fake("ok").path)

    installed.becomes("Published", "False", "PublishFailed")
    installed.becomes("Stalled", "True", "PublishFailed")
    assert "not found" in installed.log


def test_a_secret_that_was_emptied_by_hand_is_filled_again(installed, fake):
    installed.login()
    installed.create()
    installed.start(fake("ok").path)
    installed.becomes("Published", "True", "TokenPublished")
    installed.kubectl("patch", "secret", SECRET, "--type=merge", "-p", '{"data": null}')

    installed.request("now")

    until(lambda: (installed.secret or {}).get("access-token") == "access-1")


def test_an_immutable_secret_says_why_it_is_not_written(installed, fake):
    installed.login()
    installed.create()
    installed.start(fake("ok").path)
    installed.becomes("Published", "True", "TokenPublished")
    edit = '{"immutable": true}'
    installed.kubectl("patch", "secret", SECRET, "--type=merge", "-p", edit)

    installed.login(access="access-2")

    installed.becomes("Ready", "False", "PublishFailed")
    assert "immutable" in installed.log
    assert "access-2" not in installed.log


def test_a_secret_of_a_credential_that_was_made_again_stays(installed, fake):
    installed.login()
    installed.create()
    installed.start(fake("ok").path)
    installed.becomes("Published", "True", "TokenPublished")

    installed.kubectl("delete", "ccred", "claude", "--cascade=orphan")
    installed.create()

    installed.becomes("Published", "True", "TokenPublished")
    uid = installed.kubectl.read("claudecredentials/claude")["metadata"]["uid"]

    def owners():
        metadata = (installed.kubectl.read(f"secrets/{SECRET}") or {}).get(
            "metadata", {}
        )
        return [each["uid"] for each in metadata.get("ownerReferences", [])]

    until(lambda: owners() == [uid])
