"""The README's first minutes, as a newcomer spends them."""

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

import proxy_command
from loopback import PLAIN
from ports import free_port
from waiting import LONG, until

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
URL = "http://127.0.0.1:8080"


def block(kind, pattern):
    """The README's code block of a kind that has a line like the pattern."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    [found] = [each for each in blocks if re.search(pattern, each, re.MULTILINE)]
    return found


def test_the_demos_response_is_the_one_that_is_shown(start):
    running = start("demo", ANTHROPIC_API_BASE=None)
    body = re.search(r"-d '(.*)'", block("sh", "^curl "))[1]
    shown = json.loads(block("json", '"chat.completion"'))

    with httpx2.Client(trust_env=False, timeout=LONG, verify=PLAIN) as client:
        response = client.post(
            f"{running.url}/v1/chat/completions",
            content=body,
            headers={"content-type": "application/json"},
        ).json()

    assert response.keys() >= shown.keys()
    for changing in ("id", "created"):
        del shown[changing]
    response["usage"] = {name: response["usage"][name] for name in shown["usage"]}
    assert {name: response[name] for name in shown} == shown


@pytest.fixture
def started(standin, tmp_path):
    """The proxy, started by the README's line for those who have a key: its URL."""
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    command = block("sh", "bin/claude-proxy$").replace(
        "sk-ant-…", "sk-ant-of-the-tests"
    )
    port = free_port()
    settings = {"PORT": port, "ANTHROPIC_API_BASE": standin.base_url}
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            ["bash", "-c", f"exec env {command}"],
            cwd=tmp_path,
            env=proxy_command.environment(tmp_path, settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        ) as process,
        httpx2.Client(trust_env=False, timeout=LONG, verify=PLAIN) as client,
    ):
        try:
            until(
                lambda: is_up(client, f"http://127.0.0.1:{port}/health"),
                what="claude-proxy did not start",
            )
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            assert process.wait(LONG) == 0


def is_up(client, url):
    with contextlib.suppress(httpx2.TransportError):
        return client.get(url).status_code == 200
    return False


def test_with_a_key_openais_client_is_answered(started, standin):
    code = block("python", "OpenAI").replace(URL, started)
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(code, "README.md", "exec"), {})

    assert shown.getvalue().strip()
    posted = [each.body for each in standin.requests if each.method == "POST"]
    assert [each["messages"][0]["role"] for each in posted] == ["user"]
