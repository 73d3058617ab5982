"""The two programs share a file and nothing else: a refresh reaches a running proxy."""

import httpx2

import proxy_command
from logins import LONG

HELLO = {"messages": [{"role": "user", "content": "Hi"}]}


def test_a_running_proxy_uses_a_refreshed_token_in_its_next_request(
    installation, tmp_path
):
    installation.login(access_left=-600)
    settings = {
        "CLAUDE_CREDENTIALS_PATH": installation.path,
        "ANTHROPIC_API_BASE": installation.standin.url,
    }
    with proxy_command.running(tmp_path, **settings) as proxy:
        ask = lambda: httpx2.post(  # noqa: E731 - the same request, before and after
            f"{proxy.url}/v1/chat/completions",
            json=HELLO,
            trust_env=False,
            timeout=LONG,
        )
        expired = ask()
        refreshed = installation.run("once")
        answered = ask()

    assert expired.status_code == 503
    assert expired.json()["error"]["code"] == "credentials_expired"
    assert refreshed.stdout.startswith("Refreshed")
    assert answered.status_code == 200
    *_, last = [
        one for one in installation.standin.calls if one["path"] == "/v1/messages"
    ]
    assert last["access_token"] == installation.oauth["accessToken"]
