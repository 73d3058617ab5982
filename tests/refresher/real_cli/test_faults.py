"""Each way a refresh fails has its outcome, and what can be saved is not lost."""

import concurrent.futures
import json
import os
import re
import shlex
import signal
import socket
import tempfile
import threading
import time
import types

import pytest

from logins import make_settings
from oauth_standin import Standin
from refresher import files, lock, refresh
from refresher.settings import Settings
from refresher_process import has_open

FALLBACK_COMMAND = Settings().fallback_command


ASKS_FOR_NOTHING = {"REFRESH_COMMAND": "config list"}
"""What the refresh command would be if it stopped refreshing one day."""


def kind(done):
    return done.stdout.partition(":")[0]


def assert_refreshed_by_the_next_attempt(installation):
    """The login was unharmed: once all is well again, it is refreshed."""
    installation.behave()
    installation.later()
    done = installation.run("once")

    assert kind(done) == "Refreshed", done
    assert installation.standin.ledger.reused == 0


@pytest.mark.parametrize(
    ("status", "hint"),
    [(429, "HTTP status 429"), (500, ""), (403, "HTTP status 403"), (503, "")],
)
def test_a_failing_token_endpoint_harms_nothing(installation, status, hint):
    data = installation.login()
    installation.behave(status=status, error="temporarily_unavailable")

    done = installation.run("once")

    assert kind(done) == "NotRefreshed", done
    assert done.returncode == 75
    assert hint in done.stdout
    assert installation.path.read_bytes() == data
    assert_refreshed_by_the_next_attempt(installation)


def test_a_refused_refresh_token_is_a_lost_login_and_ends_the_attempts(installation):
    installation.login()
    installation.behave(status=400, error="invalid_grant")

    done = installation.run("once")
    calls = len(installation.token_calls)
    installation.later(86400)
    again = installation.run("once")

    assert kind(done) == kind(again) == "LoginRequired", (done, again)
    assert done.returncode == again.returncode == 78
    assert installation.oauth["accessToken"] == installation.oauth["refreshToken"] == ""
    assert len(installation.token_calls) == calls


def test_a_lost_login_is_replaced_by_an_import(installation):
    installation.login()
    installation.behave(status=400)
    installation.run("once")
    installation.behave()

    installation.run(
        "import", data=json.dumps(installation.standin.login(-60)).encode()
    )
    done = installation.run("once")

    assert kind(done) == "Refreshed", done


def test_a_used_refresh_token_is_a_lost_login(installation):
    data = installation.login()
    installation.run("once")
    installation.path.write_bytes(data)  # a copy of the login, used elsewhere before

    done = installation.run("once")

    assert kind(done) == "LoginRequired", done


def test_an_endpoint_that_hangs_may_have_cost_the_token_and_did_not(installation):
    data = installation.login()
    installation.behave(hang=True)

    done = installation.run("once")

    assert kind(done) == "PossiblySpent", done
    assert done.returncode == 75
    assert installation.path.read_bytes() == data
    assert_refreshed_by_the_next_attempt(installation)


def test_an_answer_that_comes_too_late_did_cost_the_token(installation):
    data = installation.login()
    installation.behave(delay=300)

    done = installation.run("once")
    unchanged = installation.path.read_bytes()
    installation.behave()
    installation.later()
    again = installation.run("once")

    assert kind(done) == "PossiblySpent", done
    assert unchanged == data
    assert kind(again) == "LoginRequired", again


def test_a_late_answer_is_waited_for(installation):
    installation.login()
    installation.behave(delay=20)

    assert kind(installation.run("once")) == "Refreshed"


def test_an_answer_without_scopes_is_not_saved_and_may_be_asked_again(installation):
    data = installation.login()
    installation.behave(scope=False, single_use=False)

    done = installation.run("once")

    assert kind(done) == "NotRefreshed", done
    assert installation.path.read_bytes() == data


def test_an_answer_without_scopes_loses_a_login_whose_tokens_work_once(installation):
    installation.login()
    installation.behave(scope=False)

    done = installation.run("once")
    installation.behave()
    installation.later()
    again = installation.run("once")

    # The CLI throws the new tokens away, and may ask again with the spent one.
    assert kind(done) in {"NotRefreshed", "LoginRequired"}, done
    assert kind(again) == "LoginRequired", again


def test_an_unreachable_network_harms_nothing(installation):
    data = installation.login()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, and nobody listens
        port = closed.getsockname()[1]
        done = installation.run("once", HTTPS_PROXY=f"http://127.0.0.1:{port}")

    assert kind(done) == "NotRefreshed", done
    assert installation.path.read_bytes() == data
    assert_refreshed_by_the_next_attempt(installation)


