"""A token with hours left is refreshed early, and every failure leaves it as it was.

The CLI itself refreshes only in the last five minutes. An early attempt brings the
file's expiry forward for a moment; these are today's failures with that in between.
"""

import json
import os
import signal
import socket
import threading
import time

import httpx2
import pytest

import proxy_command
from logins import LONG
from refresher import credentials, lock
from refresher_process import has_open

HOURS = 5 * 3600
EARLY = {"REFRESH_BEFORE": "25200"}
HELLO = {"messages": [{"role": "user", "content": "Hi"}]}


def kind(done):
    return done.stdout.partition(":")[0]


def assert_as_it_was(installation, data):
    assert installation.path.read_bytes() == data
    assert installation.remembered.brought_forward is None
    assert sorted(os.listdir(installation.volume)) == [  # noqa: PTH208
        ".claude.json",
        ".credentials.json",
        ".refresher-state.json",
        ".refresher.lock",
        "backups",
    ]


def assert_refreshed_by_the_next_attempt(installation):
    installation.behave()
    installation.later()
    done = installation.run("once", **EARLY)

    assert kind(done) == "Refreshed", done
    assert installation.standin.ledger.reused == 0


def assert_left_alone_until_it_is_about_to_expire(installation, data):
    """Trying a refresh token that may be spent could empty the file."""
    installation.behave()
    installation.later(3600)
    done = installation.run("once", **EARLY)

    assert kind(done) == "PossiblySpent", done
    assert "the next attempt is at" in done.stdout
    assert installation.path.read_bytes() == data


def test_a_token_with_hours_left_is_refreshed(installation):
    before = json.loads(installation.login(access_left=HOURS))["claudeAiOauth"]

    planned = installation.run("plan", **EARLY)
    done = installation.run("once", **EARLY)

    assert "an early refresh is due" in planned.stdout
    assert kind(done) == "Refreshed", done
    assert installation.oauth["accessToken"] != before["accessToken"]
    assert installation.oauth["expiresAt"] > (time.time() + 28000) * 1000
    assert len(installation.token_calls) == 1
    assert installation.remembered.brought_forward is None


def test_a_tick_of_the_schedule_refreshes_once(installation):
    installation.login(access_left=HOURS)
    every_minute = {"REFRESH_SCHEDULE": "* * * * *"}

    done = installation.run("once", **every_minute)
    again = installation.run("once", **every_minute)

    assert kind(done) == "Refreshed", done
    assert kind(again) == "NotDue", again
    assert len(installation.token_calls) == 1


@pytest.mark.parametrize("odd", [None, "soon", {}, "2030-01-01T00:00:00Z", 10**20])
def test_an_expiry_that_the_cli_cannot_read_does_not_keep_it_from_refreshing(
    installation, odd
):
    whole = json.loads(installation.login())
    whole["claudeAiOauth"]["expiresAt"] = odd
    installation.path.write_text(json.dumps(whole))

    done = installation.run("once")

    assert kind(done) == "Refreshed", done


@pytest.mark.parametrize(
    "odd", [0, -5, "", True, [], "0", 1.5, 1_700_000_000, "1700000000000"]
)
def test_an_odd_expiry_that_the_cli_reads_as_past_is_refreshed(installation, odd):
    whole = json.loads(installation.login())
    whole["claudeAiOauth"]["expiresAt"] = odd
    installation.path.write_text(json.dumps(whole))

    done = installation.run("once")

    assert kind(done) == "Refreshed", done


def test_odd_cosmetic_fields_do_not_keep_it_from_refreshing(installation):
    whole = json.loads(installation.login())
    whole["claudeAiOauth"] |= {
        "subscriptionType": {},
        "refreshTokenExpiresAt": "soon",
        "scopes": "user:inference",
        "rateLimitTier": [1],
    }
    installation.path.write_text(json.dumps(whole))

    done = installation.run("once")

    assert kind(done) == "Refreshed", done


@pytest.mark.parametrize("status", [429, 500, 403, 503, 401])
def test_a_failing_token_endpoint_changes_nothing(installation, status):
    data = installation.login(access_left=HOURS)
    installation.behave(status=status, error="temporarily_unavailable")

    done = installation.run("once", **EARLY)

    assert kind(done) == "NotRefreshed", done
    assert_as_it_was(installation, data)
    assert_refreshed_by_the_next_attempt(installation)


def test_an_endpoint_that_hangs_may_have_cost_the_token(installation):
    data = installation.login(access_left=HOURS)
    installation.behave(hang=True)

    done = installation.run("once", **EARLY)

    assert kind(done) == "PossiblySpent", done
    assert_as_it_was(installation, data)
    assert_left_alone_until_it_is_about_to_expire(installation, data)


def test_a_spent_refresh_token_leaves_the_access_token_until_its_own_expiry(
    installation,
):
    data = installation.login(access_left=HOURS)
    installation.behave(delay=300)

    done = installation.run("once", **EARLY)

    assert kind(done) == "PossiblySpent", done
    assert_as_it_was(installation, data)
    assert_left_alone_until_it_is_about_to_expire(installation, data)


