"""`claude-refresher doctor` as its user meets it, before hosts that are broken, too."""

import contextlib
import io
import json
import socket
import ssl
import subprocess
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

import refresher_process
from fake_claude import TESTED
from logins import LONG, login
from oauth_standin import Standin
from refresher import credentials, doctor, files, history, lock, mounts, reach, refresh
from refresher.settings import Command

CANARY = "canary-of-a-token"


@pytest.fixture
def hosts(tmp_path):
    """Anthropic's hosts, behind a network proxy."""
    directory = tmp_path / "hosts"
    directory.mkdir()
    with Standin(directory) as standin:
        yield standin


@pytest.fixture
def put(volume):
    """Put a login in the volume whose access token has `left` seconds."""

    def write(left=4 * 3600 + 1800, days=20):
        now = refresh.utc_now()
        data = login(
            expires_at=now + timedelta(seconds=left),
            login_ends_at=now + timedelta(days=days, minutes=30),
            access=f"{CANARY}-access",
            refresh=f"{CANARY}-refresh",
        )
        (volume / credentials.FILE_NAME).write_bytes(data)

    return write


@pytest.fixture
def examine(volume, fake, hosts):
    """Run the doctor in this process; its lines by check."""

    def run(claude=None, **given):
        environ = refresher_process.environ(volume, (claude or fake("ok")).path)
        environ |= hosts.environ | given
        out = io.StringIO()
        status = doctor.run({k: v for k, v in environ.items() if v}, out, as_json=True)
        assert CANARY not in out.getvalue()
        lines = json.loads(out.getvalue())
        assert status == any(line["verdict"] == "fail" for line in lines)
        return {line["check"]: line for line in lines}

    return run


def contents(directory):
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes())
        for path in directory.iterdir()
    }


def test_where_all_is_well_it_exits_with_0_and_changes_nothing(
    volume, fake, put, hosts
):
    put()
    before, claude = contents(volume), fake("ok")

    done = refresher_process.refresher(volume, claude.path, "doctor", **hosts.environ)

    out = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    verdicts = {line.split()[0] for line in out.splitlines()}
    assert verdicts <= {"ok", "warn", "->"}
    assert f"in the version that was tested: {TESTED}" in out
    assert "platform.claude.com responds, reached through a network proxy" in out
    assert "api.anthropic.com responds, reached through a network proxy" in out
    assert "in 4 hours" in out
    assert "in 20 days" in out
    assert "\033" not in out, "colour is for terminals"
    assert CANARY not in out
    assert contents(volume) == before


def test_the_cli_is_asked_for_its_version_alone_and_sees_no_login(volume, fake, put):
    put(left=-60)
    claude = fake("ok")

    refresher_process.refresher(volume, claude.path, "doctor")

    [call] = claude.calls
    assert call["words"] == ["--version"]
    assert call["environ"]["CLAUDE_CONFIG_DIR"] != str(volume)


def test_each_wrong_setting_is_a_failure_and_the_exit_status_is_1(volume, fake):
    wrong = {"REFRESH_BEFORE": "soon", "FALLBACK": "maybe"}
    done = refresher_process.refresher(
        volume, fake("ok").path, "doctor", "--json", **wrong
    )

    lines = json.loads(done.stdout)
    assert done.returncode == 1
    assert {(line["check"], line["verdict"]) for line in lines} == {
        ("settings", "fail")
    }
    assert {line["why"].partition(": must be")[0] for line in lines} == set(wrong)


def test_a_report_that_nobody_can_read_changes_no_exit_status(volume, fake):
    with Path("/dev/full").open("w") as full:
        process = refresher_process.start(
            volume, fake("ok").path, "doctor", stdout=full, REFRESH_BEFORE="soon"
        )
        _, err = process.communicate(timeout=LONG)

    assert (process.returncode, err) == (1, b"")


def test_a_report_for_people_is_coloured_on_a_terminal():
    lines = [doctor.diagnosis.Line("lock", "warn", "It is held.", "Wait.")]

    assert doctor.render(lines, colour=True).startswith("\033[33mwarn\033[0m  lock")
    assert "-> Wait." in doctor.render(lines, colour=False)


def test_without_a_login_it_says_how_to_log_in(examine):
    line = examine()["login"]

    assert line["verdict"] == "fail"
    assert "does not exist" in line["why"]
    assert "claude auth login" in line["do"]


def test_an_expired_token_is_a_failure(examine, put):
    put(left=-60)
    lines = examine()

    assert lines["access token"]["verdict"] == "fail"
    assert "1 minute ago" in lines["access token"]["why"]


def test_the_last_attempts_are_told(examine, put, volume):
    put()
    found = files.read_credentials(volume)
    begun = history.begin(history.History(), refresh.utc_now(), Command.REFRESH, found)
    files.write_history(volume, begun)

    assert "PossiblySpent" in examine()["attempts"]["why"]


def test_a_volume_that_is_missing_is_a_failure(examine, tmp_path):
    line = examine(CLAUDE_CONFIG_DIR=str(tmp_path / "nowhere"))["volume"]

    assert line["verdict"] == "fail"
    assert "is not a directory" in line["why"]