def test_an_unknown_ca_harms_nothing(installation):
    data = installation.login()

    done = installation.run("once", NODE_EXTRA_CA_CERTS="")

    assert kind(done) == "NotRefreshed", done
    assert installation.path.read_bytes() == data
    assert installation.token_calls == []


def test_an_api_at_its_limit_does_not_hide_a_saved_refresh(installation):
    """`claude -p` then repeats its request again and again, past its time limit."""
    installation.login()
    installation.run("once", **ASKS_FOR_NOTHING)
    installation.behave(api_status=429)
    installation.later()

    done = installation.run("once")

    assert kind(done) == "Refreshed", done
    assert installation.remembered.last.command == "fallback"


def test_a_killed_cli_may_have_cost_the_token_and_did_not(installation, asking):
    data = installation.login()
    installation.behave(hang=True)
    process, cli = asking()

    os.kill(cli, signal.SIGKILL)
    done = installation.finish(process)

    assert kind(done) == "PossiblySpent", done
    assert "signal 9" in done.stdout
    assert installation.path.read_bytes() == data
    assert_refreshed_by_the_next_attempt(installation)


def test_a_killed_refresher_leaves_its_cli_to_save(installation, asking, eventually):
    installation.login()
    may_be_answered = threading.Event()
    installation.behave(held_until=may_be_answered)
    process, _ = asking()

    process.kill()
    process.communicate()
    next_one = installation.start()
    eventually(lambda: has_open(next_one.pid, installation.volume / lock.FILE_NAME))
    may_be_answered.set()
    done = installation.finish(next_one)

    assert kind(done) == "NotDue", done
    assert len(installation.token_calls) == 1


def test_a_refresher_killed_with_its_cli_is_reported_by_the_next_run(
    installation, asking
):
    data = installation.login()
    installation.behave(hang=True)
    process, cli = asking()

    process.kill()
    os.kill(cli, signal.SIGKILL)
    process.communicate()
    done = installation.run("once")

    assert kind(done) == "PossiblySpent", done
    assert installation.path.read_bytes() == data
    assert_refreshed_by_the_next_attempt(installation)


def test_a_refresher_that_is_asked_to_stop_finishes_the_refresh(installation, asking):
    installation.login()
    may_be_answered = threading.Event()
    installation.behave(held_until=may_be_answered)
    process, _ = asking()

    process.send_signal(signal.SIGTERM)
    may_be_answered.set()
    done = installation.finish(process)

    assert kind(done) == "Refreshed", done
    assert done.returncode == 0


@pytest.fixture
def limit_passes_when(monkeypatch):
    """Have the CLI's time limit pass when a condition becomes true, and not before."""

    def patch(condition):
        late = types.SimpleNamespace(
            monotonic=lambda: time.monotonic() + 1000 * bool(condition()),
            sleep=time.sleep,
        )
        monkeypatch.setattr("refresher.claude_cli.time", late)

    return patch


def attempt(installation, *, command, **environ):
    """Make an attempt in this process."""
    cli_environ = {
        "PATH": os.environ["PATH"],
        **installation.standin.environ,
        **environ,
    }
    settings = make_settings(
        installation.volume,
        claude_bin=str(installation.claude_bin),
        cli_environ=cli_environ,
        refresh_command=command,
    )
    return refresh.once(settings, stop=threading.Event())


def test_a_command_that_outlasts_its_limit_without_a_network_has_spent_nothing(
    installation, limit_passes_when, monkeypatch, tmp_path
):
    data = installation.login()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    limit_passes_when(
        lambda: any(
            "OAuth refresh failed" in path.read_text(errors="replace")
            for path in scratch.glob("*/debug.log")
        )
    )

    outcome = attempt(
        installation, command=FALLBACK_COMMAND, HTTPS_PROXY="http://127.0.0.1:9"
    )

    assert outcome.kind == "NotRefreshed", outcome
    assert re.search(r"was ended after 1\d\d\d s", outcome.reason)
    assert "ECONNREFUSED" in outcome.reason
    assert installation.path.read_bytes() == data
    assert_refreshed_by_the_next_attempt(installation)


def test_a_cli_is_not_killed_while_it_waits_for_a_response(
    installation, limit_passes_when, eventually, caplog
):
    installation.login()
    may_be_answered = threading.Event()
    installation.behave(held_until=may_be_answered)
    limit_passes_when(lambda: installation.token_calls)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        attempting = pool.submit(attempt, installation, command="mcp list")
        eventually(lambda: "at its time limit" in caplog.text)
        may_be_answered.set()
        outcome = attempting.result()

    assert outcome.kind == "Refreshed", outcome


