"""`claude-proxy doctor` in front of the stand-in, and of upstreams that are broken."""

import io
import json
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

import proxy_command
from ports import free_port
from proxy.doctor import line, report
from quiet_server import SelfClosing
from waiting import until

KEY = "sk-ant-api03-canary-of-a-key"


@pytest.fixture
def examine(standin, tmp_path):
    """Run the doctor with these settings; returns its lines by check, and its status."""

    def run(**given):
        settings = {
            "HOME": str(tmp_path),
            "PORT": str(free_port()),
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_API_BASE": standin.base_url,
        } | given
        out = io.StringIO()
        status = report.run({k: v for k, v in settings.items() if v}, out, as_json=True)
        assert KEY not in out.getvalue()
        lines = json.loads(out.getvalue())
        assert status == any(line["verdict"] == "fail" for line in lines)
        return {line["check"]: line for line in lines}

    return run


@contextmanager
def listening(serve):
    """A port at which `serve(connection)` is called once; gives its number."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            connection, _ = listener.accept()
            with connection:
                serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def test_the_command_says_what_is_well_and_exits_with_0(standin, tmp_path):
    port = free_port()
    given = {"PORT": port, "ANTHROPIC_API_KEY": KEY}
    given["ANTHROPIC_API_BASE"] = standin.base_url
    done = subprocess.run(
        [proxy_command.COMMAND, "doctor"],
        env=proxy_command.environment(tmp_path, given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{port} is free" in done.stdout
    assert "Anthropic accepts the credential" in done.stdout
    assert {line.split()[0] for line in done.stdout.splitlines()} <= {
        "ok",
        "warn",
        "->",
    }
    assert "\033" not in done.stdout, "colour is for terminals"
    assert KEY not in done.stdout
    [seen] = standin.requests
    assert (seen.method, seen.path) == ("GET", "/v1/models")


def test_the_command_says_all_that_is_broken_and_exits_with_1(tmp_path):
    wrong = {"PORT": "eighty", "LOG_LEVEL": "chatty"}
    done = subprocess.run(
        [proxy_command.COMMAND, "doctor", "--json"],
        env=proxy_command.environment(tmp_path, wrong),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = json.loads(done.stdout)
    assert done.returncode == 1
    assert {(line["check"], line["verdict"]) for line in lines} == {
        ("settings", "fail")
    }
    assert {line["why"].partition(": must be")[0] for line in lines} == set(wrong)


def test_a_newline_after_a_network_proxys_url_is_ignored(tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}\n"
    given = {"ANTHROPIC_API_KEY": KEY, "HTTPS_PROXY": nobody, "PORT": free_port()}
    done = subprocess.run(
        [proxy_command.COMMAND, "doctor", "--json"],
        env=proxy_command.environment(tmp_path, given),
        capture_output=True,
        check=False,
    )
    lines = {line["check"]: line for line in json.loads(done.stdout)}
    assert lines["settings"]["verdict"] == "ok"
    assert "HTTPS_PROXY" in lines["connection"]["do"]


def test_a_report_that_nobody_can_read_changes_no_exit_status(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [proxy_command.COMMAND, "doctor"],
            env=proxy_command.environment(tmp_path, {"PORT": "eighty"}),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_report_for_people_is_coloured_on_a_terminal():
    lines = [line.Line("port", "fail", "It is taken.", "Free it.")]
    assert report.render(lines, colour=True).startswith("\033[31mfail\033[0m  port")
    assert "-> Free it." in report.render(lines, colour=False)


def test_a_running_proxy_is_recognised(examine, proxy):
    """In three seconds, and on its health port in one: a busy proxy may need longer."""
    ports = {"PORT": str(proxy.port), "HEALTH_PORT": str(proxy.health_port)}
    for name in ("port", "health port"):
        until(lambda of=name: "The proxy answers" in examine(**ports)[of]["why"])


def test_somebody_else_on_the_port_is_a_failure(examine):
    with listening(lambda connection: connection.sendall(b"220 mail\r\n")) as port:
        assert examine(PORT=str(port))["port"]["verdict"] == "fail"


def test_a_keys_file_that_lets_nobody_in_is_a_failure(examine, tmp_path):
    file = tmp_path / "keys"
    missing = examine(HOST="0.0.0.0", PROXY_API_KEYS_FILE=str(file))["keys"]
    file.write_text("a-key-of-clients\n")
    good = examine(HOST="0.0.0.0", PROXY_API_KEYS_FILE=str(file))["keys"]
    assert (missing["verdict"], good["verdict"]) == ("fail", "ok")
    assert "PROXY_API_KEYS_FILE" in missing["why"]


def test_a_key_in_the_place_of_a_token_is_told_from_one_that_was_revoked(
    examine, standin
):
    standin.accept_tokens = {"another"}
    lines = examine(ANTHROPIC_API_KEY="", CLAUDE_ACCESS_TOKEN=KEY)
    assert "ANTHROPIC_API_KEY" in lines["models list"]["do"]


def test_a_credential_that_is_refused_is_a_failure(examine, standin):
    standin.accept_tokens = {"another"}
    assert "(401)" in examine()["models list"]["why"]


def test_without_a_credential_the_way_to_anthropic_is_examined_all_the_same(examine):
    lines = examine(ANTHROPIC_API_KEY="")
    assert "does not exist" in lines["credential"]["why"]
    assert lines["network"]["verdict"] == "ok"


def test_a_logins_expiry_end_and_scopes_are_shown(examine, tmp_path):
    file = tmp_path / "credentials.json"
    hour = 3_600_000
    now = int(time.time() * 1000)
    login = {
        "accessToken": "sk-ant-oat01-canary",
        "refreshToken": "sk-ant-ort01-canary",
        "expiresAt": now + 2 * hour + 60_000,
        "refreshTokenExpiresAt": now + 49 * hour,
        "scopes": ["user:inference", "user:profile"],
    }
    file.write_text(json.dumps({"claudeAiOauth": login}))
    lines = examine(ANTHROPIC_API_KEY="", CLAUDE_CREDENTIALS_PATH=str(file))
    assert "in 2 hours" in lines["expiry"]["why"]
    assert "in 2 days" in lines["login"]["why"]
    assert lines["login"]["verdict"] == "warn"
    assert "user:inference, user:profile" in lines["scopes"]["why"]
    assert "canary" not in json.dumps(lines)


def test_a_name_that_does_not_exist_is_dns(examine):
    lines = examine(ANTHROPIC_API_BASE="https://nowhere.invalid")
    assert lines["DNS"]["verdict"] == "fail"


def test_a_port_that_nobody_listens_on_is_refused(examine):
    port = free_port()
    lines = examine(ANTHROPIC_API_BASE=f"http://127.0.0.1:{port}")
    assert "refused" in lines["connection"]["why"]


def test_a_certificate_that_nobody_trusts_is_named(examine):
    authority = trustme.CA()
    context = report.ssl.create_default_context(report.ssl.Purpose.CLIENT_AUTH)
    context.sslsocket_class = SelfClosing
    authority.issue_cert("localhost").configure_cert(context)
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        line = examine(ANTHROPIC_API_BASE=f"https://localhost:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    assert "unable to get local issuer certificate" in line["TLS"]["why"]
    assert "SSL_CERT_FILE" in line["TLS"]["do"]


def test_what_does_not_speak_http_is_said_so(examine):
    def serve(connection):
        connection.recv(4096)
        connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")

    with listening(serve) as port:
        lines = examine(ANTHROPIC_API_BASE=f"http://127.0.0.1:{port}")
    assert "does not speak HTTP" in lines["connection"]["why"]


def test_a_network_proxy_that_refuses_is_named(examine):
    def serve(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n")

    with listening(serve) as port:
        lines = examine(
            ANTHROPIC_API_BASE="https://nowhere.invalid",
            HTTPS_PROXY=f"http://127.0.0.1:{port}",
        )
    assert lines["network proxy"]["verdict"] == "fail"


def test_a_clock_that_is_off_is_named(examine):
    ago = datetime.fromtimestamp(time.time() - 600, UTC)
    date = ago.strftime("%a, %d %b %Y %H:%M:%S GMT")

    def serve(connection):
        connection.recv(4096)
        head = f"HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: 2\r\n\r\n"
        connection.sendall(head.encode() + b"{}")

    with listening(serve) as port:
        lines = examine(ANTHROPIC_API_BASE=f"http://127.0.0.1:{port}")
    assert "ahead of Anthropic's" in lines["clock"]["why"]


def test_the_memory_limit_is_read_from_either_version_of_cgroups(tmp_path):
    v2, v1 = tmp_path / "max", tmp_path / "limit"
    assert report.memory_limit((v2, v1)) is None
    v1.write_text("268435456\n")
    assert report.memory_limit((v2, v1)) == 256 << 20
    v2.write_text("max\n")
    assert report.memory_limit((v2,)) is None
    v1.write_text("9223372036854771712\n")
    assert report.memory_limit((v1,)) is None
