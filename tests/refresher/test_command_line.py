"""The program as its user meets it: words, output, exit codes, signals."""

import json
import os
import resource
import shlex
import signal
import subprocess
from datetime import datetime, timedelta
from functools import partial

import pytest

import refresher_process
from logins import LONG, age_last_attempt, login
from refresher import credentials, files, lock, outcome, refresh, settings
from refresher_process import has_open


@pytest.fixture
def put(volume):
    def write(left, **words):
        expires_at = refresh.utc_now() + timedelta(seconds=left)
        data = login(expires_at=expires_at, **words)
        (volume / credentials.FILE_NAME).write_bytes(data)
        return data

    return write


def output(done):
    return done.stdout.decode() + done.stderr.decode()


@pytest.mark.parametrize("word", ["", "once", "plan", "status", "import", "operator"])
def test_help_names_every_outcome_and_exit_code(volume, word):
    done = refresher_process.refresher(
        volume, "claude", *filter(None, [word]), "--help"
    )

    assert done.returncode == 0
    for kind in outcome.Kind:
        assert kind in output(done)
    for code in {meaning.exit_code for meaning in outcome.MEANINGS.values()}:
        assert f" {code} " in output(done)


@pytest.mark.parametrize(
    ("mode", "code"),
    [("ok", 0), ("unchanged", 75), ("killed", 75), ("blank", 78), ("corrupt", 78)],
)
def test_once_reports_its_outcome_by_a_word_and_a_code(volume, fake, put, mode, code):
    put(-60)

    done = refresher_process.refresher(volume, fake(mode).path, "once")

    remembered = files.read_history(volume).last.outcome
    assert done.returncode == code == remembered.exit_code
    assert done.stdout.decode() == f"{remembered}\n"


def test_once_without_a_login_says_how_to_get_one(volume, fake):
    done = refresher_process.refresher(volume, fake("ok").path, "once")

    assert done.returncode == 78
    assert "NoCredentials" in output(done)
    assert "claude auth login" in output(done)


@pytest.mark.parametrize("name", settings.OTHER_CREDENTIALS)
def test_once_skips_itself_where_the_login_is_not_used(volume, fake, put, name):
    put(-60)
    claude = fake("ok")

    done = refresher_process.refresher(
        volume, claude.path, "once", **{name: "sk-secret"}
    )

    assert done.returncode == 0
    assert done.stdout.decode().startswith(f"Skipped: {name} is set")
    assert "sk-secret" not in output(done)
    assert claude.calls == []


def test_once_warns_before_the_login_ends(volume, fake, put):
    put(3600, login_ends_at=refresh.utc_now() + timedelta(days=6))

    done = refresher_process.refresher(volume, fake("ok").path, "once")

    assert done.returncode == 0
    assert b"WARNING the login ends at" in done.stderr


def test_plan_says_what_it_would_run_and_changes_nothing(volume, fake, put):
    data = put(-60)
    claude = fake("ok")

    done = refresher_process.refresher(volume, claude.path, "plan")

    assert done.returncode == 0
    assert "Would run `claude mcp list` now" in output(done)
    assert "now, because the access token expired at" in output(done)
    assert claude.calls == []
    assert [path.name for path in volume.iterdir()] == [credentials.FILE_NAME]
    assert (volume / credentials.FILE_NAME).read_bytes() == data


def test_plan_shows_the_next_attempt_and_the_next_tick(volume, fake, put):
    put(3600)

    done = refresher_process.refresher(
        volume,
        fake("ok").path,
        "plan",
        REFRESH_SCHEDULE="0 3 * * *",
        REFRESH_TIME_ZONE="Europe/Berlin",
    )

    assert "Would start nothing now. NotDue: " in output(done)
    assert "Next attempt: " in output(done)
    assert "Next tick of REFRESH_SCHEDULE: " in output(done)


def test_plan_shows_the_fallback_and_a_blocked_run(volume, fake, put):
    put(-60)
    refresher_process.refresher(volume, fake("no_call").path, "once")
    age_last_attempt(volume, 3600)

    fallback = refresher_process.refresher(volume, fake("ok").path, "plan")
    blocked = refresher_process.refresher(volume, "/nowhere/claude", "plan")

    assert "Would run `claude -p ping --model haiku" in output(fallback)
    assert '--tools "" ' in output(fallback)
    assert "Would start nothing now. Blocked: " in output(blocked)


def test_status_in_json_holds_everything_and_no_token(volume, fake, put):
    put(-60, login_ends_at=refresh.utc_now() + timedelta(days=3))
    refresher_process.refresher(volume, fake("ok").path, "once")

    done = refresher_process.refresher(volume, fake("ok").path, "status", "--json")

    status = json.loads(done.stdout)
    saved = json.loads((volume / credentials.FILE_NAME).read_text())["claudeAiOauth"]
    assert done.returncode == status["exit_code"] == 0
    assert status["login"]["usable"] is True
    assert datetime.fromisoformat(status["login"]["expires_at"]) > refresh.utc_now()
    assert status["login"]["subscription"] == "max"
    assert status["next"]["action"] == "wait"
    assert status["last"]["outcome"]["kind"] == "Refreshed"
    assert status["last"]["command"] == "refresh"
    assert (status["failures"], status["refreshes"]) == (0, 1)
    assert "the login ends at" in status["warnings"][0]
    for token in (saved["accessToken"], saved["refreshToken"]):
        assert token.encode() not in done.stdout


