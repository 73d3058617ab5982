"""What is remembered between two runs: `.refresher-state.json` beside the login.

It holds times, an outcome and counters, never a token. It describes the last try
only; everything else is read from the credentials file each time.
"""

from datetime import datetime
from typing import Annotated

import msgspec

from refresher import credentials
from refresher.outcome import Kind, Outcome
from refresher.settings import Command

FILE_NAME = ".refresher-state.json"

Instant = Annotated[datetime, msgspec.Meta(tz=True)]

CUT_SHORT = Outcome(
    Kind.POSSIBLY_SPENT,
    "a run began and its end was never noted: it is still going, or it was killed",
)


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the CLI that was due."""

    at: Instant
    ended_at: Instant | None
    """None while it runs, and for ever if it was killed."""
    command: Command
    outcome: Outcome
    revision: str
    """The access token that it left in the file (`Credential.revision`)."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered. `State()` is the one of a fresh volume."""

    last: Try | None = None
    failures: int = 0
    """Tries in a row that did not renew this access token."""
    refreshes: int = 0
    """Verified renewals in all."""
    refreshed_at: Instant | None = None
    """The last verified renewal."""
    fallback_for: Instant | None = None
    """The expiry for which the fallback was used: it is tried once per expiry."""


_decoder = msgspec.json.Decoder(State)


def encode(state: State) -> bytes:
    return msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n"


def decode(data: bytes) -> State:
    """Read what `encode` wrote. Raises `msgspec.DecodeError` on anything else."""
    return _decoder.decode(data)


def begin(
    state: State,
    now: datetime,
    command: Command,
    credential: credentials.Credential,
) -> State:
    """Note a try before it starts, as if it were killed: so a kill needs no code."""
    again = state.last is not None and state.last.revision == credential.revision
    fallback = command is Command.FALLBACK
    return msgspec.structs.replace(
        state,
        last=Try(
            at=now,
            ended_at=None,
            command=command,
            outcome=CUT_SHORT,
            revision=credential.revision,
        ),
        failures=state.failures + 1 if again else 1,
        fallback_for=credential.expires_at if fallback else state.fallback_for,
    )


def end(
    state: State, now: datetime, outcome: Outcome, found: credentials.Found
) -> State:
    """Note how the try that `begin` noted ended, and what it left in the file."""
    if state.last is None:
        raise ValueError("no try has begun")
    revision = state.last.revision
    if isinstance(found, credentials.Credential):
        revision = found.revision
    last = msgspec.structs.replace(
        state.last, ended_at=now, outcome=outcome, revision=revision
    )
    if outcome.kind is not Kind.REFRESHED:
        return msgspec.structs.replace(state, last=last)
    return msgspec.structs.replace(
        state, last=last, failures=0, refreshes=state.refreshes + 1, refreshed_at=now
    )
