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

from e2e import service
from refresher import credentials

HOURS = 5 * 3600
EARLY = {"REFRESH_BEFORE": "25200"}
HELLO = {"messages": [{"role": "user", "content": "Hi"}]}


def kind(done):
    return done.stdout.partition(":")[0]


def assert_as_it_was(house, data):
    assert house.path.read_bytes() == data
    assert house.remembered.brought_forward is None
    assert sorted(os.listdir(house.volume)) == [  # noqa: PTH208
        ".claude.json",
        ".credentials.json",
        ".refresher-state.json",
        ".refresher.lock",
        "backups",
    ]


def assert_refreshed_by_the_next_attempt(house):
    house.behave()
    house.later()
    done = house.run("once", **EARLY)

    assert kind(done) == "Refreshed", done
    assert house.standin.ledger.reused == 0


def test_a_token_with_hours_left_is_refreshed(house):
    before = json.loads(house.login(access_left=HOURS))["claudeAiOauth"]

    planned = house.run("plan", **EARLY)
    done = house.run("once", **EARLY)

    assert "an early refresh is due" in planned.stdout
    assert kind(done) == "Refreshed", done
    assert house.oauth["accessToken"] != before["accessToken"]
    assert house.oauth["expiresAt"] > (time.time() + 28000) * 1000
    assert len(house.token_calls) == 1
    assert house.remembered.brought_forward is None


def test_a_tick_of_the_schedule_refreshes_once(house):
    house.login(access_left=HOURS)
    every_minute = {"REFRESH_SCHEDULE": "* * * * *"}

    done = house.run("once", **every_minute)
    again = house.run("once", **every_minute)

    assert kind(done) == "Refreshed", done
    assert kind(again) == "NotDue", again
    assert len(house.token_calls) == 1


@pytest.mark.parametrize("odd", [None, "soon", {}, "2030-01-01T00:00:00Z", 10**20])
def test_an_expiry_that_the_cli_cannot_read_does_not_keep_it_from_refreshing(
    house, odd
):
    whole = json.loads(house.login())
    whole["claudeAiOauth"]["expiresAt"] = odd
    house.path.write_text(json.dumps(whole))

    done = house.run("once")

    assert kind(done) == "Refreshed", done


@pytest.mark.parametrize(
    "odd", [0, -5, "", True, [], "0", 1.5, 1_700_000_000, "1700000000000"]
)
def test_an_odd_expiry_that_the_cli_reads_as_past_is_refreshed(house, odd):
    whole = json.loads(house.login())
    whole["claudeAiOauth"]["expiresAt"] = odd
    house.path.write_text(json.dumps(whole))

    done = house.run("once")

    assert kind(done) == "Refreshed", done


def test_odd_cosmetic_fields_do_not_keep_it_from_refreshing(house):
    whole = json.loads(house.login())
    whole["claudeAiOauth"] |= {
        "subscriptionType": {},
        "refreshTokenExpiresAt": "soon",
        "scopes": "user:inference",
        "rateLimitTier": [1],
    }
    house.path.write_text(json.dumps(whole))

    done = house.run("once")

    assert kind(done) == "Refreshed", done


@pytest.mark.parametrize("status", [429, 500, 403, 503, 401])
def test_a_failing_token_endpoint_changes_nothing(house, status):
    data = house.login(access_left=HOURS)
    house.behave(status=status, error="temporarily_unavailable")

    done = house.run("once", **EARLY)

    assert kind(done) == "NotRefreshed", done
    assert_as_it_was(house, data)
    assert_refreshed_by_the_next_attempt(house)


def test_an_endpoint_that_hangs_may_have_cost_the_token_and_did_not(house):
    data = house.login(access_left=HOURS)
    house.behave(hang=True)

    done = house.run("once", **EARLY)

    assert kind(done) == "PossiblySpent", done
    assert_as_it_was(house, data)
    assert_refreshed_by_the_next_attempt(house)


def test_a_spent_refresh_token_leaves_the_access_token_until_its_own_expiry(house):
    data = house.login(access_left=HOURS)
    house.behave(delay=40)

    done = house.run("once", **EARLY)

    assert kind(done) == "PossiblySpent", done
    assert_as_it_was(house, data)


def test_a_late_response_is_waited_for(house):
    house.login(access_left=HOURS)
    house.behave(delay=20)

    assert kind(house.run("once", **EARLY)) == "Refreshed"


