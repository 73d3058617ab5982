"""Bodies that would grow: each is translated or refused in five times the largest body.

That is what the proxy reckons a body to cost, so no number of them can exhaust a pod.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bombs

ROOT = Path(__file__).parents[2]
TOO_MUCH = {"param": None, "code": "invalid_value"}
ARGUMENTS = "messages[1].tool_calls[0].function.arguments"
FILE = "messages[0].content[0].file.file_data"
URL = "messages[0].content[0].image_url.url"

EXPECTED: dict[str, dict] = {
    "definitions that double": {"warnings": ["schema_not_enforced"]},
    "definitions that double, strict": {"warnings": ["strict_dropped"]},
    "pointers to a long text": {"warnings": ["schema_not_enforced"]},
    "pointers to a long text, strict": {"warnings": ["strict_dropped"]},
    "semicolons": {"param": URL, "code": "invalid_value"},
    "an image": {"warnings": []},
    "empty lists in a schema": TOO_MUCH,
    "empty objects in a schema": TOO_MUCH,
    "empty objects beside half a character": TOO_MUCH,
    "messages": TOO_MUCH,
    "stop words": TOO_MUCH,
    "a context's edits": TOO_MUCH,
    "arguments": {"param": ARGUMENTS, "code": "invalid_value"},
    "nesting": TOO_MUCH,
    "half characters": TOO_MUCH,
    "line ends": {"param": "messages[0].content", "code": None},
    "commas": {"warnings": []},
    "quotes": {"warnings": []},
    "a wide character": TOO_MUCH,
    "escapes": TOO_MUCH,
    "a wide character in arguments": TOO_MUCH,
    "a wide character in a file": {"param": FILE, "code": "invalid_value"},
    "wide text": {"warnings": []},
}


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_a_bomb_is_translated_or_refused_within_its_room(name: str) -> None:
    done = subprocess.run(
        [sys.executable, bombs.__file__, name],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert EXPECTED[name].items() <= said.items()
    if "size" in said:
        assert said["size"] <= 1.2 * said["of"] + 2000