@pytest.mark.parametrize("status", [500, 429, 403])
def test_no_fallback_follows_a_failure_of_anthropic(installation, status):
    installation.login()
    installation.behave(status=status)
    installation.run("once")
    calls = len(installation.token_calls)
    installation.later(3600)

    installation.run("once")

    assert installation.remembered.last.command == "refresh"
    assert len(installation.token_calls) <= calls + 2  # as the first command asks


def test_no_fallback_follows_a_failure_of_the_network(installation):
    installation.login()
    for _ in range(2):
        done = installation.run("once", HTTPS_PROXY="http://127.0.0.1:9")
        installation.later(3600)

    assert kind(done) == "NotRefreshed", done
    assert installation.remembered.last.command == "refresh"
    assert_refreshed_by_the_next_attempt(installation)


HTML = "<html><body>Please log in to this network</body></html>"


@pytest.mark.parametrize("status", [200, 302, 400, 403, 502])
def test_a_page_instead_of_a_response_harms_nothing(installation, status):
    data = installation.login()
    installation.behave(status=status, page=HTML)

    done = installation.run("once")

    assert kind(done) == "NotRefreshed", done
    assert installation.path.read_bytes() == data
    assert_refreshed_by_the_next_attempt(installation)


def test_a_connection_that_is_cut_may_have_cost_the_token_and_did_not(installation):
    data = installation.login()
    installation.behave(cut=True)

    done = installation.run("once")

    assert kind(done) == "PossiblySpent", done
    assert installation.path.read_bytes() == data
    assert_refreshed_by_the_next_attempt(installation)


MARK = "started"


@pytest.fixture
def configured(installation):
    """Give the volume a configuration of its owner's, which would run a program."""
    mark = installation.volume.parent / MARK
    touch = f"touch {shlex.quote(str(mark))}"
    server = {"type": "stdio", "command": "sh", "args": ["-c", touch]}
    hook = {"hooks": [{"type": "command", "command": touch}]}
    (installation.volume / ".claude.json").write_text(
        json.dumps({"mcpServers": {"x": server}})
    )
    (installation.volume / "settings.json").write_text(
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
def test_the_configuration_in_the_volume_is_not_used(installation, configured, command):
    installation.login()

    done = installation.run("once", REFRESH_COMMAND=command)

    assert kind(done) == "Refreshed", done
    assert not configured.exists()


def test_a_configuration_that_the_cli_cannot_read_is_named(installation):
    data = installation.login()
    (installation.volume / ".claude.json").write_text('{"mcpServers":')

    done = installation.run("once")

    assert kind(done) == "Blocked", done
    assert ".claude.json is not JSON" in done.stdout
    assert installation.path.read_bytes() == data
    assert installation.token_calls == []


@pytest.mark.parametrize("name", [".claude.json", ".config.json"])
def test_a_configuration_with_variables_cannot_send_the_login_elsewhere(
    installation, tmp_path, name
):
    """Measured here too: by hand, the CLI takes them whatever it is told to ignore."""
    data = installation.login()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with Standin(elsewhere) as other:
        variables = {
            "HTTPS_PROXY": other.environ["HTTPS_PROXY"],
            "NODE_TLS_REJECT_UNAUTHORIZED": "0",
        }
        path = installation.volume / name
        path.write_text(json.dumps({"env": variables}))

        done = installation.run("once")

        assert kind(done) == "Blocked", done
        assert f"{path} has `env`" in done.stdout
        assert installation.path.read_bytes() == data
        assert other.calls == installation.token_calls == []

        installation.by_hand("--setting-sources", "", "mcp", "list").wait(100)

        assert other.token_calls(), "the check may be no longer needed"


def test_a_persons_login_during_a_refused_refresh_is_not_a_success_of_the_cli(
    installation, asking
):
    installation.path.write_bytes(installation.login())
    installation.behave(hang=True)
    process, _ = asking()
    login = json.dumps(installation.standin.login(3600, 25 * 86400)).encode()
    files.replace(installation.path, login)

    done = installation.finish(process)

    assert kind(done) == "NotDue", done
    assert "someone logged in" in done.stdout
    assert installation.path.read_bytes() == login
    assert installation.remembered.refreshes == installation.remembered.failures == 0


def test_an_import_of_a_used_copy_does_not_replace_the_login_that_came_of_it(
    installation,
):
    copy = json.dumps(installation.standin.login(-60)).encode()

    first = installation.run("import", data=copy)
    done = installation.run("once")
    living = installation.path.read_bytes()
    again = installation.run("import", data=copy)
    forced = installation.run("import", "--force", data=copy)

    assert first.returncode == 0
    assert kind(done) == "Refreshed", done
    assert again.returncode == 78
    assert "older copy" in again.stderr
    assert "--force" in again.stderr
    assert forced.returncode == 0
    assert installation.path.read_bytes() == copy != living
