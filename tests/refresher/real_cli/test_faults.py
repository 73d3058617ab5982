"""Each way a renewal fails has its outcome, and what can be saved is not lost."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest


def kind(done):
    return done.stdout.partition(":")[0]


def assert_saved_by_the_next_try(house):
    """The login was unharmed: when all is well again, it is renewed."""
    house.behave()
    house.later()
    done = house.run("once")

    assert kind(done) == "Refreshed", done
    assert house.standin.ledger.reused == 0


@pytest.mark.parametrize(
    ("status", "hint"),
    [(429, "HTTP status 429"), (500, ""), (403, "HTTP status 403"), (503, "")],
)
def test_a_failing_token_endpoint_harms_nothing(house, status, hint):
    data = house.login()
    house.behave(status=status, error="temporarily_unavailable")

    done = house.run("once")

    assert kind(done) == "NotRefreshed", done
    assert done.returncode == 75
    assert hint in done.stdout
    assert house.path.read_bytes() == data
    assert_saved_by_the_next_try(house)


def test_a_refused_refresh_token_is_a_lost_login_and_is_not_tried_again(house):
    house.login()
    house.behave(status=400, error="invalid_grant")

    done = house.run("once")
    calls = len(house.token_calls)
    house.later(86400)
    again = house.run("once")

    assert kind(done) == kind(again) == "LoginRequired", (done, again)
    assert done.returncode == again.returncode == 78
    assert house.oauth["accessToken"] == house.oauth["refreshToken"] == ""
    assert len(house.token_calls) == calls


def test_a_lost_login_is_mended_by_an_import(house):
    house.login()
    house.behave(status=400)
    house.run("once")
    house.behave()

    house.run("import", data=json.dumps(house.standin.login(-60)).encode())
    done = house.run("once")

    assert kind(done) == "Refreshed", done


def test_a_used_refresh_token_is_a_lost_login(house):
    data = house.login()
    house.run("once")
    house.path.write_bytes(data)  # a copy of the login, used elsewhere before

    done = house.run("once")

    assert kind(done) == "LoginRequired", done


def test_an_endpoint_that_hangs_may_have_cost_the_token_and_did_not(house):
    data = house.login()
    house.behave(hang=True)

    done = house.run("once")

    assert kind(done) == "PossiblySpent", done
    assert done.returncode == 75
    assert house.path.read_bytes() == data
    assert_saved_by_the_next_try(house)


def test_an_answer_that_comes_too_late_did_cost_the_token(house):
    data = house.login()
    house.behave(delay=40)

    done = house.run("once")
    unchanged = house.path.read_bytes()
    house.behave()
    house.later()
    again = house.run("once")

    assert kind(done) == "PossiblySpent", done
    assert unchanged == data
    assert kind(again) == "LoginRequired", again


def test_a_late_answer_is_waited_for(house):
    house.login()
    house.behave(delay=20)

    assert kind(house.run("once")) == "Refreshed"


def test_an_answer_without_scopes_is_not_saved_and_may_be_asked_again(house):
    data = house.login()
    house.behave(scope=False, single_use=False)

    done = house.run("once")

    assert kind(done) == "NotRefreshed", done
    assert house.path.read_bytes() == data


def test_an_answer_without_scopes_loses_a_login_whose_tokens_work_once(house):
    house.login()
    house.behave(scope=False)

    done = house.run("once")
    house.behave()
    house.later()
    again = house.run("once")

    # The CLI throws the new tokens away, and may ask again with the spent one.
    assert kind(done) in {"NotRefreshed", "LoginRequired"}, done
    assert kind(again) == "LoginRequired", again


def test_an_unreachable_network_harms_nothing(house):
    data = house.login()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, and nobody listens
        port = closed.getsockname()[1]
        done = house.run("once", HTTPS_PROXY=f"http://127.0.0.1:{port}")

    assert kind(done) == "NotRefreshed", done
    assert house.path.read_bytes() == data
    assert_saved_by_the_next_try(house)


def test_an_unknown_ca_harms_nothing(house):
    data = house.login()

    done = house.run("once", NODE_EXTRA_CA_CERTS="")

    assert kind(done) == "NotRefreshed", done
    assert house.path.read_bytes() == data
    assert house.token_calls == []


def test_an_api_at_its_limit_does_not_hide_a_saved_renewal(house):
    """`claude -p` then tries on and on, past its time limit."""
    house.login()
    house.behave(status=500)
    house.run("once")
    house.behave(api_status=429)
    house.later()

    done = house.run("once")

    assert kind(done) == "Refreshed", done
    assert house.remembered.last.command == "fallback"


def children(process):
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(number) for number in path.read_text().split()]


@pytest.fixture
def asking(house, eventually):
    """Begin a try and give it when its CLI has asked the token endpoint."""

    def begin():
        process = house.start()
        eventually(lambda: house.token_calls, seconds=60)
        (cli,) = children(process)
        return process, cli

    return begin


def test_a_killed_cli_may_have_cost_the_token_and_did_not(house, asking):
    data = house.login()
    house.behave(hang=True)
    process, cli = asking()

    os.kill(cli, signal.SIGKILL)
    done = house.finish(process)

    assert kind(done) == "PossiblySpent", done
    assert "signal 9" in done.stdout
    assert house.path.read_bytes() == data
    assert_saved_by_the_next_try(house)


def test_a_killed_refresher_leaves_its_cli_to_save(house, asking):
    house.login()
    house.behave(delay=5)
    process, _ = asking()

    process.kill()
    process.communicate()
    done = house.run("once")

    assert kind(done) == "NotDue", done
    assert len(house.token_calls) == 1


def test_a_refresher_killed_with_its_cli_is_told_at_the_next_look(house, asking):
    data = house.login()
    house.behave(hang=True)
    process, cli = asking()

    process.kill()
    os.kill(cli, signal.SIGKILL)
    process.communicate()
    done = house.run("once")

    assert kind(done) == "PossiblySpent", done
    assert house.path.read_bytes() == data
    assert_saved_by_the_next_try(house)


def test_a_refresher_that_is_told_to_stop_finishes_the_renewal(house, asking):
    house.login()
    house.behave(delay=3)
    process, _ = asking()

    process.send_signal(signal.SIGTERM)
    done = house.finish(process)

    assert kind(done) == "Refreshed", done
    assert done.returncode == 0