def test_status_in_words_holds_no_token_either(volume, fake, put):
    put(-60)
    refresher_process.refresher(volume, fake("unchanged").path, "once")

    done = refresher_process.refresher(volume, fake("ok").path, "status")

    assert done.returncode == 75
    for words in (
        "expired at",
        "last attempt:",
        "NotRefreshed",
        "failures:      1 in a row",
    ):
        assert words in output(done)
    assert "access-1" not in output(done)
    assert "refresh-1" not in output(done)


@pytest.mark.parametrize(
    ("left", "code"), [(3600, 0), (120, 75), (-60, 75), (None, 78)]
)
def test_status_can_be_asked_by_a_script(volume, fake, put, left, code):
    if left is not None:
        put(left)

    assert (
        refresher_process.refresher(volume, fake("ok").path, "status").returncode
        == code
    )


def test_import_takes_a_login_on_stdin(volume, fake, put):
    data = put(3600)
    (volume / credentials.FILE_NAME).unlink()

    done = refresher_process.refresher(volume, fake("ok").path, "import", data=data)

    assert done.returncode == 0
    assert "Do not use this login anywhere else" in output(done)
    assert "access-1" not in output(done)
    assert (volume / credentials.FILE_NAME).read_bytes() == data


def test_import_refuses_what_is_no_login(volume, fake):
    done = refresher_process.refresher(
        volume, fake("ok").path, "import", data=b"sk-ant-secret"
    )

    assert done.returncode == 78
    assert "nothing was changed: Invalid: " in output(done)
    assert "sk-ant-secret" not in output(done)


def test_import_without_stdin_says_what_is_missing(volume):
    words = [*refresher_process.PYTHON, "import"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *words],
        capture_output=True,
        cwd="/",
        env=refresher_process.environ(volume, "claude"),
        check=False,
    )

    assert done.returncode == 78
    assert output(done).startswith("nothing was changed: Invalid: the file is empty; ")
    assert "-i" in output(done)


def test_import_on_a_terminal_says_what_to_paste(volume):
    ours, theirs = os.openpty()
    with os.fdopen(ours, "wb", buffering=0) as terminal:
        process = subprocess.Popen(
            [*refresher_process.PYTHON, "import"],
            stdin=theirs,
            stderr=subprocess.PIPE,
            cwd="/",
            env=refresher_process.environ(volume, "claude"),
        )
        os.close(theirs)
        assert b"paste the content of .credentials.json" in process.stderr.readline()
        terminal.write(b"{}\n\x04")
        process.communicate(timeout=LONG)

    assert process.returncode == 78


def test_each_bad_setting_has_a_line(volume, fake):
    done = refresher_process.refresher(
        volume, fake("ok").path, "once", REFRESH_BEFORE="30", FALLBACK="maybe"
    )

    assert done.returncode == 78
    before, fallback = sorted(output(done).splitlines(), reverse=True)
    assert "REFRESH_BEFORE: must be a whole number from 60 to 25200" in before
    assert "FALLBACK: must be on or off" in fallback


def test_the_operator_says_what_to_install(volume, fake, tmp_path):
    # A directory that hides the extra's packages, as if they were not installed.
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name in "
        "{'kopf', 'kubernetes'} else find(name, *rest)\n"
    )
    done = refresher_process.refresher(
        volume, fake("ok").path, "operator", PYTHONPATH=str(hidden)
    )

    assert done.returncode == 78
    assert output(done) == (
        "claude-refresher: `operator` needs kopf, kubernetes: "
        "pip install 'claude-code-proxy[refresher]'\n"
    )


@pytest.mark.parametrize(
    ("environ", "code", "words"),
    [
        ({}, 78, "POD_NAMESPACE: must be the namespace"),
        (
            {"POD_NAMESPACE": "here"},
            75,
            "no service account and no valid kubeconfig here",
        ),
    ],
)
def test_the_operator_says_what_it_lacks_to_start(volume, fake, environ, code, words):
    done = refresher_process.refresher(volume, fake("ok").path, "operator", **environ)

    assert done.returncode == code
    assert words in output(done)
    assert "Traceback" not in output(done)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_cli_finish(volume, fake, put, eventually, number):
    put(-60)
    claude = fake("wait_then_ok")
    process = refresher_process.start(volume, claude.path, "once")
    eventually(lambda: claude.started)

    process.send_signal(number)
    claude.go()
    out, err = process.communicate(timeout=LONG)

    assert process.returncode == 0
    assert out.startswith(b"Refreshed: ")
    assert b"waiting for a running CLI to finish" in err


