"""The only subprocess: one run of the real `claude`.

How it is run was measured. It sees its login, an empty home and directory, how to
reach the network, and nothing else: a variable such as `CLAUDE_CODE_OAUTH_TOKEN` would
make it leave the file alone, and so would a person's own settings in the volume, which
could also have it start MCP servers. It is not killed during a call of the token
endpoint, because a CLI that is killed before it has saved the new token loses the login.
"""

import contextlib
import errno
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from importlib import resources
from pathlib import Path

import msgspec

from refresher import lock, watch
from refresher.settings import Settings
from refresher.verify import Ended, Failure

logger = logging.getLogger(__name__)

_PAUSE = 0.05
_VERSION = re.compile(rb"\d+\.\d+\.\d+[\w.+-]*")
_VERSION_TIMEOUT = 30
_ORPHANS_TIME = 1.0
_LOG_BYTES = 1024 * 1024


def find(settings: Settings) -> str | None:
    """Return the absolute path of the CLI, or None: it runs in another directory."""
    search = settings.cli_environ.get("PATH", os.defpath)
    found = shutil.which(settings.claude_bin, path=search)
    return str(Path(found).absolute()) if found else None


def version(settings: Settings) -> str | None:
    """Ask the CLI for its version; None if it does not run.

    It sees an empty directory in place of the login, so nothing can be refreshed.
    """
    claude = find(settings)
    if claude is None:
        return None
    with tempfile.TemporaryDirectory(prefix="claude-refresher-") as scratch:
        environ = {**_environ(settings, scratch), "CLAUDE_CONFIG_DIR": scratch}
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and no argument of a user's
                [claude, "--version"],
                cwd=scratch,
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_VERSION_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    found = _VERSION.match(done.stdout) if done.returncode == 0 else None
    return found[0].decode() if found else None


def tested_version() -> str:
    """Return the version of the CLI that `package.json` pins."""
    text = resources.files("refresher").joinpath("package.json").read_bytes()
    pinned = msgspec.json.decode(text, type=_Package)
    return next(iter(pinned.optional_dependencies.values()))


class _Package(msgspec.Struct, rename="camel"):
    optional_dependencies: dict[str, str]


_ISOLATED = ("--setting-sources", "")
"""Neither the volume's settings.json nor the MCP servers of its .claude.json."""


def run(
    settings: Settings,
    arguments: Sequence[str],
    lock_descriptor: int,
    limit: timedelta,
) -> Ended:
    """Run `claude` to its end and say how it ended; the file shows what it did.

    After `limit` it is ended as soon as no call is under way. The descriptor is our
    lock's, which the CLI holds for as long as it lives. Raises OSError if it cannot be
    started.
    """
    directory = settings.config_dir
    with (
        tempfile.TemporaryDirectory(
            prefix="claude-refresher-", ignore_cleanup_errors=True
        ) as scratch,
        watch.watch(directory, lock.REFRESHING) as calls,
    ):
        empty = Path(scratch, "empty")
        empty.mkdir()
        debug = Path(scratch, "debug.log")
        claude = find(settings) or settings.claude_bin
        began = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - no shell, and the arguments are settings
            [claude, "--debug-file", debug, *_ISOLATED, *arguments],
            cwd=empty,
            env=_environ(settings, scratch),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(lock_descriptor,),
            start_new_session=True,
        )
        timed_out = not _exits(process, began + limit.total_seconds())
        if timed_out:
            _end_between_calls(process, directory)
        in_call = lock.cli_refreshes(directory, process.pid)  # it died there
        _signal(process, signal.SIGKILL)  # its children
        code = process.wait()
        took = timedelta(seconds=time.monotonic() - began)
        _reap(process.pid)
        logger.debug("the CLI exited with %s after %s", code, took)
        return Ended(
            took=took,
            timed_out=timed_out,
            signal=-code if code < 0 else None,
            called=calls.seen(),
            in_call=in_call,
            failures=_failures(debug),
        )


def _environ(settings: Settings, scratch: str) -> dict[str, str]:
    return {
        **settings.cli_environ,
        "HOME": scratch,
        "TMPDIR": scratch,
        "CLAUDE_CONFIG_DIR": str(settings.config_dir),
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def _end_between_calls(process: subprocess.Popen[bytes], directory: Path) -> None:
    """Kill the CLI when it is not in the middle of a refresh.

    It is stopped for the look, so that it cannot begin one in between.
    """
    logger.warning("the CLI is still running at its time limit, so it is ended")
    while not _exits(process, time.monotonic()):
        _signal(process, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT)
        if not lock.cli_refreshes(directory, process.pid):
            return
        _signal(process, signal.SIGCONT)
        _exits(process, time.monotonic() + _PAUSE)


def _exits(process: subprocess.Popen[bytes], deadline: float) -> bool:
    # WNOWAIT leaves a zombie, which keeps the group's number ours until we signal it.
    look = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while os.waitid(os.P_PID, process.pid, look) is None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _reap(group: int) -> None:
    """Collect what the CLI has left behind, where this is process 1 of a container.

    Its orphans become our children there, and nobody else collects them. They have been
    killed, and one that cannot die yet is not waited for.
    """
    deadline = time.monotonic() + _ORPHANS_TIME
    with contextlib.suppress(ChildProcessError):  # none is left
        while time.monotonic() < deadline:
            if os.waitpid(-group, os.WNOHANG) == (0, 0):
                time.sleep(_PAUSE)


_FAILURE = re.compile(r"OAuth refresh failed[^\n]*?: (?P<text>[^\n]*)")
_STATUS = re.compile(r"status code (\d{3})")
_TIMEOUT = re.compile(r"timeout of (\d+) ?ms")
_ERRNO = re.compile(r"(connect |getaddrinfo )?\b(E[A-Z]{4,14}|EAI_AGAIN)\b")
_NETWORK_ERRORS = {*errno.errorcode.values(), "ENOTFOUND", "EAI_AGAIN"}
_CUT = re.compile(r"socket hang up|stream has been aborted")


def _failures(debug: Path) -> tuple[Failure, ...]:
    """Return what the CLI's debug log says of failed calls, in words of our own.

    Only numbers and known words are copied, so no secret can come along. The log's
    wording is no contract, and it is silent about some failures: an HTTP status of 500,
    or a response that is not what the CLI expects.
    """
    try:
        with debug.open("rb") as file:
            text = file.read(_LOG_BYTES).decode(errors="replace")
    except OSError:
        return ()
    return tuple(_failure(found["text"]) for found in _FAILURE.finditer(text))


def _failure(text: str) -> Failure:
    if found := _STATUS.search(text):
        reason = f"HTTP status {found[1]} from the token endpoint"
        return Failure(reason, responded=True)
    if found := _TIMEOUT.search(text):
        return Failure(
            f"no response within {int(found[1]) / 1000:g} s", unanswered=True
        )
    if _CUT.search(text):
        return Failure("the connection was closed before a response", unanswered=True)
    if "proxy refused" in text:
        return Failure("the proxy refused the connection")
    if "certificate" in text:
        return Failure("the TLS certificate of the token endpoint is not trusted")
    if (found := _ERRNO.search(text)) and found[2] in _NETWORK_ERRORS:
        return Failure(f"network error {found[2]}", unanswered=not found[1])
    return Failure("an error without a known name")
