"""One thread for all responses that arrive bit by bit.

A stream waits far longer than it works. A thread of its own would be woken for each
delta, and would then wait for the interpreter with all others: on 500 streams of ten
deltas a second that was two thirds of the CPU. This thread waits for all of them, passes
on what has come without ever waiting for a client, and hands a stream back to a thread
for whatever may take time: a client that reads slowly, a silence, a failure.

Only this thread takes a connection out of the set, so a connection has one owner at any
time. The source of a response is armed anew for each event (ONESHOT): its socket goes
back to a pool before its flow has ended here, and must not be reported then.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from typing import TYPE_CHECKING, Protocol

from proxy.server.connection import Served

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.server.connection import Connection

SWEEP = 0.1
"""Seconds between two looks at streams that are silent."""

_ONCE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT


class GiveBack(Protocol):
    """What takes a connection whose response is over."""

    def __call__(self, connection: Connection, *, keep: bool) -> None:
        """``keep``: it may send another request."""


class Pump:
    """Passes on what arrives.

    ``go_on(connection)`` is for what may take time, ``give_back(connection, keep=…)`` for
    the end.
    """

    def __init__(
        self, *, go_on: Callable[[Connection], None], give_back: GiveBack
    ) -> None:
        self._go_on, self._give_back = go_on, give_back
        self._flowing: dict[int, Connection] = {}  # by the descriptor of the source
        self._rests = False  # waits without looking for silence: there are no streams
        self._epoll = select.epoll()
        self._wakened = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wakened, select.EPOLLIN)
        threading.Thread(target=self._run, name="pump", daemon=True).start()

    def add(self, connection: Connection) -> None:
        """Pass on a response whose next part has not come yet; from any thread."""
        descriptor = connection.source
        if descriptor is None:
            raise RuntimeError
        self._flowing[descriptor] = connection
        try:
            self._arm(descriptor)
        except OSError as ex:  # the kernel's limit of what it watches for one user
            del self._flowing[descriptor]
            connection.fail(ex)
            self._go_on(connection)
        if self._rests:
            os.eventfd_write(self._wakened, 1)

    def _arm(self, descriptor: int) -> None:
        try:
            self._epoll.modify(descriptor, _ONCE)
        except FileNotFoundError:
            self._epoll.register(descriptor, _ONCE)

    def _run(self) -> None:
        sweep_at = 0.0
        while True:
            for descriptor, _ in self._wait():
                if descriptor == self._wakened:
                    os.eventfd_read(descriptor)
                elif (connection := self._flowing.pop(descriptor, None)) is not None:
                    self._pass_on(connection)
            if (now := time.monotonic()) >= sweep_at:
                self._sweep()
                sweep_at = now + SWEEP

    def _wait(self) -> list[tuple[int, int]]:
        self._rests = True  # said before the look: who adds one after it wakes us
        if self._flowing:
            self._rests = False
        arrived = self._epoll.poll(None if self._rests else SWEEP)
        self._rests = False
        return arrived

    def _pass_on(self, connection: Connection) -> None:
        match connection.flow():
            case Served.FLOWS:
                self.add(connection)
            case Served.STUCK:
                self._go_on(connection)
            case served:
                self._give_back(connection, keep=served is Served.KEEP)

    def _sweep(self) -> None:
        for descriptor, connection in self._flowing.copy().items():
            if connection.is_silent():
                with contextlib.suppress(FileNotFoundError):  # `add` is about to arm it
                    self._epoll.modify(descriptor, select.EPOLLONESHOT)
                del self._flowing[descriptor]
                self._go_on(connection)
