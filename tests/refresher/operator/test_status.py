"""What the CR says about a volume, and which events follow."""

from datetime import timedelta

import msgspec
import pytest

from logins import NOW, credential, make_settings
from refresher import credentials, decide, history
from refresher.operator import events, status
from refresher.operator.events import Event
from refresher.operator.resource import Spec, Status
from refresher.operator.status import Around, Said
from refresher.outcome import Kind, Outcome
from refresher.settings import Command

SETTINGS = make_settings()
HOURS = 3600
FRESH = history.History()


def failed(found, count=1, *, ended=True, revision=None):
    """The state after `count` failed tries, the last one ten seconds ago."""
    at = NOW - timedelta(seconds=10)
    return history.History(
        last=history.Attempt(
            at=at,
            ended_at=at if ended else None,
            command=Command.REFRESH,
            outcome=Outcome(Kind.NOT_REFRESHED, "the CLI said 429"),
            revision=revision or found.revision,
        ),
        failures=count,
    )


def describe(found, remembered=FRESH, *, settings=SETTINGS, now=NOW, **around):
    decision = decide.decide(now, settings, remembered, found)
    view = decide.View(now=now, found=found, history=remembered, decision=decision)
    return status.describe(settings, view, Around(**around))


ALIVE, DEAD = credential(left=8 * HOURS), credential(left=-60)
SUSPENDED = {"spec": Spec(suspend=True)}


@pytest.mark.parametrize(
    ("found", "remembered", "around", "ready", "reason"),
    [
        (ALIVE, FRESH, {}, True, "TokenValid"),
        (DEAD, FRESH, {}, False, "TokenExpired"),
        (ALIVE, failed(ALIVE), {}, True, "RefreshFailing"),
        (DEAD, failed(DEAD), {}, False, "RefreshFailing"),
        (credentials.Missing("no file"), FRESH, {}, False, "NoCredentials"),
        (
            credentials.Missing("no file"),
            FRESH,
            {"blocked": "read-only"},
            False,
            "Blocked",
        ),
        (credentials.Blanked("empty"), FRESH, {}, False, "LoginRequired"),
        (credentials.Malformed("no JSON"), FRESH, {}, False, "InvalidCredentials"),
        (credentials.Unreadable("denied"), FRESH, {}, False, "Blocked"),
        (ALIVE, FRESH, {"blocked": "read-only"}, True, "Blocked"),
        (DEAD, FRESH, {"blocked": "read-only"}, False, "Blocked"),
        (ALIVE, FRESH, {"bad_schedule": "61"}, True, "InvalidSchedule"),
        (ALIVE, FRESH, SUSPENDED, True, "TokenValid"),
        (DEAD, FRESH, SUSPENDED, False, "Suspended"),
    ],
)
def test_ready_says_whether_the_token_works_now_and_why(
    found, remembered, around, ready, reason
):
    said = describe(found, remembered, **around).ready

    assert (said.true, said.reason) == (ready, reason)
    assert said.message


def test_a_login_that_is_not_used_is_only_described():
    settings = make_settings(skipped_for="ANTHROPIC_API_KEY")

    said = describe(credentials.Missing("there is no file"), settings=settings).ready

    assert (said.reason, said.message) == ("NoCredentials", "there is no file")


@pytest.mark.parametrize(
    ("found", "true", "reason"),
    [
        (ALIVE, False, "LoginAlive"),
        (credential(left=60, login_ends_at=NOW + timedelta(days=8)), False, "LoginAlive"),
        (credential(left=60, login_ends_at=NOW + timedelta(days=6)), True, "LoginEndsSoon"),
        (credential(left=60, login_ends_at=NOW - timedelta(days=1)), True, "LoginEndsSoon"),
        (credentials.Blanked("empty"), True, "LoginLost"),
        (credentials.Missing("no file"), True, "NoCredentials"),
    ],
)  # fmt: skip
def test_login_required_says_whether_a_person_must_act(found, true, reason):
    said = describe(found).login_required

    assert (said.true, said.reason) == (true, reason)


