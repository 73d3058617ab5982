"""Hostile clients and odd environments, seen from outside."""

import json
import os
import signal
import socket
import threading
from concurrent import futures
from pathlib import Path

import httpx2
import pytest

import health_port
from e2e.conftest import KEY, connect
from gunicorn_process import read_all
from loopback import PLAIN
from openai_client import ask, chunks, user
from ports import free_port
from upstream_events import message, text
from waiting import LONG, until

REQUEST = {"messages": [user("Hello")]}


def post(running, *, headers=None, **fields):
    return httpx2.post(
        f"{running.url}/v1/chat/completions",
        json=REQUEST | fields,
        headers=headers,
        trust_env=False,
        timeout=LONG,
        verify=PLAIN,
    )


def raw(running, *lines, body=b""):
    """The whole response to a request of these lines, on a connection of its own."""
    head = "\r\n".join([*lines, "Connection: close", "", ""]).encode()
    with socket.create_connection(("127.0.0.1", running.port), LONG) as sock:
        sock.sendall(head + body)
        return read_all(sock)


# The Host header.


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "",
        "::1x",
    ],
)
@pytest.mark.parametrize(
    "path", ["/health", "/v1/models", "/v1/chat/completions", "/none", "//health"]
)
def test_without_a_key_another_name_for_this_machine_is_refused(proxy, path, host):
    answer = raw(proxy, f"GET {path} HTTP/1.1", f"Host: {host}")
    assert b" 421 " in answer.splitlines()[0]
    assert b"host_not_allowed" in answer


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.9.9.9:1", "[::1]:80"]
)
def test_names_and_addresses_of_loopback_are_served(proxy, host):
    answer = raw(proxy, "GET /health HTTP/1.1", f"Host: {host}")
    assert b" 200 " in answer.splitlines()[0]


def test_with_a_key_any_name_is_served(start):
    running = start(ANTHROPIC_API_KEY="key-of-the-tests", PROXY_API_KEY="inbound-key")
    answer = raw(running, "GET /health HTTP/1.1", "Host: proxy.example")
    assert b" 200 " in answer.splitlines()[0]


# Bodies that are not plain JSON.


@pytest.mark.parametrize(
    "coding", ["gzip, chunked", "deflate,chunked", "GZIP, Chunked"]
)
def test_a_body_in_a_transfer_coding_is_a_415(proxy, standin, coding):
    body = json.dumps(REQUEST).encode()
    answer = raw(
        proxy,
        "POST /v1/chat/completions HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Transfer-Encoding: {coding}",
        body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
    )
    assert b" 415 " in answer.splitlines()[0]
    assert b"Transfer-Encoding: must be chunked" in answer
    assert not standin.requests


# Secrets and odd characters.


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("status", [400, 401, 403, 529])
def test_an_upstream_error_that_echoes_the_key_does_not_pass_it_on(
    proxy, standin, status, streamed
):
    quoted = f"x-api-key {KEY} or Bearer {KEY}"
    standin.fail_next(times=2, status=status, message=quoted)
    answer = post(proxy, stream=streamed)
    assert answer.status_code >= 400
    assert KEY not in answer.text
    assert KEY not in str(answer.headers)
    standin.scripted.clear()
    standin.accept_tokens = None


