"""Did something appear in a directory, however briefly? Linux's inotify can say.

The CLI's lock for a refresh exists for some milliseconds where the token endpoint
refuses at once, so looking for it from time to time would miss it.
"""

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path

_IN_CREATE, _IN_MOVED_TO, _IN_Q_OVERFLOW = 0x100, 0x80, 0x4000
_EVENT = struct.Struct("iIII")  # inotify(7): watch, mask, cookie, length of the name
_BUFFER = 65536


class Watch:
    """Whether a name has appeared since `watch` began."""

    def __init__(self, descriptor: int | None, name: str) -> None:
        self._descriptor = descriptor
        self._name = os.fsencode(name)

    def seen(self) -> bool:
        """Say whether the name appeared; True also where the kernel cannot tell."""
        if self._descriptor is None:
            return True
        with contextlib.suppress(BlockingIOError):
            while events := os.read(self._descriptor, _BUFFER):
                if self._names(events):
                    return True
        return False

    def _names(self, events: bytes) -> bool:
        while events:
            _, mask, _, length = _EVENT.unpack_from(events)
            name = events[_EVENT.size : _EVENT.size + length].rstrip(b"\0")
            if name == self._name or mask & _IN_Q_OVERFLOW:
                return True
            events = events[_EVENT.size + length :]
        return False


@contextlib.contextmanager
def watch(directory: Path, name: str) -> Iterator[Watch]:
    """Watch for a name in a directory. Never raises: see `Watch.seen`."""
    descriptor = _open(directory)
    try:
        yield Watch(descriptor, name)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _open(directory: Path) -> int | None:
    try:
        libc = ctypes.CDLL(None)
        descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, AttributeError):
        return None
    if descriptor < 0:  # the user has too many
        return None
    mask = _IN_CREATE | _IN_MOVED_TO
    if libc.inotify_add_watch(descriptor, os.fsencode(directory), mask) < 0:
        os.close(descriptor)
        return None
    return descriptor
