"""What the ClaudeCredential says, and how tools that know kstatus judge it."""

from datetime import timedelta

import msgspec
import pytest

from logins import NOW
from refresher import credentials
from refresher.operator import status
from refresher.operator.check import Verdict
from refresher.operator.observation import Statement
from refresher.operator.resource import CredentialStatus, Spec
from tests.refresher.operator.observed import (
    ALIVE,
    DEAD,
    FRESH,
    checked,
    failed,
    observe,
)

PUBLISHED = Statement(True, "TokenPublished", "the Secret holds it")
REFUSED = Statement(False, "PublishForbidden", "the Role says no", needs_person=True)
BROKEN = Statement(False, "PublishFailed", "HTTP 503")
PODS = Statement(True, "PodsAnnotated", "the pods are annotated")
NO_PODS = Statement(False, "PodsNotAnnotated", "one pod was refused")


def build(observed, before=CredentialStatus(), published=None, now=NOW):  # noqa: B008
    return status.build(observed, published, before, now)


def conditions(built):
    return {each.type: (each.status, each.reason) for each in built.conditions}


@pytest.mark.parametrize(
    ("found", "past", "around", "published", "ready", "reconciling", "stalled"),
    [
        # all is well
        (ALIVE, FRESH, {}, None, "True", "False", "False"),
        (ALIVE, FRESH, {}, PUBLISHED, "True", "False", "False"),
        (ALIVE, failed(ALIVE), {}, PUBLISHED, "True", "False", "False"),
        (ALIVE, FRESH, {"spec": Spec(suspend=True)}, None, "True", "False", "False"),
        # it will be
        (DEAD, FRESH, {}, PUBLISHED, "False", "True", "False"),
        (DEAD, failed(DEAD), {}, PUBLISHED, "False", "True", "False"),
        (DEAD, failed(DEAD, ended=False), {}, PUBLISHED, "False", "True", "False"),
        (ALIVE, FRESH, {}, BROKEN, "False", "True", "False"),
        # a person must act
        (ALIVE, FRESH, {}, REFUSED, "False", "False", "True"),
        (credentials.Missing("no file"), FRESH, {}, None, "False", "False", "True"),
        (credentials.Missing("no file"), FRESH, {}, status.NO_TOKEN, "False", "False", "True"),
        (credentials.Blanked("empty"), FRESH, {}, PUBLISHED, "False", "False", "True"),
        (ALIVE, FRESH, {"blocked": "full"}, None, "True", "False", "True"),
        (ALIVE, FRESH, {"check": checked(ALIVE, Verdict.REJECTED)}, None, "False", "False", "True"),
        # a person wants it so
        (DEAD, FRESH, {"spec": Spec(suspend=True)}, None, "False", "False", "False"),
    ],
)  # fmt: skip
def test_flux_argo_and_helm_can_tell_well_from_busy_from_stuck(
    found, past, around, published, ready, reconciling, stalled
):
    said = conditions(build(observe(found, past, **around), published=published))

    assert said["Ready"][0] == ready
    assert said["Reconciling"][0] == reconciling
    assert said["Stalled"][0] == stalled


def test_what_the_spec_asks_for_is_part_of_ready():
    built = build(observe(ALIVE), published=REFUSED)

    assert conditions(built)["Ready"] == ("False", "PublishForbidden")
    assert built.condition("Ready").message.startswith("the Role says no; the access")


def test_a_trouble_of_the_token_does_not_hide_one_of_the_secret():
    built = build(observe(DEAD), published=BROKEN)

    assert conditions(built)["Ready"] == ("False", "TokenExpired")
    assert built.condition("Ready").message.endswith("; HTTP 503")


@pytest.mark.parametrize(
    ("secret", "pods", "true", "reason"),
    [
        (PUBLISHED, None, True, "TokenPublished"),
        (None, PODS, True, "PodsAnnotated"),
        (PUBLISHED, PODS, True, "TokenPublished"),
        (PUBLISHED, NO_PODS, False, "PodsNotAnnotated"),
        (REFUSED, NO_PODS, False, "PublishForbidden"),
    ],
)
def test_published_is_about_all_that_is_asked_for(secret, pods, true, reason):
    joined = status.join(secret, pods)

    assert (joined.true, joined.reason) == (true, reason)
    assert build(observe(ALIVE), published=joined).condition("Published")


def test_where_nothing_is_to_be_published_there_is_no_such_condition():
    assert status.join(None, None) is None
    assert build(observe(ALIVE)).condition("Published") is None


def test_the_status_holds_no_token():
    text = msgspec.json.encode(build(observe(ALIVE))).decode()

    assert ALIVE.revision in text
    assert ALIVE.access_token not in text
    assert ALIVE.refresh_token not in text


def test_times_are_whole_seconds_so_that_a_status_reads_back_as_it_was_written():
    found = msgspec.structs.replace(
        ALIVE, expires_at=ALIVE.expires_at + timedelta(microseconds=123456)
    )
    written = build(observe(found), now=NOW + timedelta(microseconds=5))

    read = msgspec.convert(msgspec.to_builtins(written), CredentialStatus)

    assert read == written
    assert build(observe(found), read) == written


def test_a_condition_keeps_its_time_until_its_status_changes():
    later = NOW + timedelta(hours=1)
    first = build(observe(ALIVE))
    same = build(observe(ALIVE, failed(ALIVE)), first, now=later)
    changed = build(observe(DEAD), same, now=later)

    assert first.condition("Ready").last_transition_time == NOW
    assert same.condition("Ready").reason == "RefreshFailing"
    assert same.condition("Ready").last_transition_time == NOW
    assert changed.condition("Ready").last_transition_time == later


def test_the_generation_is_the_one_that_was_judged():
    built = build(observe(ALIVE))

    assert built.observed_generation == 3
    assert {each.observed_generation for each in built.conditions} == {3}


def test_the_last_failure_stays_after_the_next_refresh():
    before = build(observe(DEAD, failed(DEAD)))
    after = build(observe(ALIVE), before)

    assert before.last_failure_time == NOW - timedelta(seconds=10)
    assert after.last_failure_time == before.last_failure_time
    assert after.failed_attempts == 0
