"""One writer in a volume: whoever waits finds the work done."""

import contextlib
import errno
import fcntl
import json
import os
import signal
import subprocess
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from logins import attempt_once
from refresher import credentials, lock
from refresher.outcome import Kind


def test_whoever_waits_for_the_lock_finds_the_login_fresh(
    volume, fake, expired_login, eventually
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
    volume, fake, expired_login, eventually
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


def test_a_wait_that_is_called_off_is_busy(volume, fake, expired_login):
    stop = threading.Event()
    stop.set()
    with (volume / lock.FILE_NAME).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        outcome = attempt_once(volume, fake("ok"), stop=stop)

    assert outcome.kind is Kind.BUSY


def test_the_wait_for_a_lock_ends(volume):
    with lock.hold(volume, timedelta(0), threading.Event()):  # noqa: SIM117
        with (
            pytest.raises(lock.BusyError),
            lock.hold(volume, timedelta(seconds=0.3), threading.Event()),
        ):
            pass


def test_a_child_that_leaves_the_clis_session_does_not_keep_the_lock(
    volume, fake, expired_login
):
    claude = fake("leaves_daemon", "ok")
    attempt_once(volume, claude)
    (volume / credentials.FILE_NAME).write_bytes(expired_login)

    outcome = attempt_once(volume, claude)
    child = int((claude.directory / "child").read_text())
    os.kill(child, signal.SIGKILL)

    assert outcome.kind is Kind.REFRESHED


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(
    volume, fake, expired_login, monkeypatch, number
):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    claude = fake("ok")

    outcome = attempt_once(volume, claude)

    assert outcome.kind is Kind.BLOCKED
    assert "has no locks" in outcome.reason
    assert claude.calls == []


@pytest.fixture
def holder(volume):
    """A process in a group of its own, which holds the CLI's lock for a refresh."""
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    held = volume / lock.REFRESHING
    held.mkdir()
    owner = held.with_name(f"{held.name}.owner")
    owner.write_text(json.dumps({"pid": process.pid, "procStart": ""}))
    yield process, held, owner
    process.kill()
    process.wait()


def test_the_cli_is_refreshing_while_it_holds_its_lock(volume, holder):
    process, held, _ = holder

    assert lock.cli_refreshes(volume, process.pid)
    assert not lock.cli_refreshes(volume, os.getpgid(0))
    held.rmdir()
    assert not lock.cli_refreshes(volume, process.pid)


@pytest.mark.parametrize(
    "put",
    [
        lambda _: None,
        os.mkfifo,
        Path.mkdir,
        lambda owner: owner.symlink_to("/dev/zero"),
        lambda owner: owner.write_bytes(b""),
        lambda owner: owner.write_bytes(b"{"),
        lambda owner: owner.write_bytes(b"[]"),
        lambda owner: owner.write_bytes(b'{"pid": 1, "procStart": "\xff"}'),
        lambda owner: owner.write_bytes(b'{"pid": 10000000000}'),
    ],
    ids=[
        "nothing", "a pipe", "a directory", "a device", "empty", "cut", "a list",
        "not UTF-8", "no process",
    ],
)  # fmt: skip
def test_a_lock_without_a_readable_owner_counts_for_a_while(volume, holder, put):
    process, held, owner = holder
    owner.unlink()
    put(owner)

    assert lock.cli_refreshes(volume, process.pid)
    os.utime(held, (0, 0))
    assert not lock.cli_refreshes(volume, process.pid)


def test_a_lock_whose_owner_had_the_same_number_does_not_count(volume, holder):
    process, _, owner = holder
    owner.write_text(json.dumps({"pid": process.pid, "procStart": "1"}))

    assert not lock.cli_refreshes(volume, process.pid)


def test_a_lock_whose_owner_is_gone_does_not_count(volume, holder):
    process, _, _ = holder
    process.kill()
    process.wait()

    assert not lock.cli_refreshes(volume, process.pid)