@pytest.mark.parametrize(
    ("settings", "around", "reason"),
    [
        (SETTINGS, {}, "Active"),
        (SETTINGS, SUSPENDED, "Suspended"),
        (make_settings(skipped_for="ANTHROPIC_API_KEY"), {}, "OtherCredential"),
    ],
)
def test_suspended_says_whether_a_cli_is_ever_started(settings, around, reason):
    report = describe(ALIVE, settings=settings, **around)

    assert report.suspended.true is (reason != "Active")
    assert report.suspended.reason == reason
    assert (report.next_at is None) is report.suspended.true


@pytest.mark.parametrize(
    ("found", "remembered", "around", "seconds"),
    [
        (ALIVE, FRESH, {}, 8 * HOURS - 240),
        (DEAD, FRESH, {}, -300),  # since then it is due
        (DEAD, failed(DEAD), {}, 50),
        (DEAD, FRESH, {"blocked": "full"}, None),
        (credentials.Blanked("empty"), FRESH, {}, None),
    ],
)
def test_the_next_time_is_when_a_try_is_due(found, remembered, around, seconds):
    told = describe(found, remembered, **around).next_at

    assert told == (None if seconds is None else NOW + timedelta(seconds=seconds))


def test_a_try_that_runs_is_not_yet_a_failure():
    first = describe(DEAD, failed(DEAD, 1, ended=False))
    third = describe(DEAD, failed(DEAD, 3, ended=False))

    assert (first.failures, first.ready.reason) == (0, "TokenExpired")
    assert third.failures == 2


def test_a_try_that_was_killed_is_a_failure_when_it_cannot_run_any_more():
    report = describe(
        DEAD, failed(DEAD, 1, ended=False), now=NOW + timedelta(seconds=200)
    )

    assert (report.failures, report.ready.reason) == (1, "RefreshFailing")


def test_a_login_that_was_replaced_owes_the_failures_of_the_old_one_nothing():
    report = describe(ALIVE, failed(ALIVE, 7, revision="another"))

    assert (report.failures, report.ready.reason) == (0, "TokenValid")


def build(report, before=Status(), published=None, now=NOW, handled=None):  # noqa: B008
    return status.build(report, published, before, now, generation=3, handled=handled)


def test_the_status_holds_no_token():
    text = msgspec.json.encode(build(describe(ALIVE))).decode()

    assert ALIVE.revision in text
    assert ALIVE.access_token not in text
    assert ALIVE.refresh_token not in text


def test_times_are_whole_seconds_so_that_a_status_reads_back_as_it_was_written():
    found = msgspec.structs.replace(
        ALIVE, expires_at=ALIVE.expires_at + timedelta(microseconds=123456)
    )
    written = build(describe(found), now=NOW + timedelta(microseconds=5))

    read = msgspec.convert(msgspec.to_builtins(written), Status)

    assert read == written
    assert build(describe(found), read) == written


def test_a_condition_keeps_its_time_until_it_turns():
    later = NOW + timedelta(hours=1)
    first = build(describe(ALIVE))
    same = build(describe(ALIVE, failed(ALIVE)), first, now=later)
    turned = build(describe(DEAD), same, now=later)

    assert first.condition("Ready").last_transition_time == NOW
    assert same.condition("Ready").reason == "RefreshFailing"
    assert same.condition("Ready").last_transition_time == NOW
    assert turned.condition("Ready").last_transition_time == later


def test_the_last_failure_is_told_after_the_renewal_too():
    before = build(describe(DEAD, failed(DEAD)))
    after = build(describe(ALIVE), before)

    assert before.last_failure_time == NOW - timedelta(seconds=10)
    assert after.last_failure_time == before.last_failure_time
    assert after.failed_attempts == 0


HELD = Said(true=True, reason="TokenPublished", message="the Secret holds it")
RENEWED = history.History(refreshes=1, refreshed_at=NOW)


def reasons(*steps):
    """The events' reasons on the way through some statuses, the last step's only."""
    *_, before, after = steps
    return [(event.type, event.reason) for event in events.between(before, after)]


def test_a_quiet_day_has_no_event():
    now = build(describe(ALIVE), published=HELD)
    later = build(describe(ALIVE), now, HELD, NOW + timedelta(hours=1))

    assert reasons(now, later) == []


def test_a_first_look_at_an_old_volume_tells_only_what_is_new():
    assert reasons(Status(), build(describe(ALIVE, RENEWED), published=HELD)) == [
        ("Normal", "TokenPublished")
    ]


