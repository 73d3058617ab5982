"""Each way a renewal fails has its outcome, and what can be saved is not lost."""

import json
import os
import shlex
import signal
import socket
import threading

import pytest

from logins import make_settings
from refresher import files, refresh
from refresher.settings import Settings

FALLBACK_COMMAND = Settings().fallback_command


ASKS_FOR_NOTHING = {"REFRESH_COMMAND": "config list"}
"""What the refresh command would be if it stopped refreshing one day."""


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
    """`claude -p` then repeats its request again and again, past its time limit."""
    house.login()
    house.run("once", **ASKS_FOR_NOTHING)
    house.behave(api_status=429)
    house.later()

    done = house.run("once")

    assert kind(done) == "Refreshed", done
    assert house.remembered.last.command == "fallback"


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


def attempt(house, seconds, *, command, **environ):
    """Make an attempt with a shorter time limit of the CLI than a setting may have."""
    cli_environ = {"PATH": os.environ["PATH"], **house.standin.environ, **environ}
    settings = make_settings(
        house.volume,
        claude_bin=str(house.claude_bin),
        cli_environ=cli_environ,
        cli_timeout=seconds,
        refresh_command=command,
    )
    return refresh.once(settings, stop=threading.Event())


def test_a_command_that_outlasts_its_limit_without_a_network_has_spent_nothing(house):
    data = house.login()

    outcome = attempt(
        house, 15, command=FALLBACK_COMMAND, HTTPS_PROXY="http://127.0.0.1:9"
    )

    assert outcome.kind == "NotRefreshed", outcome
    assert "was ended after 15 s" in outcome.reason
    assert "ECONNREFUSED" in outcome.reason
    assert house.path.read_bytes() == data
    assert_saved_by_the_next_try(house)


def test_a_cli_is_not_killed_while_it_waits_for_a_response(house):
    house.login()
    house.behave(delay=12)

    outcome = attempt(house, 3, command="mcp list")

    assert outcome.kind == "Refreshed", outcome


@pytest.mark.parametrize("status", [500, 429, 403])
def test_no_fallback_follows_a_failure_of_anthropic(house, status):
    house.login()
    house.behave(status=status)
    house.run("once")
    calls = len(house.token_calls)
    house.later(3600)

    house.run("once")

    assert house.remembered.last.command == "refresh"
    assert len(house.token_calls) <= calls + 2  # as the first command asks


def test_no_fallback_follows_a_failure_of_the_network(house):
    house.login()
    for _ in range(2):
        done = house.run("once", HTTPS_PROXY="http://127.0.0.1:9")
        house.later(3600)

    assert kind(done) == "NotRefreshed", done
    assert house.remembered.last.command == "refresh"
    assert_saved_by_the_next_try(house)


HTML = "<html><body>Please log in to this network</body></html>"


@pytest.mark.parametrize("status", [200, 302, 400, 403, 502])
def test_a_page_instead_of_a_response_harms_nothing(house, status):
    data = house.login()
    house.behave(status=status, page=HTML)

    done = house.run("once")

    assert kind(done) == "NotRefreshed", done
    assert house.path.read_bytes() == data
    assert_saved_by_the_next_try(house)


def test_a_connection_that_is_cut_may_have_cost_the_token_and_did_not(house):
    data = house.login()
    house.behave(cut=True)

    done = house.run("once")

    assert kind(done) == "PossiblySpent", done
    assert house.path.read_bytes() == data
    assert_saved_by_the_next_try(house)


MARK = "started"


@pytest.fixture
def configured(house):
    """Give the volume a configuration of its owner's, which would run a program."""
    mark = house.volume.parent / MARK
    touch = f"touch {shlex.quote(str(mark))}"
    server = {"type": "stdio", "command": "sh", "args": ["-c", touch]}
    hook = {"hooks": [{"type": "command", "command": touch}]}
    (house.volume / ".claude.json").write_text(
        json.dumps({"mcpServers": {"x": server}})
    )
    (house.volume / "settings.json").write_text(
        json.dumps(
            {
                "env": {"CLAUDE_CODE_USE_BEDROCK": "1", "CLAUDE_CODE_OAUTH_TOKEN": "x"},
                "hooks": {"SessionStart": [hook], "Stop": [hook]},
                "apiKeyHelper": f"{touch}; echo key",
            }
        )
    )
    return mark


@pytest.mark.parametrize("command", ["mcp list", FALLBACK_COMMAND])
def test_the_configuration_in_the_volume_is_not_used(house, configured, command):
    house.login()

    done = house.run("once", REFRESH_COMMAND=command)

    assert kind(done) == "Refreshed", done
    assert not configured.exists()


def test_a_configuration_that_the_cli_cannot_read_is_named(house):
    data = house.login()
    (house.volume / ".claude.json").write_text('{"mcpServers":')

    done = house.run("once")

    assert kind(done) == "Blocked", done
    assert ".claude.json is not JSON" in done.stdout
    assert house.path.read_bytes() == data
    assert house.token_calls == []


def test_a_persons_login_during_a_refused_refresh_is_not_a_success_of_the_cli(
    house, asking
):
    house.path.write_bytes(house.login())
    house.behave(hang=True)
    process, _ = asking()
    login = json.dumps(house.standin.login(3600, 25 * 86400)).encode()
    files.replace(house.path, login)

    done = house.finish(process)

    assert kind(done) == "NotDue", done
    assert "someone logged in" in done.stdout
    assert house.path.read_bytes() == login
    assert house.remembered.refreshes == house.remembered.failures == 0


def test_an_import_of_a_used_copy_does_not_replace_the_login_that_came_of_it(house):
    copy = json.dumps(house.standin.login(-60)).encode()

    first = house.run("import", data=copy)
    done = house.run("once")
    living = house.path.read_bytes()
    again = house.run("import", data=copy)
    forced = house.run("import", "--force", data=copy)

    assert first.returncode == 0
    assert kind(done) == "Refreshed", done
    assert again.returncode == 78
    assert "older copy" in again.stderr
    assert "--force" in again.stderr
    assert forced.returncode == 0
    assert house.path.read_bytes() == copy != living
