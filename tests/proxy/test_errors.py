"""proxy.errors: an error carries the whole response to it."""

import pytest

from proxy import errors


def test_shutting_down_is_worth_a_retry_elsewhere() -> None:
    error = errors.shutting_down()

    assert (error.status, error.type, error.code) == (
        503,
        "server_error",
        "shutting_down",
    )
    assert error.headers == {"retry-after": "5"}


@pytest.mark.parametrize(("lasted", "wait"), [(0.0, "3"), (600.0, "12")])
def test_who_finds_no_room_is_asked_to_wait_the_longer_it_lasts(
    lasted: float, wait: str
) -> None:
    error = errors.at_capacity("All slots are taken", lasted)

    assert (error.status, error.code) == (503, "at_capacity")
    assert error.headers == {"retry-after": wait}


def test_what_a_retry_cannot_help_says_so() -> None:
    error = errors.UnavailableError("No key", code="no_credentials", retry=False)

    assert error.headers == {"x-should-retry": "false"}


def test_an_error_that_is_raised_again_is_the_same_without_its_traceback() -> None:
    first = errors.InvalidRequestError(
        "n: must be 1", param="n", code="c", headers={"a": "b"}
    )
    with pytest.raises(errors.InvalidRequestError):
        raise first

    again = first.anew()

    assert again is not first
    assert again.__traceback__ is None
    assert again.headers == {"a": "b"}
    assert (again.message, again.status, again.type, again.code, again.param) == (
        "n: must be 1",
        400,
        "invalid_request_error",
        "c",
        "n",
    )


def test_a_fault_of_ours_says_no_more_than_that_and_when_to_try_again() -> None:
    error = errors.internal()

    assert (error.status, error.code) == (500, "internal_error")
    assert error.headers == {"retry-after": "3"}
