"""A client that leaves: the call to Anthropic ends too, and the log line says so."""

import json
import socket
import threading

import pytest

from openai_client import NEWEST, connect, user
from upstream_events import message, text
from waiting import LONG, until

REQUEST = {"model": NEWEST, "messages": [user("Hello")]}


@pytest.fixture
def endless(standin):
    """An answer that begins and never goes on."""
    begin = message(text("Half of it"))[:3]
    standin.answer_with([*begin, threading.Event()])
    hangups = standin.hangups
    return lambda: standin.hangups == hangups + 1


def test_a_stream_that_is_closed_early_ends_the_call(proxy, endless):
    with connect(proxy) as client:
        raw = client.chat.completions.with_raw_response.create(**REQUEST, stream=True)
        stream = raw.parse()
        told = [next(stream) for _ in range(2)]
        stream.close()
    assert told[1].choices[0].delta.content == "Half of it"
    until(endless)
    (line,) = proxy.lines_of(raw.headers["x-request-id"])
    assert (line["client_gone"], line["status"]) == (True, 499)
    assert line["finish_reason"] is None


def test_a_call_ends_when_the_grace_of_its_client_that_hung_up_is_over(
    start, endless, standin
):
    proxy = start(ANTHROPIC_API_KEY="key", RETRY_GRACE=0.5)
    body = json.dumps(REQUEST).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: hung-up\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", proxy.port), LONG) as sock:
        sock.sendall(head.encode() + body)
        until(lambda: not standin.scripted)
    until(endless)
    (line,) = proxy.lines_of("hung-up")
    assert (line["client_gone"], line["status"]) == (True, 499)
    assert line["unclaimed"]
