"""Starting and ending `claude-proxy`: refusals in words, the demo, the drain."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent import futures

import pytest

import proxy_command
from openai_client import ask, chunks, connect, user
from ports import free_port
from proxy.server import application
from standin import server
from upstream_events import message, text
from waiting import LONG, until


def test_a_wide_address_without_a_key_is_refused_in_words(tmp_path):
    said = proxy_command.refused_start(
        tmp_path, HOST="0.0.0.0", ANTHROPIC_API_KEY="secret"
    )
    assert "HOST" in said
    assert "PROXY_API_KEY" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "0"),
        ("DEFAULT_MAX_TOKENS", "-1"),
        ("PROMPT_CACHING", "perhaps"),
        ("DRAIN_TIMEOUT", "soon"),
        ("LOG_LEVEL", "loud"),
        ("STRICT_PARAMS", "canary"),
    ],
)
def test_a_bad_setting_is_named_and_not_repeated(tmp_path, name, value):
    said = proxy_command.refused_start(tmp_path, **{name: value})
    assert said.startswith(f"claude-proxy: {name}: ")
    assert said.count("\n") == 1
    assert value not in said.partition(": ")[2].split()


UNUSABLE = {
    "no URL": ("ANTHROPIC_API_BASE", "foo"),
    "another scheme": ("ANTHROPIC_API_BASE", "ftp://x"),
    "plain HTTP to a stranger": ("ANTHROPIC_BASE_URL", "http://gateway.example"),
    "no number for a port": ("ANTHROPIC_API_BASE", "https://x:eighty"),
    "a missing file": ("SSL_CERT_FILE", "/none/ca.pem"),
    "no certificate": ("SSL_CERT_FILE", __file__),
    "a folder for a file": ("SSL_CERT_FILE", "/"),
    "a missing folder": ("SSL_CERT_DIR", "/none"),
    "nobody's address": ("HOST", "192.0.2.7"),
    "nobody's name": ("HOST", "no-such-host.invalid"),
    "a URL": ("HOST", "http://127.0.0.1"),
    "an address with a port": ("HOST", "127.0.0.1:8080"),
    "a proxy's bad port": ("HTTPS_PROXY", "http://127.0.0.1:eighty"),
    "a proxy of another kind": ("HTTPS_PROXY", "socks5://127.0.0.1:1080"),
    "two lines in a key": ("PROXY_API_KEY", "canary\nline"),
}


@pytest.mark.parametrize(("name", "value"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_setting_that_cannot_work_stops_the_start_in_one_line(tmp_path, name, value):
    given = {"ANTHROPIC_API_KEY": "key", "PROXY_API_KEY": "inbound-key", name: value}
    stderr = proxy_command.refused_start(tmp_path, **given)
    assert stderr.startswith("claude-proxy: ")
    assert name in stderr
    assert stderr.count("\n") == 1
    assert "canary" not in stderr


def test_certificates_that_nobody_writes_do_not_hang_the_start(tmp_path):
    fifo = tmp_path / "ca.pem"
    os.mkfifo(fifo)
    stderr = proxy_command.refused_start(
        tmp_path, ANTHROPIC_API_KEY="key", SSL_CERT_FILE=fifo
    )
    assert stderr.startswith("claude-proxy: SSL_CERT_FILE")


@pytest.mark.parametrize("name", ["PORT", "HEALTH_PORT"])
def test_a_port_in_use_stops_the_start_in_one_line(tmp_path, name):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stderr = proxy_command.refused_start(
            tmp_path, **{"ANTHROPIC_API_KEY": "key", name: port}
        )
    assert stderr.startswith(f"claude-proxy: {name}: cannot listen on port {port} (")
    assert stderr.count("\n") == 1


def test_each_bad_setting_has_a_line(tmp_path):
    said = proxy_command.refused_start(tmp_path, PORT="eighty", LOG_LEVEL="chatty")

    names = [line.split(": ")[1] for line in said.splitlines()]
    assert sorted(names) == ["LOG_LEVEL", "PORT"]


def test_one_port_for_both_stops_the_start(tmp_path):
    port = free_port()
    stderr = proxy_command.refused_start(tmp_path, PORT=port, HEALTH_PORT=port)
    assert stderr == "claude-proxy: HEALTH_PORT: must be another port than PORT\n"


MOMENTS = [
    ("serve", "site"),
    ("serve", "msgspec"),
    ("serve", "falcon"),
    ("serve", "gunicorn"),
    ("serve", "proxy.app"),
    ("serve", "Starting gunicorn"),
    ("serve", "Listening at"),
    ("serve", "credential: "),
    ("serve", "Booting worker"),
    ("demo", "proxy.settings"),
    ("demo", "falcon"),
    ("demo", "Listening at"),
]


@pytest.mark.parametrize(("mode", "moment"), MOMENTS)
def test_a_sigterm_at_any_moment_of_the_start_is_obeyed(tmp_path, mode, moment):
    """The interpreter reports each import, so a moment is the line that names it."""
    port = free_port()
    given = {"PORT": port, "ANTHROPIC_API_KEY": "key", "DRAIN_TIMEOUT": "3600"}
    with subprocess.Popen(
        [sys.executable, "-u", "-X", "importtime", proxy_command.COMMAND, mode],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        env=proxy_command.environment(tmp_path, given),
    ) as process:
        try:
            for line in process.stdout:
                if line.split()[-1:] == [moment] or moment in line.partition("{")[2]:
                    break
            else:
                pytest.fail(f"it ended before {moment}")
            process.terminate()
            threading.Thread(target=process.stdout.read).start()
            assert process.wait(LONG) in {0, -signal.SIGTERM, 128 + signal.SIGTERM}
        finally:
            process.kill()


def test_what_kubernetes_puts_into_a_pod_is_no_setting(tmp_path, standin):
    """A Service called `health` sets `HEALTH_PORT`; the default port may be taken."""
    said = proxy_command.refused_start(
        tmp_path,
        PORT="tcp://10.0.0.1:80",
        HEALTH_PORT="tcp://10.0.0.1:90",
        LOG_LEVEL="loud",
    )
    assert said.startswith("claude-proxy: LOG_LEVEL")


def test_a_health_port_of_kubernetes_is_unset(start):
    running = start(ANTHROPIC_API_KEY="key", HEALTH_PORT="tcp://10.0.0.1:90")
    with connect(running) as client:
        assert ask(client).choices[0].finish_reason == "stop"


def test_a_host_of_two_colons_is_every_address_of_either_kind(start):
    """A pod's address may be IPv4, IPv6 or both, and one manifest has to fit them."""
    running = start(ANTHROPIC_API_KEY="key", HOST="::", PROXY_API_KEY="a-key-of-ours")
    for host in loopbacks():
        with socket.create_connection((host, running.port), LONG) as client:
            client.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            assert client.makefile("rb").readline().split()[1] == b"200", host


