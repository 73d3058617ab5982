"""A signal that arrives before `claude-proxy` runs ends it all the same."""

import signal
import subprocess

import pytest

import proxy_command
from ports import free_port
from waiting import LONG


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sent_before_python_runs_ends_the_proxy(tmp_path, number):
    blocked = ["env", "--block-signal=TERM,INT"]  # how the image starts it
    signalled = ["sh", "-c", f'kill -{int(number)} $$; exec "$@"', "sh"]

    ended = run(tmp_path, *blocked, *signalled, proxy_command.COMMAND)

    assert ended.returncode == 128 + number, ended


def run(directory, *command):
    settings = {"PORT": free_port(), "ANTHROPIC_API_KEY": "any"}
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=directory,
        env=proxy_command.environment(directory, settings),
        timeout=LONG,
        check=False,
    )
