"""Reads small files that change, and waits for none that hangs.

A key or a token may lie on a network volume that has died, or at a path that turns out
to be a FIFO: there even ``stat`` can block for ever. So files are read by threads of
their own, and whoever needs the content waits `PATIENCE` seconds for it at most.
"""

from __future__ import annotations

import os
import queue
import stat
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 1.0
"""Seconds to wait for a file that does not respond. Only the first who asks waits: until
the file responds, everybody else gets the last known content at once."""

LARGEST = 1 << 20
"""Bytes of a file at most; no keys file and no credentials file is larger."""

_NONBLOCKING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Content:
    """What was found at a path: a text, or why there is none."""

    text: str | None = None
    trouble: str = ""
    """In words that continue ``the file …``: ``does not exist``."""
    missing: bool = False

    def __repr__(self) -> str:
        return f"Content(…, trouble={self.trouble!r})"


UNRESPONSIVE = Content(trouble="does not respond")


class Files:
    """Some files that are read together, in the order of ``paths``.

    Thread-safe; to be used after the fork, which no thread survives.
    """

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._lock = threading.Lock()
        self._look: _Look | None = None  # under way
        self._looks: queue.SimpleQueue[_Look] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def read(self) -> tuple[Content, ...]:
        """The files' contents now, or `UNRESPONSIVE` for each.

        Whoever asks while they are being read gets what is found then.
        """
        with self._lock:
            if self._thread is None and not self._start():
                return (UNRESPONSIVE,) * len(self._paths)
            look = self._look
            if look is None:
                look = self._look = _Look()
                self._looks.put(look)
        look.over.wait(max(0.0, look.began + PATIENCE - time.monotonic()))
        return look.found or (UNRESPONSIVE,) * len(self._paths)

    def _start(self) -> bool:
        thread = threading.Thread(target=self._run, name="files", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # a pod's limit of processes
            return False
        self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            look = self._looks.get()
            look.found = tuple(_content(path) for path in self._paths)
            with self._lock:
                self._look = None
            look.over.set()


class _Look:
    """One reading of all files."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.over = threading.Event()
        self.found: tuple[Content, ...] = ()


def _content(path: Path) -> Content:
    try:
        descriptor = os.open(path, _NONBLOCKING)  # a FIFO must not block it
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Content(trouble="is not a regular file")
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(LARGEST + 1)
        finally:
            os.close(descriptor)
        if len(data) > LARGEST:
            return Content(trouble=f"is larger than {LARGEST} bytes")
        return Content(text=data.decode("utf-8-sig"))
    except FileNotFoundError:
        return Content(trouble="does not exist", missing=True)
    except OSError as ex:
        return Content(trouble=f"cannot be read ({ex.strerror})")
    except UnicodeDecodeError:
        return Content(trouble="is not UTF-8 text")
