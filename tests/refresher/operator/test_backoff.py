"""When a call is repeated after a failure."""

import pytest

from refresher.operator.backoff import Backoff


def test_pauses_double_up_to_the_longest_and_end_with_a_success():
    backoff, pauses = Backoff(), []
    for _ in range(8):
        backoff.failed(100.0)
        pauses.append(backoff.pause(100.0))
    backoff.succeeded()

    assert pauses == [0.5, 1, 2, 4, 8, 10, 10, 10]
    assert backoff.pause(100.0) == 0


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ({}, 0.5),
        ({"refused": True}, 60),
        ({"retry_after": 7}, 7),
        ({"retry_after": 0}, 0.5),
        ({"retry_after": 90, "refused": True}, 90),
        ({"retry_after": 1e9}, 300),
    ],
)
def test_what_the_server_asks_for_is_kept_within_reason(words, seconds):
    backoff = Backoff()

    backoff.failed(100.0, **words)

    assert backoff.pause(100.0) == seconds
    assert backoff.pause(100.0 + seconds) == 0
