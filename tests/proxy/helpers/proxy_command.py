"""A real `claude-proxy` in a process of its own: the command that users run."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx2

import health_port
from loopback import PLAIN
from ports import free_port, free_ports
from waiting import LONG, until

COMMAND = Path(sys.executable).with_name("claude-proxy")
SECRETS = ("ANTHROPIC_API_KEY", "CLAUDE_ACCESS_TOKEN", "PROXY_API_KEY")
CONFIG_ERROR = 78  # EX_CONFIG of sysexits.h


def environment(directory, settings):
    """Only what is set here: the machine's own settings and proxies do not count."""
    fixed = {"PATH": os.environ["PATH"], "HOME": str(directory)}
    given = {name: str(value) for name, value in settings.items() if value is not None}
    return fixed | given


class Service:
    """Runs until `stop`, which asserts that it ended well and told no secret."""

    def __init__(self, directory, *arguments, words="", before="", **settings):
        """`words`: a pattern of what it says on standard error.

        `before`: Python code that its process runs first.
        """
        self._words = words
        self.port, self.health_port = free_ports(2)
        ports = {"PORT": self.port, "HEALTH_PORT": self.health_port}
        self._settings = ports | settings
        self._out, self._err = directory / "stdout", directory / "stderr"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*_command(before), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=directory,
                env=environment(directory, self._settings),
                start_new_session=True,
            )
        try:
            with httpx2.Client(trust_env=False, verify=PLAIN) as http:
                until(lambda: self._serves(http), what="claude-proxy did not start")
        except BaseException:
            self._kill()
            raise

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def health_url(self):
        return f"http://127.0.0.1:{self.health_port}"

    def metric(self, name):
        """As `health_port.metric`."""
        return health_port.metric(self.health_url, name)

    @property
    def text(self):
        """Everything that it wrote, on both streams."""
        return self._out.read_text() + self._err.read_text()

    @property
    def log(self):
        """The JSON lines of its standard output; a line still being written waits."""
        lines = self._out.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def completions(self):
        return [line for line in self.log if line["message"] == "completion"]

    def lines_of(self, request_id):
        """The lines of one completion: waits for the first, which follows the answer."""
        return until(
            lambda: [x for x in self.completions if x["request_id"] == request_id],
            what=f"no log line for {request_id}",
        )

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(LONG)
        finally:
            self._kill()
        assert code == 0, self.text
        assert re.fullmatch(self._words, self._err.read_text())
        for secret in filter(None, map(self._settings.get, SECRETS)):
            assert secret not in self.text

    def _serves(self, http):
        assert self.process.poll() is None, self.text
        try:
            return http.get(f"{self.url}/health").status_code == 200
        except httpx2.TransportError:
            return False

    def _kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _command(before):
    run = "from proxy.__main__ import main\nmain()\n"
    return [sys.executable, "-c", before + run] if before else [COMMAND]


@contextmanager
def running(directory, *arguments, **settings):
    """Start `claude-proxy`, and end it as Kubernetes would."""
    service = Service(directory, *arguments, **settings)
    try:
        yield service
    except BaseException:
        service._kill()
        raise
    service.stop()


def refused_start(directory, **settings):
    """Start a `claude-proxy` that must not come up: what it says on standard error."""
    ended = subprocess.run(
        [COMMAND],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=directory,
        env=environment(directory, {"PORT": free_port()} | settings),
        timeout=LONG,
        check=False,
    )
    assert ended.returncode == CONFIG_ERROR, ended
    assert ended.stdout == ""
    return ended.stderr
