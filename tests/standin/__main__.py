"""`python -m standin`: the stand-in as a program of its own.

When it listens it prints one line of JSON, `{"base_url": "http://127.0.0.1:PORT"}`. It
serves until its standard input ends or a SIGTERM or SIGINT arrives, so that it never
outlives the program that started it.
"""

import argparse
import json
import signal
import sys
from types import FrameType

from standin import server


def main() -> None:
    """Serve until standard input ends or a signal arrives."""
    parser = argparse.ArgumentParser(prog="python -m standin", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    port: int = parser.parse_args().port
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_, _stop)
    with server.serve(port=port) as standin:
        print(json.dumps({"base_url": standin.base_url}), flush=True)  # noqa: T201 - the program's one line of output
        while sys.stdin.buffer.read(4096):
            pass


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
