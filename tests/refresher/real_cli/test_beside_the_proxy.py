"""The two programs share a file and nothing else: a renewal reaches a running proxy."""

import httpx2

import proxy_command

HELLO = {"messages": [{"role": "user", "content": "Hi"}]}


def test_a_running_proxy_uses_a_renewed_token_in_its_next_request(house, tmp_path):
    house.login(access_left=-600)
    settings = {
        "CLAUDE_CREDENTIALS_PATH": house.path,
        "ANTHROPIC_API_BASE": house.standin.url,
    }
    with proxy_command.running(tmp_path, **settings) as proxy:
        ask = lambda: httpx2.post(  # noqa: E731 - the same request, before and after
            f"{proxy.url}/v1/chat/completions", json=HELLO, trust_env=False
        )
        expired = ask()
        renewed = house.run("once")
        answered = ask()

    assert expired.status_code == 503
    assert expired.json()["error"]["code"] == "credentials_expired"
    assert renewed.stdout.startswith("Refreshed")
    assert answered.status_code == 200
    *_, last = [one for one in house.standin.calls if one["path"] == "/v1/messages"]
    assert last["access_token"] == house.oauth["accessToken"]