def test_a_signal_ends_the_wait_for_the_lock(volume, fake, put, eventually):
    put(-60)
    claude = fake("wait_then_ok")
    first = refresher_process.start(volume, claude.path, "once")
    eventually(lambda: claude.started)
    second = refresher_process.start(volume, claude.path, "once", LOG_LEVEL="debug")
    eventually(lambda: has_open(second.pid, volume / lock.FILE_NAME))

    second.send_signal(signal.SIGTERM)
    out, _ = second.communicate(timeout=LONG)
    claude.go()
    first.communicate(timeout=LONG)

    assert second.returncode == 75
    assert out.startswith(b"Busy: ")
    assert first.returncode == 0


def test_a_killed_refresher_leaves_the_lock_to_its_cli(volume, fake, put, eventually):
    put(-60)
    claude = fake("wait_then_ok")
    process = refresher_process.start(volume, claude.path, "once")
    eventually(lambda: claude.started)
    process.kill()
    process.communicate(timeout=LONG)

    next_one = refresher_process.start(volume, claude.path, "once")
    eventually(lambda: has_open(next_one.pid, volume / lock.FILE_NAME))
    claude.go()
    out, _ = next_one.communicate(timeout=LONG)

    assert next_one.returncode == 0
    assert out.startswith(b"NotDue: ")
    assert len(claude.calls) == 1


@pytest.mark.parametrize(
    ("mode", "code"),
    [("ok", 0), ("unchanged", 75), ("killed", 75), ("blank", 78), ("corrupt", 78)],
)
def test_five_at_once_start_one_cli_and_agree(volume, fake, put, mode, code):
    put(-60)
    claude = fake(mode)
    processes = [refresher_process.start(volume, claude.path, "once") for _ in range(5)]
    for process in processes:
        process.communicate(timeout=LONG)

    assert len(claude.calls) == 1
    assert {process.returncode for process in processes} == {code}


@pytest.mark.parametrize("closed", [">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_closed_stdout_leaves_the_lock_to_the_cli(
    volume, fake, put, eventually, closed
):
    put(-60)
    claude = fake("wait_then_ok")
    words = shlex.join([*refresher_process.PYTHON, "once"])
    process = subprocess.Popen(
        ["sh", "-c", f"exec {words} {closed}"],
        cwd="/",
        env=refresher_process.environ(volume, claude.path),
    )
    eventually(lambda: claude.started)
    cli = claude.calls[0]["pid"]
    process.kill()
    process.wait()

    assert has_open(cli, volume / lock.FILE_NAME)  # it holds the lock's descriptor
    claude.go()
    done = refresher_process.refresher(volume, claude.path, "once")
    assert done.stdout.startswith(b"NotDue: ")


def test_nobody_who_listens_changes_no_exit_code(volume, fake, put):
    put(-60)
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [*refresher_process.PYTHON, "once"],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd="/",
        env=refresher_process.environ(volume, fake("ok").path, PYTHONUNBUFFERED="1"),
        timeout=LONG,
        check=False,
    )
    os.close(writing)

    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert files.read_history(volume).last.outcome.kind == "Refreshed"


@pytest.mark.parametrize("odd", [None, 0, "soon"])
def test_an_unknown_expiry_is_never_shown_as_a_date(volume, fake, put, odd):
    whole = json.loads(put(3600))
    whole["claudeAiOauth"]["expiresAt"] = odd
    data = json.dumps(whole).encode()
    (volume / credentials.FILE_NAME).unlink()
    run = partial(refresher_process.refresher, volume, fake("ok").path)

    shown = [
        output(run("import", data=data)),
        output(run("plan")),
        output(run("status")),
        output(run("status", "--json")),
        output(run("once")),
    ]

    assert all("1970" not in each for each in shown)
    assert "expiry unknown" in shown[2]
    assert "Refreshed: " in shown[4]


BLOCKED = ["env", "--block-signal=TERM,INT"]
"""How the image starts the program."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sent_before_python_runs_ends_the_program(volume, fake, put, number):
    put(-60)
    claude = fake("ok")
    signalled = ["sh", "-c", f'kill -{int(number)} $$; exec "$@"', "sh"]

    done = refresher_process.refresher(
        volume, claude.path, "once", before=[*BLOCKED, *signalled]
    )

    assert done.returncode == 128 + number
    assert claude.calls == []


def test_the_cli_is_started_with_no_signal_blocked(volume, fake, put):
    put(-60)
    claude = fake("ok")

    refresher_process.refresher(volume, claude.path, "once", before=BLOCKED)

    assert claude.calls[0]["blocked"] == []


def test_no_core_dump_of_the_cli_or_of_ours_can_hold_a_token(volume, fake, put):
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    if most == 0:
        pytest.skip("no process here may dump a core")
    put(-60)
    claude = fake("ok")
    allowed = ["prlimit", f"--core={most}:{most}"]

    refresher_process.refresher(volume, claude.path, "once", before=allowed)

    assert claude.calls[0]["core"] == [0, 0]
