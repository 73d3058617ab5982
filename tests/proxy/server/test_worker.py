"""proxy.server's worker and connection, under a real gunicorn, a trivial application."""

import contextlib
import json
import re
import signal
import socket
import struct
import threading
import time

import pytest

from gunicorn_process import Gunicorn, read_all, read_until
from proxy.server.connection import explain
from proxy.server.head import HEAD
from waiting import LONG, until

AGES = 20 * LONG
"""Seconds of a limit that a test never reaches: it would give up long before."""

APP = """
import threading
from proxy.errors import StreamCut

gates, closed, drains = {}, [], []

def gate(name):
    return gates.setdefault(name, threading.Event())

def stream(name, end=None):
    try:
        yield b"first "
        gate(name).wait(600)
        yield b"last"
        if end:
            raise end
    finally:
        closed.append(name)

def short():
    yield b"first "
    gate("never").wait(1)
    yield b"last"

def endless():
    try:
        while True:
            yield b"x" * 65536
    finally:
        closed.append("endless")

def application(environ, start_response):
    path = environ["PATH_INFO"]
    _, what, name, *_ = (path + "//").split("/")
    def ok(*headers):
        start_response("200 OK", [("Content-Type", "text/plain"), *headers])
    if what == "open":
        gate(name).set()
    if what == "stream":
        ok()
        return stream(name)
    if what == "cut":
        ok()
        return stream(name, StreamCut())
    if what == "bug":
        ok()
        return stream(name, KeyError("PRIVATE"))
    if what == "endless":
        ok()
        return endless()
    if what == "short":  # a second, as nobody gets in who could end it
        ok()
        return short()
    if what == "crash":
        raise KeyError("PRIVATE")
    if what == "badheader":
        start_response("200 OK", [("X-Bad", "a\\r\\nb")])
        return [b""]
    if what == "unread":
        start_response("413 Content Too Large", [("Content-Length", "4")])
        return [b"big\\n"]
    if what == "last":
        ok(("Connection", "close"))
        return [b"bye"]
    if what == "echo":
        body = environ["wsgi.input"].read()
        ok(("Content-Length", str(len(body))))
        return [body]
    text = repr({"closed": closed, "drains": drains}) if what == "state" else "hello"
    ok(("Content-Length", str(len(text))))
    return [text.encode()]
"""

CONFIG = """
import sys
sys.path.insert(0, ".")
bind = "127.0.0.1:0"
worker_class = "proxy.server.worker.Worker"
preload_app = True
keepalive = 75
worker_connections = {connections}
graceful_timeout = 3600  # the worker's own deadline is what ends it
control_socket_disable = True
forwarded_allow_ips = ""
header_map = "drop"

def when_ready(server):
    from proxy.server.worker import pass_on_repeated_sigterm
    pass_on_repeated_sigterm(server)

def post_worker_init(worker):
    import app
    from proxy.server import worker as constants
    constants.GRACE = {grace}
    constants.IDLE_AT_STOP = {idle_at_stop}
    worker.threads.idle = {idle}
    worker.drain_timeout = {drain}
    worker.receive_timeout = worker.body_timeout = {receive}
    worker.send_timeout = {send}
    worker.on_drain = app.drains.append
"""


@pytest.fixture
def start(tmp_path):
    servers = []

    def begin(
        *,
        drain=AGES,
        grace=2,
        idle_at_stop=1,
        receive=AGES,
        send=AGES,
        connections=100,
        idle_threads=10,
    ):
        (tmp_path / "app.py").write_text(APP)
        config = CONFIG.format(
            drain=drain,
            grace=grace,
            idle_at_stop=idle_at_stop,
            receive=receive,
            send=send,
            connections=connections,
            idle=idle_threads,
        )
        (tmp_path / "conf.py").write_text(config)
        command = ["-m", "gunicorn", "-c", "conf.py", "app:application"]
        servers.append(Gunicorn(tmp_path, *command))
        return servers[-1]

    yield begin
    for server in servers:
        server.stop()