def test_a_configuration_that_the_cli_cannot_read_is_a_failure(examine, volume):
    (volume / ".claude.json").write_text("{")

    assert "is not JSON" in examine()["volume"]["why"]


def test_a_lock_that_is_held_is_told_and_left_alone(examine, volume):
    assert "none yet" in examine()["lock"]["why"]
    assert not (volume / lock.FILE_NAME).exists()
    with lock.hold(volume, timedelta(0), threading.Event()):
        assert examine()["lock"]["verdict"] == "warn"
    assert examine()["lock"]["verdict"] == "ok"


@pytest.mark.skipif(
    bool(refresher_process.why_no_other_user()),
    reason=str(refresher_process.why_no_other_user()),
)
def test_a_lock_of_another_user_is_a_failure(open_directory, fake):
    open_directory.chmod(0o777)
    (open_directory / lock.FILE_NAME).touch(mode=0o600)

    done = refresher_process.refresher(
        open_directory, "claude", "doctor", before=refresher_process.AS_OTHER_USER
    )

    assert done.returncode == 1
    assert b".refresher.lock cannot be used (Permission denied)" in done.stdout


def test_a_cli_that_is_missing_other_or_broken_is_told(examine, fake, tmp_path):
    assert "no executable" in examine(CLAUDE_BIN="nowhere")["CLI"]["why"]
    other = fake("ok", version="9.9.9")
    assert examine(other)["CLI"]["verdict"] == "warn"
    assert "version 9.9.9" in examine(other)["CLI"]["why"]
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert "does not run" in examine(CLAUDE_BIN=str(broken))["CLI"]["why"]


@contextlib.contextmanager
def listening(serve):
    """A port at which `serve(connection)` is called for each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_network_proxy_that_refuses_is_named_and_its_password_is_not(examine):
    def serve(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n")

    with listening(serve) as url:
        proxy = url.replace("//", f"//me:{CANARY}@")
        line = examine(HTTPS_PROXY=proxy)["network proxy"]
    assert line["verdict"] == "fail"
    assert "HTTPS_PROXY" in line["why"]


@pytest.fixture
def closed_port():
    """A port that nobody listens on, and that nobody else is given."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield closed.getsockname()[1]


def test_a_network_proxy_that_is_not_there_is_named(examine, closed_port):
    line = examine(HTTPS_PROXY=f"http://127.0.0.1:{closed_port}")["network proxy"]

    assert line["verdict"] == "fail"


def test_a_certificate_that_nobody_trusts_is_named(examine):
    line = examine(NODE_EXTRA_CA_CERTS="")["TLS"]

    assert "unable to get local issuer certificate" in line["why"]
    assert "NODE_EXTRA_CA_CERTS" in line["do"]


def reached(name, **environ):
    return reach.reach(name, environ)


def test_a_name_that_does_not_exist_is_dns():
    assert reached("nowhere.invalid").obstacle == "dns"


def test_a_port_that_nobody_listens_on_is_refused(closed_port):
    assert reached(f"127.0.0.1:{closed_port}").obstacle == "refused"


@pytest.mark.parametrize(
    ("answer", "obstacle"), [(b"SSH-2.0-OpenSSH\r\n", "tls"), (b"", "closed")]
)
def test_what_breaks_the_handshake_is_told_apart(answer, obstacle):
    def serve(connection):
        connection.recv(4096)
        connection.sendall(answer)

    with listening(serve) as url:
        found = reached(url.removeprefix("http://"))
    assert found.obstacle in {obstacle, "tls"}


def test_a_host_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(reach, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = reached(f"127.0.0.1:{silent.getsockname()[1]}")

    assert found.obstacle == "timeout"


def test_a_clock_that_is_off_is_told(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(4096)
            wrapped.sendall(
                b"HTTP/1.1 301 Moved\r\nlocation: https://nowhere.invalid/\r\n"
                b"date: Sun, 29 Nov 2020 12:00:00 GMT\r\ncontent-length: 0\r\n\r\n"
            )

    with listening(serve) as url:
        name = url.replace("http://127.0.0.1", "localhost")
        found = reached(name, NODE_EXTRA_CA_CERTS=str(tmp_path / "ca.pem"))
    assert found.obstacle == ""
    assert found.ahead > timedelta(days=365)


@pytest.mark.parametrize(
    ("never", "through"),
    [
        ("", True),
        ("*", False),
        ("example.com, .anthropic.com", False),
        ("api.anthropic.com:443", False),
        ("thropic.com", True),
    ],
)
def test_no_proxy_names_hosts_that_are_reached_directly(never, through):
    proxy = {"https_proxy": "http://127.0.0.1:1", "NO_PROXY": never}

    found = reach._proxy_for("api.anthropic.com", proxy)

    assert (found is not None) == through


def test_the_file_system_of_a_path_is_that_of_its_mount(tmp_path):
    shown = subprocess.run(
        ["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True
    ).stdout

    assert mounts.kind_of(tmp_path) in shown or shown.startswith("ext2/ext3")
    assert mounts.kind_of(tmp_path / "nowhere") == mounts.kind_of(tmp_path)
    assert mounts.kind_of(tmp_path.parent / "..") != ""
