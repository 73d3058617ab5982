"""The one back-off: when to call again after a call that failed. No clock of its own.

Each thing that can fail on its own has a `Backoff` of its own, so that a call that is
refused for want of rights never holds up one that only has to be repeated.
"""

LONGEST = 10.0
"""Seconds between two calls that may succeed any moment."""
REFUSED = 60.0
"""Seconds until a refused call is repeated: rights do not change by themselves."""
LONGEST_RETRY_AFTER = 300.0
"""The most seconds of a server's Retry-After that are honoured."""


class Backoff:
    """How often one thing has failed in a row, and when it may be repeated."""

    def __init__(self, first: float = 0.5, longest: float | None = None) -> None:
        self._first = first
        self._longest = longest
        self._not_before = 0.0
        self.failures = 0

    def failed(
        self, now: float, *, refused: bool = False, retry_after: float | None = None
    ) -> None:
        """Note a failure at `now`, in seconds on the monotonic clock.

        `retry_after` is what the server asked for. It makes the pause longer, never
        shorter, and never longer than LONGEST_RETRY_AFTER.
        """
        self.failures += 1
        longest = LONGEST if self._longest is None else self._longest
        doubled = self._first * 2.0 ** min(self.failures - 1, 16)
        pause = REFUSED if refused else min(longest, doubled)
        if retry_after is not None:
            pause = max(pause, min(retry_after, LONGEST_RETRY_AFTER))
        self._not_before = now + pause

    def succeeded(self) -> None:
        """Note a success: the next call may come at once."""
        self.failures = 0
        self._not_before = 0.0

    def pause(self, now: float) -> float:
        """Return the seconds until the next call may be made; 0 when it may be now."""
        return max(0.0, self._not_before - now)