def test_a_refused_refresh_token_is_a_lost_login(house):
    house.login(access_left=HOURS)
    house.behave(status=400, error="invalid_grant")

    done = house.run("once", **EARLY)

    assert kind(done) == "LoginRequired", done
    assert house.remembered.brought_forward is None


def test_an_unreachable_network_changes_nothing(house):
    data = house.login(access_left=HOURS)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, and nobody listens
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = house.run("once", HTTPS_PROXY=proxy, **EARLY)

    assert kind(done) == "NotRefreshed", done
    assert_as_it_was(house, data)
    assert_refreshed_by_the_next_attempt(house)


def test_an_unknown_ca_changes_nothing(house):
    data = house.login(access_left=HOURS)

    done = house.run("once", NODE_EXTRA_CA_CERTS="", **EARLY)

    assert kind(done) == "NotRefreshed", done
    assert "certificate" in done.stdout
    assert_as_it_was(house, data)


def test_a_killed_cli_changes_nothing(house, asking):
    data = house.login(access_left=HOURS)
    house.behave(hang=True)
    process, cli = asking(**EARLY)

    os.kill(cli, signal.SIGKILL)
    done = house.finish(process)

    assert kind(done) == "PossiblySpent", done
    assert house.path.read_bytes() == data
    assert_refreshed_by_the_next_attempt(house)


def test_a_killed_refresher_leaves_its_cli_to_save(house, asking):
    house.login(access_left=HOURS)
    house.behave(delay=5)
    process, _ = asking(**EARLY)

    process.kill()
    process.communicate()
    done = house.run("once")

    assert kind(done) == "NotDue", done
    assert len(house.token_calls) == 1
    assert house.remembered.brought_forward is None


def test_after_a_kill_of_everything_the_next_run_restores_the_expiry(house, asking):
    data = house.login(access_left=HOURS)
    house.behave(hang=True)
    process, cli = asking(**EARLY)
    process.kill()
    os.kill(cli, signal.SIGKILL)
    process.communicate()
    left_behind = credentials.parse(house.path.read_bytes())
    shown = json.loads(house.run("status", "--json").stdout)["login"]

    done = house.run("once", **EARLY)

    own = credentials.parse(data)
    assert left_behind.expires_at != own.expires_at
    assert shown["expires_at"] == own.expires_at.isoformat().replace("+00:00", "Z")
    assert kind(done) == "PossiblySpent", done
    assert house.path.read_bytes() == data
    assert_refreshed_by_the_next_attempt(house)


def test_a_person_at_the_cli_meanwhile_harms_nothing(house):
    house.login(access_left=HOURS)
    house.behave(delay=2)

    process = house.start(**EARLY)
    by_hand = [house.by_hand("mcp", "list") for _ in range(2)]
    done = house.finish(process)
    for one in by_hand:
        one.wait(timeout=120)

    assert kind(done) == "Refreshed", done
    assert len(house.token_calls) == 1
    assert house.standin.ledger.reused == 0


def test_a_proxy_under_load_notices_neither_success_nor_failure(house, tmp_path):
    house.login(access_left=HOURS)
    settings = {
        "CLAUDE_CREDENTIALS_PATH": house.path,
        "ANTHROPIC_API_BASE": house.standin.url,
    }
    over = threading.Event()
    statuses = []

    def ask(url):
        with httpx2.Client(trust_env=False, timeout=60) as client:
            while not over.is_set():
                answer = client.post(f"{url}/v1/chat/completions", json=HELLO)
                statuses.append(answer.status_code)

    with service.running(tmp_path, **settings) as proxy:
        load = [threading.Thread(target=ask, args=(proxy.url,)) for _ in range(4)]
        for thread in load:
            thread.start()
        house.behave(status=500)
        failed = house.run("once", **EARLY)
        house.behave(hang=True)
        house.later()
        hung = house.run("once", **EARLY)
        house.behave()
        house.later(300)
        done = house.run("once", **EARLY)
        asked_until_then = len(statuses)
        while len(statuses) < asked_until_then + 20:
            time.sleep(0.01)
        over.set()
        for thread in load:
            thread.join()

    assert [kind(each) for each in (failed, hung, done)] == [
        "NotRefreshed",
        "PossiblySpent",
        "Refreshed",
    ]
    assert set(statuses) == {200}
    assert len(statuses) > 100
    last = [c for c in house.standin.calls if c["path"] == "/v1/messages"][-1]
    assert last["access_token"] == house.oauth["accessToken"]
