"""What a row of the rule table is, and what breaking one is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from standin.call import Call

Check = Callable[[Call], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that the API refuses.

    `check` gives a message for each place where a request does that thing. The other
    fields are what is answered then; `error_code` goes into `error.details`.
    """

    id: str
    check: Check
    status: int = 400
    type: str = "invalid_request_error"
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """A row that a request breaks, with the answer to it."""

    rule: str
    message: str
    status: int = 400
    type: str = "invalid_request_error"
    error_code: str | None = None
