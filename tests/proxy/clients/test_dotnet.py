"""OpenAI's own library for .NET gets its answers, and its imitation is true to it.

The runtime, its `HttpClient`, the library and its rules for trying again are the real
ones. The tests that need nothing but Python use an imitation, `dotnet_client`, which is
compared with them here.
"""

import dataclasses
import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

import dotnet_client
from clients.dotnet_library import RUNTIME, VERSION, Library, LibraryError
from clients.wire import Wire
from openai_client import sent
from upstream_events import message, text
from waiting import until

GOLDEN = Path(__file__).parents[1] / "golden" / "rockbot"
NOT_SENT = {
    "pdf": "this version of the library knows no files",
    "unknown-model": "is not answered",
}
RECORDED = {
    name: {key: value for key, value in body.items() if not key.startswith("stream")}
    for path in sorted(GOLDEN.glob("*.openai.json"))
    if (name := path.name.removesuffix(".openai.json")) not in NOT_SENT
    for body in [json.loads(path.read_text())]
}
"""What a real agent asked, by its name."""

AGENT = RECORDED["agent-turn-2"]
TIMEOUT = 6  # seconds; an answer that is held back takes longer
both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


@pytest.fixture
def library(find_environment, environ):
    with Library(find_environment, environ) as running:
        yield running


@pytest.fixture
def wire(_proxy, standin):
    """The way to the proxy. Unlike with `proxy`, what fails may be tried again."""
    with Wire(_proxy.port) as running:
        yield running


@pytest.fixture
def go_on():
    """Ends whatever a test holds back."""
    event = threading.Event()
    yield event
    event.set()


def once(body, tag):
    """The question with a mark, so that it is equal to no other test's."""
    return body | {"user": tag}


# ------------------------------------------------------------------ a retry that joins


@pytest.mark.parametrize("timeouts", [1, 3])
def test_what_takes_longer_than_its_timeout_comes_on_the_next_try_with_one_call(
    library, wire, standin, go_on, timeouts
):
    """It asks four times, at once: the second try waits until twice the timeout has passed."""
    standin.answer_with([go_on, *message(text("At last"))])
    library.begin(wire.url, once(AGENT, f"patient-{timeouts}"), timeout=TIMEOUT)
    until(lambda: wire.tries == timeouts + 1)
    go_on.set()
    assert library.answer().text == "At last"
    assert wire.tries == timeouts + 1
    assert len(sent(standin)) == 1


def test_a_plain_question_that_is_cancelled_is_asked_once(
    library, wire, standin, go_on
):
    standin.answer_with([go_on, *message(text("Too late"))])
    library.begin(wire.url, once(AGENT, "cancelled"))
    until(lambda: sent(standin))
    library.cancel()
    with pytest.raises(LibraryError) as caught:
        library.answer()
    assert caught.value.kind == "System.Threading.Tasks.TaskCanceledException"
    assert wire.tries == 1


def test_a_stream_that_is_cancelled_ends_its_call(library, wire, proxy, standin, go_on):
    events = message(text("The first words"))
    standin.answer_with([*events[:3], go_on, *events[3:]])
    gone, lines = standin.hangups, len(proxy.completions)
    library.begin(wire.url, AGENT, stream=True)
    assert next(library.pieces()) == "The first words"
    library.cancel()
    with pytest.raises(LibraryError, match="cancel"):
        library.answer()
    until(lambda: standin.hangups == gone + 1)
    (line,) = until(lambda: [x for x in proxy.completions[lines:] if x["stream"]])
    assert line["client_gone"]
    assert wire.tries == 1


# ------------------------------------------------------------------ what it reads

ODD = 'Grüße, 🦀, "quoted" \\ and\nbroken\u2028 lines, \x7f, <tags> & \u00e9\u0301'


@both
def test_every_character_arrives(library, wire, standin, stream):
    standin.answer_with(message(text(ODD)))
    assert library.ask(wire.url, once(AGENT, "odd"), stream=stream).text == ODD


def test_it_reads_the_bytes_that_the_proxy_sent(library, wire):
    library.ask(wire.url, once(AGENT, "bytes"))
    head, _, body = bytes(wire.received).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == library.bytes.encode()


