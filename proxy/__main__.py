"""``claude-proxy``, ``claude-proxy demo`` and ``claude-proxy doctor``."""

import os
import signal


def _exit(number: int, _frame: object) -> None:
    os._exit(128 + number)  # nothing has begun that would need an end


# The first process of a container ignores every signal that it has no handler for, and
# the imports below take a second. The image starts this program with both signals
# blocked, so that one sent even earlier is delivered here.
for _number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(_number, _exit)
signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))

# isort: split
# ruff: noqa: E402 - the imports come after the signals

import argparse
import json
import subprocess
import sys
from collections.abc import MutableMapping

from msgspec import structs

from proxy import settings

CONFIG_ERROR = 78  # EX_CONFIG of sysexits.h

LIBRARY_VARIABLES = (
    "ANTHROPIC_LOG",  # would log requests, prompts included
    "SSLKEYLOGFILE",  # would write down the keys of TLS sessions
    # gunicorn's and systemd's: where to listen, how often to fork
    "FORWARDED_ALLOW_IPS",
    "GUNICORN_CMD_ARGS",
    "GUNICORN_FD",
    "GUNICORN_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "SENDFILE",
    "WEB_CONCURRENCY",
)
"""Variables by which a library would change what the proxy promises."""


def main() -> None:
    """Start the server in production form, from the environment's settings."""
    parser = argparse.ArgumentParser(
        prog="claude-proxy",
        description="OpenAI chat completions in front of Claude. All settings are "
        "environment variables; docs/operations.md lists them.",
    )
    parser.add_argument(
        "mode",
        nargs="?",
        choices=["serve", "demo", "doctor"],
        default="serve",
        help="serve: in front of Anthropic (the default); demo: in front of a built-in "
        "answerer that needs no key and says that it is not Claude; doctor: examine the "
        "settings, the credential, the way to Anthropic and this machine, and say what "
        "is wrong",
    )
    parser.add_argument(
        "--json", action="store_true", help="doctor: a report for programs"
    )
    arguments = parser.parse_args()
    mode: str = arguments.mode
    if arguments.json and mode != "doctor":
        parser.error("--json is for doctor")
    for name in LIBRARY_VARIABLES:  # some are read when the library is imported
        if os.environ.pop(name, ""):
            sys.stderr.write(f"claude-proxy: {name} is ignored\n")
    _trim(os.environ)
    if mode == "doctor":
        raise SystemExit(examine(as_json=arguments.json))
    try:
        config = settings.Settings.from_environ(os.environ)
        if mode == "demo":
            serve_demo(config)
        else:
            serve(config)
    except settings.SettingsError as ex:
        for problem in ex.problems:
            sys.stderr.write(f"claude-proxy: {problem}\n")
        raise SystemExit(CONFIG_ERROR) from None


def _trim(environ: MutableMapping[str, str]) -> None:
    """Take white space from around what libraries read, as `Settings` does from its own.

    A Secret that was made with ``echo`` ends in a newline, which the SDK would send as a
    part of an id, and which is in no URL.
    """
    for name, value in list(environ.items()):
        if name.startswith(("ANTHROPIC_", "SSL_CERT_")) or name.lower().endswith(
            "_proxy"
        ):
            environ[name] = value.strip()


def serve(config: settings.Settings) -> None:
    """Serve until stopped. Raises ``SettingsError``."""
    from proxy.server.application import Server  # noqa: PLC0415 - after --help

    Server(config).run()


def examine(*, as_json: bool) -> int:
    """Print the doctor's report; returns the exit status."""
    from proxy import doctor  # noqa: PLC0415 - after --help

    return doctor.main(as_json=as_json)


def serve_demo(config: settings.Settings) -> None:
    """Serve in front of the built-in demo, in a process that ends with this one."""
    from proxy.server.application import Server  # noqa: PLC0415 - after --help

    demo = subprocess.Popen(  # ends when this process, and so its stdin, does
        [sys.executable, "-m", "proxy.demo"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    if demo.stdout is None:
        raise RuntimeError
    base_url = json.loads(demo.stdout.readline())["base_url"]
    config = structs.replace(
        config, anthropic_api_key="demo", anthropic_api_base=base_url
    )
    # no environ: nobody's network proxy leads to the demo
    Server(config, environ={}, welcome=_welcome(config)).run()


def _welcome(config: settings.Settings) -> str:
    everywhere = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    host = "127.0.0.1" if config.host in everywhere else config.host
    return f"""\
claude-proxy demo: the built-in demo responds, not Claude. Try it:

  curl http://{host}:{config.port}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{{"messages": [{{"role": "user", "content": "Hello"}}]}}'

"""


if __name__ == "__main__":
    main()
