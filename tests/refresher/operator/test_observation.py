"""What is said about a volume, in the words of the ClaudeCredential."""

from datetime import timedelta

import msgspec
import pytest

from logins import NOW, credential, make_settings
from refresher import credentials
from refresher.operator.check import Verdict
from refresher.operator.observation import Statement
from refresher.operator.resource import Spec
from refresher.outcome import LOG_IN
from tests.refresher.operator.observed import (
    ALIVE,
    DEAD,
    FRESH,
    HOURS,
    SETTINGS,
    checked,
    claude_credential,
    failed,
    observe,
)

OTHER = credential(left=8 * HOURS, access="access-2")
SUSPENDED = {"spec": Spec(suspend=True)}
REJECTED = {"check": checked(ALIVE, Verdict.REJECTED)}
BLOCKED = {"blocked": "the volume is read-only"}
BAD_SCHEDULE = Statement(False, "InvalidSchedule", "61 is no minute", True)
BAD_SPEC = Statement(False, "InvalidSpec", "not understood", True)


@pytest.mark.parametrize(
    ("found", "past", "around", "ready", "reason", "needs_person"),
    [
        (ALIVE, FRESH, {}, True, "TokenValid", False),
        (DEAD, FRESH, {}, False, "TokenExpired", False),
        (ALIVE, failed(ALIVE), {}, True, "RefreshFailing", False),
        (DEAD, failed(DEAD), {}, False, "RefreshFailing", False),
        (credentials.Missing("no file"), FRESH, {}, False, "NoCredentials", True),
        (credentials.Missing("no file"), FRESH, BLOCKED, False, "Blocked", True),
        (credentials.Blanked("empty"), FRESH, {}, False, "LoginRequired", True),
        (credentials.Malformed("no JSON"), FRESH, {}, False, "InvalidCredentials", True),
        (credentials.Unreadable("denied"), FRESH, {}, False, "Blocked", True),
        (ALIVE, FRESH, BLOCKED, True, "Blocked", True),
        (DEAD, FRESH, BLOCKED, False, "Blocked", True),
        (DEAD, FRESH, {**BLOCKED, "busy": True}, False, "Blocked", False),
        (ALIVE, FRESH, {"problems": (BAD_SCHEDULE,)}, False, "InvalidSchedule", True),
        (ALIVE, FRESH, {"problems": (BAD_SPEC,)}, False, "InvalidSpec", True),
        (ALIVE, FRESH, SUSPENDED, True, "TokenValid", False),
        (DEAD, FRESH, SUSPENDED, False, "Suspended", False),
        (credentials.Missing("no file"), FRESH, SUSPENDED, False, "NoCredentials", False),
        (ALIVE, FRESH, REJECTED, False, "TokenRejected", True),
        (ALIVE, FRESH, {**REJECTED, **SUSPENDED}, False, "TokenRejected", True),
        (DEAD, FRESH, {"check": checked(DEAD, Verdict.REJECTED)}, False, "TokenExpired", False),
        (ALIVE, FRESH, {"check": checked(OTHER, Verdict.REJECTED)}, True, "TokenValid", False),
        (ALIVE, FRESH, {"check": checked(ALIVE, Verdict.ACCEPTED)}, True, "TokenValid", False),
        (ALIVE, FRESH, {"check": checked(ALIVE, Verdict.UNKNOWN)}, True, "TokenUnverified", False),
    ],
)  # fmt: skip
def test_ready_says_whether_the_token_works_now_and_why(
    found, past, around, ready, reason, needs_person
):
    said = observe(found, past, **around).ready

    assert (said.true, said.reason, said.needs_person) == (ready, reason, needs_person)
    assert said.message


def test_the_first_trouble_does_not_hide_the_others():
    said = observe(
        DEAD, failed(DEAD, 3), **BLOCKED, problems=(BAD_SCHEDULE, BAD_SPEC)
    ).ready

    assert said.reason == "Blocked"
    assert said.message == (
        "the volume is read-only; "
        "3 attempts in a row failed: NotRefreshed: the CLI said 429; "
        "the access token expired at 2026-11-25 11:59:00Z; "
        "61 is no minute; not understood"
    )


def test_an_expiry_that_is_not_known_is_no_date():
    found = msgspec.structs.replace(DEAD, expires_at=credentials.LONG_AGO)

    assert "1970" not in observe(found).ready.message


def test_a_rejected_token_says_what_a_person_can_do():
    said = observe(ALIVE, **REJECTED, log_in="log in over there").ready

    assert "claude-proxy.internal/refresh-requested-at" in said.message
    assert "or log in over there" in said.message


@pytest.mark.parametrize(
    "found",
    [
        credentials.Missing("no file"),
        credentials.Blanked("empty"),
        credentials.Malformed("no JSON"),
        credential(left=60, login_ends_at=NOW + timedelta(days=1)),
    ],
)
def test_how_to_log_in_is_said_for_whoever_reads_it_in_the_cluster(found):
    observed = observe(found, log_in="log in (`kubectl exec …`)")

    said = observed.login_required.message + observed.ready.message
    assert "log in (`kubectl exec …`)" in said
    assert LOG_IN not in said


