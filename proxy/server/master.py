"""gunicorn's master process, minus the signals that would cut streams.

Of its signals only SIGTERM, SIGINT and SIGQUIT are left. The others reload (SIGHUP),
add or remove workers (SIGTTIN, SIGTTOU), replace the program (SIGUSR2) or reopen log
files that do not exist (SIGUSR1). None of that makes sense for one worker whose settings
never change, and each of them ends running streams or serves without being asked to.
"""

from __future__ import annotations

import signal
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter

IGNORED = (
    signal.SIGHUP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


def ignore_signals() -> None:
    """Ignore what gunicorn would act on; in the master and again in each worker."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)


class Master(Arbiter):  # type: ignore[misc]  # gunicorn is untyped
    """The arbiter that `application.Server` runs."""

    SIGNALS: ClassVar = list(STOPPING)

    def init_signals(self) -> None:
        """Handle the signals that stop; ignore the others."""
        ignore_signals()
        super().init_signals()

    def spawn_worker(self) -> Any:  # noqa: ANN401 - gunicorn is untyped
        """Fork a worker that loses no signal.

        Until it has handlers of its own, a worker has the master's, which would put a
        SIGTERM into a queue that nobody reads. So the signals are blocked across the
        fork, and `release_signals` delivers them.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            return super().spawn_worker()
        finally:  # in the master only: a worker leaves by SystemExit, at its end
            release_signals()


def release_signals() -> None:
    """Deliver what was blocked by `spawn_worker`; a worker calls it once it is ready."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
