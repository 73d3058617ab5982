"""One writer in a volume: whoever waits finds the work done."""

import contextlib
import fcntl
import threading
from datetime import timedelta

import pytest

from logins import attempt_once
from refresher import lock
from refresher.outcome import Kind


def test_whoever_waits_for_the_lock_finds_the_login_fresh(
    volume, fake, dead_login, eventually
):
    claude = fake("wait_then_ok")
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(attempt_once(volume, claude)))
        for _ in range(5)
    ]
    with contextlib.ExitStack() as ends:
        for thread in threads:
            thread.start()
            ends.callback(thread.join)
        eventually(lambda: claude.started)
        claude.go()

    kinds = [outcome.kind for outcome in outcomes]
    assert sorted(kinds) == [Kind.NOT_DUE] * 4 + [Kind.REFRESHED]
    assert len(claude.calls) == 1


def test_whoever_comes_during_a_run_waits_for_its_end(
    volume, fake, dead_login, eventually
):
    claude = fake("wait_then_ok")
    first = threading.Thread(target=attempt_once, args=(volume, claude))
    first.start()
    eventually(lambda: claude.started)
    outcomes = []
    second = threading.Thread(
        target=lambda: outcomes.append(attempt_once(volume, claude))
    )
    second.start()

    claude.go()
    first.join()
    second.join()

    assert [outcome.kind for outcome in outcomes] == [Kind.NOT_DUE]
    assert len(claude.calls) == 1


def test_a_wait_that_is_called_off_is_busy(volume, fake, dead_login):
    stop = threading.Event()
    stop.set()
    with (volume / lock.FILE_NAME).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        outcome = attempt_once(volume, fake("ok"), stop=stop)

    assert outcome.kind is Kind.BUSY


def test_a_lock_is_not_waited_for_for_ever(volume):
    with lock.hold(volume, timedelta(0), threading.Event()):  # noqa: SIM117
        with (
            pytest.raises(lock.BusyError),
            lock.hold(volume, timedelta(seconds=0.3), threading.Event()),
        ):
            pass
