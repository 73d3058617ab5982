"""One attempt through its real parts: files, lock, preflight, a subprocess; a fake CLI."""

import concurrent.futures
import contextlib
import ctypes
import json
import os
import threading
import time
import types
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from logins import LONG, age_last_attempt, attempt_once, login, make_settings
from refresher import credentials, decide, files, history, lock, refresh
from refresher.outcome import Kind
from refresher.settings import Command


@pytest.mark.parametrize(
    ("mode", "kind", "words"),
    [
        ("ok", Kind.REFRESHED, "valid until"),
        ("ok_exit_1", Kind.REFRESHED, "valid until"),
        ("ok_kept_refresh_token", Kind.REFRESHED, "valid until"),
        ("in_place", Kind.REFRESHED, "valid until"),
        ("flood", Kind.REFRESHED, "valid until"),
        ("saved_then_killed", Kind.REFRESHED, "valid until"),
        ("unchanged", Kind.NOT_REFRESHED, "without refreshing"),
        ("unchanged_exit_1", Kind.NOT_REFRESHED, "without refreshing"),
        ("rewritten", Kind.NOT_REFRESHED, "without refreshing"),
        ("says Request failed with status code 429", Kind.NOT_REFRESHED, "status 429"),
        (
            "says timeout of 30000ms exceeded",
            Kind.POSSIBLY_SPENT,
            "no response within 30 s",
        ),
        ("says proxy refused the connection", Kind.NOT_REFRESHED, "the proxy refused"),
        ("says connect ECONNREFUSED 1.2.3.4", Kind.NOT_REFRESHED, "ECONNREFUSED"),
        ("says something new", Kind.NOT_REFRESHED, "without a known name"),
        ("short", Kind.NOT_REFRESHED, "clock"),
        ("same_expiry", Kind.NOT_REFRESHED, "clock"),
        ("no_call", Kind.NOT_REFRESHED, "without asking"),
        ("says read ECONNRESET", Kind.POSSIBLY_SPENT, "ECONNRESET"),
        ("says socket hang up", Kind.POSSIBLY_SPENT, "was closed"),
        ("says stream has been aborted", Kind.POSSIBLY_SPENT, "was closed"),
        ("says self-signed certificate", Kind.NOT_REFRESHED, "not trusted"),
        ("says getaddrinfo EAI_AGAIN x", Kind.NOT_REFRESHED, "EAI_AGAIN"),
        ("killed", Kind.POSSIBLY_SPENT, "killed by signal 9"),
        ("blank", Kind.LOGIN_REQUIRED, "refused"),
        ("no_refresh_token", Kind.LOGIN_REQUIRED, "no refresh token"),
        ("gone", Kind.LOGIN_REQUIRED, "disappeared"),
        ("corrupt", Kind.INVALID, "not JSON"),
        ("empty", Kind.INVALID, "empty"),
    ],
)
@pytest.mark.usefixtures("expired_login")
def test_every_way_a_run_can_end_has_its_outcome(mode, kind, words, volume, fake):
    outcome = attempt_once(volume, fake(mode))

    assert outcome.kind is kind
    assert words in outcome.reason
    assert "sk-ant" not in outcome.reason
    assert files.read_history(volume).last.outcome == outcome


