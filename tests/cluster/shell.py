"""A person's shell in a namespace: documented commands are pasted as they stand."""

import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import yaml

from node import PATIENCE

DOCS = Path(__file__).parents[2] / "docs"
KUBERNETES, GITOPS = DOCS / "kubernetes.md", DOCS / "gitops.md"


def pasted(begin, document=KUBERNETES):
    """The documented command that begins like this, with all its lines."""
    _, found, rest = document.read_text().partition(f"\n{begin}")
    assert found, f"{document} has no such command: {begin}"
    command, *more = (begin + rest).splitlines()
    while command.endswith("\\") or command.count("'") % 2:
        command += "\n" + more.pop(0)
    return command


def commands(document, heading):
    """The commands of the first `sh` block under a heading, in order."""
    _, found, rest = document.read_text().partition(f"# {heading}\n")
    assert found, f"{document} has no such heading: {heading}"
    [block] = re.search(r"^```sh\n(.*?)^```", rest, re.MULTILINE | re.DOTALL).groups()
    return block.splitlines()


def yaml_blocks(document, key="kind"):
    """The YAML examples of a document that have this key: `kind`, or `patches`."""
    blocks = re.findall(
        r"^```yaml\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL
    )
    return [one for one in map(yaml.safe_load, blocks) if key in one]


class Shell:
    def __init__(self, kubectl, directory, here=None):
        self.directory = here or directory
        config = directory / "kubeconfig"
        config.write_text(kubectl("config", "view", "--raw"))
        self.environ = {**os.environ, "KUBECONFIG": str(config), "TERM": "dumb"}
        self.run(
            f"kubectl config set-context --current --namespace={kubectl.namespace}"
        )

    def run(self, command):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=5 * PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def answer(self, command, question, answer, within=2 * PATIENCE):
        """Run a command that asks a question on a terminal, and type the answer.

        Returns everything the terminal showed.
        """
        ours, theirs = pty.openpty()
        shown = b""
        with subprocess.Popen(
            ["bash", "-c", command],
            cwd=self.directory,
            env=self.environ,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            end = time.monotonic() + within
            try:
                while data := read(ours, end):
                    shown += data
                    if answer and question.encode() in shown:
                        os.write(ours, answer.encode() + b"\r")
                        answer = None
                assert time.monotonic() < end, shown.decode(errors="replace")
                assert process.wait(PATIENCE) == 0, shown.decode(errors="replace")
            finally:
                process.kill()
                os.close(ours)
        return shown.decode(errors="replace")


def read(terminal, end):
    """The terminal's next output; empty at its end or after the deadline."""
    if not select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux reports that it was closed
        return b""
