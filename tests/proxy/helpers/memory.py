"""How much memory something takes."""

import tracemalloc
from collections.abc import Callable
from types import FunctionType

DEPTH = 40
"""Frames of each allocation that are looked at."""


def kept_by(work: Callable[[], object]) -> int:
    """Bytes that `work`, a function of the test's, has allocated and not given back.

    Threads that other tests have left behind allocate meanwhile, and do not count.
    """
    assert isinstance(work, FunctionType)
    tracemalloc.start(DEPTH)
    try:
        work()
        taken = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    its_own = tracemalloc.Filter(True, work.__code__.co_filename, all_frames=True)
    return sum(trace.size for trace in taken.filter_traces([its_own]).traces)
