"""The operator's days, on the real API server, with the rights that are shipped."""

import signal
import time
from datetime import timedelta

import pytest

from logins import age_last_attempt
from node import until
from refresher import files, refresh
from tests.cluster.operator.house import SECRET


def test_it_tells_that_a_login_is_needed_and_notices_a_persons_login(house, fake):
    house.create()
    house.start(fake("ok").path)
    house.becomes("Ready", "False", "NoCredentials")
    house.becomes("LoginRequired", "True", "NoCredentials")
    assert house.condition("Published") == ("False", "NoToken")
    assert house.ask("/readyz")[0] == 503
    assert house.secret is None

    house.login()

    house.becomes("Ready", "True", "TokenValid", seconds=5)
    house.becomes("Published", "True", "TokenPublished", seconds=5)
    assert house.secret["access-token"] == "access-1"
    assert house.secret["expires-at"] == house.status["expiresAt"]
    assert house.ask("/readyz")[0] == 200
    assert house.events == [
        ("Warning", "LoginRequired"),
        ("Normal", "CredentialsChanged"),
        ("Normal", "TokenPublished"),
    ]


def test_it_renews_a_token_that_is_due_and_publishes_it_at_once(house, fake):
    claude = fake("ok")
    house.login(left=200)
    house.create()
    house.start(claude.path)

    until(lambda: house.status.get("refreshes") == 1)
    until(
        lambda: house.secret and house.secret["access-token"] == house.token, within=5
    )

    assert house.token != "access-1"
    assert len(claude.calls) == 1
    assert house.condition("Ready") == ("True", "TokenValid")
    assert house.status["lastRefreshTime"]
    assert house.status["failedAttempts"] == 0
    assert ("Normal", "Refreshed") in house.events
    assert ("Normal", "CredentialsChanged") not in house.events
    assert house.metric('claude_refresh_total{result="Refreshed"}') == 1
    assert house.metric("claude_credential_ready") == 1
    assert house.metric("claude_refresh_duration_seconds_count") == 1
    assert house.metric('claude_token_publish_total{result="published"}') >= 1
    ends = house.metric("claude_credential_expiration_timestamp_seconds")
    assert abs(ends - time.time() - 28800) < 60


def test_the_columns_are_readable(house, fake):
    house.login()
    house.create()
    house.start(fake("ok").path)
    house.becomes("Published", "True", "TokenPublished")

    head, row = house.kubectl("get", "claudecredentials").splitlines()

    assert head.split() == ["NAME", "READY", "REASON", "EXPIRES", "NEXT", "LAST"]
    assert row.split()[:3] == ["claude", "True", "TokenValid"]
    house.kubectl("wait", "--for=condition=Ready", "ccred/claude", "--timeout=5s")


def test_a_failure_is_told_and_survives_a_restart_in_the_middle_of_the_pause(
    house, fake
):
    claude = fake("unchanged")
    house.login(left=200)
    house.create()
    house.start(claude.path)
    house.becomes("Ready", "True", "RefreshFailing")
    due = house.status["nextRefreshTime"]

    assert house.stop() == 0
    house.start(claude.path)
    until(lambda: house.metric("claude_refresh_consecutive_failures") == 1)

    assert len(claude.calls) == 1  # the pause goes on
    assert house.status["nextRefreshTime"] == due
    assert house.events.count(("Warning", "RefreshFailed")) == 1

    age_last_attempt(house.volume, 61)
    until(lambda: house.status["failedAttempts"] == 2)
    assert len(claude.calls) == 2


