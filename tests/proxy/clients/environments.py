"""Each heavier client's environment: locked, cached, and made by `.ci/clients`.

An environment's directory carries the hash of all that determines it, so a changed lock
makes a new one and an old one is never changed. `made` stands in it when it is whole.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CACHE = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "claude-code-proxy"
    / "clients"
)
INTERPRETER = f"{sys.implementation.cache_tag} {sys.base_prefix}"
OF_NPM = ("codex", "dotnet", "node")
OF_PIP = ("agent_framework", "langchain", "openai_agents", "pydantic_ai", "pythonnet")


def locks(name):
    """The files that determine what is installed."""
    if name in OF_PIP:
        return [HERE / f"{name}.lock"]
    return [HERE / name / file for file in ("package.json", "package-lock.json")]


def directory(name):
    """Where the environment is, or will be."""
    read = hashlib.sha256()
    for lock in locks(name):
        read.update(lock.read_bytes())
    if name in OF_PIP:
        read.update(INTERPRETER.encode())
    return CACHE / f"{name}-{read.hexdigest()[:16]}"


def is_made(name):
    return (directory(name) / "made").exists()


def make(name):
    """Make an environment that is not there; raises `CalledProcessError`."""
    where = directory(name)
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    if name in OF_NPM:
        for lock in locks(name):
            shutil.copy(lock, where)
        _run(
            "npm",
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
            cwd=where,
        )
    else:
        _run(sys.executable, "-m", "venv", where)
        pip = [where / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
        wanted = [
            "--require-hashes",
            "--only-binary",
            ":all:",
            "-r",
            *locks(name),
        ]
        _run(*pip, "install", "--quiet", "--no-deps", *wanted)
    (where / "made").touch()


def _run(*command, cwd=None):
    subprocess.run(command, cwd=cwd, check=True, stdin=subprocess.DEVNULL)


def main():
    """Make what is missing; two runs at once wait for each other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    lock = os.open(CACHE / "lock", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    for name in OF_NPM + OF_PIP:
        if not is_made(name):
            sys.stdout.write(f"making {directory(name)}\n")
            sys.stdout.flush()
            make(name)


if __name__ == "__main__":
    main()
