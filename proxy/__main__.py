"""``claude-proxy`` and ``claude-proxy demo``."""

import argparse
import json
import os
import subprocess
import sys

from proxy import settings

CONFIG_ERROR = 78  # EX_CONFIG of sysexits.h


def main() -> None:
    """Start the server in production form, from the environment's settings."""
    parser = argparse.ArgumentParser(
        prog="claude-proxy",
        description="OpenAI chat completions in front of Claude. Settings come from the "
        "environment; docs/operations.md lists them.",
    )
    parser.add_argument(
        "mode",
        nargs="?",
        choices=["serve", "demo"],
        default="serve",
        help="serve: in front of Anthropic (the default); demo: in front of a built-in "
        "stand-in that needs no key and says so in its answers",
    )
    mode: str = parser.parse_args().mode
    try:
        config = settings.Settings.from_environ(os.environ)
        config.check_exposure()
        serve(start_demo(config) if mode == "demo" else "")
    except settings.SettingsError as ex:
        sys.stderr.write(f"claude-proxy: {ex}\n")
        raise SystemExit(CONFIG_ERROR) from None


def start_demo(config: settings.Settings) -> str:
    """Start the stand-in and point this process's environment at it.

    It ends with this process, whose end closes its standard input. Gives the words to
    say when the proxy listens.
    """
    demo = subprocess.Popen(  # lives as long as this process
        [sys.executable, "-m", "proxy.demo"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    if demo.stdout is None:
        raise RuntimeError
    base_url = json.loads(demo.stdout.readline())["base_url"]
    os.environ |= {
        "ANTHROPIC_API_KEY": "demo",
        "ANTHROPIC_API_BASE": base_url,
        "NO_PROXY": "127.0.0.1",  # the stand-in is not behind anybody's proxy
    }
    host = "127.0.0.1" if config.host in {"0.0.0.0", "::"} else config.host  # noqa: S104 - compared, not bound
    return _welcome(host, config.port)


def _welcome(host: str, port: int) -> str:
    return f"""\
claude-proxy demo: a built-in stand-in answers, not Claude. Ask it:

  curl http://{host}:{port}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{{"messages": [{{"role": "user", "content": "Hello"}}]}}'

"""


def serve(welcome: str) -> None:
    """Become gunicorn, with our configuration, and say `welcome` when it listens."""
    # Not before the settings are good, since both read them.
    from gunicorn.app import wsgiapp  # noqa: PLC0415

    from proxy import gunicorn_conf  # noqa: PLC0415

    gunicorn_conf.welcome = welcome
    sys.argv = ["claude-proxy", "-c", "python:proxy.gunicorn_conf"]
    wsgiapp.run(prog="claude-proxy")


if __name__ == "__main__":
    main()
