"""Waiting for what another thread or process does, with a deadline and no fixed sleep."""

import time

LONG = 60.0
"""Seconds until a test gives up; nothing that works comes near it, however busy the
machine is."""


def until(condition, *, within=LONG, what="it did not come to pass"):
    """Poll until `condition()` is true and return its value."""
    end = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.005)
    return value