NAMES = {
    "line separator": "claude\u2028{injected}",
    "right to left": "claude\u202egnorw",
    "next line": "claude\x85x",
    "escape": "claude\x1b[2J\r\n{",
    "a key of somebody": "sk-ant-api03-somebodys",
    "the proxy's own key": KEY,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_models_name_reaches_the_log_clean(proxy, standin, name):
    standin.fail_next(status=404, type="not_found_error", message=f"model: {name}")
    request_id = f"named-{os.urandom(8).hex()}"
    post(proxy, model=name, headers={"x-request-id": request_id})
    (line,) = proxy.lines_of(request_id)
    assert all(one.isprintable() for one in line["model"] + line["upstream_model"])
    assert "sk-ant-" not in json.dumps(line)
    raw_lines = proxy.text.split("\n")
    assert all(one.isprintable() for line in raw_lines for one in line)
    standin.scripted.clear()


def test_a_request_id_that_is_a_key_is_not_logged(proxy):
    before = len(proxy.completions)
    answer = post(proxy, headers={"x-request-id": KEY})
    assert answer.status_code == 200
    until(lambda: len(proxy.completions) > before)
    assert KEY not in proxy.text


# Environments.


def test_the_settings_of_libraries_are_not_honoured(tmp_path, start, standin):
    elsewhere = free_port()
    keys = tmp_path / "tls-keys"
    running = start(
        words=r"(claude-proxy: [A-Z_]+ is ignored\n)+",
        ANTHROPIC_API_KEY="key-of-the-tests",
        GUNICORN_CMD_ARGS=f"--bind 0.0.0.0:{elsewhere} --workers 3",
        WEB_CONCURRENCY="abc",
        FORWARDED_ALLOW_IPS="*",
        SENDFILE="perhaps",
        GUNICORN_PID="1",
        GUNICORN_FD="0",
        LISTEN_FDS="1",
        LISTEN_PID="1",
        ANTHROPIC_LOG="debug",
        SSLKEYLOGFILE=keys,
    )
    with connect(running) as client:
        assert ask(client).choices[0].finish_reason == "stop"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", elsewhere), LONG).close()
    assert "Hello" not in running.text
    assert not keys.exists()
    assert "claude-proxy: GUNICORN_CMD_ARGS is ignored\n" in running.text


def test_a_configuration_file_of_gunicorn_is_not_read(start, standin, tmp_path):
    directory = tmp_path / "proxy-"
    directory.mkdir()  # where `start` runs it
    (directory / "gunicorn.conf.py").write_text("raise SystemExit('it was read')\n")
    running = start(ANTHROPIC_API_KEY="key-of-the-tests")
    with connect(running) as client:
        assert ask(client).choices[0].finish_reason == "stop"
    assert "it was read" not in running.text


@pytest.mark.parametrize("to", ["master", "worker", "group"])
def test_signals_that_do_not_stop_change_nothing(start, standin, to):
    running = start(ANTHROPIC_API_KEY="key-of-the-tests")
    go_on = threading.Event()
    answer = message(text("slow"))
    standin.answer_with([*answer[:2], go_on, *answer[2:]])
    master = running.process.pid
    children = Path(f"/proc/{master}/task/{master}/children")
    worker = int(children.read_text())
    with connect(running) as client, futures.ThreadPoolExecutor() as pool:
        streaming = pool.submit(chunks, client)
        until(lambda: not standin.scripted)
        for name in ("HUP", "TTIN", "TTOU", "USR1", "USR2", "WINCH"):
            number = getattr(signal, f"SIG{name}")
            match to:
                case "master":
                    os.kill(master, number)
                case "worker":
                    os.kill(worker, number)
                case "group":
                    os.killpg(master, number)
            assert ask(client).choices[0].finish_reason == "stop"
        go_on.set()
        deltas = [chunk.choices[0] for chunk in streaming.result(LONG)]
    assert "".join(one.delta.content or "" for one in deltas) == "slow"
    assert children.read_text().split() == [str(worker)]


# The keys file.


@pytest.fixture
def keyed(start, tmp_path):
    path = tmp_path / "keys"
    path.write_bytes(b"\xef\xbb\xbffirst-key\n")
    running = start(
        ANTHROPIC_API_KEY="key-of-the-tests", PROXY_API_KEYS_FILE=path, HOST="0.0.0.0"
    )
    running.keys = path
    return running


def lets_in(running, key):
    return post(running, headers={"authorization": f"Bearer {key}"}).is_success


def ready(running):
    answer = health_port.get(f"{running.health_url}/readyz")
    return answer.status_code, answer.json()["status"]


def logged(running, words):
    return [one for one in running.log if words in one["message"]]


def test_the_mark_of_an_encoding_is_no_part_of_the_first_key(keyed):
    assert lets_in(keyed, "first-key")
    assert ready(keyed) == (200, "ready")


def test_a_keys_file_in_trouble_is_reported_and_its_last_keys_stay(keyed):
    assert lets_in(keyed, "first-key")
    for break_it, words in (
        (keyed.keys.unlink, "does not exist"),
        (lambda: keyed.keys.write_bytes(b"\xff\xfe\x00k"), "is not UTF-8 text"),
        (lambda: keyed.keys.write_text("\n \n"), "holds no key"),
        (lambda: (keyed.keys.unlink(), os.mkfifo(keyed.keys)), "not a regular file"),
    ):
        break_it()
        until(lambda words=words: words in ready(keyed)[1])
        assert ready(keyed)[0] == 503
        assert lets_in(keyed, "first-key")
        (line,) = until(lambda words=words: logged(keyed, words))
        assert line["level"] == "warning"
        assert "PROXY_API_KEYS_FILE" in line["message"]
        assert str(keyed.keys) not in line["message"]
    keyed.keys.unlink()
    keyed.keys.write_text("second-key\n")
    until(lambda: lets_in(keyed, "second-key"))
    until(lambda: ready(keyed) == (200, "ready"))
    until(lambda: logged(keyed, "in order again"))
    assert not lets_in(keyed, "first-key")


@pytest.mark.parametrize("setting", ["CLAUDE_CREDENTIALS_PATH", "PROXY_API_KEYS_FILE"])
def test_a_fifo_in_a_files_place_holds_up_nobody(start, tmp_path, setting):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    given = {"ANTHROPIC_API_KEY": "key-of-the-tests"} | {setting: fifo}
    if setting == "CLAUDE_CREDENTIALS_PATH":
        del given["ANTHROPIC_API_KEY"]
    running = start(**given)
    code, words = ready(running)
    assert (code, "is not a regular file" in words) == (503, True)
    answer = post(running, headers={"authorization": "Bearer any-key"})
    assert answer.status_code in {401, 503}
