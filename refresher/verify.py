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


class Failure(msgspec.Struct, frozen=True):
    """A call of the token endpoint that failed, as the CLI's debug log reports it."""

    reason: str
    """In known words: no text of the log is in it."""
    unanswered: bool = False
    """The request may have arrived, and no response came back."""
    responded: bool = False
    """There was a response, so something could be reached."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How the CLI's process ended."""

    took: timedelta
    timed_out: bool = False
    """It ran until its time limit, and was ended then."""
    signal: int | None = None
    """The signal that ended it, ours or another's."""
    called: bool = True
    """It took its lock for a refresh, so it may have called the token endpoint."""
    in_call: bool = False
    """It died with that lock, so in the middle of a call."""
    disk: str | None = None
    """What is wrong with the volume after the run, if something is."""
    failures: tuple[Failure, ...] = ()
    """The calls that its debug log reports as failed."""


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
            if _is_anothers(before, after, ended) and after.expires_at > now:
                return Outcome(
                    Kind.NOT_DUE,
                    "someone logged in during the attempt; the new access token is "
                    f"valid until {moment(after.expires_at)}",
                )
            return _changed(before, after, ended, now)


def _lost(reason: str) -> Outcome:
    return Outcome(Kind.LOGIN_REQUIRED, f"the login is lost: {reason}; {LOG_IN}")


def _is_anothers(
    before: credentials.Credential, after: credentials.Credential, ended: Ended
) -> bool:
    """Whether the new token is not of this run: another login, while a call failed."""
    logins = before.login_ends_at, after.login_ends_at
    return None not in logins and logins[0] != logins[1] and bool(ended.failures)


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
    reported = f" (it reported: {ended.failures[-1].reason})" if ended.failures else ""
    spent = _possibly_spent(ended) if ended.called else None
    if spent:
        return Outcome(
            Kind.POSSIBLY_SPENT,
            f"{spent}{reported}, so the refresh token may be used up and its "
            "successor unsaved; the next attempt settles it",
        )
    if ended.timed_out:
        what = f"the CLI was ended after {ended.took.total_seconds():.0f} s"
    elif ended.signal is not None:
        what = f"the CLI was killed by signal {ended.signal}"
    elif ended.called:
        what = "the CLI exited without refreshing"
    else:
        what = "the CLI exited without asking for a new token"
    check = "check that platform.claude.com can be reached"
    if ended.failures and ended.failures[-1].responded:
        check = "see whether that came from Anthropic or from a gateway on the way"
    return Outcome(
        Kind.NOT_REFRESHED,
        f"{what}{reported}; the file is unchanged, and a later attempt may succeed. If "
        f"this persists, {check}",
    )


def _possibly_spent(ended: Ended) -> str | None:
    if ended.signal is not None and (ended.in_call or not ended.timed_out):
        return f"the CLI was killed by signal {ended.signal} while it was refreshing"
    if ended.disk:
        return f"the volume could not be written afterwards ({ended.disk})"
    unanswered = any(failure.unanswered for failure in ended.failures)
    if unanswered or (ended.took >= TOKEN_WAIT and not ended.failures):
        return "the CLI waited for a response that did not arrive"
    return None
