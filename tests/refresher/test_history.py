"""What is remembered between two runs."""

from datetime import timedelta

import msgspec
import pytest

from logins import NOW, credential
from refresher import credentials, history
from refresher.outcome import Kind, Outcome
from refresher.settings import Command

DEAD = credential(left=-10)
RENEWED = credential(left=28800, access="access-2")
FAILED = Outcome(Kind.NOT_REFRESHED, "no")


def begun(before=None, command=Command.REFRESH, found=DEAD):
    return history.begin(before or history.History(), NOW, command, found)


def test_an_attempt_that_never_ends_is_possibly_spent():
    read_again = history.decode(history.encode(begun()))

    assert read_again.last.outcome.kind is Kind.POSSIBLY_SPENT
    assert read_again.last.ended_at is None
    assert read_again.failures == 1


def test_failures_count_up_and_a_refresh_ends_them():
    one = history.end(begun(), NOW, FAILED, DEAD)
    two = history.end(begun(one), NOW, FAILED, DEAD)
    done = history.end(begun(two), NOW, Outcome(Kind.REFRESHED, "yes"), RENEWED)

    assert (one.failures, two.failures, done.failures) == (1, 2, 0)
    assert (two.refreshes, done.refreshes) == (0, 1)
    assert done.refreshed_at == NOW
    assert done.last.revision == RENEWED.revision


def test_a_person_who_logs_in_meanwhile_ends_the_failures_without_a_refresh():
    failed = history.end(begun(), NOW, FAILED, DEAD)
    ended = history.end(begun(failed), NOW, Outcome(Kind.NOT_DUE, "new"), RENEWED)

    assert (ended.failures, ended.refreshes) == (0, 0)


def test_a_new_file_starts_a_new_count():
    failed = msgspec.structs.replace(
        history.end(begun(), NOW, FAILED, DEAD), failures=7
    )

    assert begun(failed, found=credential(left=-5, access="other")).failures == 1


def test_the_fallback_is_remembered_for_its_expiry():
    fallback = begun(command=Command.FALLBACK)

    assert fallback.fallback_for == DEAD.expires_at
    assert begun(fallback).fallback_for == DEAD.expires_at


def test_a_lost_login_is_kept_in_the_state():
    lost = Outcome(Kind.LOGIN_REQUIRED, "lost")

    ended = history.end(begun(), NOW, lost, credentials.Blanked("empty"))

    assert ended.last.outcome == lost
    assert ended.failures == 1


def test_no_token_is_kept():
    assert b"access-1" not in history.encode(begun())
    assert b"refresh-1" not in history.encode(begun())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"failures": "x"}',
        b'{"refreshed_at": "2026-01-01"}',
        b'{"refreshed_at": "1970-01-01T00:00:00Z"}',  # before there was such a file
    ],
)
def test_a_broken_state_file_is_an_error(data):
    with pytest.raises(msgspec.DecodeError):
        history.decode(data)


def test_a_reason_that_would_write_to_a_terminal_is_an_error():
    state = history.end(begun(), NOW, Outcome(Kind.NOT_REFRESHED, "a\x1b[2Jb"), DEAD)

    with pytest.raises(ValueError, match="control characters"):
        history.decode(history.encode(state))


def test_a_later_version_of_the_state_file_can_be_read():
    assert history.decode(b'{"failures": 2, "novelty": 1}').failures == 2


def test_an_unfinished_attempt_must_have_begun():
    with pytest.raises(ValueError, match="no attempt"):
        history.end(history.History(), NOW + timedelta(1), FAILED, DEAD)
