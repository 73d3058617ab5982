"""Threads for the worker: one for each running job, none for waiting ones."""

import ctypes
import queue
import threading
from collections.abc import Callable

_M_ARENA_MAX = -8


def share_one_heap() -> None:
    """Have all threads to come allocate from one heap, where the C library is glibc.

    It would give each thread one of its own, up to eight a core. What one thread frees,
    another could then not use: a full memory (`proxy.store`) would take 1.7 times its
    size. The interpreter's own lock keeps threads apart anyway.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


class Threads:
    """As many daemon threads as there are jobs at once; idle ones are reused.

    Daemons, because at exit the interpreter would wait for others, and the worker has
    its own deadline.
    """

    idle = 10.0
    """Seconds after which a thread without a job ends."""

    def __init__(self) -> None:
        self._idle: list[queue.SimpleQueue[Callable[[], None]]] = []

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` in a thread: the most recently idle one, which is still warm."""
        try:
            inbox = self._idle.pop()
        except IndexError:
            inbox = queue.SimpleQueue()
            threading.Thread(
                target=self._work, args=[inbox], name="connection", daemon=True
            ).start()
        inbox.put(job)

    def _work(self, inbox: queue.SimpleQueue[Callable[[], None]]) -> None:
        while True:
            try:
                job = inbox.get(timeout=self.idle)
            except queue.Empty:
                try:
                    self._idle.remove(inbox)
                except ValueError:
                    continue  # a job is just being put there
                return
            job()
            del job  # and with it the connection
            self._idle.append(inbox)
