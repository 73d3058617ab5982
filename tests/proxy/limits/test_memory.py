"""Nobody outside can fill the pod's memory; twenty streams run on meanwhile."""

import collections
import contextlib
import json
import socket
import threading
from concurrent import futures

import pytest

import bombs
from quick_proxy import head
from waiting import LONG, until

pytestmark = pytest.mark.usefixtures("streams")

MIB = 1 << 20
WIDE = "\U0001f600"
CHUNKED = head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")


def large(size):
    """The messages of a request whose body has about so many bytes."""
    return [{"role": "user", "content": "x" * size}]


@contextlib.contextmanager
def many(proxy, count, begin, *, port=None):
    """So many connections that have sent the beginning of a request."""
    opened = []
    try:
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", port or proxy.port), LONG)
            opened.append(sock)
            with contextlib.suppress(ConnectionError):
                sock.sendall(begin)
        yield opened
    finally:
        for sock in opened:
            sock.close()


def status_of(sock):
    """The status that a response on a bare socket begins with."""
    received = sock.recv(65536)
    assert received, "the connection was closed without a response"
    return int(received.split()[1])


def check_service(proxy):
    """Good requests and probes get in; a large one does once others are seen to stop."""
    assert proxy.health("/healthz") == 200
    assert proxy.ask("ok").is_done
    until(lambda: proxy.ask("ok", messages=large(8 * MIB)).is_done)
    assert proxy.health("/readyz") == 200


def test_bodies_that_are_announced_and_do_not_come_take_no_room(proxy):
    with many(proxy, 50, head(32 * MIB) + b"{"):
        check_service(proxy)


def test_bodies_that_stop_half_way_give_way(proxy):
    """Four times the room, in bodies that will not end."""
    with many(proxy, 32, head(32 * MIB) + b"x" * (8 * MIB)):
        check_service(proxy)


def test_bodies_of_one_byte_chunks_cost_no_more_than_others(proxy):
    """Each chunk costs the same time, so bodies of tiny ones are refused early."""
    chunks = CHUNKED + b"1\r\nx\r\n" * MIB
    with many(proxy, 8, chunks) as opened:
        check_service(proxy)
        assert {status_of(one) for one in opened} == {400}


@pytest.mark.parametrize(
    ("count", "text", "times"),
    [
        pytest.param(8, "x" * 31 * MIB, 1, id="large"),
        pytest.param(24, WIDE + "x" * 2_700_000, 1, id="wide"),
        pytest.param(24, "x", 80_000, id="of many messages"),
    ],
)
def test_more_bodies_than_there_is_room_for(proxy, upstream, count, text, times):
    """Some wait for Anthropic, which says nothing; the others are refused."""
    messages = times * [{"role": "user", "content": text}]
    asked = proxy.request("silent", messages=messages)
    body = json.dumps(asked, ensure_ascii=False).encode()

    answers = collections.defaultdict(bytes)

    def ask(sock):
        with contextlib.suppress(OSError):  # refused before its end
            sock.sendall(body)
        with contextlib.suppress(OSError):  # that end may come as a reset
            while data := sock.recv(65536):
                answers[sock] += data

    with many(proxy, count, head(len(body))) as opened:
        threads = [threading.Thread(target=ask, args=[sock]) for sock in opened]
        for thread in threads:
            thread.start()
        until(lambda: len(answers) + len(upstream.of("silent")) == count)
        refused = [*answers]
        assert upstream.of("silent")
        for sock in opened:
            with contextlib.suppress(OSError):  # refused, and closed by the proxy
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
    assert refused
    assert all(b" 503 " in answers[one].splitlines()[0] for one in refused)
    until(lambda: not any(call.open for call in upstream.of("silent")))


def test_a_response_that_goes_on_holds_nothing_of_its_request(proxy, upstream):
    """Twelve of the largest, which together would not fit."""
    with contextlib.ExitStack() as stack:
        for _ in range(12):
            asked = proxy.open("drip;gap=0.1;tag=large", messages=large(31 * MIB))
            assert stack.enter_context(asked).status_code == 200
    until(lambda: not any(call.open for call in upstream.of("drip;gap=0.1;tag=large")))


def test_twelve_hundred_half_heads_keep_nobody_out(proxy):
    half = b"POST /v1/chat/completions HTTP/1.1\r\nX: " + b"y" * (16 << 10)
    with many(proxy, 1200, half):
        check_service(proxy)


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_bodies_that_would_grow_stay_within_the_pods_memory(proxy, name):
    """Three of a kind at once: each is served or refused, and the process goes on."""
    body = bombs.BOMBS[name]()

    def send(_):
        with proxy.connect(head(len(body))) as sock:
            with contextlib.suppress(ConnectionError):  # refused before its end
                sock.sendall(body)
            return status_of(sock)

    with futures.ThreadPoolExecutor(3) as pool:
        statuses = set(pool.map(send, range(3)))
    assert statuses <= {200, 400, 413, 503}
    check_service(proxy)


def test_large_heads_on_the_health_port(proxy):
    begin = b"GET /healthz HTTP/1.1\r\nX: " + b"y" * (256 << 10)
    with many(proxy, 300, begin, port=proxy.health_port):
        check_service(proxy)


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nX: ",
        b"GET /metrics HTTP/1.1\r\n\r\n",
        b"GET /readyz HTTP/1.1\r\nConnection: keep-alive\r\n\r\n",
    ],
    ids=["silent", "half a head", "metrics", "readyz"],
)
def test_a_flood_of_the_health_port(proxy, begin):
    over = threading.Event()

    def flood():
        opened = []
        while not over.is_set():
            with contextlib.suppress(OSError):
                sock = socket.create_connection(("127.0.0.1", proxy.health_port), 1)
                opened.append(sock)
                sock.sendall(begin)
            if len(opened) > 200:
                opened.pop(0).close()
        for sock in opened:
            sock.close()

    threads = [threading.Thread(target=flood) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            check_service(proxy)
    finally:
        over.set()
        for thread in threads:
            thread.join()