def loopbacks():
    """This machine's addresses for itself: the second is missing without IPv6."""
    kinds = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}
    for host, family in kinds.items():
        with contextlib.suppress(OSError), socket.socket(family) as sock:
            sock.bind((host, 0))
            yield host


@pytest.mark.parametrize("host", ["::", "0.0.0.0", "::1", "localhost"])
def test_without_ipv6_two_colons_are_every_ipv4_address(monkeypatch, host):
    monkeypatch.setattr("socket.has_dualstack_ipv6", lambda: False)
    expected = "0.0.0.0" if host == "::" else host
    assert application.listening_host(host) == expected


def test_the_demo_answers_without_a_credential_and_says_that_it_is_a_demo(start):
    running = start("demo", ANTHROPIC_API_BASE=None)
    with connect(running) as client:
        answer = ask(client, model="claude-sonnet-4-6", messages=[user("Hello")])
    assert "demo, not Claude" in answer.choices[0].message.content
    assert f"curl http://127.0.0.1:{running.port}/v1/chat/completions" in running.text


def test_the_demo_sends_nothing_to_an_upstream_that_is_set(start):
    with server.serve() as upstream:
        running = start(
            "demo",
            ANTHROPIC_API_KEY="secret-of-the-user",
            ANTHROPIC_API_BASE=upstream.base_url,
        )
        with connect(running) as client:
            ask(client)
        assert not upstream.requests


def test_the_end_waits_for_a_stream_that_runs(start, standin):
    running = start(ANTHROPIC_API_KEY="key-of-the-tests", DRAIN_TIMEOUT=300)
    go_on = threading.Event()
    answer = message(text("slow"))
    standin.answer_with([*answer[:2], go_on, *answer[2:]])
    with connect(running) as client, futures.ThreadPoolExecutor() as pool:
        told = pool.submit(chunks, client)
        try:
            until(lambda: not standin.scripted)
            running.process.terminate()
            until(lambda: "Handling signal: term" in running.text)
            assert running.process.poll() is None
        finally:
            go_on.set()
        deltas = [chunk.choices[0] for chunk in told.result(LONG)]
    assert "".join(one.delta.content or "" for one in deltas) == "slow"
    assert deltas[-1].finish_reason == "stop"


def test_the_server_starts_without_the_sdk_whose_import_takes_a_second():
    loaded = "import sys, proxy.server.application; print('anthropic' in sys.modules)"
    run = [sys.executable, "-c", loaded]
    assert subprocess.check_output(run, timeout=LONG) == b"False\n"
