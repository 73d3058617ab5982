"""`claude-refresher operator` as a process, and what can be asked of it from outside."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from logins import LONG
from ports import free_port

ROOT = Path(__file__).parents[2]

COMPRESSED = """
import signal
from refresher.operator import api, backoff, check, reporter
backoff.LONGEST, backoff.REFUSED, backoff.LONGEST_RETRY_AFTER = 0.1, 0.2, 0.5
reporter.RESYNC, reporter.ABSENT = 1.0, 0.2
check.FIRST_PAUSE = 0.2
def give_up_soon(*_): api._TIMEOUT, api.DEADLINE = (0.5, 0.5), 1.0
def be_patient(*_): api._TIMEOUT, api.DEADLINE = (60, 60), 60.0
signal.signal(signal.SIGUSR1, give_up_soon)
signal.signal(signal.SIGUSR2, be_patient)
be_patient()
"""
"""Run an hour of the operator's pauses in about half a minute.

A call that the API server answers is never given up, however slow the machine is.
"""


class OperatorProcess:
    """One operator over a volume; `kubeconfig` is an object."""

    def __init__(
        self, directory, volume, claude, kubeconfig, namespace, *, compressed=False,
        impatient=False, **environ,
    ):  # fmt: skip
        name = f"operator-{time.monotonic_ns()}"
        config = directory / f"{name}.json"
        config.write_text(json.dumps(kubeconfig))
        self._log = directory / f"{name}.log"
        self._port = free_port()
        code = COMPRESSED if compressed else ""
        code += "give_up_soon()\n" if impatient else ""
        code += "from refresher.__main__ import main\nmain()"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, "operator"],
                cwd="/",
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(ROOT),
                    "PYTHONWARNINGS": "ignore",
                    "HOME": str(directory),
                    "KUBECONFIG": str(config),
                    "POD_NAMESPACE": namespace,
                    "CLAUDE_CONFIG_DIR": str(volume),
                    "CLAUDE_BIN": str(claude),
                    "HEALTH_PORT": str(self._port),
                    **environ,
                },
            )

    @property
    def log(self):
        return self._log.read_text()

    @property
    def runs(self):
        return self.process.poll() is None

    def ask(self, path):
        """(status, text) of the health port; (0, "") while nobody listens."""
        url = f"http://127.0.0.1:{self._port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=LONG) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as ex:
            with ex:
                return ex.code, ex.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name):
        """The value of a metric; labels are a part of the name."""
        for line in self.ask("/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return None

    def give_up_soon(self):
        """From now on, give up a call of the API server after half a second of silence."""
        self.process.send_signal(signal.SIGUSR1)

    def be_patient(self):
        """From now on, wait for the API server as long as it takes."""
        self.process.send_signal(signal.SIGUSR2)

    def stop(self, number=signal.SIGTERM):
        """End it; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(LONG)

    def kill(self):
        self.process.kill()
        self.process.wait()
