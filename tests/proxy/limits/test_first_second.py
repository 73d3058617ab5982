"""The first process of a container obeys SIGTERM from its first moment."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import proxy_command
from ports import free_port
from waiting import LONG, until

ENTRYPOINT = json.loads(
    re.findall(
        r"^ENTRYPOINT (.*)$",
        Path(__file__).parents[3].joinpath("proxy/Dockerfile").read_text(),
        re.MULTILINE,
    )[-1]
)
"""The command of the image."""


@pytest.mark.parametrize("mode", ["serve", "demo"])
@pytest.mark.parametrize("moment", ["", "msgspec", "falcon", "Booting worker"])
@pytest.mark.usefixtures("_lane")
def test_process_1_obeys_a_sigterm_at_any_moment(tmp_path, mode, moment):
    """In a process namespace of its own it is process 1, to which signals without a
    handler are lost. The interpreter reports each import; "" is when it begins."""
    port = free_port()
    given = {"PORT": port, "ANTHROPIC_API_KEY": "key"}
    *before, program = ENTRYPOINT
    assert program == "claude-proxy"
    python = [sys.executable, "-u", "-X", "importtime", proxy_command.COMMAND, mode]
    with subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", *before, *python],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        env=proxy_command.environment(tmp_path, given),
    ) as outside:
        children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
        first = int(until(children.read_text))
        try:
            if moment:
                for line in outside.stdout:
                    if (
                        line.split()[-1:] == [moment]
                        or moment in line.partition("{")[2]
                    ):
                        break
            else:
                until(lambda: program_of(first).startswith("python"))
            os.kill(first, signal.SIGTERM)
            threading.Thread(target=outside.stdout.read).start()
            outside.wait(LONG)
        finally:
            outside.kill()


def program_of(pid):
    """The file that a process runs; nothing of a process that has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/exe").readlink().name
    return "python"
