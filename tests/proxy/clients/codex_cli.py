"""Codex CLI in a scratch repository, as a user runs it: `codex exec`."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from waiting import LONG

ROOT = Path(__file__).parents[3]
(DOCUMENTED,) = re.findall(
    r"```toml\n(.*?)```",
    (ROOT / "docs/clients.md").read_text(encoding="utf-8"),
    re.DOTALL,
)
"""What the documents say that a user needs; its last table is the provider's."""

CONFIG = """\
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
{documented}
env_key = "PROXY_API_KEY"

[analytics]
enabled = false

[features]
plugins = false

[mcp_servers.tickets]
command = "{python}"
args = ["{mcp_server}"]
"""
"""Approvals and the sandbox are off because the commands are the tests' own; what else is
off would ask the world.
"""

CALC = "def add(a, b):\n    return a - b\n"


@dataclass(frozen=True)
class Ended:
    """What a run printed: its events, one JSON object a line, and anything else."""

    code: int
    events: list
    errors: str

    def items(self, kind):
        """The finished items of a kind: agent_message, command_execution, …"""
        done = [e["item"] for e in self.events if e["type"] == "item.completed"]
        return [item for item in done if item["type"] == kind]

    @property
    def answer(self):
        return self.items("agent_message")[-1]["text"]


class Codex:
    """A home and a repository of its own, with `calc.py` in it."""

    def __init__(
        self, binary, directory, environ, url, model, *, key="unused", provider="Claude"
    ):
        self._binary = binary
        self.repository, self._home = directory / "repository", directory / "home"
        self.repository.mkdir()
        self._home.mkdir()
        self._environ = environ | {
            "HOME": str(self._home),
            "CODEX_HOME": str(self._home),
            "PROXY_API_KEY": key,
        }
        documented = (
            DOCUMENTED.replace("http://127.0.0.1:8080", url)
            .replace("claude-sonnet-4-6", model)
            .replace('name = "Claude"', f'name = "{provider}"')
        )
        config = CONFIG.format(
            documented=documented,
            python=sys.executable,
            mcp_server=Path(__file__).with_name("mcp_server.py"),
        )
        (self._home / "config.toml").write_text(config)
        self.file.write_text(CALC)
        for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "Begin"]):
            who = ["-c", "user.name=Codex", "-c", "user.email=codex@example.com"]
            subprocess.run(["git", *who, *arguments], cwd=self.repository, check=True)

    @property
    def file(self):
        return self.repository / "calc.py"

    def run(self, prompt, *arguments):
        """Run `codex exec`; `arguments` come before the prompt, which it reads."""
        ended = subprocess.run(
            [self._binary, "exec", "--json", "--strict-config", *arguments, "-"],
            cwd=self.repository,
            env=self._environ,
            input=prompt,
            capture_output=True,
            text=True,
            timeout=10 * LONG,
            check=False,
        )
        events = [json.loads(line) for line in ended.stdout.splitlines()]
        return Ended(ended.returncode, events, ended.stderr)