def get(path, *headers):
    lines = [f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode()


def closing(path):
    return get(path, "Connection: close")


def connect_at_once(server, data):
    """Connect while the worker is held: it finds the connection and its bytes together.

    For limits so short that a connection may be over them before its bytes are sent.
    """
    server.signal(signal.SIGSTOP, worker=True)
    try:
        return server.connect(data)
    finally:
        server.signal(signal.SIGCONT, worker=True)


def ask_at_once(server, data):
    with connect_at_once(server, data) as sock:
        return read_all(sock)


def envelope(answer):
    """Status and error object of an answer in OpenAI's form."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.lower()
    return int(head.split()[1]), json.loads(body)["error"]


REFUSED = {
    "no HTTP": (b"MARKER\r\n\r\n", 400),
    "bad method": (b"G\xe9T /MARKER HTTP/1.1\r\n\r\n", 400),
    "bad version": (b"GET /MARKER HTTP/9.9\r\n\r\n", 400),
    "header without colon": (get("/", "MARKER"), 400),
    "space before colon": (get("/", "MARKER : x"), 400),
    "two lengths": (get("/", "Content-Length: 1", "Content-Length: 2"), 400),
    "length and chunks": (
        get("/", "Content-Length: 1", "Transfer-Encoding: chunked"),
        400,
    ),
    "folded": (get("/", "X: a", " MARKER"), 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: MARKER\n\n", 400),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03MARKER\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "long line": (get("/MARKER" + "x" * 9000), 414),
    "long header": (get("/", "X: MARKER" + "x" * 9000), 431),
    "many headers": (get("/", *[f"X-{i}: MARKER" for i in range(200)]), 431),
    "expectation": (get("/", "Expect: MARKER"), 417),
    "coding": (get("/", "Transfer-Encoding: xMARKER"), 501),
    "our header": (get("/badheader"), 500),
    "our crash": (get("/crash"), 500),
    "bad chunk": (get("/echo", "Transfer-Encoding: chunked") + b"MARKER\r\n", 400),
}


def test_what_is_refused_is_answered_in_the_envelope_and_repeats_nothing(start):
    server = start()
    for name, (request, status) in REFUSED.items():
        answer = server.ask(request)
        code, error = envelope(answer)
        assert code == status, name
        kind = "server_error" if status >= 500 else "invalid_request_error"
        assert error["type"] == kind, name
        assert error["message"], name
        assert answer.count(b"HTTP/1.1") == 1, name
        assert b"MARKER" not in answer, name
        assert b"PRIVATE" not in answer, name
        [request_id] = re.findall(rb"x-request-id: (req_[0-9a-f]{32})\r\n", answer)
        assert request_id.decode() in server.log, name
    assert "MARKER" not in server.log
    assert "PRIVATE" not in server.log
    assert server.log.count("KeyError") == 1
    assert server.ask(closing("/")).endswith(b"hello")


def test_a_body_that_its_client_withholds_is_asked_for_once_it_is_needed(start):
    server = start()
    waiting = ("Expect: 100-continue", "Content-Length: 4", "Connection: close")
    with server.connect(get("/echo", *waiting)) as sock:
        assert read_until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"body")
        assert read_all(sock).endswith(b"body")
        assert b"100 Continue" not in server.ask(get("/echo", *waiting) + b"body")


@pytest.mark.parametrize("framing", ["Content-Length: 4", "Transfer-Encoding: chunked"])
def test_a_response_that_needs_no_body_does_not_wait_for_one_that_is_withheld(
    start, framing
):
    """Another request cannot follow: nobody knows whether the body will."""
    server = start()
    answer = server.ask(get("/", "Expect: 100-continue", framing))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"Connection: close" in answer
    assert answer.endswith(b"hello")


def test_an_exception_of_our_own_is_a_500():
    assert explain(KeyError("x"))[0] == 500


def test_a_connection_is_kept_and_requests_sent_ahead_are_answered_in_turn(start):
    server = start()
    with server.connect(get("/")) as sock:
        read_until(sock, b"hello")
        sock.sendall(get("/") + get("/state") + closing("/"))
        answers = read_all(sock)
    assert answers.count(b"HTTP/1.1 200") == 3
    assert answers.endswith(b"hello")


@pytest.mark.parametrize(
    ("sent", "answered"), [("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1), ("GET / HT", 0)]
)
def test_the_end_of_a_connection_is_noticed_with_the_bytes_before_it(
    start, sent, answered
):
    """The kernel reports both at once, and once."""
    server = start()
    with server.connect(get("/")) as sock:
        read_until(sock, b"hello")
        server.signal(signal.SIGSTOP, worker=True)
        sock.sendall(sent.encode())
        sock.shutdown(socket.SHUT_WR)
        server.signal(signal.SIGCONT, worker=True)
        assert read_all(sock).count(b"HTTP/1.1 ") == answered


@pytest.mark.parametrize("size", [10, 65_436, 100_000, 400_000])
def test_requests_of_any_size_sent_ahead_are_answered_in_turn(start, size):
    """Nothing more comes that could remind the server of them."""
    body = b"x" * size
    line = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % size
    kept, last = line + b"\r\n" + body, line + b"Connection: close\r\n\r\n" + body
    with start().connect() as sock:
        sender = threading.Thread(target=sock.sendall, args=[3 * kept + last])
        sender.start()
        answers = read_all(sock)
        sender.join()
    assert answers.count(b"HTTP/1.1 200") == 4
    assert answers.count(b"x" * size) == 4


@pytest.mark.parametrize(
    "framing",
    [
        (b"Content-Length: 10\r\n\r\n", b"0123456789"),
        (
            b"Transfer-Encoding: chunked\r\n\r\n",
            b"3\r\n012\r\n7;x=y\r\n3456789\r\n0\r\n\r\n",
        ),
    ],
    ids=["length", "chunked"],
)
def test_a_body_arrives_whole_however_it_is_framed_and_cut_up(start, framing):
    head, body = framing
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + head
    with start().connect(request) as sock:
        for byte in body:
            sock.sendall(bytes([byte]))
        assert read_all(sock).endswith(b"\r\n\r\n0123456789")


def test_a_body_that_ends_early_never_reaches_the_application_as_a_whole_one(start):
    server = start()
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n1234567"
    with server.connect(request) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert envelope(read_all(sock))[0] == 400


def test_a_body_that_nobody_reads_does_not_become_a_request(start):
    inner = get("/open/smuggled")
    head = (
        f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(inner)}\r\n\r\n".encode()
    )
    answers = start().ask(head + inner + closing("/state"))
    assert answers.count(b"HTTP/1.1 200") == 2


TRAILERS = {
    "bare LF": b"X: y\n\n",
    "bare LF within": b"X: y\nZ: y\r\n\r\n",
    "bare CR": b"X: y\rZ: y\r\n\r\n",
    "no colon": b"X\r\n\r\n",
    "folded": b"X: y\r\n z\r\n\r\n",
    "malformed name": b"X : y\r\n\r\n",
    "too many": b"X: y\r\n" * 101 + b"\r\n",
}


@pytest.mark.parametrize("trailers", TRAILERS.values(), ids=TRAILERS)
def test_trailers_that_a_server_in_front_could_end_elsewhere_are_refused(
    start, trailers
):
    body = b"3\r\nabc\r\n0\r\n" + trailers
    answers = start().ask(
        get("/echo", "Transfer-Encoding: chunked") + body + closing("/state")
    )
    assert envelope(answers)[0] == 400
    assert answers.count(b"HTTP/1.1") == 1


def test_good_trailers_are_dropped_and_the_connection_goes_on(start):
    body = b"3\r\nabc\r\n0\r\nX: y\r\nContent-Length: 9\r\n\r\n"
    answers = start().ask(
        get("/echo", "Transfer-Encoding: chunked") + body + closing("/state")
    )
    assert answers.count(b"HTTP/1.1 200") == 2


def test_an_application_may_end_its_connection(start):
    answer = start().ask(get("/last") + get("/"))
    assert b"Connection: close" in answer
    assert answer.endswith(b"bye\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("framing", "kept"),
    [
        (b"Content-Length: 3\r\n\r\nabc", True),
        (b"Content-Length: 1000000\r\n\r\n", False),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", False),
    ],
    ids=["short", "long", "open-ended"],
)
def test_an_answer_says_whether_the_connection_outlives_an_unread_body(
    start, framing, kept
):
    request = b"POST /unread HTTP/1.1\r\nHost: x\r\n" + framing
    with start().connect(request) as sock:
        answer = read_until(sock, b"big\n")
    assert (b"Connection: keep-alive" if kept else b"Connection: close") in answer


def test_an_answer_before_the_body_was_read_is_not_lost(start):
    """16 MiB are under way when the server has answered and closes."""
    server = start()
    size = 16 << 20
    head = f"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
    with server.connect(head.encode()) as sock:
        sent = threading.Thread(target=send_quietly, args=[sock, b"x" * size])
        sent.start()
        assert read_all(sock).endswith(b"big\n")
        sent.join(LONG)


def send_quietly(sock, data):
    with contextlib.suppress(OSError):
        sock.sendall(data)


def test_a_cut_stream_has_all_its_bytes_and_no_end(start):
    server = start()
    with server.connect(get("/cut/c")) as sock:
        read_until(sock, b"first ")
        server.ask(closing("/open/c"))
        rest = read_all(sock)
    assert rest == b"4\r\nlast\r\n"
    assert "Traceback" not in server.log


def test_a_cut_with_bytes_of_the_client_unread_still_loses_nothing(start):
    server = start()
    with server.connect(get("/cut/c")) as sock:
        read_until(sock, b"first ")
        sock.sendall(get("/") * 100)
        server.ask(closing("/open/c"))
        assert read_all(sock) == b"4\r\nlast\r\n"


def test_a_stream_that_breaks_is_cut_and_logged(start):
    server = start()
    with server.connect(get("/bug/b")) as sock:
        server.ask(closing("/open/b"))
        answer = read_all(sock)
    assert answer.endswith(b"4\r\nlast\r\n")
    assert server.log.count("KeyError") == 1


def test_a_whole_stream_ends_with_the_last_chunk_and_keeps_the_connection(start):
    server = start()
    with server.connect(get("/stream/s")) as sock:
        server.ask(closing("/open/s"))
        read_until(sock, b"4\r\nlast\r\n0\r\n\r\n")
        sock.sendall(get("/"))
        read_until(sock, b"hello")


def test_a_client_that_leaves_ends_its_stream_without_a_word_in_the_log(start):
    server = start()
    with server.connect(get("/endless")) as sock:
        sock.recv(10)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: b"endless" in server.ask(closing("/state")))
    assert "Traceback" not in server.log


def test_a_client_that_never_reads_is_given_up(start):
    server = start(send=0.5)
    with server.connect(get("/endless")):
        until(lambda: b"endless" in server.ask(closing("/state")))
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    "begin",
    [
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123",
    ],
    ids=["line", "headers", "body"],
)
def test_a_request_that_stalls_is_answered_408(start, begin):
    server = start(receive=0.5)
    code, error = envelope(ask_at_once(server, begin))
    assert (code, error["type"]) == (408, "invalid_request_error")
    assert "Traceback" not in server.log


def test_a_stream_may_be_silent_for_longer_than_a_client(start):
    server = start(receive=0.3, send=0.3)
    with connect_at_once(server, get("/stream/s")) as sock:
        read_until(sock, b"first ")
        slow = ask_at_once(server, b"GET")  # its 408 is the clock of this test
        assert envelope(slow)[0] == 408
        ask_at_once(server, closing("/open/s"))
        read_until(sock, b"last\r\n0\r\n\r\n")


def test_a_silent_connection_costs_no_thread_and_is_closed(start):
    server = start(receive=0.5)
    ask_at_once(server, closing("/"))
    before = server.threads()
    silent = [server.connect() for _ in range(20)]
    ask_at_once(server, closing("/"))
    assert server.threads() <= before + 1
    for sock in silent:
        assert read_all(sock) == b""
        sock.close()


def test_slow_clients_and_streams_delay_nobody(start):
    server = start()
    slow = [server.connect(b"GET / HT") for _ in range(30)]
    held = [server.connect(get("/stream/h")) for _ in range(30)]
    for sock in held:
        read_until(sock, b"first ")
    assert server.ask(closing("/")).endswith(b"hello")
    server.ask(closing("/open/h"))
    for sock in held:
        read_until(sock, b"0\r\n\r\n")
    for sock in [*slow, *held]:
        sock.close()


def test_idle_connections_give_way_when_there_are_too_many(start):
    server = start(connections=10)
    idle = []
    for _ in range(30):
        idle.append(server.connect(get("/")))
        read_until(idle[-1], b"hello")
    assert read_all(idle[0]) == b""
    for sock in idle:
        sock.close()


def test_where_no_connection_is_idle_newcomers_wait_their_turn(start):
    server = start(connections=3)
    held = [server.connect(get("/short")) for _ in range(3)]
    for sock in held:
        read_until(sock, b"first ")
    newcomer = server.connect(closing("/"))
    for sock in held:
        read_until(sock, b"0\r\n\r\n")
    assert read_all(newcomer).endswith(b"hello")
    for sock in [newcomer, *held]:
        sock.close()


def test_a_client_that_stays_open_after_close_delays_nobody(start):
    server = start()
    server.ask(closing("/"))
    before = server.descriptors()
    lingering = [server.connect(closing("/")) for _ in range(20)]
    for sock in lingering:
        read_all(sock)  # the server's FIN came; ours does not
    assert server.ask(closing("/")).endswith(b"hello")
    until(lambda: server.descriptors() <= before)
    for sock in lingering:
        sock.close()


def test_threads_and_descriptors_return_to_what_they_were(start):
    server = start(idle_threads=0.5)
    server.ask(closing("/"))
    before = server.descriptors()
    streams = [server.connect(get("/stream/s")) for _ in range(50)]
    for sock in streams:
        read_until(sock, b"first ")
    assert server.threads() >= 50
    server.ask(closing("/open/s"))
    for sock in streams:
        read_until(sock, b"0\r\n\r\n")
        sock.close()
    until(lambda: server.descriptors() <= before)
    until(lambda: server.threads() <= 3)


# Stopping.


def begin_drain(server):
    server.signal(signal.SIGTERM)
    until(lambda: drains(server))


def drains(server):
    answer = server.ask(closing("/state"))
    return re.search(rb"'drains': \[([\d., ]+)\]", answer)


def test_an_idle_server_stops_at_once(start):
    server = start()
    with server.connect(get("/")) as sock:
        read_until(sock, b"hello")
        server.signal(signal.SIGTERM)
        assert server.wait()[0] == 0
        assert read_all(sock) == b""


def test_a_drain_finishes_streams_serves_newcomers_and_ends_with_the_last(start):
    server = start()
    with server.connect(get("/stream/s")) as sock:
        read_until(sock, b"first ")
        begin_drain(server)
        newcomer = server.ask(get("/"))  # it does not ask to close, and is closed
        assert b"Connection: close" in newcomer
        assert newcomer.endswith(b"hello")
        server.ask(closing("/open/s"))
        read_until(sock, b"last\r\n0\r\n\r\n")
    assert server.wait()[0] == 0


def test_the_drain_deadline_is_told_once_and_lies_ahead(start):
    server = start(drain=AGES)
    with server.connect(get("/stream/s")) as sock:
        read_until(sock, b"first ")
        before = time.monotonic()
        begin_drain(server)
        (deadline,) = drains(server)[1].split(b",")
        assert before <= float(deadline) - AGES <= time.monotonic()
        server.ask(closing("/open/s"))
        read_until(sock, b"last")


def test_a_kept_connection_may_send_its_request_during_a_drain(start):
    server = start(idle_at_stop=AGES)
    with server.connect(get("/stream/s")) as held, server.connect(get("/")) as kept:
        read_until(held, b"first ")
        read_until(kept, b"hello")
        begin_drain(server)
        kept.sendall(get("/"))
        answer = read_all(kept)
        assert answer.endswith(b"hello")
        server.ask(closing("/open/s"))
        read_until(held, b"0\r\n\r\n")
    assert server.wait()[0] == 0


def test_what_does_not_end_by_the_deadline_is_left(start):
    server = start(drain=0.2)
    with server.connect(get("/stream/s")) as sock:
        read_until(sock, b"first ")
        server.signal(signal.SIGTERM)
        assert server.wait()[0] == 0
        assert b"0\r\n\r\n" not in read_all(sock)


@pytest.mark.parametrize("to_worker", [False, True], ids=["to master", "to worker"])
def test_a_second_sigterm_moves_the_deadline_to_now(start, to_worker):
    server = start(grace=AGES)
    with server.connect(get("/stream/s")) as sock:
        read_until(sock, b"first ")
        begin_drain(server)
        server.signal(signal.SIGTERM, worker=to_worker)
        until(lambda: len(drains(server)[1].split(b",")) == 2)
        server.ask(closing("/open/s"))  # as the guard would end it
        read_until(sock, b"last")
    if to_worker:  # the master starts another worker; it is told to stop, too
        server.signal(signal.SIGTERM)
    assert server.wait()[0] == 0


def test_a_client_that_stays_open_after_its_last_answer_does_not_hold_up_the_exit(
    start,
):
    server = start()
    with server.connect(closing("/")) as sock:
        read_all(sock)
        server.signal(signal.SIGTERM)
        assert server.wait()[0] == 0


# What unfinished requests and cuts cost.


def test_unfinished_heads_cost_no_thread_and_keep_nobody_out(start):
    server = start(connections=300)
    server.ask(closing("/"))
    threads = server.threads()
    half = [
        server.connect(b"POST /echo HTTP/1.1\r\nHost: x\r\nX-A: ") for _ in range(400)
    ]
    assert server.ask(closing("/")).endswith(b"hello")
    assert server.threads() <= threads + 1
    for sock in half:
        sock.close()


def test_large_unfinished_heads_are_bounded_in_memory(start):
    server = start(connections=300)
    server.ask(closing("/"))
    before = server.resident_memory()
    large = b"GET / HTTP/1.1\r\n" + (b"X-A: " + b"x" * 7000 + b"\r\n") * 4
    half = [server.connect(large) for _ in range(200)]
    server.ask(closing("/"))
    assert server.resident_memory() - before < 200 * 2 * HEAD
    for sock in half:
        sock.close()


def test_a_head_that_comes_byte_by_byte_has_one_deadline_for_all_of_it(start):
    server = start(receive=1)
    with connect_at_once(server, b"GET / HTTP/1.1\r\nX-A: ") as sock:
        done = threading.Event()
        drip = threading.Thread(target=send_drops, args=[sock, done])
        drip.start()
        assert envelope(read_all(sock))[0] == 408
        done.set()
        drip.join(LONG)


def send_drops(sock, done):
    with contextlib.suppress(OSError):
        while not done.wait(0.05):
            sock.sendall(b"x")


def test_a_cut_towards_http_1_0_is_a_reset_after_all_of_its_bytes(start):
    """There the end of the connection is the end of the body: a proper one would lie."""
    server = start()
    with server.connect(b"GET /cut/c HTTP/1.0\r\n\r\n") as sock:
        read_until(sock, b"first ")
        server.ask(closing("/open/c"))
        read_until(sock, b"last")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_whole_stream_towards_http_1_0_ends_properly(start):
    server = start()
    with server.connect(b"GET /stream/s HTTP/1.0\r\n\r\n") as sock:
        server.ask(closing("/open/s"))
        assert read_all(sock).endswith(b"first last")