def test_a_lost_login_stops_the_tries_and_leaves_the_secret(house, fake):
    claude = fake("blank", "ok")
    house.login(left=200)
    house.create()
    house.start(claude.path)

    house.becomes("Ready", "False", "LoginRequired")
    house.becomes("LoginRequired", "True", "LoginLost")
    assert house.secret["access-token"] == "access-1"  # it may live for minutes
    assert "nextRefreshTime" not in house.status
    assert ("Warning", "LoginRequired") in house.events
    assert house.metric("claude_login_required") == 1

    age_last_attempt(house.volume, 3600)
    house.login(left=28800, access="access-2")
    house.becomes("Ready", "True", "TokenValid")
    assert len(claude.calls) == 1
    until(lambda: house.secret["access-token"] == "access-2", within=5)


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
    house, fake, mode, ready, login
):
    claude = fake(mode)
    house.login(left=200)
    house.create()
    house.start(claude.path)
    until(lambda: house.metric("claude_refresh_duration_seconds_count") == 1)

    house.becomes("Ready", *ready)
    assert house.condition("LoginRequired")[1] == login
    assert len(claude.calls) == 1
    if login == "LoginAlive":
        until(lambda: house.secret["access-token"] == house.token, within=5)
    else:
        assert house.secret["access-token"] == "access-1"


def test_a_login_that_ends_soon_is_told_while_the_tries_go_on(house, fake):
    house.login(login_ends_at=refresh.utc_now() + timedelta(days=6))
    house.create()
    house.start(fake("ok").path)

    house.becomes("LoginRequired", "True", "LoginEndsSoon")
    assert house.condition("Ready") == ("True", "TokenValid")
    assert house.status["nextRefreshTime"]
    ends = house.metric("claude_login_expiration_timestamp_seconds")
    assert abs(ends - time.time() - 6 * 86400) < 60


def test_a_request_does_not_wait_for_a_long_pause(house, fake):
    claude = fake("unchanged", "unchanged", "ok")
    house.login(left=-86400)
    house.create()
    house.start(claude.path)
    until(lambda: house.status.get("failedAttempts") == 1)
    age_last_attempt(house.volume, 61)
    until(lambda: house.status.get("failedAttempts") == 2)
    age_last_attempt(house.volume, 61)  # the pause is two minutes by now

    house.kubectl(
        "annotate", "ccred/claude", "claude-proxy.internal/refresh-requested-at=noon"
    )

    until(lambda: house.status.get("handledRefreshRequest") == "noon")
    house.becomes("Ready", "True", "TokenValid")
    assert len(claude.calls) == 3
    assert ("Normal", "RefreshRequested") in house.events


def test_a_request_also_mends_the_secret_and_starts_nothing_that_is_not_due(
    house, fake
):
    claude = fake("ok")
    house.login()
    house.create()
    house.start(claude.path)
    house.becomes("Published", "True", "TokenPublished")
    edit = '{"data": {"access-token": "eA==", "their-own": "eQ=="}}'
    house.kubectl("patch", "secret", SECRET, "--type=merge", "-p", edit)

    house.kubectl(
        "annotate", "ccred/claude", "claude-proxy.internal/refresh-requested-at=1"
    )

    until(lambda: house.secret["access-token"] == "access-1", within=10)
    assert house.secret["their-own"] == "y"  # what is not ours stays
    until(lambda: house.status.get("handledRefreshRequest") == "1")
    assert claude.calls == []


def test_a_suspended_credential_is_published_and_never_renewed(house, fake):
    claude = fake("ok")
    house.login(left=200)
    house.create(suspend=True, publish={"secretName": SECRET})
    house.start(claude.path)
    house.becomes("Suspended", "True", "Suspended")
    house.becomes("Published", "True", "TokenPublished")
    assert house.condition("Ready") == ("True", "TokenValid")
    assert claude.calls == []

    house.create()

    house.becomes("Suspended", "False", "Active")
    until(lambda: house.status.get("refreshes") == 1)
    assert house.events.count(("Normal", "Resumed")) == 1


def test_another_credential_in_the_environment_makes_it_idle(house, fake):
    claude = fake("ok")
    house.login(left=200)
    house.create()
    house.start(claude.path, ANTHROPIC_API_KEY="sk-ant-api-1")

    house.becomes("Suspended", "True", "OtherCredential")
    assert claude.calls == []
    assert "sk-ant-api-1" not in house.log


