"""Writes log lines in one thread for all, so that no request waits for the log.

A full pipe, or a terminal that was stopped, blocks whoever writes to it. Here that is the
writer's own thread; lines that find no room meanwhile are dropped and counted. And lines
that come close together are written together: a write for each, inside logging's lock,
was 4 to 7 % of a request's CPU, and one more occasion to lose the interpreter's lock.
"""

from __future__ import annotations

import os
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOM = 4096
"""Lines that may wait to be written: about 2 MiB."""

GATHER = 0.05
"""Seconds between two writes, in which lines gather. The first one is written at once."""


class Writer:
    """Writes to a descriptor. The thread starts with the first line, also after a fork.

    ``report(n)`` is the line that says that ``n`` lines were dropped.
    """

    def __init__(self, descriptor: int, report: Callable[[int], bytes]) -> None:
        self._descriptor = descriptor
        self._report = report
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        """Begin with nothing: no thread survives a fork, and lines are the parent's."""
        self.dropped = 0
        """Lines that were dropped since the process began."""
        self._reported = 0
        self._lines: queue.SimpleQueue[bytes | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._hurry = threading.Event()

    def write(self, line: bytes) -> None:
        """Have a line written, with its line end; never waits."""
        if self._lines.qsize() >= ROOM:
            with self._lock:
                self.dropped += 1
            return
        self._lines.put(line)
        if self._thread is None:
            self._start()

    def flush(self, seconds: float = 1.0) -> None:
        """Wait until what was given is written, for so many seconds at most."""
        if self._thread is None:
            return
        written = threading.Event()
        self._lines.put(written)
        self._hurry.set()
        written.wait(seconds)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="log", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while True:
            lines: list[bytes] = []
            flushed: list[threading.Event] = []
            self._take(self._lines.get(), lines, flushed)
            while not self._lines.empty():
                self._take(self._lines.get(), lines, flushed)
            self._write(b"".join(lines), len(lines))
            if (dropped := self.dropped) > self._reported:
                self._write(self._report(dropped - self._reported), 0)
                self._reported = dropped
            for event in flushed:
                self._hurry.clear()
                event.set()
            self._hurry.wait(GATHER)

    @staticmethod
    def _take(
        given: bytes | threading.Event,
        lines: list[bytes],
        flushed: list[threading.Event],
    ) -> None:
        if isinstance(given, bytes):
            lines.append(given)
        else:
            flushed.append(given)

    def _write(self, data: bytes, lines: int) -> None:
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:  # the reader is gone, or the disk is full
            with self._lock:
                self.dropped += lines
