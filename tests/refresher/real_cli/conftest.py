"""The real `claude`, pinned, against the stand-in for Anthropic's hosts."""

import dataclasses
import json
import os
import subprocess
from pathlib import Path

import pytest

import refresher_process
from logins import age_last_attempt
from oauth_ledger import Behaviour
from oauth_standin import Standin
from refresher import credentials, files

PACKAGE = Path(__file__).parents[3] / "refresher" / "package.json"
KINDS = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}


def _cached():
    package = f"@anthropic-ai/claude-code-{KINDS.get(os.uname().machine)}"
    version = json.loads(PACKAGE.read_text())["optionalDependencies"].get(package)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    installed = cache / "claude-code-proxy" / f"claude-cli-{version}"
    return installed / "node_modules" / package / "claude"


@pytest.fixture(scope="session")
def claude_bin():
    path = Path(os.environ.get("CLAUDE_REAL_BIN") or _cached())
    if not path.exists():
        pytest.skip("needs the real CLI: run .ci/refresher, or set CLAUDE_REAL_BIN")
    return path


@dataclasses.dataclass
class Installation:
    """A volume with a made-up login, the real CLI, and the hosts it talks to."""

    volume: Path
    claude_bin: Path
    standin: Standin

    @property
    def path(self):
        return self.volume / credentials.FILE_NAME

    @property
    def oauth(self):
        return json.loads(self.path.read_text())["claudeAiOauth"]

    @property
    def token_calls(self):
        return self.standin.token_calls()

    def behave(self, **behaviour):
        self.standin.behaviour = Behaviour(**behaviour)

    def login(self, access_left=-60, **words):
        """Put a new made-up login in the volume; the bytes of the file."""
        data = json.dumps(self.standin.login(access_left, **words)).encode()
        self.path.write_bytes(data)
        return data

    def run(self, *words, data=b"", **more):
        """Run `claude-refresher`; its output, after a look that no token is in it."""
        environ = self.standin.environ | more
        done = refresher_process.refresher(
            self.volume, self.claude_bin, *words, data=data, **environ
        )
        return self.finished(done.args, done.returncode, done.stdout, done.stderr)

    def start(self, **more):
        """Begin `claude-refresher once`, and go on."""
        environ = self.standin.environ | more
        return refresher_process.start(self.volume, self.claude_bin, "once", **environ)

    def finish(self, process):
        out, err = process.communicate(timeout=200)
        return self.finished(process.args, process.returncode, out, err)

    def finished(self, args, code, out, err):
        assert b"made-up" not in out + err, "a token was shown"
        return subprocess.CompletedProcess(args, code, out.decode(), err.decode())

    def later(self, seconds=61):
        """Let time pass for the pause between two attempts."""
        age_last_attempt(self.volume, seconds)

    def by_hand(self, *words):
        """Begin `claude` itself on the same volume, as a person would."""
        return subprocess.Popen(
            [self.claude_bin, *words],
            cwd=self.volume.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.volume.parent),
                "CLAUDE_CONFIG_DIR": str(self.volume),
                **self.standin.environ,
            },
        )

    @property
    def remembered(self):
        return files.read_history(self.volume)


@pytest.fixture
def installation(volume, claude_bin, tmp_path):
    with Standin(tmp_path) as standin:
        yield Installation(volume, claude_bin, standin)


def children(process):
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(number) for number in path.read_text().split()]


@pytest.fixture
def asking(installation, eventually):
    """Begin an attempt; returns it and its CLI once that has asked for a token."""

    def begin(**environ):
        process = installation.start(**environ)
        eventually(lambda: installation.token_calls)
        (cli,) = children(process)
        return process, cli

    return begin