def test_a_volume_that_cannot_take_a_token_is_told_long_before_it_is_due(house, fake):
    claude = fake("ok")
    house.login(left=28800)
    (house.volume / ".credentials.json").rename(house.directory / "elsewhere.json")
    (house.volume / ".credentials.json").symlink_to(house.directory / "elsewhere.json")
    house.create()
    house.start(claude.path)

    house.becomes("Ready", "True", "Blocked")
    assert "symbolic link" in house.log
    assert ("Warning", "Blocked") in house.events


def test_a_schedule_that_is_none_is_told(house, fake):
    house.login()
    house.create(schedule="61 * * * *")
    house.start(fake("ok").path)

    house.becomes("Ready", "True", "InvalidSchedule")
    house.create(schedule="17 */4 * * *", timeZone="Europe/Berlin")
    house.becomes("Ready", "True", "TokenValid")


def test_deleting_the_credential_leaves_nothing(house, fake):
    claude = fake("ok")
    house.login()
    house.create()
    house.start(claude.path)
    house.becomes("Published", "True", "TokenPublished")
    metadata = house.get("ccred", "claude")["metadata"]
    assert "finalizers" not in metadata
    assert list(metadata["annotations"]) == [
        "kubectl.kubernetes.io/last-applied-configuration"
    ]

    house.kubectl("delete", "ccred", "claude", "--timeout=5s")

    until(lambda: house.secret is None)
    house.login(left=200, access="access-2")
    until(lambda: house.metric("claude_credential_ready") == 1)
    until(lambda: "is gone" in house.log)
    assert claude.calls == []

    house.create()  # the same name again is another credential
    until(lambda: house.status.get("refreshes") == 1)
    until(lambda: house.secret["access-token"] == house.token)


def test_deleting_works_while_no_operator_runs(house, fake):
    house.login()
    house.create()
    house.start(fake("ok").path)
    house.becomes("Published", "True", "TokenPublished")
    house.stop(signal.SIGKILL)

    house.kubectl("delete", "ccred", "claude", "--timeout=5s")

    until(lambda: house.secret is None)


def test_a_signal_lets_the_cli_finish_and_publishes_what_it_renewed(house, fake):
    claude = fake("wait_then_ok")
    house.login(left=200)
    house.create()
    house.start(claude.path)
    until(lambda: claude.started)

    house.process.send_signal(signal.SIGTERM)
    until(lambda: "is let to finish" in house.log)
    assert house.process.poll() is None
    claude.go()

    assert house.process.wait(timeout=30) == 0
    assert house.status["refreshes"] == 1
    assert house.secret["access-token"] == house.token != "access-1"
    assert files.read_history(house.volume).failures == 0


def test_two_operators_on_one_volume_start_one_cli(house, fake):
    claude = fake("wait_then_ok")
    house.login(left=200)
    house.create()
    house.start(claude.path)
    until(lambda: claude.started)
    first = house.process
    try:
        house.start(claude.path)
        claude.go()
        until(lambda: house.status.get("refreshes") == 1)
        house.becomes("Ready", "True", "TokenValid")
    finally:
        first.kill()
        first.wait()

    assert len(claude.calls) == 1


@pytest.mark.parametrize("mode", ["blank", "unchanged", "ok"])
def test_no_token_is_ever_told(house, fake, mode):
    secrets = ("secret-access", "secret-refresh")
    house.login(left=200, access=secrets[0], refresh=secrets[1])
    house.create()
    house.start(fake(mode).path, LOG_LEVEL="debug")
    until(lambda: house.metric("claude_refresh_duration_seconds_count") == 1)
    until(lambda: house.status.get("conditions"))

    told = [
        house.log,
        house.ask("/metrics")[1],
        house.ask("/readyz")[1],
        house.kubectl("get", "ccred,events", "-o", "yaml"),
    ]

    for text in told:
        assert not any(secret in text for secret in secrets)
    assert secrets[1] not in str(house.secret)
