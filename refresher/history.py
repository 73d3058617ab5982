"""What is remembered between two runs: `.refresher-state.json` beside the login.

It holds times, an outcome and counters, never a token. It describes the last attempt
only; everything else is read from the credentials file each time.
"""

from datetime import datetime
from typing import Annotated

import msgspec

from refresher import credentials
from refresher.outcome import IN_ORDER, Kind, Outcome
from refresher.settings import Command

FILE_NAME = ".refresher-state.json"

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0)]

CUT_SHORT = Outcome(
    Kind.POSSIBLY_SPENT,
    "an attempt started and never recorded its end: it is still running, or it was "
    "killed",
)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the CLI that was due."""

    at: Instant
    ended_at: Instant | None
    """None while it runs, and forever if it was killed."""
    command: Command
    outcome: Outcome
    called: bool = True
    """The CLI may have called the token endpoint."""
    revision: str
    """The access token that it left in the file (`Credential.revision`)."""


class BroughtForward(msgspec.Struct, frozen=True, kw_only=True):
    """The file's expiry while an early attempt runs (see `early`)."""

    revision: str
    """The access token that has it (`Credential.revision`)."""
    was: str
    """The JSON text of `expiresAt` before; `""` where there was none."""
    now: str
    """The JSON text of `expiresAt` meanwhile."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered. `History()` is that of a fresh volume."""

    last: Attempt | None = None
    failures: Count = 0
    """Attempts in a row that did not refresh this access token."""
    refreshes: Count = 0
    """Verified refreshes in all."""
    refreshed_at: Instant | None = None
    """The last verified refresh."""
    fallback_for: Instant | None = None
    """The expiry for which the fallback was used: once per expiry is enough."""
    brought_forward: BroughtForward | None = None
    """Set while the file may hold an expiry that is not the token's own."""


_decoder = msgspec.json.Decoder(History)
_FIRST_YEAR = 2025


def encode(history: History) -> bytes:
    """Write a history as JSON for people and for `decode`. It holds no token."""
    return msgspec.json.format(msgspec.json.encode(history), indent=2) + b"\n"


def decode(data: bytes) -> History:
    """Read what `encode` wrote. Raises `ValueError` on anything else."""
    history = _decoder.decode(data)
    times = [history.refreshed_at, history.last.at if history.last else None]
    if any(time and time.year < _FIRST_YEAR for time in times):
        raise msgspec.ValidationError("a time in it is long before this program was")
    # It goes into logs, events and terminals as it is.
    if history.last is not None and not history.last.outcome.reason.isprintable():
        raise msgspec.ValidationError("a reason in it holds control characters")
    return history


def begin(
    history: History,
    now: datetime,
    command: Command,
    credential: credentials.Credential,
    brought_forward: BroughtForward | None = None,
) -> History:
    """Note an attempt before it starts, as if it were killed: a kill needs no code."""
    again = history.last is not None and history.last.revision == credential.revision
    fallback = command is Command.FALLBACK
    return msgspec.structs.replace(
        history,
        last=Attempt(
            at=now,
            ended_at=None,
            command=command,
            outcome=CUT_SHORT,
            revision=credential.revision,
        ),
        failures=history.failures + 1 if again else 1,
        fallback_for=credential.expires_at if fallback else history.fallback_for,
        brought_forward=brought_forward,
    )


def end(
    history: History,
    now: datetime,
    outcome: Outcome,
    found: credentials.Found,
    *,
    called: bool = True,
) -> History:
    """Note how the attempt that `begin` noted ended, and what it left in the file.

    `called`: the CLI may have called the token endpoint.
    """
    if history.last is None:
        raise ValueError("no attempt has begun")
    revision = history.last.revision
    if isinstance(found, credentials.Credential):
        revision = found.revision
    last = msgspec.structs.replace(
        history.last, ended_at=now, outcome=outcome, called=called, revision=revision
    )
    if outcome.exit_code != IN_ORDER:
        return msgspec.structs.replace(history, last=last)
    if outcome.kind is not Kind.REFRESHED:  # a person logged in meanwhile
        return msgspec.structs.replace(history, last=last, failures=0)
    return msgspec.structs.replace(
        history,
        last=last,
        failures=0,
        refreshes=history.refreshes + 1,
        refreshed_at=now,
    )
