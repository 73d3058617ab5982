"""Every duration that has to agree with another one, in one place.

A refresh spends the refresh token first and saves its successor second, so whatever
waits for the CLI has to wait longer than the CLI can take. From the inside out:

    TOKEN_WAIT      the CLI waits this long for the token endpoint (measured)
    CLI_TIMEOUT     the least time limit of the CLI, and the default
    longest_attempt the limit, and the call that is under way then
    lock_wait       whoever finds the lock taken waits for an attempt to end
    POD_GRACE       a pod that is asked to stop lets its attempt end
    JOB_DEADLINE    a Job waits for the lock, then makes its own attempt

The manifests hold the last two; a test compares them.
"""

from datetime import timedelta

CLI_WINDOW = timedelta(seconds=300)
"""The CLI refreshes a token only in the last five minutes of its life. Measured."""

LATEST_START = timedelta(seconds=290)
"""How long before the expiry an attempt may rely on that: the CLI takes a while."""

BROUGHT_FORWARD = timedelta(seconds=240)
"""The expiry that an early attempt writes: near enough for the CLI to refresh, and far
enough that readers of the file still accept the token until the attempt is over."""

EARLY_TIMEOUT = timedelta(seconds=120)
"""The CLI's time limit in an early attempt: it must be over before BROUGHT_FORWARD."""

TOKEN_WAIT = timedelta(seconds=30)
"""The CLI waits this long for the token endpoint, then exits as if all were well."""

SHORTEST_BEFORE = 60
LONGEST_BEFORE = 7 * 3600
"""Seconds, of REFRESH_BEFORE. A token lives for about eight hours."""

CLI_TIMEOUT = 120
"""Seconds. A shorter limit could end the CLI between its two steps."""

SETTLING = timedelta(seconds=10)
"""For a short wait after the CLI has ended: another one may be saving a token."""

CLI_LOCK_WAIT = timedelta(seconds=45)
"""`import` waits this long for the CLI's own lock, which it holds for TOKEN_WAIT."""

CLI_LOCK_STALE = timedelta(seconds=120)
"""The CLI's own lock is abandoned when this old; the CLI takes it over after ~100 s."""


def longest_attempt(cli_timeout: timedelta) -> timedelta:
    """Return how long an attempt with this time limit can take."""
    return cli_timeout + TOKEN_WAIT


lock_wait = longest_attempt
"""How long to wait for a lock that another attempt holds."""

POD_GRACE = longest_attempt(timedelta(seconds=CLI_TIMEOUT))
"""`terminationGracePeriodSeconds` of the pods."""

JOB_DEADLINE = 4 * POD_GRACE
"""`activeDeadlineSeconds` of the CronJob: the lock, an attempt, a slow image pull."""
