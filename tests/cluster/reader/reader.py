"""Read the mounted Secret ten times a second.

Prints a JSON line for each token: {"time": when, "token": its revision, "expires_at"}.
"""

import hashlib
import json
import time
from pathlib import Path

PAUSE = 0.1


def look():
    """The token's revision and its expiry, or None while there is none."""
    try:
        directory = Path("/token/..data").resolve()  # both files of one publication
        token = (directory / "access-token").read_bytes()
        expires_at = (directory / "expires-at").read_text()
    except FileNotFoundError:
        return None
    return hashlib.sha256(token).hexdigest()[:12], expires_at


def main():
    seen = None
    while True:
        found = look()
        if found not in (None, seen):
            seen = found
            line = {"time": time.time(), "token": found[0], "expires_at": found[1]}
            print(json.dumps(line))  # noqa: T201
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
