"""What a run did, as a table over the file before and after it."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from logins import NOW, credential
from refresher import credentials, verify
from refresher.outcome import Kind

BEFORE = credential(left=-60)


def ended(took=1.2, **words):
    return verify.Ended(took=timedelta(seconds=took), **words)


def test_a_later_valid_token_is_a_refresh():
    after = credential(left=28800, access="access-2", refresh="refresh-2")

    outcome = verify.verify(BEFORE, after, ended(), NOW)

    assert outcome.kind is Kind.REFRESHED
    assert "2026-11-25 20:00:00Z" in outcome.reason


def test_a_kept_refresh_token_is_a_refresh_too():
    after = credential(left=28800, access="access-2", refresh="refresh-1")

    assert verify.verify(BEFORE, after, ended(), NOW).kind is Kind.REFRESHED


def test_a_saved_refresh_counts_even_when_the_run_was_killed():
    after = credential(left=28800, access="access-2")
    killed = ended(120, timed_out=True, signal=9)

    assert verify.verify(BEFORE, after, killed, NOW).kind is Kind.REFRESHED


@pytest.mark.parametrize("left", [-30, 0, 300])
def test_a_new_token_that_has_nearly_expired_is_no_refresh(left):
    after = credential(left=left, access="access-2")

    assert verify.verify(BEFORE, after, ended(), NOW).kind is Kind.NOT_REFRESHED


def test_an_expiry_that_did_not_grow_is_no_refresh():
    before = credential(left=28800)
    after = credential(left=28800, access="access-2")

    assert verify.verify(before, after, ended(), NOW).kind is Kind.NOT_REFRESHED


def test_a_later_expiry_of_the_same_token_is_no_refresh():
    after = credential(left=28800)

    assert verify.verify(BEFORE, after, ended(), NOW).kind is Kind.NOT_REFRESHED


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        (credentials.Blanked("both tokens are empty"), Kind.LOGIN_REQUIRED),
        (credentials.Missing("there is no file"), Kind.LOGIN_REQUIRED),
        (credentials.Malformed("the file is not JSON"), Kind.INVALID),
        (credentials.Unreadable("permission denied"), Kind.BLOCKED),
    ],
)
def test_a_file_that_got_worse_has_its_own_outcome(after, kind):
    assert verify.verify(BEFORE, after, ended(), NOW).kind is kind


REFUSED = verify.Failure("network error ECONNREFUSED")
CUT = ended(failures=(verify.Failure("the connection was closed", unanswered=True),))
OURS = ended(120, timed_out=True, signal=9, failures=(REFUSED,))


@pytest.mark.parametrize(
    ("end", "kind", "words"),
    [
        (ended(), Kind.NOT_REFRESHED, "without refreshing"),
        (ended(29.9), Kind.NOT_REFRESHED, "without refreshing"),
        (ended(30), Kind.POSSIBLY_SPENT, "waited for a response"),
        (ended(120, timed_out=True), Kind.POSSIBLY_SPENT, "waited for a response"),
        (ended(signal=9), Kind.POSSIBLY_SPENT, "killed by signal 9"),
        (ended(disk="no space left"), Kind.POSSIBLY_SPENT, "no space left"),
        (CUT, Kind.POSSIBLY_SPENT, "waited for a response"),
        (ended(40, failures=(CUT.failures[0], REFUSED)), Kind.POSSIBLY_SPENT, "waited"),
        (ended(40, failures=(REFUSED,)), Kind.NOT_REFRESHED, "without refreshing"),
        # our own kill, which never comes during a call
        (OURS, Kind.NOT_REFRESHED, "was ended after 120 s"),
        (replace(OURS, in_call=True), Kind.POSSIBLY_SPENT, "while it was refreshing"),
        # a CLI that never asked for a token cannot have spent one
        (replace(ended(40), called=False), Kind.NOT_REFRESHED, "without asking"),
        (ended(signal=9, called=False), Kind.NOT_REFRESHED, "killed by signal 9"),
        (ended(disk="full", called=False), Kind.NOT_REFRESHED, "without asking"),
    ],
)
def test_an_unchanged_file_says_whether_the_token_may_be_spent(end, kind, words):
    outcome = verify.verify(BEFORE, BEFORE, end, NOW)

    assert outcome.kind is kind
    assert words in outcome.reason


def test_the_hint_of_the_cli_is_passed_on():
    outcome = verify.verify(
        BEFORE, BEFORE, ended(failures=(verify.Failure("HTTP status 429"),)), NOW
    )

    assert "HTTP status 429" in outcome.reason


@pytest.mark.parametrize(
    ("failures", "check"),
    [
        ((), "check that platform.claude.com can be reached"),
        ((REFUSED,), "check that platform.claude.com can be reached"),
        (
            (verify.Failure("HTTP status 403", responded=True),),
            "see whether that came from Anthropic or from a gateway on the way",
        ),
    ],
)
def test_what_to_check_is_about_what_was_reported(failures, check):
    outcome = verify.verify(BEFORE, BEFORE, ended(failures=failures), NOW)

    assert outcome.reason.endswith(f"If this persists, {check}")


@pytest.mark.parametrize(
    ("ends", "failures", "kind"),
    [
        ((20, 25), (REFUSED,), Kind.NOT_DUE),
        ((20, 25), (), Kind.REFRESHED),  # nothing failed, so it may be the CLI's own
        ((20, 20), (REFUSED,), Kind.REFRESHED),  # the second call worked
        ((None, 25), (REFUSED,), Kind.REFRESHED),
        ((20, None), (REFUSED,), Kind.REFRESHED),
    ],
)
def test_another_login_while_the_refresh_failed_is_not_a_success_of_the_cli(
    ends, failures, kind
):
    before, after = (
        credential(
            left=left,
            access=access,
            login_ends_at=NOW + timedelta(days=days) if days else None,
        )
        for left, access, days in ((-60, "old", ends[0]), (28800, "new", ends[1]))
    )

    outcome = verify.verify(before, after, ended(failures=failures), NOW)

    assert outcome.kind is kind