def test_a_late_response_is_waited_for(installation):
    installation.login(access_left=HOURS)
    installation.behave(delay=20)

    assert kind(installation.run("once", **EARLY)) == "Refreshed"


def test_a_refused_refresh_token_is_a_lost_login(installation):
    installation.login(access_left=HOURS)
    installation.behave(status=400, error="invalid_grant")

    done = installation.run("once", **EARLY)

    assert kind(done) == "LoginRequired", done
    assert installation.remembered.brought_forward is None


def test_an_unreachable_network_changes_nothing(installation):
    data = installation.login(access_left=HOURS)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, and nobody listens
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = installation.run("once", HTTPS_PROXY=proxy, **EARLY)

    assert kind(done) == "NotRefreshed", done
    assert_as_it_was(installation, data)
    assert_refreshed_by_the_next_attempt(installation)


def test_an_unknown_ca_changes_nothing(installation):
    data = installation.login(access_left=HOURS)

    done = installation.run("once", NODE_EXTRA_CA_CERTS="", **EARLY)

    assert kind(done) == "NotRefreshed", done
    assert "certificate" in done.stdout
    assert_as_it_was(installation, data)


def test_a_killed_cli_changes_nothing(installation, asking):
    data = installation.login(access_left=HOURS)
    installation.behave(hang=True)
    process, cli = asking(**EARLY)

    os.kill(cli, signal.SIGKILL)
    done = installation.finish(process)

    assert kind(done) == "PossiblySpent", done
    assert installation.path.read_bytes() == data
    assert_left_alone_until_it_is_about_to_expire(installation, data)


def test_a_killed_refresher_leaves_its_cli_to_save(installation, asking, eventually):
    installation.login(access_left=HOURS)
    may_be_answered = threading.Event()
    installation.behave(held_until=may_be_answered)
    process, _ = asking(**EARLY)

    process.kill()
    process.communicate()
    next_one = installation.start()
    eventually(lambda: has_open(next_one.pid, installation.volume / lock.FILE_NAME))
    may_be_answered.set()
    done = installation.finish(next_one)

    assert kind(done) == "NotDue", done
    assert len(installation.token_calls) == 1
    assert installation.remembered.brought_forward is None


def test_after_a_kill_of_everything_the_next_run_restores_the_expiry(
    installation, asking
):
    data = installation.login(access_left=HOURS)
    installation.behave(hang=True)
    process, cli = asking(**EARLY)
    process.kill()
    os.kill(cli, signal.SIGKILL)
    process.communicate()
    left_behind = credentials.parse(installation.path.read_bytes())
    shown = json.loads(installation.run("status", "--json").stdout)["login"]

    done = installation.run("once", **EARLY)

    own = credentials.parse(data)
    assert left_behind.expires_at != own.expires_at
    assert shown["expires_at"] == own.expires_at.isoformat().replace("+00:00", "Z")
    assert kind(done) == "PossiblySpent", done
    assert installation.path.read_bytes() == data
    assert_left_alone_until_it_is_about_to_expire(installation, data)


def test_a_person_at_the_cli_meanwhile_harms_nothing(installation):
    installation.login(access_left=HOURS)
    installation.behave(delay=2)

    process = installation.start(**EARLY)
    by_hand = [installation.by_hand("mcp", "list") for _ in range(2)]
    done = installation.finish(process)
    for one in by_hand:
        one.wait(timeout=120)

    assert kind(done) == "Refreshed", done
    assert len(installation.token_calls) == 1
    assert installation.standin.ledger.reused == 0


def test_a_proxy_under_load_notices_neither_success_nor_failure(
    installation, tmp_path, eventually
):
    installation.login(access_left=HOURS)
    settings = {
        "CLAUDE_CREDENTIALS_PATH": installation.path,
        "ANTHROPIC_API_BASE": installation.standin.url,
    }
    over = threading.Event()
    statuses = []

    def ask(url):
        with httpx2.Client(trust_env=False, timeout=LONG) as client:
            while not over.is_set():
                answer = client.post(f"{url}/v1/chat/completions", json=HELLO)
                statuses.append(answer.status_code)

    with proxy_command.running(tmp_path, **settings) as proxy:
        load = [threading.Thread(target=ask, args=(proxy.url,)) for _ in range(4)]
        for thread in load:
            thread.start()
        installation.behave(status=500)
        failed = installation.run("once", **EARLY)
        installation.behave(delay=15)
        installation.later()
        done = installation.run("once", **EARLY)
        enough = max(100, len(statuses) + 20)
        eventually(lambda: len(statuses) > enough)
        over.set()
        for thread in load:
            thread.join()

    assert [kind(each) for each in (failed, done)] == ["NotRefreshed", "Refreshed"]
    assert set(statuses) == {200}
    assert len(statuses) > 100
    last = [c for c in installation.standin.calls if c["path"] == "/v1/messages"][-1]
    assert last["access_token"] == installation.oauth["accessToken"]
