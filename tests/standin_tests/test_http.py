"""The stand-in's HTTP apart from answers: pages of models, framing, its end."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import pytest

from loopback import PLAIN
from standin import models, server
from waiting import LONG

TESTS = Path(__file__).parents[1]
HEADERS = {"x-api-key": "k", "anthropic-version": "2026-10-21"}
BODY = {
    "model": "claude-opus-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "Hello"}],
}
IDS = [model.id for model in models.MODELS]


@pytest.fixture
def standin():
    with server.serve() as running:
        yield running


@pytest.fixture
def http(standin):
    with httpx2.Client(
        base_url=standin.base_url, headers=HEADERS, verify=PLAIN, timeout=LONG
    ) as client:
        yield client


def test_a_body_may_come_in_chunks(standin, http):
    body = json.dumps(BODY).encode()
    pieces = iter([body[:10], body[10:]])
    response = http.post("/v1/messages", content=pieces)
    assert response.json()["stop_reason"] == "max_tokens"
    assert response.json()["content"] == []  # all was spent on thinking
    assert standin.requests[-1].headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize(
    "framing", [b"content-length: x", b"transfer-encoding: chunked"]
)
def test_a_body_of_unknown_length_is_refused(standin, framing):
    host, port = standin.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=LONG) as connection:
        head = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\n%b\r\n\r\nx\r\n"
        connection.sendall(head % framing)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"type": "error"' in answer


@pytest.mark.parametrize(
    ("method", "path", "status", "type_"),
    [
        ("POST", "/v1/complete", 404, "not_found_error"),
        ("GET", "/v1/files", 404, "not_found_error"),
        ("GET", "/v1/models?limit=0", 400, "invalid_request_error"),
        ("GET", "/v1/models?after_id=none", 400, "invalid_request_error"),
        ("POST", "/v1/messages", 400, "invalid_request_error"),
        ("PUT", "/v1/messages", 501, "invalid_request_error"),
    ],
)
def test_every_error_has_the_envelope(http, method, path, status, type_):
    response = http.request(method, path)
    error = response.json()
    assert (response.status_code, error["type"]) == (status, "error")
    assert error["error"]["type"] == type_
    assert error["request_id"] == response.headers["request-id"]


@pytest.mark.parametrize("end", ["the end of its input", "SIGTERM"])
def test_as_a_program_it_ends_with_its_parent(end):
    with subprocess.Popen(
        [sys.executable, "-m", "standin"],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as program:
        base_url = json.loads(program.stdout.readline())["base_url"]
        answer = httpx2.post(
            f"{base_url}/v1/messages",
            json=BODY,
            headers=HEADERS,
            verify=PLAIN,
            timeout=LONG,
        )
        assert answer.json()["type"] == "message"
        if end == "SIGTERM":
            program.terminate()
        else:
            program.stdin.close()
        assert program.wait(LONG) == 0
        assert program.stdout.read() == b""


def test_models_are_paged_in_both_directions(http):
    def page(**query):
        answer = http.get("/v1/models", params=query).json()
        ids = [model["id"] for model in answer["data"]]
        assert (answer["first_id"], answer["last_id"]) == (ids[0], ids[-1])
        return ids, answer["has_more"]

    assert page() == (IDS, False)
    assert page(limit=3) == (IDS[:3], True)
    assert page(limit=3, after_id=IDS[2]) == (IDS[3:6], True)
    assert page(limit=50, after_id=IDS[2]) == (IDS[3:], False)
    assert page(limit=3, before_id=IDS[5]) == (IDS[2:5], True)
    assert page(limit=3, before_id=IDS[2]) == (IDS[:2], False)
    deprecated = [m.id for m in models.MODELS if m.lifecycle == "deprecated"]
    assert page(**{"lifecycle[]": "deprecated"}) == (deprecated, False)


def test_models_need_a_credential(standin):
    version = {"anthropic-version": "2026-10-21"}
    url = f"{standin.base_url}/v1/models"
    answer = httpx2.get(url, headers=version, verify=PLAIN, timeout=LONG)
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authentication_error"


def test_raw_pieces_of_a_stream_go_out_as_they_are(standin, http):
    standin.answer_with(["data: a\n", b"\n: b\n\n"])
    assert http.post("/v1/messages", json=BODY).text == "data: a\n\n: b\n\n"


def test_a_held_stream_ends_with_the_stand_in():
    others = set(threading.enumerate())
    with (
        server.serve() as standin,
        httpx2.Client(headers=HEADERS, verify=PLAIN, timeout=LONG) as client,
    ):
        standin.answer_with(["data: a\n\n", threading.Event()])
        url = f"{standin.base_url}/v1/messages"
        held = client.build_request("POST", url, json=BODY)
        response = client.send(held, stream=True)
        pieces = response.iter_bytes()
        assert next(pieces) == b"data: a\n\n"
        serving = set(threading.enumerate()) - others
    assert len(serving) == 2  # the listener and the connection
    assert not any(thread.is_alive() for thread in serving)


def test_what_a_test_scripts_is_said_as_any_other_answer(standin, http):
    standin.say_next("I look.", ("read", {"path": "a"}), ("read", {"path": "b"}))
    answer = http.post("/v1/messages", json=BODY | {"max_tokens": 1000}).json()
    thought, text, *calls = answer["content"]
    assert thought["signature"]
    assert text["text"] == "I look."
    assert [call["input"] for call in calls] == [{"path": "a"}, {"path": "b"}]
    assert answer["stop_reason"] == "tool_use"
    assert not standin.scripted
