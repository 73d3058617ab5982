"""Threads for the worker: one for each job that runs, none for those that wait."""

import queue
import threading
from collections.abc import Callable


class Threads:
    """As many daemon threads as jobs need at once; idle ones are used again.

    Daemons, because the interpreter would wait at exit for others, and the worker has
    said how long it waits.
    """

    idle = 10.0
    """Seconds after which a thread without a job ends."""

    def __init__(self) -> None:
        self._idle: list[queue.SimpleQueue[Callable[[], None]]] = []

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` in a thread; the last one that became idle is still warm."""
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
                    continue  # a job is being put there just now
                return
            job()
            del job  # and with it the connection
            self._idle.append(inbox)
