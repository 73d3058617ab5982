"""The only subprocess: one run of the real `claude`.

How it is run was measured. It sees its login, an empty home and directory, how to
reach the network, and nothing else: a variable such as `CLAUDE_CODE_OAUTH_TOKEN` would
make it leave the file alone. It is not killed early, because a CLI that is killed
between the refresh and the save loses the login.
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
from pathlib import Path

from refresher.limits import TERM_GRACE
from refresher.settings import Settings
from refresher.verify import Ended

logger = logging.getLogger(__name__)

_PAUSE = 0.05
_HINT_BYTES = 256 * 1024


def find(settings: Settings) -> str | None:
    """Return the absolute path of the CLI, or None: it runs in another directory."""
    search = settings.cli_environ.get("PATH", os.defpath)
    found = shutil.which(settings.claude_bin, path=search)
    return str(Path(found).absolute()) if found else None


def run(settings: Settings, arguments: Sequence[str], lock: int) -> Ended:
    """Run `claude` to its end and say how it ended; the file shows what it did.

    `lock` is the descriptor of our lock, which the CLI holds for as long as it lives.
    Raises OSError if it cannot be started.
    """
    with tempfile.TemporaryDirectory(
        prefix="claude-refresher-", ignore_cleanup_errors=True
    ) as scratch:
        empty = Path(scratch, "empty")
        empty.mkdir()
        debug = Path(scratch, "debug.log")
        began = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - no shell, and the words are settings
            [find(settings) or settings.claude_bin, "--debug-file", debug, *arguments],
            cwd=empty,
            env=_environ(settings, scratch),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(lock,),
            start_new_session=True,
        )
        timed_out = _end(process, began + settings.cli_timeout)
        took = timedelta(seconds=time.monotonic() - began)
        code = process.returncode
        logger.debug("the CLI exited with %s after %s", code, took)
        return Ended(
            took=took,
            timed_out=timed_out,
            signal=-code if code < 0 else None,
            hint=_hint(debug),
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


def _end(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Wait for the CLI, end it after the deadline, and its children; True if late."""
    timed_out = not _exits(process, deadline)
    if timed_out:
        logger.warning(
            "the CLI is still running at its time limit, so it is being stopped"
        )
        _signal(process, signal.SIGTERM)
        _exits(process, time.monotonic() + TERM_GRACE.total_seconds())
    _signal(process, signal.SIGKILL)
    process.wait()
    return timed_out


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


_FAILURE = re.compile(
    r"OAuth refresh failed[^\n]*?: [^\n]*?"
    r"(?:status code (?P<status>\d{3})|(?P<timeout>timeout of \d+ ?ms)"
    r"|(?P<proxy>proxy refused)|(?P<errno>\bE[A-Z]{4,14}\b))"
)

_NETWORK_ERRORS = {*errno.errorcode.values(), "ENOTFOUND"}  # the last is Node's own


def _hint(debug: Path) -> str | None:
    """Return the reason that the CLI's debug log gives, in words of our own.

    Only numbers and known words are copied, so no secret can come along. The log's
    wording is no contract: without a match there is no hint.
    """
    try:
        with debug.open("rb") as file:
            text = file.read(_HINT_BYTES).decode(errors="replace")
    except OSError:
        return None
    failures = [match.groupdict() for match in _FAILURE.finditer(text)]
    match failures[-1:]:
        case [{"status": str(status)}]:
            return f"HTTP status {status} from the token endpoint"
        case [{"timeout": str(waited)}]:
            return f"{waited} without a response"
        case [{"proxy": str()}]:
            return "the proxy refused the connection"
        case [{"errno": str(name)}] if name in _NETWORK_ERRORS:
            return f"network error {name}"
        case _:
            return None
