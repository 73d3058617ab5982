"""A real gunicorn in a process of its own, for tests of what only a server can do."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from waiting import LONG, until


class Gunicorn:
    """Runs until `stop`; `log` is all that master and worker wrote."""

    def __init__(self, directory, *command, env=None):
        """Run Python with these arguments; it must start gunicorn and log to stdout."""
        self._log = Path(directory, "gunicorn.log")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=os.environ if env is None else env,
                start_new_session=True,
            )
        self.port = int(until(self._listening, what="gunicorn did not start"))
        self.worker = int(until(lambda: self._found(r"Booting worker with pid: (\d+)")))

    @property
    def log(self):
        return self._log.read_text()

    def _found(self, pattern):
        if self.process.poll() is not None:
            raise AssertionError(self.log)
        match = re.search(pattern, self.log)
        return match and match[1]

    def _listening(self):
        return self._found(r"Listening at: http://[\d.]+:(\d+)")

    def connect(self, data=b""):
        sock = socket.create_connection(("127.0.0.1", self.port), LONG)
        sock.sendall(data)
        return sock

    def ask(self, data):
        """Send raw bytes on a connection of their own; all bytes until its end."""
        with self.connect(data) as sock:
            return read_all(sock)

    def signal(self, sig, *, worker=False):
        os.kill(self.worker if worker else self.process.pid, sig)

    def wait(self):
        """Wait until it has ended: its exit code and how long that took."""
        began = time.monotonic()
        return self.process.wait(LONG), time.monotonic() - began

    def threads(self):
        return len(list(Path(f"/proc/{self.worker}/task").iterdir()))

    def resident_memory(self):
        """Bytes of the worker in memory."""
        text = Path(f"/proc/{self.worker}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) << 10

    def descriptors(self):
        return len(list(Path(f"/proc/{self.worker}/fd").iterdir()))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(LONG)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                raise


def read_all(sock):
    """All bytes until the peer closes its side; a reset is an error."""
    parts = []
    while data := sock.recv(65536):
        parts.append(data)
    return b"".join(parts)


def read_until(sock, mark):
    """All bytes up to and with the first one that completes `mark`."""
    data, looked_at = bytearray(), 0
    while data.find(mark, max(0, looked_at - len(mark))) < 0:
        looked_at = len(data)
        more = sock.recv(65536)
        assert more, f"the connection ended before {mark!r}: {bytes(data)!r}"
        data += more
    return bytes(data)
