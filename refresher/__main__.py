"""The command line: `claude-refresher once | plan | status | import | …`."""

import os
import signal


def _exit(number: int, _frame: object) -> None:
    os._exit(128 + number)  # nothing has begun that would need an end


# The first process of a container ignores every signal that it has no handler for, and
# the imports below take a second. The image starts this program with both signals
# blocked, so that one sent even earlier is delivered here; the CLI would inherit the
# mask, so it is cleared.
for _number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(_number, _exit)
signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))

# isort: split
# ruff: noqa: E402 - the imports come after the signals

import argparse
import importlib.util
import logging
import resource
import sys
import threading
from collections.abc import Callable, Sequence

import msgspec

from refresher import credentials, doctor, install, preflight, refresh, report
from refresher.outcome import (
    IN_ORDER,
    MEANINGS,
    NEEDS_A_PERSON,
    TRY_AGAIN,
    Outcome,
    moment,
)
from refresher.settings import Settings, SettingsError

# ruff: noqa: T201 - a command line speaks by printing

_Command = Callable[[Settings, argparse.Namespace], int]


def _kinds(exit_code: int) -> str:
    return ", ".join(
        kind for kind, meaning in MEANINGS.items() if meaning.exit_code == exit_code
    )


_EPILOG = f"""\
exit codes of `once`:
   0  {_kinds(IN_ORDER)}
  75  {_kinds(TRY_AGAIN)}:
      you need not act yet; run it again later
  78  {_kinds(NEEDS_A_PERSON)}:
      a person must act; the message says how

exit codes of `status`: 0 the login is in order, 75 a refresh is due, 78 a person must
  act. `import`: 0 installed, 75 busy, 78 refused. `plan`: 0. `doctor`: 0, or 1 if
  something fails.
An invalid setting exits with 78, an invalid command line with 2.

The settings are environment variables; docs/refresher.md lists them.
"""


def main() -> None:
    """Be the console script."""
    # A core dump holds tokens; the CLI inherits the limit.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _open_standard_streams()
    sys.exit(run(sys.argv[1:]))


def _open_standard_streams() -> None:
    """Occupy descriptors 0 to 2 where the caller closed them.

    Else the lock, or a file, would get one of those numbers, and the CLI would not
    inherit it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


_STDERR = 2


def _say(text: str) -> None:
    """Print a result. Nobody may be listening, which changes no exit code."""
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(words: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(words)
    command: _Command | None = arguments.command
    if command is None:  # `doctor`, which examines the settings as well
        return doctor.run(os.environ, sys.stdout, as_json=arguments.json)
    try:
        settings = Settings.from_environ(os.environ)
    except SettingsError as ex:
        for problem in ex.problems:
            print(f"claude-refresher: {problem}", file=sys.stderr)
        return NEEDS_A_PERSON
    logging.basicConfig(
        level=settings.log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    return command(settings, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-refresher",
        description="Keep the access token of a Claude login fresh, and warn before the "
        "login itself ends.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: _Command | None, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(command=command)
        return added

    add(
        "once",
        _once,
        "refresh the token if that is due, verify the result and report it",
    )
    add("plan", _plan, "show what `once` would do now and why; change nothing")
    status = add("status", _status, "show the state of the login, never a token")
    status.add_argument("--json", action="store_true", help="print JSON")
    install_ = add(
        "import", _import, "install a credentials file from stdin as the login"
    )
    install_.add_argument(
        "--force", action="store_true", help="even if the login there is newer"
    )
    add("operator", _operator, "run as a Kubernetes operator for one ClaudeCredential")
    doctor_ = add("doctor", None, "say what is wrong and what to do; refreshes nothing")
    doctor_.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _stop_on_signals() -> threading.Event:
    """Let SIGTERM and SIGINT cancel a wait, but not a CLI that runs."""
    stop = threading.Event()

    def ask(number: int, _frame: object) -> None:
        stop.set()
        name = signal.Signals(number).name
        print(f"{name}: waiting for a running CLI to finish", file=sys.stderr)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def _once(settings: Settings, _: argparse.Namespace) -> int:
    outcome = refresh.once(settings, stop=_stop_on_signals())
    _say(str(outcome))
    _warn(settings, already_shown=outcome.reason)
    return outcome.exit_code


def _warn(settings: Settings, already_shown: str = "") -> None:
    for warning in _report(settings).warnings:
        if warning not in already_shown:
            logging.getLogger(__name__).warning(warning)


def _report(settings: Settings) -> report.Overview:
    view = refresh.look(settings, refresh.utc_now())
    return report.overview(settings, view, preflight.inspect(settings))


def _plan(settings: Settings, _: argparse.Namespace) -> int:
    _say(report.plan_text(_report(settings)))
    return IN_ORDER


def _status(settings: Settings, arguments: argparse.Namespace) -> int:
    status = _report(settings)
    if arguments.json:
        _say(msgspec.json.format(msgspec.json.encode(status), indent=2).decode())
    else:
        _say(report.status_text(status))
    return status.exit_code


def _import(settings: Settings, arguments: argparse.Namespace) -> int:
    if sys.stdin is not None and sys.stdin.isatty():
        text = "paste the content of .credentials.json, then press Enter and Ctrl-D"
        print(text, file=sys.stderr)
    data = sys.stdin.buffer.read(install.MOST_BYTES) if sys.stdin is not None else b""
    installed = install.install(
        data,
        settings,
        stop=_stop_on_signals(),
        now=refresh.utc_now(),
        force=arguments.force,
    )
    match installed:
        case Outcome():
            print(f"nothing was changed: {installed}", file=sys.stderr)
            return installed.exit_code
        case credentials.Credential():
            _say(
                f"installed in {settings.config_dir}; {_validity(installed)}. Do not use "
                "this login anywhere else: its refresh token works only once."
            )
            _warn(settings)
            return IN_ORDER


def _validity(installed: credentials.Credential) -> str:
    if not installed.expiry_known:
        return "the file does not say when the access token expires"
    return f"the access token is valid until {moment(installed.expires_at)}"


def _operator(settings: Settings, _: argparse.Namespace) -> int:
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"claude-refresher: `operator` needs {', '.join(missing)}: "
            "pip install 'claude-code-proxy[refresher]'",
            file=sys.stderr,
        )
        return NEEDS_A_PERSON
    from refresher.operator import process  # noqa: PLC0415 - the extra's imports

    return process.run(settings)


_EXTRA = ("aiohttp", "kopf", "kubernetes")
"""Installed by the extra [refresher]."""


if __name__ == "__main__":
    main()
