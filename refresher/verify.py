"""What an attempt did, judged by the credentials file before and after it.

Measured on the real CLI: its exit code is 0 after a refused, a failed and an unsaved
refresh alike. So the exit code and the output say nothing here. How the CLI ended
only adds whether the refresh token may have been used up without a trace.
"""

from datetime import datetime, timedelta

import msgspec

from refresher import credentials
from refresher.limits import CLI_WINDOW, TOKEN_WAIT
from refresher.outcome import LOG_IN, Kind, Outcome, moment


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How the CLI's process ended."""

    took: timedelta
    timed_out: bool = False
    signal: int | None = None
    """The signal that ended it, ours or another's."""
    disk: str | None = None
    """What is wrong with the volume after the run, if something is."""
    hint: str | None = None
    """What the CLI's own debug log reports, reduced to known words."""


def verify(
    before: credentials.Credential,
    after: credentials.Found,
    ended: Ended,
    now: datetime,
) -> Outcome:
    """Compare the file before and after an attempt."""
    match after:
        case credentials.Blanked(reason):
            return _lost(f"Anthropic refused the refresh token, and {reason}")
        case credentials.Missing():
            return _lost("the credentials file disappeared during the attempt")
        case credentials.Malformed(reason):
            return Outcome(
                Kind.INVALID,
                f"after the attempt, {reason}; restore the file or {LOG_IN}",
            )
        case credentials.Unreadable(reason):
            return Outcome(Kind.BLOCKED, f"after the attempt: {reason}")
        case credentials.Credential():
            if after.access_token == before.access_token:
                return _unchanged(ended)
            return _changed(before, after, ended, now)


def _lost(reason: str) -> Outcome:
    return Outcome(Kind.LOGIN_REQUIRED, f"the login is lost: {reason}; {LOG_IN}")


def _changed(
    before: credentials.Credential,
    after: credentials.Credential,
    ended: Ended,
    now: datetime,
) -> Outcome:
    valid_until = moment(after.expires_at)
    if after.expires_at <= before.expires_at or after.expires_at <= now + CLI_WINDOW:
        return Outcome(
            Kind.NOT_REFRESHED,
            f"there is a new access token, but it is valid only until {valid_until}; "
            "check this machine's clock",
        )
    took = ended.took.total_seconds()
    return Outcome(
        Kind.REFRESHED,
        f"the new access token is valid until {valid_until}; the CLI took {took:.1f} s",
    )


def _unchanged(ended: Ended) -> Outcome:
    reported = f" (the CLI reported: {ended.hint})" if ended.hint else ""
    cut_short = _cut_short(ended)
    if cut_short:
        return Outcome(
            Kind.POSSIBLY_SPENT,
            f"{cut_short}{reported}, so the refresh token may be used up and its "
            "successor unsaved; the next attempt settles it",
        )
    return Outcome(
        Kind.NOT_REFRESHED,
        f"the CLI exited without refreshing{reported}; the file is unchanged, and a later "
        "attempt may succeed. If this persists, check that platform.claude.com can be "
        "reached",
    )


def _cut_short(ended: Ended) -> str | None:
    if ended.timed_out:
        return f"the CLI did not exit within {ended.took.total_seconds():.0f} s"
    if ended.signal is not None:
        return f"the CLI was killed by signal {ended.signal}"
    if ended.disk:
        return f"the volume could not be written afterwards ({ended.disk})"
    if ended.took >= TOKEN_WAIT:
        return "the CLI waited for a response that did not arrive"
    return None
