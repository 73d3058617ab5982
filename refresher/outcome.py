"""How a run can end. Every end is a value with a reason in words for a person."""

import enum
from datetime import UTC, datetime

import msgspec

LOG_IN = "log in (`claude auth login` here, or `claude-refresher import`)"
"""What every reason says where only a person can help."""


class Kind(enum.StrEnum):
    """The name of an end, as shown in logs, in `status` and in the state file."""

    REFRESHED = "Refreshed"
    """The file holds a new access token that lives."""
    NOT_DUE = "NotDue"
    """The access token is still good; the CLI was not started."""
    SKIPPED = "Skipped"
    """Another credential is configured, so the login is not needed."""
    NOT_REFRESHED = "NotRefreshed"
    """Due, but the file did not change. Nothing is lost; the next try may work."""
    POSSIBLY_SPENT = "PossiblySpent"
    """As NotRefreshed, but the refresh token may be used up: the run was cut short."""
    BUSY = "Busy"
    """Another run holds the lock."""
    LOGIN_REQUIRED = "LoginRequired"
    """The login is lost. Only a person can log in again."""
    INVALID = "Invalid"
    """The credentials file is not what the CLI writes."""
    NO_CREDENTIALS = "NoCredentials"
    """There is no login yet."""
    BLOCKED = "Blocked"
    """A run now could lose the login, so it was not started."""


IN_ORDER = 0
TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: a later run may work, nothing to do for a person yet."""
NEEDS_A_PERSON = 78
"""EX_CONFIG of sysexits.h: no later run can help before a person has acted."""

EXIT_CODES: dict[Kind, int] = {
    Kind.REFRESHED: IN_ORDER,
    Kind.NOT_DUE: IN_ORDER,
    Kind.SKIPPED: IN_ORDER,
    Kind.NOT_REFRESHED: TRY_AGAIN,
    Kind.POSSIBLY_SPENT: TRY_AGAIN,
    Kind.BUSY: TRY_AGAIN,
    Kind.LOGIN_REQUIRED: NEEDS_A_PERSON,
    Kind.INVALID: NEEDS_A_PERSON,
    Kind.NO_CREDENTIALS: NEEDS_A_PERSON,
    Kind.BLOCKED: NEEDS_A_PERSON,
}


class Outcome(msgspec.Struct, frozen=True):
    """One end of one run. `reason` holds no secret and may be shown anywhere."""

    kind: Kind
    reason: str

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.kind]

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


def moment(when: datetime) -> str:
    """Write an instant the way every message here does: UTC, to the second."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
