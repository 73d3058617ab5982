"""Every duration that has to agree with another one, in one place.

A refresh spends the refresh token first and saves its successor second, so whatever
waits for the CLI has to wait longer than the CLI can take. From the inside out:

    TOKEN_WAIT      the CLI waits this long for the token endpoint (measured)
    CLI_TIMEOUT     the least time limit of the CLI, and the default
    longest_attempt the limit, and the grace between SIGTERM and SIGKILL
    lock_wait       whoever finds the lock taken waits for an attempt to end
    POD_GRACE       a pod that is told to stop lets its attempt end
    JOB_DEADLINE    a Job waits for the lock, then makes its own attempt

The manifests hold the last two; a test compares them.
"""

from datetime import timedelta

CLI_WINDOW = timedelta(seconds=300)
"""The CLI refreshes a token only in the last five minutes of its life. Measured."""

TOKEN_WAIT = timedelta(seconds=30)
"""The CLI waits this long for the token endpoint, then exits as if all were well."""

CLI_TIMEOUT = 120
"""Seconds. A shorter limit could end the CLI between its two steps."""

TERM_GRACE = timedelta(seconds=10)
"""Between SIGTERM and SIGKILL: the CLI releases its own locks on SIGTERM."""

SETTLING = timedelta(seconds=10)
"""For what surrounds a run of the CLI: starting it, reaping it, probing the disk."""

CLI_LOCK_WAIT = timedelta(seconds=45)
"""`import` waits this long for the CLI's own lock, which it holds for TOKEN_WAIT."""

CLI_LOCK_STALE = timedelta(seconds=120)
"""The CLI's own lock is abandoned when this old; the CLI takes it over after ~100 s."""


def longest_attempt(cli_timeout: timedelta) -> timedelta:
    """Return how long an attempt with this time limit can take."""
    return cli_timeout + TERM_GRACE + SETTLING


lock_wait = longest_attempt
"""How long to wait for a lock that another attempt holds."""

POD_GRACE = longest_attempt(timedelta(seconds=CLI_TIMEOUT)) + SETTLING
"""`terminationGracePeriodSeconds` of the pods."""

JOB_DEADLINE = 4 * POD_GRACE
"""`activeDeadlineSeconds` of the CronJob: the lock, an attempt, a slow image pull."""
