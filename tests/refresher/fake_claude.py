"""A fake `claude` that ends in every way the real one was seen to, and some more.

`FakeClaude(directory, "blank")` writes an executable there. Each run takes the next of
the given modes (the last one again and again), and is noted: words, environment,
directory, process. The executable knows nothing but the standard library.
"""

import json
import sys
from pathlib import Path

SCRIPT = r"""#!%(python)s -IS
import json, os, pathlib, resource, signal, subprocess, sys, time

here = pathlib.Path(__file__).parent
config = pathlib.Path(os.environ["CLAUDE_CONFIG_DIR"])
path = config / ".credentials.json"
calls = here / "calls.jsonl"
note = {"words": sys.argv[1:], "environ": dict(os.environ), "cwd": os.listdir("."),
        "core": resource.getrlimit(resource.RLIMIT_CORE), "pid": os.getpid(), "sid": os.getsid(0), "stdin": sys.stdin.read(),
        "blocked": [*map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))]}
number = len(calls.read_text().splitlines()) if calls.exists() else 0
with calls.open("a") as file:
    file.write(json.dumps(note) + "\n")
if sys.argv[1:] == ["--version"]:
    print(%(version)r + " (Claude Code)")
    sys.exit(0)
modes = %(modes)r
mode = modes[min(number, len(modes) - 1)]
if mode == "no_call":
    sys.exit(0)


def replace(text):
    temporary = config / (".credentials.json.tmp.%%d" %% os.getpid())
    temporary.write_text(text)
    temporary.replace(path)
    path.chmod(0o600)


def save(left=28800, **changes):
    whole = json.loads(path.read_text())
    whole["claudeAiOauth"].update(
        accessToken="access-%%d" %% os.getpid(), refreshToken="refresh-%%d" %% os.getpid(),
        expiresAt=int((time.time() + left) * 1000))
    whole["claudeAiOauth"].update(changes)
    replace(json.dumps(whole))


lock = config / ".oauth_refresh.lock"
owner = config / ".oauth_refresh.lock.owner"


def begin_call():
    lock.mkdir()
    owner.write_text(json.dumps({"pid": os.getpid(), "procStart": ""}))


def end_call():
    owner.unlink()
    lock.rmdir()


def until(name):
    (here / "started").touch()
    deadline = time.time() + 300
    while not (here / name).exists() and time.time() < deadline:
        time.sleep(0.02)


begin_call()
if mode not in ("killed", "saves_after_limit"):
    end_call()
match mode:
    case "ok": save()
    case "ok_one_hour": save(left=3600)
    case "ok_exit_1": save(); sys.exit(1)
    case "ok_kept_refresh_token": save(refreshToken="refresh-1")
    case "wait_then_ok": until("go"); save()
    case "in_place":
        old = path.read_text(); save(); new = path.read_text()
        replace(old); path.write_text(new)
    case "unchanged": pass
    case "saves_after_limit": until("go"); save(); end_call(); until("never")
    case "unchanged_exit_1": sys.exit(1)
    case "leaves_saving_lock": (config / ".storage-write.lock").mkdir()
    case "rewritten": replace(path.read_text())
    case "blank": save(accessToken="", refreshToken="", expiresAt=0)
    case "no_refresh_token": save(refreshToken=None)
    case "corrupt": replace('{"claudeAiOauth": {"accessTok')
    case "empty": replace("")
    case "gone": path.unlink()
    case "short": save(left=60)
    case "same_expiry": save(expiresAt=json.loads(path.read_text())["claudeAiOauth"]["expiresAt"])
    case "killed": os.kill(os.getpid(), signal.SIGKILL)
    case "saved_then_killed": save(); os.kill(os.getpid(), signal.SIGKILL)
    case "hang": until("never")
    case "hang_stubborn": signal.signal(signal.SIGTERM, signal.SIG_IGN); until("never")
    case "leaves_daemon":
        child = subprocess.Popen(["sleep", "600"], start_new_session=True, close_fds=False)
        (here / "child").write_text(str(child.pid)); save()
    case "leaves_child":
        child = subprocess.Popen(["sleep", "600"]); (here / "child").write_text(str(child.pid)); save()
    case "flood":
        for _ in range(64):
            sys.stdout.write("x" * 1048576); sys.stderr.write("y" * 1048576)
        save()
    case says if says.removeprefix("wait_then_").startswith("says "):
        if says != mode.removeprefix("wait_then_"): until("go")
        debug = sys.argv[sys.argv.index("--debug-file") + 1]
        pathlib.Path(debug).write_text("t [ERROR] OAuth refresh failed (expected): "
            + says.partition("says ")[2] + " sk-ant-secret\n")
    case "fills_disk":
        with open(config / "full", "wb") as file:
            try:
                while True: file.write(bytes(65536)); file.flush()
            except OSError: os._exit(0)
    case _: sys.exit("no such mode: " + mode)
"""


TESTED = json.loads((Path(__file__).parents[2] / "refresher/package.json").read_text())[
    "optionalDependencies"
]["@anthropic-ai/claude-code-linux-x64"]


class FakeClaude:
    """The executable at `path`, and what became of it."""

    def __init__(self, directory: Path, *modes: str, version: str = TESTED) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.path = directory / "claude"
        script = SCRIPT % {"python": sys.executable, "modes": modes, "version": version}
        self.path.write_text(script)
        self.path.chmod(0o755)

    @property
    def calls(self) -> list[dict[str, object]]:
        noted = self.directory / "calls.jsonl"
        if not noted.exists():
            return []
        return [json.loads(line) for line in noted.read_text().splitlines()]

    @property
    def started(self) -> bool:
        return (self.directory / "started").exists()

    def go(self) -> None:
        """Let a run in a mode that waits go on."""
        (self.directory / "go").touch()
