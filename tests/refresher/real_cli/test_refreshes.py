"""`claude-refresher once` refreshes a made-up login with the real CLI."""

import json
import time
import urllib.request

import pytest

from logins import LONG


def accepted(installation, access_token):
    """Ask the stand-in's API with this token, as a proxy would."""
    request = urllib.request.Request(
        installation.standin.url + "/v1/messages",
        data=json.dumps({"model": "m", "messages": [], "max_tokens": 1}).encode(),
        headers={
            "authorization": f"Bearer {access_token}",
            "anthropic-beta": "oauth-2025-04-20",
            "content-type": "application/json",
        },
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        request, timeout=LONG
    ) as answer:
        return answer.status == 200


def test_an_expired_token_is_refreshed_and_its_token_works(installation):
    before = json.loads(installation.login())["claudeAiOauth"]

    done = installation.run("once")

    assert done.stdout.startswith("Refreshed: "), done
    assert done.returncode == 0
    assert installation.oauth["accessToken"] != before["accessToken"]
    assert installation.oauth["refreshToken"] != before["refreshToken"]
    assert installation.oauth["expiresAt"] > (time.time() + 28000) * 1000
    assert (
        installation.oauth["refreshTokenExpiresAt"] == before["refreshTokenExpiresAt"]
    )
    assert installation.path.stat().st_mode & 0o777 == 0o600
    assert len(installation.token_calls) == 1
    assert accepted(installation, installation.oauth["accessToken"])


def test_a_token_about_to_expire_is_refreshed_and_its_old_token_lives_on(installation):
    before = json.loads(installation.login(access_left=200))["claudeAiOauth"]

    done = installation.run("once")

    assert done.stdout.startswith("Refreshed: "), done
    assert accepted(installation, before["accessToken"])
    assert accepted(installation, installation.oauth["accessToken"])


def test_290_seconds_lie_inside_the_five_minutes_of_the_cli(installation):
    installation.login(access_left=285)

    done = installation.run("once", REFRESH_BEFORE="290")

    assert done.stdout.startswith("Refreshed: "), done


def test_a_token_with_time_left_is_left_alone(installation):
    data = installation.login(access_left=3600)

    done = installation.run("once")

    assert done.stdout.startswith("NotDue: "), done
    assert installation.standin.calls == []
    assert installation.path.read_bytes() == data


def test_a_login_without_a_known_end_is_refreshed(installation):
    installation.login(login_left=None)

    assert installation.run("once").stdout.startswith("Refreshed: ")


def test_a_server_that_keeps_the_refresh_token_is_understood(installation):
    before = json.loads(installation.login())["claudeAiOauth"]
    installation.behave(rotate=False)

    done = installation.run("once")

    assert done.stdout.startswith("Refreshed: "), done
    assert installation.oauth["refreshToken"] == before["refreshToken"]


def test_import_once_and_status_work_in_a_row(installation):
    data = json.dumps(installation.standin.login(-60)).encode()

    imported = installation.run("import", data=data)
    planned = installation.run("plan")
    refreshed = installation.run("once")
    status = installation.run("status", "--json")

    assert imported.returncode == 0
    assert "Would run `claude mcp list` now" in planned.stdout
    assert refreshed.stdout.startswith("Refreshed: "), refreshed
    assert json.loads(status.stdout)["refreshes"] == 1
    assert status.returncode == 0


def test_refreshes_in_a_row_each_use_the_last_refresh_token(installation):
    installation.behave(expires_in=600)  # little more than the CLI's five minutes
    installation.login()
    for _ in range(3):
        assert installation.run("once").stdout.startswith("Refreshed: ")
        _expire(installation)

    assert installation.standin.ledger.reused == 0
    assert len(installation.token_calls) == 3


def _expire(installation):
    whole = json.loads(installation.path.read_text())
    whole["claudeAiOauth"]["expiresAt"] = int((time.time() - 1) * 1000)
    installation.path.write_text(json.dumps(whole))


def test_the_fallback_refreshes_where_the_command_asks_for_nothing(installation):
    installation.login()
    failed = installation.run("once", REFRESH_COMMAND="config list")
    installation.later()

    done = installation.run("once")

    assert failed.stdout.startswith("NotRefreshed: "), failed
    assert "without asking for a new token" in failed.stdout
    assert done.stdout.startswith("Refreshed: "), done
    assert installation.remembered.last.command == "fallback"
    messages = [c for c in installation.standin.calls if c["path"] == "/v1/messages"]
    assert messages[-1]["access_token"] == installation.oauth["accessToken"]
    assert messages[-1]["status"] == 200


def test_the_fallback_learns_of_a_lost_login_too(installation):
    installation.login()
    installation.run("once", REFRESH_COMMAND="config list")
    installation.behave(status=400)
    installation.later()

    done = installation.run("once")

    assert done.stdout.startswith("LoginRequired: "), done
    assert installation.remembered.last.command == "fallback"


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "CLAUDE_ACCESS_TOKEN"])
def test_another_credential_leaves_the_login_alone(installation, name):
    data = installation.login()

    done = installation.run("once", **{name: "made up"})

    assert done.stdout.startswith("Skipped: "), done
    assert installation.standin.calls == []
    assert installation.path.read_bytes() == data


def test_variables_that_would_change_the_cli_do_not_reach_it(installation):
    installation.login()

    done = installation.run(
        "once",
        CLAUDE_CODE_OAUTH_TOKEN="another",
        CLAUDE_CODE_USE_BEDROCK="1",
        ANTHROPIC_BASE_URL="http://127.0.0.1:9",
        ENABLE_CLAUDEAI_MCP_SERVERS="false",
    )

    assert done.stdout.startswith("Refreshed: "), done
