"""The command line: `claude-refresher once | plan | status | import | operator`."""

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
import sys
import threading
from collections.abc import Callable, Sequence

import msgspec

from refresher import credentials, install, preflight, refresh, report
from refresher.outcome import (
    EXIT_CODES,
    IN_ORDER,
    NEEDS_A_PERSON,
    TRY_AGAIN,
    Outcome,
    moment,
)
from refresher.settings import Settings, SettingsError

# ruff: noqa: T201 - a command line speaks by printing

_Command = Callable[[Settings, argparse.Namespace], int]


def _kinds(exit_code: int) -> str:
    return ", ".join(kind for kind, code in EXIT_CODES.items() if code == exit_code)


_EPILOG = f"""\
exit codes of `once`:
   0  {_kinds(IN_ORDER)}
  75  {_kinds(TRY_AGAIN)}:
      nothing to do for you yet, run it again later
  78  {_kinds(NEEDS_A_PERSON)}:
      a person must act, and the message says how

exit codes of `status`: 0 the login is in order, 75 it is due and not yet renewed,
  78 a person must act. `import`: 0 installed, 75 busy, 78 refused. `plan`: 0.
A bad setting ends any of them with 78, a bad command line with 2.

The settings are environment variables; docs/refresher.md lists them.
"""


def main() -> None:
    """Be the console script."""
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Run one command and give its exit code."""
    arguments = _parser().parse_args(words)
    command: _Command = arguments.command
    try:
        settings = Settings.from_environ(os.environ)
    except SettingsError as ex:
        print(f"claude-refresher: {ex}", file=sys.stderr)
        return NEEDS_A_PERSON
    logging.basicConfig(
        level=settings.log_level,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    return command(settings, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-refresher",
        description="Keep a Claude login fresh while it lives, and be loud before it "
        "ends.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: _Command, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(command=command)
        return added

    add("once", _once, "renew the login if it is due, verify it, say how it went")
    add("plan", _plan, "say what `once` would do now and why; change nothing")
    status = add("status", _status, "show the login's state, never a token")
    status.add_argument("--json", action="store_true", help="print JSON")
    add("import", _import, "install the credentials file given on stdin as the login")
    add("operator", _operator, "keep the login of a Kubernetes cluster fresh")
    return parser


def _stop_on_signals() -> threading.Event:
    """Let SIGTERM and SIGINT call off a wait, but not a CLI that runs."""
    stop = threading.Event()

    def ask(number: int, _frame: object) -> None:
        stop.set()
        name = signal.Signals(number).name
        print(f"{name}: a CLI that runs is let to finish first", file=sys.stderr)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def _once(settings: Settings, _: argparse.Namespace) -> int:
    outcome = refresh.once(settings, stop=_stop_on_signals())
    print(outcome)
    _warn(settings, already_told=outcome.reason)
    return outcome.exit_code


def _warn(settings: Settings, already_told: str = "") -> None:
    for warning in _report(settings).warnings:
        if warning not in already_told:
            logging.getLogger(__name__).warning(warning)


def _report(settings: Settings) -> report.Status:
    view = refresh.look(settings, refresh.utc_now())
    return report.status(settings, view, preflight.inspect(settings))


def _plan(settings: Settings, _: argparse.Namespace) -> int:
    print(report.plan_text(_report(settings)))
    return IN_ORDER


def _status(settings: Settings, arguments: argparse.Namespace) -> int:
    status = _report(settings)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(status), indent=2).decode())
    else:
        print(report.status_text(status))
    return status.exit_code


def _import(settings: Settings, _: argparse.Namespace) -> int:
    data = sys.stdin.buffer.read(install.MOST_BYTES)
    installed = install.install(
        data, settings, stop=_stop_on_signals(), now=refresh.utc_now()
    )
    match installed:
        case Outcome():
            print(f"nothing was changed: {installed}", file=sys.stderr)
            return installed.exit_code
        case credentials.Credential():
            print(
                f"installed in {settings.config_dir}: an access token until "
                f"{moment(installed.expires_at)}. Do not use this login anywhere "
                "else: its refresh token works once."
            )
            _warn(settings)
            return IN_ORDER


def _operator(settings: Settings, _: argparse.Namespace) -> int:
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"claude-refresher: `operator` needs {', '.join(missing)}: "
            "pip install 'claude-code-proxy[refresher]'",
            file=sys.stderr,
        )
        return NEEDS_A_PERSON
    from refresher.operator import handlers  # noqa: PLC0415 - the extra's imports

    return handlers.run(settings)


_EXTRA = ("aiohttp", "kopf", "kubernetes")
"""What the extra [refresher] installs."""


if __name__ == "__main__":
    main()
