"""The one decision of the retry loop."""

import pytest

from proxy import retry

F, S = retry.Failure, retry.Step
FIRST = retry.Attempts(posts=1)
RETRIED = retry.Attempts(posts=2, retried=True)
RECONNECTED = retry.Attempts(posts=2, reconnected=True)
RENEWED = retry.Attempts(posts=2, renewed=True)
REPAIRED = retry.Attempts(posts=2, repaired=True)
SPENT = retry.Attempts(posts=retry.POSTS)
LONG = 60.0


@pytest.mark.parametrize(
    ("failure", "tries", "retry_after", "step", "pause"),
    [
        (F.STALE, FIRST, None, S.RECONNECT, 0.0),
        (F.STALE, RETRIED, None, S.RECONNECT, 0.0),
        (F.STALE, RECONNECTED, None, S.GIVE_UP, 0.0),
        (F.UNREACHED, FIRST, None, S.RETRY, 0.0),
        (F.UNREACHED, RETRIED, None, S.GIVE_UP, 0.0),
        (F.UNREACHED, RECONNECTED, None, S.GIVE_UP, 0.0),
        (F.UNREACHED, REPAIRED, None, S.RETRY, 0.0),
        (F.LATE, FIRST, None, S.RETRY, 0.0),
        (F.LATE, RECONNECTED, None, S.RETRY, 0.0),
        (F.LATE, RETRIED, None, S.GIVE_UP, 0.0),
        (F.BUSY, FIRST, None, S.RETRY, retry.FIRST_PAUSE),
        (F.BUSY, FIRST, 3.0, S.RETRY, 3.0),
        (F.BUSY, FIRST, 5.0, S.RETRY, 5.0),
        (F.BUSY, FIRST, 5.1, S.GIVE_UP, 0.0),
        (F.BUSY, RETRIED, None, S.GIVE_UP, 0.0),
        (F.BUSY, RENEWED, None, S.RETRY, retry.FIRST_PAUSE),
        (F.UNAUTHORIZED, FIRST, None, S.RENEW, 0.0),
        (F.UNAUTHORIZED, RETRIED, None, S.RENEW, 0.0),
        (F.UNAUTHORIZED, RENEWED, None, S.GIVE_UP, 0.0),
        (F.INVALID, FIRST, None, S.REPAIR, 0.0),
        (F.INVALID, RETRIED, None, S.REPAIR, 0.0),
        (F.INVALID, REPAIRED, None, S.GIVE_UP, 0.0),
        (F.FINAL, FIRST, None, S.GIVE_UP, 0.0),
    ],
)
def test_a_failed_call_is_tried_again_once_for_each_reason_at_most(
    failure: retry.Failure,
    tries: retry.Attempts,
    retry_after: float | None,
    step: retry.Step,
    pause: float,
) -> None:
    decided = retry.next_step(failure, tries, time_left=LONG, retry_after=retry_after)

    assert decided == (step, pause)


@pytest.mark.parametrize("failure", list(F))
def test_three_posts_are_all(failure: retry.Failure) -> None:
    assert retry.next_step(failure, SPENT, time_left=LONG)[0] is S.GIVE_UP


@pytest.mark.parametrize("failure", list(F))
def test_nothing_is_tried_after_the_budget(failure: retry.Failure) -> None:
    assert retry.next_step(failure, FIRST, time_left=0.0)[0] is S.GIVE_UP


def test_no_pause_outlasts_the_budget() -> None:
    step, _ = retry.next_step(F.BUSY, FIRST, time_left=2.0, retry_after=3.0)

    assert step is S.GIVE_UP


@pytest.mark.parametrize("step", list(S))
def test_a_step_that_is_taken_is_used_up(step: retry.Step) -> None:
    after = retry.used(FIRST, step)

    assert after.posts == FIRST.posts
    flags = (after.reconnected, after.retried, after.renewed, after.repaired)
    steps = (S.RECONNECT, S.RETRY, S.RENEW, S.REPAIR)
    assert flags == tuple(one is step for one in steps)