def test_it_is_the_version_that_the_documents_name(library, wire):
    library.ask(wire.url, once(AGENT, "version"))
    assert f"\r\nUser-Agent: OpenAI/{VERSION} (.NET {RUNTIME};".encode() in wire.sent


@both
def test_it_makes_of_recorded_questions_what_its_imitation_makes(
    library, proxy, standin, stream
):
    for name, body in RECORDED.items():
        with dotnet_client.Client(proxy.url) as client:
            imitated = client.stream(body) if stream else client.ask(body)
        answer = library.ask(proxy.url, body, stream=stream)
        assert known(answer) == known(imitated), name
        first, second = sent(standin)
        assert first == second, name
        standin.requests.clear()


def known(answer):
    """The part of an answer that this version reads."""
    sums = ("prompt_tokens", "completion_tokens", "total_tokens")
    usage = {key: answer.usage[key] for key in sums}
    return dataclasses.replace(answer, usage=usage, reasoning="")


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "ended too early"])
def test_a_stream_that_broke_raises_after_its_text(library, wire, standin, cut):
    standin.answer_with(message(text("Half of it"))[:3], cut=cut)
    library.begin(wire.url, AGENT, stream=True)
    assert list(library.pieces()) == ["Half of it"]
    with pytest.raises(LibraryError):
        library.answer()
    assert wire.tries == 1


# ------------------------------------------------------------------ its rules

ERROR = {"message": "The words", "type": "a_type", "param": "a_field", "code": "a_code"}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "claude-sonnet-4-6",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Yes", "refusal": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
TRIED_ONCE = {400, 401, 403, 404, 409, 413, 422, 501, 524, 529}
QUESTION = {
    "model": "claude-sonnet-4-6",
    "messages": [{"role": "user", "content": "?"}],
}


@contextmanager
def serving(handle):
    """A server in the proxy's place, whose answers `handle` writes."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            handle(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def send(handler, status, headers=(), *, short=0):
    """An answer, or an error; `short` of so many bytes."""
    body = json.dumps(ANSWER if status == 200 else {"error": ERROR}).encode()
    handler.send_response(status)
    for name, value in (("content-length", str(len(body))), *headers):
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body[: len(body) - short])
    handler.close_connection = bool(short)


def imitation(url):
    with dotnet_client.Client(url) as client:
        return client.ask(QUESTION)


@pytest.fixture(params=["real", "imitated"])
def ask(request):
    """Either of the two, which do the same."""
    if request.param == "imitated":
        return imitation
    library = request.getfixturevalue("library")
    return lambda url: library.ask(url, QUESTION)


def test_it_tries_again_what_may_get_better(ask):
    tried = Counter()

    def handle(handler):
        tried[status] += 1
        send(handler, status)

    with serving(handle) as url:
        for status in TRIED_ONCE | dotnet_client.TRIED_AGAIN:
            with pytest.raises(
                (LibraryError, dotnet_client.ClientResultError)
            ) as caught:
                ask(url)
            assert caught.value.status == status
            for word in ("The words", "a_type", "a_code"):
                assert word in str(caught.value)
    again = dict.fromkeys(dotnet_client.TRIED_AGAIN, dotnet_client.TRIES)
    assert tried == dict.fromkeys(TRIED_ONCE, 1) | again


@pytest.mark.parametrize("short", [None, 10], ids=["closed", "cut short"])
def test_it_tries_again_where_the_connection_breaks(ask, short):
    tried = []

    def handle(handler):
        tried.append(handler)
        if short:
            send(handler, 200, short=short)
        handler.close_connection = True

    with serving(handle) as url, pytest.raises((LibraryError, httpx2.TransportError)):
        ask(url)
    assert len(tried) == dotnet_client.TRIES


def test_only_retry_after_makes_it_wait(library):
    """If it obeyed the other headers, this would take days."""
    headers = [
        [("retry-after", "0"), ("x-should-retry", "false")],
        [("retry-after-ms", "360000000"), ("x-should-retry", "false")],
        [("retry-after", "1")],
    ]
    arrived = []

    def handle(handler):
        arrived.append(time.monotonic())
        send(handler, 503 if headers else 200, headers.pop(0) if headers else ())

    with serving(handle) as url:
        assert library.ask(url, QUESTION).text == "Yes"
    assert len(arrived) == 4
    assert arrived[3] - arrived[2] > 0.5  # it was told to wait for a second
