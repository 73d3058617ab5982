"""refresher.outcome: every end of a run has an exit code that a supervisor understands."""

import pytest

from refresher.outcome import Kind, Outcome


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Kind.REFRESHED, 0),
        (Kind.NOT_DUE, 0),
        (Kind.SKIPPED, 0),
        (Kind.NOT_REFRESHED, 75),
        (Kind.POSSIBLY_SPENT, 75),
        (Kind.BUSY, 75),
        (Kind.LOGIN_REQUIRED, 78),
        (Kind.INVALID, 78),
        (Kind.NO_CREDENTIALS, 78),
        (Kind.BLOCKED, 78),
    ],
)
def test_an_outcome_has_its_exit_code(kind, code):
    assert Outcome(kind, "for a reason").exit_code == code


def test_an_outcome_reads_as_its_name_and_its_reason():
    assert str(Outcome(Kind.BUSY, "for a reason")) == "Busy: for a reason"
