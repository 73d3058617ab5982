"""How an attempt can end. Every end is a value with a reason in words for a person."""

import enum
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

LOG_IN = "log in (run `claude auth login` here, or use `claude-refresher import`)"
"""What every reason says where only a person can help."""


class Kind(enum.StrEnum):
    """The name of an end, as it appears in logs, `status` and the state file.

    `MEANINGS` says what each one means.
    """

    REFRESHED = "Refreshed"
    NOT_DUE = "NotDue"
    SKIPPED = "Skipped"
    NOT_REFRESHED = "NotRefreshed"
    POSSIBLY_SPENT = "PossiblySpent"
    BUSY = "Busy"
    LOGIN_REQUIRED = "LoginRequired"
    INVALID = "Invalid"
    NO_CREDENTIALS = "NoCredentials"
    BLOCKED = "Blocked"


IN_ORDER = 0
TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: a later attempt may work; nobody needs to act yet."""
NEEDS_A_PERSON = 78
"""EX_CONFIG of sysexits.h: no later attempt can help before a person has acted."""


class Meaning(NamedTuple):
    """What an end means: the one place for the command line, the cluster and docs."""

    exit_code: int
    """Of `claude-refresher once`."""
    condition: str
    """The reason of the ClaudeCredential's condition that reports it."""
    meaning: str
    advice: str
    """What to do about it."""


MEANINGS: dict[Kind, Meaning] = {
    Kind.REFRESHED: Meaning(
        IN_ORDER,
        "TokenValid",
        "The file holds a new, valid access token, and it is on disk.",
        "Nothing.",
    ),
    Kind.NOT_DUE: Meaning(
        IN_ORDER,
        "TokenValid",
        "The access token is still valid, so the CLI was not started. Also the result "
        "of a run that waited for another one to finish, and of an attempt during "
        "which someone logged in.",
        "Nothing.",
    ),
    Kind.SKIPPED: Meaning(
        IN_ORDER,
        "OtherCredential",
        "`ANTHROPIC_API_KEY` or `CLAUDE_ACCESS_TOKEN` is set, so the proxy does not "
        "use this login.",
        "Nothing, or unset the variable.",
    ),
    Kind.NOT_REFRESHED: Meaning(
        TRY_AGAIN,
        "RefreshFailing",
        "A refresh was due and the CLI ran to its end, but the file is unchanged. "
        "As far as the CLI reports, nothing is lost. The reason includes what it "
        "reported, such as an HTTP status or a network error; about a response that it "
        "cannot use it says nothing.",
        "Nothing yet. If it persists, check that `platform.claude.com` and "
        "`api.anthropic.com` can be reached.",
    ),
    Kind.POSSIBLY_SPENT: Meaning(
        TRY_AGAIN,
        "RefreshFailing",
        "As NotRefreshed, but Anthropic may have issued a new token that never reached "
        "the file: the CLI asked for one, and no response arrived, it was killed at "
        "that moment, or the disk was full.",
        "Nothing yet. The next attempt settles it: Refreshed or LoginRequired.",
    ),
    Kind.BUSY: Meaning(
        TRY_AGAIN,
        "Blocked",
        "Another run held the lock for longer than an attempt can take, or a CLI held "
        "its own.",
        "Find out what that run is doing.",
    ),
    Kind.LOGIN_REQUIRED: Meaning(
        NEEDS_A_PERSON,
        "LoginRequired",
        "The login is lost: Anthropic refused the refresh token and the CLI emptied "
        "the file. There is no further attempt until the file changes.",
        "Log in again.",
    ),
    Kind.INVALID: Meaning(
        NEEDS_A_PERSON,
        "InvalidCredentials",
        "The credentials file is not in the CLI's format. From `import`: the file on "
        "stdin is not, or it is older than the login it would replace.",
        "Restore it, or log in again.",
    ),
    Kind.NO_CREDENTIALS: Meaning(
        NEEDS_A_PERSON,
        "NoCredentials",
        "There is no login.",
        "Log in, or `import` a login.",
    ),
    Kind.BLOCKED: Meaning(
        NEEDS_A_PERSON,
        "Blocked",
        "An attempt now could lose the login, so it was not started. The reason names "
        "the cause.",
        "Remove the cause.",
    ),
}


class Outcome(msgspec.Struct, frozen=True):
    """One end of one attempt. `reason` holds no secret and may be shown anywhere."""

    kind: Kind
    reason: str

    @property
    def exit_code(self) -> int:
        """The exit code of `once`; MEANINGS has one for each kind."""
        return MEANINGS[self.kind].exit_code

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


def moment(when: datetime) -> str:
    """Format an instant as every message here does: UTC, to the second."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