def test_a_refresh_is_remembered(volume, fake, expired_login):
    attempt_once(volume, fake("ok"))

    remembered = files.read_history(volume)
    assert (remembered.failures, remembered.refreshes) == (0, 1)
    assert remembered.last.ended_at >= remembered.last.at
    assert (volume / history.FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_the_second_run_after_a_refresh_is_not_due_and_starts_nothing(
    volume, fake, expired_login
):
    claude = fake("ok")
    attempt_once(volume, claude)

    assert attempt_once(volume, claude).kind is Kind.NOT_DUE
    assert len(claude.calls) == 1


def test_a_pause_starts_nothing_and_the_fallback_comes_after_it(
    volume, fake, expired_login
):
    claude = fake("no_call")
    attempt_once(volume, claude)

    paused = attempt_once(volume, claude)
    age_last_attempt(volume, 61)
    attempt_once(volume, claude)
    age_last_attempt(volume, 3600)
    attempt_once(volume, claude)

    assert paused.kind is Kind.NOT_REFRESHED
    assert "the next attempt is at" in paused.reason
    commands = [call["words"][4:6] for call in claude.calls]
    assert commands == [["mcp", "list"], ["-p", "ping"], ["mcp", "list"]]
    assert files.read_history(volume).failures == 3


def test_a_lost_login_starts_nothing_until_the_file_changes(
    volume, fake, expired_login
):
    claude = fake("blank", "ok")
    attempt_once(volume, claude)
    age_last_attempt(volume, 86400)

    still_lost = attempt_once(volume, claude)
    calls_while_lost = len(claude.calls)
    (volume / credentials.FILE_NAME).write_bytes(expired_login)
    after_a_login = attempt_once(volume, claude)

    assert still_lost.kind is Kind.LOGIN_REQUIRED
    assert calls_while_lost == 1
    assert after_a_login.kind is Kind.REFRESHED


def test_the_cli_sees_an_empty_directory_and_only_what_it_may(
    volume, fake, expired_login, monkeypatch
):
    monkeypatch.setenv("CLAUDE_CODE_OAUTH_TOKEN", "secret")
    claude = fake("ok")

    attempt_once(volume, claude)

    (call,) = claude.calls
    environ = {n: v for n, v in call["environ"].items() if not n.startswith("LC_")}
    scratch = environ.pop("HOME")
    assert environ == {
        "PATH": os.environ["PATH"],
        "TMPDIR": scratch,
        "CLAUDE_CONFIG_DIR": str(volume),
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    assert call["cwd"] == []
    assert call["stdin"] == ""
    assert call["sid"] == call["pid"]  # a session of its own: no signal meant for us
    assert not os.path.exists(scratch)  # noqa: PTH110 - a string from elsewhere


@pytest.fixture
def limit_passes(monkeypatch):
    """Have so many seconds pass for a CLI when it has got to where it waits."""

    def pass_once_started(claude, seconds=1000, clock=time.monotonic):
        late = types.SimpleNamespace(
            monotonic=lambda: clock() + seconds * claude.started,
            sleep=time.sleep,
        )
        monkeypatch.setattr("refresher.claude_cli.time", late)

    return pass_once_started


def test_a_cli_at_its_limit_is_not_ended_in_the_middle_of_a_call(
    volume, fake, expired_login, eventually, caplog, limit_passes
):
    claude = fake("saves_after_limit")
    limit_passes(claude)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        attempt = pool.submit(attempt_once, volume, claude)
        eventually(lambda: "at its time limit" in caplog.text)
        claude.go()

        assert attempt.result(timeout=LONG).kind is Kind.REFRESHED


def test_a_cli_that_hangs_after_its_call_has_spent_nothing(
    volume, fake, expired_login, limit_passes
):
    claude = fake("hang")
    limit_passes(claude, 12, clock=lambda: 0.0)  # in less time than a call may take

    outcome = attempt_once(volume, claude, seconds=10)

    assert outcome.kind is Kind.NOT_REFRESHED
    assert "was ended after 12 s" in outcome.reason
    assert (volume / credentials.FILE_NAME).read_bytes() == expired_login


def test_a_cli_that_ignores_signals_is_killed(
    volume, fake, expired_login, limit_passes
):
    claude = fake("hang_stubborn")
    limit_passes(claude)

    attempt_once(volume, claude)

    assert not os.path.exists(f"/proc/{claude.calls[0]['pid']}")  # noqa: PTH110


def test_no_child_of_the_cli_outlives_it(volume, fake, expired_login, eventually):
    claude = fake("leaves_child")

    outcome = attempt_once(volume, claude)

    child = (claude.directory / "child").read_text()
    assert outcome.kind is Kind.REFRESHED
    eventually(lambda: _is_gone(child))


def test_an_orphan_of_the_cli_is_collected_by_process_1(
    volume, fake, expired_login, monkeypatch
):
    monkeypatch.setattr("refresher.claude_cli._ORPHANS_TIME", LONG)
    claude = fake("leaves_child")
    with _collecting_orphans():
        attempt_once(volume, claude)

    child = (claude.directory / "child").read_text()
    assert not Path("/proc", child).exists(), "not even a zombie"


@contextlib.contextmanager
def _collecting_orphans():
    """Make this process what process 1 of a container is: the parent of orphans."""
    libc = ctypes.CDLL(None, use_errno=True)
    subreaper = 36  # PR_SET_CHILD_SUBREAPER
    assert libc.prctl(subreaper, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        libc.prctl(subreaper, 0, 0, 0, 0)


def _is_gone(pid):
    # A killed orphan may stay a zombie where nothing reaps it.
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_killed_attempt_is_reported_and_repeated_after_the_pause(
    volume, fake, expired_login
):
    claude = fake("ok")
    found = files.read_credentials(volume)
    begun = history.begin(history.History(), refresh.utc_now(), Command.REFRESH, found)
    files.write_history(volume, begun)

    paused = attempt_once(volume, claude)
    age_last_attempt(volume, 61)
    later = attempt_once(volume, claude)

    assert paused.kind is Kind.POSSIBLY_SPENT
    assert later.kind is Kind.REFRESHED
    assert [call["words"][4:] for call in claude.calls] == [["mcp", "list"]]


@pytest.mark.parametrize("content", [b"#!/nowhere/python\n", b"\x7fELF broken"])
def test_a_cli_that_cannot_start_is_blocked(volume, fake, expired_login, content):
    claude = fake("ok")
    claude.path.write_bytes(content)

    outcome = attempt_once(volume, claude)

    assert outcome.kind is Kind.BLOCKED
    assert "cannot be started" in outcome.reason


def test_a_missing_cli_is_blocked_before_anything_is_written(
    volume, expired_login, fake
):
    claude = fake("ok")
    claude.path.unlink()

    outcome = attempt_once(volume, claude)

    assert outcome.kind is Kind.BLOCKED
    assert os.listdir(volume) == [credentials.FILE_NAME]  # noqa: PTH208


@pytest.mark.parametrize("left", [28800, 300])
def test_a_run_that_is_not_due_writes_nothing(volume, fake, left):
    data = login(expires_at=refresh.utc_now() + timedelta(seconds=left))
    (volume / credentials.FILE_NAME).write_bytes(data)

    outcome = attempt_once(volume, fake("ok"))

    assert outcome.kind is Kind.NOT_DUE
    assert os.listdir(volume) == [credentials.FILE_NAME]  # noqa: PTH208


def test_another_credential_skips_the_run(volume, fake, expired_login):
    claude = fake("ok")

    outcome = attempt_once(volume, claude, skipped_for="CLAUDE_ACCESS_TOKEN")

    assert outcome.kind is Kind.SKIPPED
    assert claude.calls == []


REASON = (
    b'{"last": {"at": "2026-11-25T16:00:00Z", "ended_at": null, "command": "refresh", '
    b'"outcome": {"kind": "NotRefreshed", "reason": "%b"}, "revision": ""}}'
)
UNREADABLE = [
    b"",
    b"{",
    b'{"failures": "many"}',
    b'{"last": {"command": "novelty"}}',  # of a later version
    b'{"last": ' + b"[" * 100_000,
    b'{"failures": -5}',
    b'{"last": {"command": "\xff"}}',
    REASON % rb"\u001b[2J\n",
    b'{"refreshed_at": "0001-01-01T00:00:00Z"}',
]


@pytest.mark.parametrize("data", UNREADABLE)
def test_a_broken_state_file_does_not_stop_a_refresh_and_is_set_aside(
    volume, fake, expired_login, data
):
    (volume / history.FILE_NAME).write_bytes(data)

    assert attempt_once(volume, fake("ok")).kind is Kind.REFRESHED
    assert files.read_history(volume).refreshes == 1
    assert (volume / f"{history.FILE_NAME}.unreadable").read_bytes() == data


@pytest.mark.parametrize("data", UNREADABLE)
def test_a_broken_state_file_is_warned_of_once(volume, fake, data, caplog):
    (volume / credentials.FILE_NAME).write_bytes(
        login(expires_at=refresh.utc_now() + timedelta(hours=8))
    )
    (volume / history.FILE_NAME).write_bytes(data)

    for _ in range(3):
        attempt_once(volume, fake("ok"))
        refresh.look(make_settings(volume), refresh.utc_now())

    [warning] = caplog.messages
    assert "it was moved to" in warning


def test_a_state_file_from_the_future_delays_nothing(volume, fake, expired_login):
    found = files.read_credentials(volume)
    later = refresh.utc_now() + timedelta(days=1)
    begun = history.begin(history.History(), later, Command.REFRESH, found)
    files.write_history(
        volume, msgspec.structs.replace(begun, failures=9, refreshed_at=later)
    )

    assert attempt_once(volume, fake("ok")).kind is Kind.REFRESHED


EARLY = {"refresh_before": 25200}


@pytest.fixture
def living_login(volume):
    """Put a login whose access token has hours left in the volume; the file's bytes."""
    data = login(expires_at=refresh.utc_now() + timedelta(hours=5))
    (volume / credentials.FILE_NAME).write_bytes(data)
    return data


@pytest.mark.parametrize("mode", ["unchanged", "no_call", "killed", "rewritten"])
def test_an_early_attempt_that_refreshes_nothing_restores_the_file(
    volume, fake, living_login, mode
):
    outcome = attempt_once(volume, fake(mode), **EARLY)

    assert outcome.exit_code == 75
    assert (volume / credentials.FILE_NAME).read_bytes() == living_login
    assert files.read_history(volume).brought_forward is None


def test_the_expiry_that_the_cli_sees_is_near_and_never_past(
    volume, fake, living_login, eventually
):
    claude = fake("wait_then_ok")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        attempt = pool.submit(attempt_once, volume, claude, **EARLY)
        eventually(lambda: claude.started)
        meanwhile = files.read_credentials(volume)
        view = refresh.look(make_settings(volume), refresh.utc_now())
        claude.go()
        outcome = attempt.result(timeout=LONG)

    left = (meanwhile.expires_at - refresh.utc_now()).total_seconds()
    assert 120 < left <= 240
    assert view.found == credentials.parse(living_login)
    assert outcome.kind is Kind.REFRESHED


def test_an_early_attempt_is_over_before_the_expiry_that_it_wrote(
    volume, fake, living_login, limit_passes, caplog
):
    claude = fake("hang")
    limit_passes(claude, 125)

    attempt_once(volume, claude, seconds=600, **EARLY)

    assert "at its time limit" in caplog.text
    assert (volume / credentials.FILE_NAME).read_bytes() == living_login


def test_an_early_refresh_counts_though_the_new_token_lives_shorter(
    volume, fake, living_login
):
    assert attempt_once(volume, fake("ok_one_hour"), **EARLY).kind is Kind.REFRESHED


def test_an_early_attempt_is_off_where_the_expiry_cannot_be_edited(volume, fake):
    expires = int((refresh.utc_now() + timedelta(hours=5)).timestamp() * 1000)
    data = (
        '{"claudeAiOauth": {"accessToken": "a", "refreshToken": "b", '
        f'"expiresAt": {expires}, "x": {{"expiresAt": {expires}}}}}}}'
    ).encode()
    (volume / credentials.FILE_NAME).write_bytes(data)
    claude = fake("ok")

    outcome = attempt_once(volume, claude, **EARLY)

    assert outcome.kind is Kind.BLOCKED
    assert (volume / credentials.FILE_NAME).read_bytes() == data
    assert claude.calls == []
    assert files.read_history(volume) == history.History()


def test_an_early_attempt_waits_for_a_cli_that_saves(
    volume, fake, living_login, eventually
):
    claude, held = fake("ok"), volume / lock.SAVING
    held.mkdir()
    stop = threading.Event()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        attempt = pool.submit(attempt_once, volume, claude, stop=stop, **EARLY)
        eventually(lambda: files.read_history(volume).brought_forward)
        stop.set()
        outcome = attempt.result(timeout=LONG)

    assert outcome.kind is Kind.BUSY
    assert claude.calls == []
    assert (volume / credentials.FILE_NAME).read_bytes() == living_login
    assert files.read_history(volume) == history.History()


@pytest.mark.parametrize("cli", ["there", "missing"])
def test_an_expiry_that_could_not_be_restored_is_restored_by_the_next_run(
    volume, fake, living_login, monkeypatch, cli
):
    held = volume / lock.SAVING
    monkeypatch.setattr("refresher.early.SETTLING", timedelta(0))
    claude = fake("leaves_saving_lock", "ok")
    attempt_once(volume, claude, **EARLY)
    left_behind = (volume / credentials.FILE_NAME).read_bytes()
    held.rmdir()
    if cli == "missing":
        claude.path.unlink()

    outcome = attempt_once(volume, claude)

    assert left_behind != living_login
    assert outcome.kind is Kind.NOT_DUE
    assert (volume / credentials.FILE_NAME).read_bytes() == living_login
    assert len(claude.calls) == 1


def test_other_keys_of_the_file_and_the_state_file_hold_no_token_afterwards(
    volume, fake, expired_login
):
    whole = json.loads(expired_login) | {"mcpOAuth": {"kept": 1}}
    (volume / credentials.FILE_NAME).write_text(json.dumps(whole))

    attempt_once(volume, fake("ok"))

    saved = json.loads((volume / credentials.FILE_NAME).read_text())
    assert saved["mcpOAuth"] == {"kept": 1}
    remembered = (volume / history.FILE_NAME).read_text()
    assert saved["claudeAiOauth"]["accessToken"] not in remembered
    assert saved["claudeAiOauth"]["refreshToken"] not in remembered


def test_nothing_is_left_behind_but_the_two_files_and_the_lock(
    volume, fake, expired_login
):
    attempt_once(volume, fake("ok"))

    assert set(os.listdir(volume)) == {  # noqa: PTH208
        credentials.FILE_NAME,
        history.FILE_NAME,
        lock.FILE_NAME,
    }


def test_looking_changes_nothing(volume, fake, expired_login):
    settings = make_settings(volume, claude_bin=str(fake("ok").path))

    view = refresh.look(settings, refresh.utc_now())

    assert isinstance(view.decision, decide.Run)
    assert os.listdir(volume) == [credentials.FILE_NAME]  # noqa: PTH208


def test_a_clock_that_jumped_ahead_makes_it_due(volume, fake):
    now = refresh.utc_now()
    data = login(expires_at=now + timedelta(hours=1))
    (volume / credentials.FILE_NAME).write_bytes(data)

    outcome = attempt_once(volume, fake("ok"), clock=lambda: now + timedelta(hours=2))

    assert outcome.kind is Kind.REFRESHED


ODD_FILES = {
    "pipe": os.mkfifo,
    "directory": os.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "gigabytes": lambda path: path.touch() or os.truncate(path, 2**31),
}


@pytest.mark.parametrize("odd", ODD_FILES)
@pytest.mark.parametrize("name", [credentials.FILE_NAME, ".claude.json"])
def test_an_odd_file_is_named_and_nothing_waits_for_it(
    volume, fake, expired_login, name, odd
):
    (volume / name).unlink(missing_ok=True)
    ODD_FILES[odd](volume / name)
    claude = fake("ok")

    outcome = attempt_once(volume, claude)

    assert outcome.kind is Kind.BLOCKED
    assert name in outcome.reason
    assert claude.calls == []


@pytest.mark.parametrize("odd", ODD_FILES)
def test_an_odd_state_file_is_set_aside(volume, fake, expired_login, odd):
    ODD_FILES[odd](volume / history.FILE_NAME)

    assert attempt_once(volume, fake("ok")).kind is Kind.REFRESHED
    assert files.read_history(volume).refreshes == 1


@pytest.mark.parametrize(
    ("was", "now"), [("{", "]"), ("", ""), ("null", "soon"), ("1", "1")]
)
def test_a_noted_expiry_that_makes_no_sense_harms_nothing(
    volume, fake, expired_login, was, now
):
    noted = history.BroughtForward(
        revision=files.read_credentials(volume).revision, was=was, now=now
    )
    files.write_history(volume, history.History(brought_forward=noted))

    assert attempt_once(volume, fake("ok")).kind is Kind.REFRESHED
    assert files.read_history(volume).brought_forward is None


def test_a_clock_that_jumps_during_an_early_attempt_harms_nothing(
    volume, fake, living_login
):
    now = refresh.utc_now()
    jumps = iter([now, now, now + timedelta(days=30), now - timedelta(days=30)])
    claude = fake("unchanged", "ok")

    failed = attempt_once(volume, claude, clock=lambda: next(jumps), **EARLY)
    done = attempt_once(volume, claude, clock=lambda: now + timedelta(hours=1), **EARLY)

    assert failed.kind is Kind.NOT_REFRESHED
    assert done.kind is Kind.REFRESHED


def test_a_login_during_a_failing_attempt_starts_a_new_count(
    volume, fake, expired_login, eventually
):
    claude = fake("wait_then_says read ECONNRESET")
    data = login(
        expires_at=refresh.utc_now() + timedelta(hours=5),
        access="new",
        login_ends_at=refresh.utc_now() + timedelta(days=25),
    )
    (volume / credentials.FILE_NAME).write_bytes(
        login(
            expires_at=refresh.utc_now(),
            login_ends_at=refresh.utc_now() + timedelta(days=20),
        )
    )
    with concurrent.futures.ThreadPoolExecutor() as pool:
        attempt = pool.submit(attempt_once, volume, claude)
        eventually(lambda: claude.started)
        files.replace(volume / credentials.FILE_NAME, data)
        claude.go()
        outcome = attempt.result(timeout=LONG)

    past = files.read_history(volume)
    assert outcome.kind is Kind.NOT_DUE
    assert (past.failures, past.refreshes, past.refreshed_at) == (0, 0, None)


@pytest.mark.parametrize("early", [{}, EARLY])
def test_five_at_once_make_one_attempt(
    volume, fake, living_login, expired_login, early
):
    (volume / credentials.FILE_NAME).write_bytes(
        living_login if early else expired_login
    )
    claude = fake("ok")
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        attempts = [
            pool.submit(attempt_once, volume, claude, **early) for _ in range(5)
        ]
        kinds = sorted(attempt.result(timeout=LONG).kind for attempt in attempts)

    assert kinds == [Kind.NOT_DUE] * 4 + [Kind.REFRESHED]
    assert len(claude.calls) == 1
