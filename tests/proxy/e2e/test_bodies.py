"""Bodies as they come: chunked, too large, cut short, not JSON."""

import json
import socket

import httpx2
import pytest

from loopback import PLAIN
from openai_client import ask, connect, sent, user
from waiting import LONG

PATH = "/v1/chat/completions"
REQUEST = json.dumps({"messages": [user("Hello")]}).encode()
JSON = {"content-type": "application/json"}


def test_a_chunked_body_is_read_to_its_end(http, standin):
    pieces = (REQUEST[i : i + 7] for i in range(0, len(REQUEST), 7))
    answer = http.post(PATH, content=pieces, headers=JSON)
    assert answer.request.headers["transfer-encoding"] == "chunked"
    assert answer.status_code == 200
    assert sent(standin)[0]["messages"][0]["content"][0]["text"] == "Hello"


def test_a_connection_is_used_again_after_a_chunked_body(http):
    for _ in range(3):
        assert http.post(PATH, content=iter([REQUEST]), headers=JSON).is_success
        assert http.post(PATH, content=REQUEST, headers=JSON).is_success


REFUSED = {
    "not JSON": (b"{", JSON, 400, "invalid_json"),
    "not UTF-8": (b'{"messages": "\xff"}', JSON, 400, "invalid_json"),
    "empty": (b"", JSON, 400, "invalid_json"),
    "a list": (b"[]", JSON, 400, "invalid_json"),
    "nested without end": (b'{"x":' * 100_000, JSON, 400, "invalid_json"),
    "no messages": (b"{}", JSON, 400, "missing_required_parameter"),
    "wrong type": (b'{"messages": 1}', JSON, 400, "missing_required_parameter"),
    "a form": (
        b"a=b",
        {"content-type": "application/x-www-form-urlencoded"},
        415,
        "unsupported_media_type",
    ),
    "compressed": (
        REQUEST,
        JSON | {"content-encoding": "gzip"},
        415,
        "unsupported_encoding",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_request_is_refused_in_the_envelope_and_not_sent(
    http, standin, name
):
    body, headers, status, code = REFUSED[name]
    answer = http.post(PATH, content=body, headers=headers)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["code"] == code
    assert sent(standin) == []


@pytest.fixture
def small(start):
    """A proxy that reads no more than 1000 bytes."""
    return start(ANTHROPIC_API_KEY="key-of-the-tests", MAX_BODY_BYTES=1000)


def test_a_body_over_the_limit_is_refused(small, standin):
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", small.port), LONG) as sock:
        sock.sendall(head.encode())  # and not a byte of the body
        answer = sock.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == (
        "request_too_large"
    )

    with httpx2.Client(
        base_url=small.url, trust_env=False, timeout=LONG, verify=PLAIN
    ) as http:
        pieces = (b" " * 400 for _ in range(4))
        answer = http.post(PATH, content=pieces, headers=JSON)
    assert answer.status_code == 413

    with connect(small) as client:
        assert ask(client).choices[0].finish_reason == "stop"
    assert len(sent(standin)) == 1


def test_a_body_of_many_megabytes_arrives_whole(client, standin):
    text = "word " * 500_000
    ask(client, messages=[user(text)])
    assert sent(standin)[0]["messages"][0]["content"] == [
        {"type": "text", "text": text}
    ]