@pytest.mark.parametrize(
    ("found", "true", "reason"),
    [
        (ALIVE, False, "LoginAlive"),
        (credential(left=60, login_ends_at=NOW + timedelta(days=8)), False, "LoginAlive"),
        (credential(left=60, login_ends_at=NOW + timedelta(days=6)), True, "LoginEndsSoon"),
        (credential(left=60, login_ends_at=NOW), True, "LoginEnded"),
        (credential(left=60, login_ends_at=NOW - timedelta(days=1)), True, "LoginEnded"),
        (credentials.Blanked("empty"), True, "LoginLost"),
        (credentials.Missing("no file"), True, "NoCredentials"),
        (credentials.Malformed("no JSON"), True, "InvalidCredentials"),
    ],
)  # fmt: skip
def test_login_required_says_whether_a_person_must_act(found, true, reason):
    said = observe(found).login_required

    assert (said.true, said.reason) == (true, reason)


@pytest.mark.parametrize(
    ("settings", "around", "reason"),
    [
        (SETTINGS, {}, "Active"),
        (SETTINGS, SUSPENDED, "Suspended"),
        (make_settings(skipped_for="ANTHROPIC_API_KEY"), {}, "OtherCredential"),
    ],
)
def test_suspended_says_whether_the_cli_is_ever_started(settings, around, reason):
    observed = observe(ALIVE, settings=settings, **around)

    assert observed.suspended.true is (reason != "Active")
    assert observed.suspended.reason == reason
    assert (observed.next_at is None) is observed.suspended.true


def test_a_login_that_is_not_used_asks_nobody_to_log_in():
    skipped = make_settings(skipped_for="ANTHROPIC_API_KEY")

    said = observe(credentials.Missing("no file"), settings=skipped).ready

    assert (said.reason, said.message) == ("NoCredentials", "no file")
    assert not said.needs_person


def test_an_active_refresher_without_a_login_promises_nothing():
    observed = observe(credentials.Missing("no file"))

    assert observed.suspended.message == "refreshes are not suspended"


UNMANAGED = {"managed": Statement(False, "NoClaudeCredential", "none")}


@pytest.mark.parametrize(
    ("found", "past", "around", "seconds"),
    [
        (ALIVE, FRESH, {}, 8 * HOURS - SETTINGS.refresh_before),
        (DEAD, FRESH, {}, -60 - SETTINGS.refresh_before),  # it is due since then
        (DEAD, failed(DEAD), {}, 50),
        (DEAD, FRESH, {"blocked": "full"}, None),
        (credentials.Blanked("empty"), FRESH, {}, None),
        (ALIVE, FRESH, UNMANAGED, None),
    ],
)
def test_the_next_time_is_when_an_attempt_is_due(found, past, around, seconds):
    next_at = observe(found, past, **around).next_at

    assert next_at == (None if seconds is None else NOW + timedelta(seconds=seconds))


def test_the_first_attempt_is_no_failure_while_it_runs():
    observed = observe(DEAD, failed(DEAD, 1, ended=False))

    assert observed.attempting
    assert (observed.failures, observed.ready.reason) == (0, "TokenExpired")


def test_a_failure_is_remembered_while_the_next_attempt_runs():
    second = observe(DEAD, failed(DEAD, 2))
    third = observe(DEAD, failed(DEAD, 3, ended=False), before=second)
    restarted = observe(DEAD, failed(DEAD, 3, ended=False))

    assert third.attempting
    assert third.failures == 2
    assert third.ready == second.ready
    assert restarted.ready.reason == "RefreshFailing"


@pytest.mark.parametrize("clock", [200, -86400])
def test_an_attempt_that_cannot_be_running_any_more_has_failed(clock):
    now = NOW + timedelta(seconds=clock)

    observed = observe(DEAD, failed(DEAD, 1, ended=False), now=now)

    assert not observed.attempting
    assert observed.failures == 1


def test_an_attempt_of_our_own_runs_whatever_the_clock_says():
    now = NOW - timedelta(days=1)

    assert observe(DEAD, failed(DEAD, ended=False), now=now, attempting=True).attempting


def test_a_login_that_was_replaced_does_not_inherit_the_failures_of_the_old_one():
    observed = observe(ALIVE, failed(ALIVE, 7, revision="another"))

    assert (observed.failures, observed.ready.reason) == (0, "TokenValid")


def test_an_observation_names_the_spec_that_it_was_judged_by():
    observed = observe(ALIVE, credential=claude_credential(uid="u", generation=7))

    assert (observed.uid, observed.generation) == ("u", 7)


@pytest.mark.parametrize(
    ("found", "around", "checking"),
    [
        (ALIVE, {}, True),
        (ALIVE, {"check": checked(ALIVE, Verdict.ACCEPTED)}, False),
        (ALIVE, {"check": checked(ALIVE, Verdict.UNKNOWN)}, False),
        (ALIVE, {"check": checked(OTHER, Verdict.ACCEPTED)}, True),
        (ALIVE, UNMANAGED, False),
        (ALIVE, {"settings": make_settings(skipped_for="ANTHROPIC_API_KEY")}, False),
        (DEAD, {}, False),
        (credentials.Missing("no file"), {}, False),
    ],
)
def test_a_new_token_is_being_checked_until_anthropic_has_been_asked(
    found, around, checking
):
    assert observe(found, **around).checking is checking
