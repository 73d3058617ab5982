"""Has glibc's allocator give the memory of large bodies back to the system.

By default it learns: once a block of 32 MiB has been freed, blocks of that size come from
the heaps of the threads, which keep up to 64 MiB each, and there are eight of them for
each core. A pod that has seen a few large bodies then holds hundreds of MiB that nobody
uses, and how many depends on the machine.
"""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h

LARGE = 1 << 20
"""Bytes. Blocks of this size are mapped, and unmapped when they are freed; as many free
bytes at a heap's end are given back. Well above the buffers of one read."""

HEAPS = 2
"""Enough, since a thread allocates while it holds the interpreter."""


def give_back() -> None:
    """Set the allocator for this process and its children; no other libc needs it."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl
        return
    for option, value in (
        (_M_MMAP_THRESHOLD, LARGE),
        (_M_TRIM_THRESHOLD, LARGE),
        (_M_ARENA_MAX, HEAPS),
    ):
        mallopt(option, value)
