"""A signal that arrives while `claude-proxy` starts ends it, at whatever moment."""

import signal
import subprocess
import sys

import pytest

from e2e import service
from waiting import LONG

NOT_YET_READY = """
import os, pathlib, signal, sys, time
from proxy.server.application import Server
from proxy.settings import Settings


class Slow(Server):
    def gunicorn_settings(self):
        return {**super().gunicorn_settings(), "post_fork": stop_now}


def stop_now(arbiter, worker):
    os.kill(arbiter.pid, signal.SIGTERM)
    time.sleep(15)  # less than the master waits for a worker
    pathlib.Path("deaf").touch()


Slow(Settings.from_environ(os.environ)).run()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sent_before_python_runs_ends_the_proxy(tmp_path, number):
    blocked = ["env", "--block-signal=TERM,INT"]  # how the image starts it
    signalled = ["sh", "-c", f'kill -{int(number)} $$; exec "$@"', "sh"]

    ended = run(tmp_path, *blocked, *signalled, service.COMMAND)

    assert ended.returncode == 128 + number, ended


def test_a_worker_without_handlers_of_its_own_ends_with_the_master(tmp_path):
    ended = run(tmp_path, sys.executable, "-c", NOT_YET_READY)

    assert ended.returncode == 0, ended
    assert not (tmp_path / "deaf").exists()


def run(directory, *command):
    settings = {"PORT": service.free_ports(1)[0], "ANTHROPIC_API_KEY": "any"}
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=directory,
        env=service.environment(directory, settings),
        timeout=LONG,
        check=False,
    )
