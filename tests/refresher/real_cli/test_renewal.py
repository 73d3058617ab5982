"""`claude-refresher once` renews a made-up login with the real CLI."""

import json
import time
import urllib.request

import pytest


def accepted(house, access_token):
    """Ask the stand-in's API with this token, as a proxy would."""
    request = urllib.request.Request(
        house.standin.url + "/v1/messages",
        data=json.dumps({"model": "m", "messages": [], "max_tokens": 1}).encode(),
        headers={
            "authorization": f"Bearer {access_token}",
            "anthropic-beta": "oauth-2025-04-20",
            "content-type": "application/json",
        },
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        request, timeout=30
    ) as answer:
        return answer.status == 200


def test_an_expired_login_is_renewed_and_its_token_works(house):
    before = json.loads(house.login())["claudeAiOauth"]

    done = house.run("once")

    assert done.stdout.startswith("Refreshed: "), done
    assert done.returncode == 0
    assert house.oauth["accessToken"] != before["accessToken"]
    assert house.oauth["refreshToken"] != before["refreshToken"]
    assert house.oauth["expiresAt"] > (time.time() + 28000) * 1000
    assert house.oauth["refreshTokenExpiresAt"] == before["refreshTokenExpiresAt"]
    assert house.path.stat().st_mode & 0o777 == 0o600
    assert len(house.token_calls) == 1
    assert accepted(house, house.oauth["accessToken"])


def test_a_login_inside_the_window_is_renewed_and_its_old_token_lives_on(house):
    before = json.loads(house.login(access_left=200))["claudeAiOauth"]

    done = house.run("once")

    assert done.stdout.startswith("Refreshed: "), done
    assert accepted(house, before["accessToken"])
    assert accepted(house, house.oauth["accessToken"])


def test_the_whole_window_lies_inside_the_five_minutes_of_the_cli(house):
    house.login(access_left=285)

    done = house.run("once", REFRESH_BEFORE="290")

    assert done.stdout.startswith("Refreshed: "), done


def test_outside_the_window_nothing_is_asked(house):
    data = house.login(access_left=3600)

    done = house.run("once")

    assert done.stdout.startswith("NotDue: "), done
    assert house.standin.calls == []
    assert house.path.read_bytes() == data


def test_a_login_without_a_known_end_is_renewed(house):
    house.login(login_left=None)

    assert house.run("once").stdout.startswith("Refreshed: ")


def test_a_server_that_keeps_the_refresh_token_is_understood(house):
    before = json.loads(house.login())["claudeAiOauth"]
    house.behave(rotate=False)

    done = house.run("once")

    assert done.stdout.startswith("Refreshed: "), done
    assert house.oauth["refreshToken"] == before["refreshToken"]


def test_import_once_and_status_work_in_a_row(house):
    data = json.dumps(house.standin.login(-60)).encode()

    imported = house.run("import", data=data)
    planned = house.run("plan")
    renewed = house.run("once")
    status = house.run("status", "--json")

    assert imported.returncode == 0
    assert "Would run `claude mcp list` now" in planned.stdout
    assert renewed.stdout.startswith("Refreshed: "), renewed
    assert json.loads(status.stdout)["refreshes"] == 1
    assert status.returncode == 0


def test_renewals_in_a_row_each_use_the_last_refresh_token(house):
    house.behave(expires_in=310)  # just more than the CLI's five minutes
    house.login()
    for _ in range(3):
        assert house.run("once").stdout.startswith("Refreshed: ")
        _expire(house)

    assert house.standin.ledger.reused == 0
    assert len(house.token_calls) == 3


def _expire(house):
    whole = json.loads(house.path.read_text())
    whole["claudeAiOauth"]["expiresAt"] = int((time.time() - 1) * 1000)
    house.path.write_text(json.dumps(whole))


def test_the_fallback_refreshes_where_the_command_asks_for_nothing(house):
    house.login()
    failed = house.run("once", REFRESH_COMMAND="config list")
    house.later()

    done = house.run("once")

    assert failed.stdout.startswith("NotRefreshed: "), failed
    assert "without asking for a new token" in failed.stdout
    assert done.stdout.startswith("Refreshed: "), done
    assert house.remembered.last.command == "fallback"
    messages = [c for c in house.standin.calls if c["path"] == "/v1/messages"]
    assert messages[-1]["access_token"] == house.oauth["accessToken"]
    assert messages[-1]["status"] == 200


def test_the_fallback_learns_of_a_lost_login_too(house):
    house.login()
    house.run("once", REFRESH_COMMAND="config list")
    house.behave(status=400)
    house.later()

    done = house.run("once")

    assert done.stdout.startswith("LoginRequired: "), done
    assert house.remembered.last.command == "fallback"


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "CLAUDE_ACCESS_TOKEN"])
def test_another_credential_leaves_the_login_alone(house, name):
    data = house.login()

    done = house.run("once", **{name: "made up"})

    assert done.stdout.startswith("Skipped: "), done
    assert house.standin.calls == []
    assert house.path.read_bytes() == data


def test_variables_that_would_change_the_cli_do_not_reach_it(house):
    house.login()

    done = house.run(
        "once",
        CLAUDE_CODE_OAUTH_TOKEN="another",
        CLAUDE_CODE_USE_BEDROCK="1",
        ANTHROPIC_BASE_URL="http://127.0.0.1:9",
        ENABLE_CLAUDEAI_MCP_SERVERS="false",
    )

    assert done.stdout.startswith("Refreshed: "), done