def test_a_verified_renewal_is_an_event():
    other = credential(left=9 * HOURS, access="access-2")
    before = build(describe(DEAD), published=HELD)
    after = build(describe(other, RENEWED), before, HELD)

    assert events.between(before, after) == [
        Event(
            "Normal",
            "Refreshed",
            "a new access token is good until 2026-11-25 21:00:00Z",
        ),
        Event("Normal", "TokenPublished", "the Secret holds it"),
    ]


def test_a_token_that_changes_while_a_try_runs_is_told_at_the_trys_end():
    other = credential(left=9 * HOURS, access="access-2")
    running = describe(other, failed(DEAD, ended=False))
    before = build(describe(DEAD))
    between = build(running, before)
    after = build(describe(other, RENEWED), between)

    assert events.between(before, between, renewing=running.renewing) == []
    assert reasons(between, after) == [("Normal", "Refreshed")]


def test_a_persons_new_login_is_another_event():
    other = credential(left=9 * HOURS, access="access-2")
    before = build(describe(ALIVE))

    assert reasons(before, build(describe(other), before)) == [
        ("Normal", "CredentialsChanged")
    ]


def test_failures_are_told_at_the_first_and_then_at_each_doubling():
    told = []
    before = build(describe(DEAD))
    for count in range(1, 20):
        after = build(describe(DEAD, failed(DEAD, count)), before)
        if ("Warning", "RefreshFailed") in reasons(before, after):
            told.append(count)
        before = after

    assert told == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    ("found", "around", "told"),
    [
        (credentials.Blanked("empty"), {}, "LoginRequired"),
        (credentials.Missing("no file"), {}, "LoginRequired"),
        (credential(left=60, login_ends_at=NOW), {}, "LoginRequired"),
        (ALIVE, {"blocked": "read-only"}, "Blocked"),
        (DEAD, {}, "TokenExpired"),
        (ALIVE, {"bad_schedule": "61"}, "InvalidSchedule"),
    ],
)
def test_what_is_wrong_is_told_once(found, around, told):
    before = build(describe(ALIVE))
    wrong = build(describe(found, **around), before)
    still = build(describe(found, **around), wrong, now=NOW + timedelta(hours=1))

    assert ("Warning", told) in reasons(before, wrong)
    assert reasons(wrong, still) == []


def test_what_is_wrong_with_the_secret_is_told_once_and_its_mending_too():
    bad = Said(true=False, reason="PublishForbidden", message="the Role says no")
    before = build(describe(ALIVE), published=HELD)
    refused = build(describe(ALIVE), before, bad)
    mended = build(describe(ALIVE), refused, HELD)

    assert reasons(before, refused) == [("Warning", "PublishForbidden")]
    assert reasons(refused, build(describe(ALIVE), refused, bad)) == []
    assert reasons(refused, mended) == [("Normal", "TokenPublished")]


def test_pods_without_their_annotation_are_an_event_once():
    lame = Said(true=True, reason="PodsNotAnnotated", message="the pods' API said no")
    before = build(describe(ALIVE), published=HELD)
    first = build(describe(ALIVE), before, lame)

    assert reasons(before, first) == [("Warning", "PodsNotAnnotated")]
    assert reasons(first, build(describe(ALIVE), first, lame)) == []


def test_suspending_and_resuming_are_told():
    on = build(describe(ALIVE))
    off = build(describe(ALIVE, **SUSPENDED), on)

    assert reasons(on, off) == [("Normal", "Suspended")]
    assert reasons(off, build(describe(ALIVE), off)) == [("Normal", "Resumed")]


def test_a_handled_request_is_told_with_what_came_of_it():
    before = build(describe(ALIVE))
    after = build(describe(ALIVE), before, handled="now")

    assert events.between(before, after) == [
        Event(
            "Normal",
            "RefreshRequested",
            "the request was handled; TokenValid: the access token is good until "
            "2026-11-25 20:00:00Z",
        )
    ]


def test_a_request_that_was_handled_before_the_first_look_is_no_event():
    after = build(describe(ALIVE, RENEWED), handled="long ago")

    assert reasons(Status(), after) == []


def test_no_secret_asked_for_is_no_condition():
    assert build(describe(ALIVE)).condition("Published") is None
