"""`claude-refresher` as a process of its own, also as another user or among mounts."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PYTHON = [sys.executable, "-m", "refresher"]
AS_OTHER_USER = ["setpriv", "--reuid", "10001", "--regid", "10001", "--clear-groups"]
OTHER_USER = 10001


def environ(volume, claude_bin, **more):
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "CLAUDE_CONFIG_DIR": str(volume),
        "CLAUDE_BIN": str(claude_bin),
        **more,
    }


def refresher(volume, claude_bin, *words, before=(), data=b"", **more):
    """Run it to its end. `before` are words before the command, such as `setpriv`."""
    return subprocess.run(
        [*before, *PYTHON, *words],
        input=data,
        capture_output=True,
        cwd="/",
        env=environ(volume, claude_bin, **more),
        timeout=240,
        check=False,
    )


def start(volume, claude_bin, *words, stdout=subprocess.PIPE, **more):
    """Begin it and go on."""
    return subprocess.Popen(
        [*PYTHON, *words],
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd="/",
        env=environ(volume, claude_bin, **more),
    )


def has_open(pid, path):
    """Whether a process has a file open, such as a lock that it holds or waits for."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if link.readlink() == path:
                return True
    return False


def among_mounts(script):
    """Words to run a command after `script` in mounts of its own."""
    return ["unshare", "--mount", "sh", "-ec", script + '\nexec "$@"', "sh"]


def why_no_other_user():
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return "needs root and setpriv, to run as another user"
    # By way of `env`: what setpriv itself starts still has root's way through folders.
    python = ["env", sys.executable, "-c", "import refresher.__main__"]
    reach = [*AS_OTHER_USER, *python]
    if subprocess.run(reach, cwd="/", capture_output=True, check=False).returncode:
        return "another user cannot reach this checkout"
    return None


def why_no_mounts():
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return "needs root and unshare, to make mounts"
    script = "mount -t tmpfs none /mnt"
    trial = [*among_mounts(script), "true"]
    if subprocess.run(trial, capture_output=True, check=False).returncode:
        return "mounts are not allowed here"
    return None
