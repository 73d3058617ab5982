"""Which events follow from a change of the status: each once, none on a quiet day."""

from datetime import timedelta

import msgspec
import pytest

from logins import NOW, credential
from refresher import credentials
from refresher.operator import events, status
from refresher.operator.check import Verdict
from refresher.operator.events import Event
from refresher.operator.observation import Statement
from refresher.operator.resource import CredentialStatus, Spec
from tests.refresher.operator.observed import (
    ALIVE,
    DEAD,
    HOURS,
    REFRESHED,
    checked,
    failed,
    observe,
)

PUBLISHED = Statement(True, "TokenPublished", "the Secret holds it")
BAD_SCHEDULE = Statement(False, "InvalidSchedule", "61 is no minute", True)
OTHER = credential(left=9 * HOURS, access="access-2")
NEW = CredentialStatus()


def build(observed, before=NEW, published=None, now=NOW):
    return status.build(observed, published, before, now)


def reasons(before, after, **words):
    return [
        (event.type, event.reason) for event in events.between(before, after, **words)
    ]


def test_a_quiet_day_has_no_event():
    now = build(observe(ALIVE), published=PUBLISHED)
    later = build(observe(ALIVE), now, PUBLISHED, NOW + timedelta(hours=1))

    assert reasons(now, later) == []


def test_a_first_look_at_an_old_volume_reports_only_what_is_new():
    after = build(observe(ALIVE, REFRESHED), published=PUBLISHED)

    assert reasons(NEW, after) == [("Normal", "TokenPublished")]


def test_a_verified_refresh_is_an_event():
    before = build(observe(DEAD), published=PUBLISHED)
    after = build(observe(OTHER, REFRESHED), before, PUBLISHED)

    assert events.between(before, after) == [
        Event(
            "Normal",
            "Refreshed",
            "a new access token is valid until 2026-11-25 21:00:00Z",
        ),
        Event("Normal", "TokenPublished", "the Secret holds it"),
    ]


def test_a_token_that_changes_while_an_attempt_runs_is_reported_at_its_end():
    running = observe(OTHER, failed(OTHER, ended=False))
    before = build(observe(DEAD))
    between = build(running, before)
    after = build(observe(OTHER, REFRESHED), between)

    assert reasons(before, between, attempting=running.attempting) == []
    assert reasons(between, after) == [("Normal", "Refreshed")]


def test_a_persons_new_login_is_another_event():
    before = build(observe(ALIVE))

    assert reasons(before, build(observe(OTHER), before)) == [
        ("Normal", "CredentialsChanged")
    ]


def test_failures_are_reported_at_the_first_and_then_at_each_doubling():
    reported = []
    before = build(observe(DEAD))
    for count in range(1, 20):
        after = build(observe(DEAD, failed(DEAD, count)), before)
        if ("Warning", "RefreshFailed") in reasons(before, after):
            reported.append(count)
        before = after

    assert reported == [1, 2, 4, 8, 16]


def test_an_expired_token_is_reported_once_however_often_it_is_tried():
    reported, observed = [], observe(DEAD)
    before = build(observed)
    for count in range(1, 8):
        for ended in (False, True):
            past = failed(DEAD, count, ended=ended)
            observed = observe(DEAD, past, before=observed)
            after = build(observed, before)
            reported += reasons(before, after, attempting=observed.attempting)
            before = after

    assert reported == [("Warning", "RefreshFailed")] * 3  # at 1, 2 and 4
    assert before.condition("Ready").last_transition_time == NOW


def test_a_token_that_expires_while_attempts_fail_is_reported():
    failing = build(observe(ALIVE, failed(ALIVE)))
    expired = build(
        observe(ALIVE, failed(ALIVE), now=NOW + timedelta(hours=9)), failing
    )

    assert ("Warning", "TokenExpired") in reasons(failing, expired)


@pytest.mark.parametrize(
    ("found", "around", "reason"),
    [
        (credentials.Blanked("empty"), {}, "LoginRequired"),
        (credentials.Missing("no file"), {}, "LoginRequired"),
        (credential(left=60, login_ends_at=NOW), {}, "LoginRequired"),
        (ALIVE, {"blocked": "read-only"}, "Blocked"),
        (DEAD, {}, "TokenExpired"),
        (ALIVE, {"problems": (BAD_SCHEDULE,)}, "InvalidSchedule"),
        (ALIVE, {"check": checked(ALIVE, Verdict.REJECTED)}, "TokenRejected"),
    ],
)
def test_what_is_wrong_is_reported_once(found, around, reason):
    before = build(observe(ALIVE))
    wrong = build(observe(found, **around), before)
    still = build(observe(found, **around), wrong, now=NOW + timedelta(hours=1))

    assert ("Warning", reason) in reasons(before, wrong)
    assert reasons(wrong, still) == []


@pytest.mark.parametrize("reason", ["PublishForbidden", "PodsNotAnnotated"])
def test_what_is_wrong_with_a_publication_is_reported_once_and_its_end_too(reason):
    bad = Statement(False, reason, "the Role says no", needs_person=True)
    before = build(observe(ALIVE), published=PUBLISHED)
    refused = build(observe(ALIVE), before, bad)
    mended = build(observe(ALIVE), refused, PUBLISHED)

    assert reasons(before, refused) == [("Warning", reason)]
    assert reasons(refused, build(observe(ALIVE), refused, bad)) == []
    assert reasons(refused, mended) == [("Normal", "TokenPublished")]


def test_suspending_and_resuming_are_reported():
    on = build(observe(ALIVE))
    off = build(observe(ALIVE, spec=Spec(suspend=True)), on)

    assert reasons(on, off) == [("Normal", "Suspended")]
    assert reasons(off, build(observe(ALIVE), off)) == [("Normal", "Resumed")]


def test_a_handled_request_is_reported_with_what_came_of_it():
    before = build(observe(ALIVE))
    after = build(observe(ALIVE, handled="now"), before)

    assert events.between(before, after) == [
        Event(
            "Normal",
            "RefreshRequested",
            "the request was handled; TokenValid: the access token is valid until "
            "2026-11-25 20:00:00Z",
        )
    ]


def test_a_request_that_was_handled_before_the_first_look_is_old():
    assert reasons(NEW, build(observe(ALIVE, handled="noon"))) == []


@pytest.mark.parametrize(
    "dropped",
    ["refreshes", "failed_attempts", "token_revision", "handled_refresh_request"],
)
def test_a_field_that_an_old_crd_drops_makes_no_false_event(dropped):
    full = build(observe(ALIVE, REFRESHED, handled="noon"), published=PUBLISHED)
    pruned = msgspec.structs.replace(full, **{dropped: None})
    again = observe(ALIVE, REFRESHED, handled=pruned.handled_refresh_request)

    assert reasons(pruned, build(again, pruned, PUBLISHED)) == []


def test_the_event_for_an_outdated_crd_names_what_is_lost():
    event = events.outdated_crd(["refreshes", "tokenRevision"])

    assert (event.type, event.reason) == ("Warning", "OutdatedCRD")
    assert "drops refreshes, tokenRevision of the status" in event.message
