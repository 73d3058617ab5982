"""proxy.server.status_page: who sees it, and what it may do."""

import base64
import hashlib
import re

import httpx2
import pytest

from loopback import PLAIN
from proxy.server import health_listener, status_page
from waiting import LONG

NUMBERS = {"requests": 3}


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setattr(health_listener, "PATIENCE", 20 * LONG)

    def start(*, is_open):
        sock = health_listener.bind(0)
        pages = status_page.pages(lambda: NUMBERS, is_open=is_open)
        health_listener.Listener(sock, pages).start()
        return sock.getsockname()[1]  # the thread is a daemon, as in the worker

    return start


def get(port, path="/", *, at="127.0.0.1", **headers):
    return httpx2.get(
        f"http://{at}:{port}{path}",
        headers=headers,
        trust_env=False,
        timeout=LONG,
        verify=PLAIN,
    )


def test_this_machine_sees_the_page_and_its_numbers(serve):
    port = serve(is_open=False)
    assert "<title>Claude proxy</title>" in get(port).text
    assert get(port, "/stats.json").json() == NUMBERS
    assert get(port, "/stats.json", at="[::1]").json() == NUMBERS
    assert get(port, "/stats.json", at="localhost").json() == NUMBERS


@pytest.mark.parametrize("path", ["/", "/stats.json"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:80"},
        {"host": "localhost@evil.example"},
        {"host": ""},
        {"host": "["},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ],
    ids=str,
)
def test_a_web_page_under_a_name_of_its_own_does_not(serve, path, headers):
    answer = get(serve(is_open=False), path, **headers)
    assert answer.status_code == 403
    assert "kubectl port-forward" in answer.json()["error"]


def test_a_setting_opens_it(serve):
    port = serve(is_open=True)
    assert get(port, host="pod.example").status_code == 200


@pytest.mark.parametrize(
    ("peer", "host", "origin", "local"),
    [
        ("127.0.0.1", "localhost:8090", "", True),
        ("127.8.9.1", "127.0.0.1", "", True),
        ("::1", "[::1]:8090", "", True),
        ("::ffff:127.0.0.1", "localhost", "", True),
        ("127.0.0.1", "localhost", "http://localhost:8090", True),
        ("10.1.2.3", "localhost", "", False),
        ("::ffff:10.1.2.3", "localhost", "", False),
        ("127.0.0.1", "10.1.2.3:8090", "", False),
        ("127.0.0.1", "localhost,evil.example", "", False),
        ("127.0.0.1", "localhost", "http://evil.example", False),
        ("127.0.0.1", "localhost", "http://[", False),
        ("", "localhost", "", False),
    ],
)
def test_local_is_who_comes_from_here_under_a_name_from_here(peer, host, origin, local):
    assert health_listener.is_local(peer, host, origin) is local


def test_a_host_that_is_repeated_is_not_trusted(serve):
    port = serve(is_open=False)
    with health_listener.socket.create_connection(("127.0.0.1", port), LONG) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 403 ")


def test_the_page_may_run_what_is_in_it_and_nothing_else(serve):
    answer = get(serve(is_open=False))
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in answer.headers["content-security-policy"].split(";")
    )
    for directive, element in (("script-src", "script"), ("style-src", "style")):
        [inside] = re.findall(f"<{element}>(.*?)</{element}>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_is_one_file_that_asks_for_no_other():
    text = status_page.HTML.decode()
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", text)
    assert not re.search(r"@import|url\(", text)
    assert {"http://www.w3.org/2000/svg"} == set(re.findall(r"https?://[^\"' ]+", text))
