"""proxy.transport: both implementations keep one set of promises."""

import contextlib
import select
import socket
import ssl
import subprocess
import threading

import anthropic
import pytest
import trustme

from proxy.cancellation import Cancelled, Deadlines, Reason
from proxy.transport import (
    ERROR_BODY,
    BadResponseError,
    CutError,
    NoResponseError,
    Obstacle,
    SocketTransport,
    StaleError,
    TransportError,
    UnreachedError,
    create,
    identity,
    proxy_for,
    sockets,
)
from proxy.transport.httpcore import HTTPCoreTransport
from proxy.watchdog import Watchdog
from scripted_upstream import ScriptedUpstream
from waiting import LONG, until

KINDS = [SocketTransport, HTTPCoreTransport]
AUTHORITY = trustme.CA()


def server_tls(name="localhost"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name).configure_cert(context)
    return context


def client_tls():
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def upstream(request):
    with ScriptedUpstream(server_tls() if request.param else None) as running:
        yield running


@pytest.fixture
def plain():
    with ScriptedUpstream() as running:
        yield running


def of_kind(kind):
    """Makes transports of one class; without a TLS context they trust the system."""

    def make(url, *, connect_timeout, tls=None, **more):
        tls = tls or ssl.create_default_context()
        return kind(url, {}, connect_timeout=connect_timeout, tls=tls, **more)

    return make


@pytest.fixture(params=KINDS, ids=["sockets", "httpcore"])
def kind(request):
    return of_kind(request.param)


@pytest.fixture
def connect(kind):
    made = []

    def make(upstream, *, connect_timeout=LONG):
        tls = client_tls() if upstream.url.startswith("https") else None
        made.append(kind(upstream.url, connect_timeout=connect_timeout, tls=tls))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def ask(transport, model, scope, *, filler=0):
    body = b'{"model": "%b", "filler": "%b"}' % (model.encode(), b"x" * filler)
    headers = {"content-type": "application/json", "x-asked": "yes"}
    headers["authorization"] = "Bearer sk-ant-test"
    return contextlib.closing(transport.post("/v1/messages", body, headers, scope))


def whole(transport, model, watchdog, **kwargs):
    """Ask and read all, under a scope of its own."""
    with (
        watchdog.scope(None) as scope,
        ask(transport, model, scope, **kwargs) as response,
    ):
        return response, b"".join(response)


def test_an_answer_has_its_status_its_headers_and_its_body(upstream, connect, watchdog):
    response, body = whole(connect(upstream), "ok", watchdog)
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["request-id"] == "req_scripted"
    assert body.startswith(b"event: message_start\n")
    assert body.endswith(b'data: {"type": "message_stop"}\n\n')


def test_a_request_arrives_as_it_was_given(upstream, connect, watchdog):
    whole(connect(upstream), "ok", watchdog, filler=1 << 20)
    (call,) = upstream.calls
    assert call.path == "/v1/messages"
    assert call.headers["x-asked"] == "yes"
    assert call.headers["accept-encoding"] == "identity"
    assert call.headers["host"] == upstream.url.partition("//")[2]
    assert len(call.body["filler"]) == 1 << 20


def test_a_path_in_the_base_url_is_kept(plain, kind, watchdog):
    transport = kind(plain.url + "/gateway/", connect_timeout=LONG)
    whole(transport, "ok", watchdog)
    assert plain.calls[0].path == "/gateway/v1/messages"
    transport.close()


def test_an_error_is_an_answer(upstream, connect, watchdog):
    with watchdog.scope(None) as scope:
        model = "status;code=429;retry-after=7"
        with ask(connect(upstream), model, scope) as response:
            assert (response.status, response.headers["retry-after"]) == (429, "7")
            assert b"rate_limit_error" in response.read()


def test_no_more_of_an_error_is_read_than_asked_for(plain, connect, watchdog):
    with (
        watchdog.scope(None) as scope,
        ask(connect(plain), "drip;gap=0", scope) as response,
    ):
        assert len(response.read()) == ERROR_BODY
    plain.wait_until_idle()


def test_a_redirect_is_not_followed(plain, connect, watchdog):
    response, _ = whole(connect(plain), f"redirect;to={plain.url}/elsewhere", watchdog)
    assert response.status == 307
    assert len(plain.calls) == 1


def test_what_arrives_is_passed_on_at_once(upstream, connect, watchdog):
    """The upstream holds back the rest until the first delta was seen."""
    with (
        watchdog.scope(None) as scope,
        ask(connect(upstream), "hold", scope) as response,
    ):
        body = b""
        for part in response:
            body += part
            if b"word0" in body:
                upstream.release()
    assert body.endswith(b'"message_stop"}\n\n')


def test_a_connection_is_used_again_after_a_whole_answer(upstream, connect, watchdog):
    transport = connect(upstream)
    for _ in range(5):
        whole(transport, "ok", watchdog)
    assert upstream.connections == 1


def test_a_connection_whose_answer_was_left_is_closed(upstream, connect, watchdog):
    transport = connect(upstream)
    with watchdog.scope(None) as scope, ask(transport, "hold", scope) as response:
        next(iter(response))
    upstream.wait_until_idle()
    whole(transport, "ok", watchdog)
    assert upstream.connections == 2


def test_a_connection_that_is_said_to_close_is_not_used_again(plain, connect, watchdog):
    transport = connect(plain)
    for _ in range(3):
        try:
            whole(transport, "ok;close", watchdog)
        except StaleError:  # its end had not arrived yet
            whole(transport, "ok;close", watchdog)
    assert plain.connections == 3


def test_a_connection_that_died_idle_is_replaced_or_said_to_be_stale(
    upstream, connect, watchdog
):
    """Replaced without a word where its end has arrived, which may take a moment."""
    transport = connect(upstream)
    for _ in range(3):
        whole(transport, "ok", watchdog)
        upstream.drop_idle_connections()
        with contextlib.suppress(StaleError):
            whole(transport, "ok", watchdog)
    assert whole(transport, "ok", watchdog)[0].status == 200


def test_a_kept_connection_that_dies_under_a_request_is_said_to_be_stale(
    plain, connect, watchdog
):
    """It was alive when it was taken, and gave no byte: whoever calls may try again."""
    transport = connect(plain)
    whole(transport, "ok", watchdog)
    with pytest.raises(StaleError):
        whole(transport, "rst0;times=1", watchdog)
    assert len(plain.of("rst0")) == 1
    assert whole(transport, "rst0;times=1", watchdog)[0].status == 200


def test_a_fresh_connection_is_made_where_one_is_asked_for(plain, connect, watchdog):
    transport = connect(plain)
    whole(transport, "ok", watchdog)
    with watchdog.scope(None) as scope:
        transport.post(
            "/v1/messages", b'{"model": "ok"}', {}, scope, fresh=True
        ).close()
    assert plain.connections == 2


def test_a_fresh_connection_that_gives_no_byte_is_not_tried_again(
    upstream, connect, watchdog
):
    for model in ("fin0", "rst0"):
        with pytest.raises(NoResponseError) as caught:
            whole(connect(upstream), model, watchdog)
        assert not isinstance(caught.value, StaleError)
        assert len(upstream.of(model)) == 1


FAULTS = {
    "cut-head": CutError,
    "endless-head": BadResponseError,
    "fin;at=-1": CutError,
    "fin": CutError,
    "fin;inside": CutError,
    "rst": CutError,
    "rst;inside": CutError,
}


@pytest.mark.parametrize("model", FAULTS)
def test_each_way_to_break_an_answer_has_its_error(upstream, connect, watchdog, model):
    with pytest.raises(FAULTS[model]):
        whole(connect(upstream), model, watchdog)


def test_what_came_before_a_cut_is_passed_on(upstream, connect, watchdog):
    parts = []
    with (
        pytest.raises(CutError),
        watchdog.scope(None) as scope,
        ask(connect(upstream), "fin;at=2", scope) as response,
    ):
        parts.extend(response)
    assert b"word1" in b"".join(parts)


@contextlib.contextmanager
def raw_server(answer):
    """Answers one connection with these bytes and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            sock, _ = listener.accept()
            listener.close()
            with sock:
                data = b""
                while not data.endswith(b'"}'):  # unread bytes would make it a reset
                    data += sock.recv(65536)
                sock.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"220 mail.example ESMTP\r\n\r\n", id="no HTTP"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nXX\r\n", id="chunk"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: GZIP\r\ncontent-length: 1\r\n\r\nx",
            id="encoded",
        ),
    ],
)
def test_what_is_no_answer_is_said_to_be_bad(kind, watchdog, answer):
    with raw_server(answer) as url:
        transport = kind(url, connect_timeout=LONG)
        with pytest.raises(BadResponseError):
            whole(transport, "x", watchdog)
        transport.close()


def test_a_body_that_ends_with_its_connection_is_whole(kind, watchdog):
    with raw_server(b"HTTP/1.0 502 Bad\r\ncontent-type: text/html\r\n\r\npage") as url:
        transport = kind(url, connect_timeout=LONG)
        response, body = whole(transport, "x", watchdog)
        assert (response.status, body) == (502, b"page")
        transport.close()


def test_trailers_override_no_header(kind, watchdog):
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
    chunked = b"transfer-encoding: chunked\r\ncontent-encoding: Identity\r\n\r\n2\r\nhi\r\n0\r\n"
    with raw_server(head + chunked + b"content-type: text/html\r\nx: y\r\n\r\n") as url:
        transport = kind(url, connect_timeout=LONG)
        response, body = whole(transport, "x", watchdog)
        assert body == b"hi"
        assert response.headers["content-type"] == "text/plain"
        assert "x" not in response.headers
        transport.close()


def test_silence_is_reported_again_and_again_and_costs_nothing(upstream, watchdog):
    """By the transport that waits on its own."""
    tls = client_tls() if upstream.url.startswith("https") else None
    transport = of_kind(HTTPCoreTransport)(upstream.url, connect_timeout=LONG, tls=tls)
    with watchdog.scope(None) as scope, ask(transport, "hold", scope) as response:
        assert response.flow() is None
        silences = []
        scope.silence = 0.05

        def silent():
            silences.append(1)
            if len(silences) == 3:
                upstream.release()

        scope.on_silence = silent
        body = b"".join(response)
    assert len(silences) >= 3
    assert body.endswith(b'"message_stop"}\n\n')
    whole(transport, "ok", watchdog)
    assert upstream.connections == 1
    transport.close()


def flowing(response):
    """The parts of a response that flows; where none has come, b"" and then a wait."""
    descriptor = response.flow()
    for part in response:
        yield part
        if not part:
            assert select.select([descriptor], [], [], LONG)[0]


@pytest.fixture
def sockets_to(upstream):
    tls = client_tls() if upstream.url.startswith("https") else None
    transport = of_kind(SocketTransport)(upstream.url, connect_timeout=LONG, tls=tls)
    yield transport
    transport.close()


def test_a_response_that_flows_never_waits(upstream, sockets_to, watchdog):
    """It yields nothing instead, and its connection is as good as any other later."""
    with watchdog.scope(None) as scope, ask(sockets_to, "hold", scope) as response:
        parts, body = flowing(response), b""
        while b"word0" not in body:
            body += next(parts)
        assert next(parts) == b""
        upstream.release()
        body += b"".join(parts)
    assert body.endswith(b'"message_stop"}\n\n')
    whole(sockets_to, "ok", watchdog)
    assert upstream.connections == 1


def test_a_response_that_flows_may_be_cut(upstream, sockets_to, watchdog):
    with (
        watchdog.scope(None) as scope,
        ask(sockets_to, "rst", scope) as response,
        pytest.raises(CutError),
    ):
        b"".join(flowing(response))


def test_a_response_that_flows_may_be_cancelled(upstream, sockets_to, watchdog):
    with watchdog.scope(None) as scope, ask(sockets_to, "hold", scope) as response:
        parts = flowing(response)
        while b"word0" not in next(parts):
            pass
        scope.cancel(Reason.CLIENT_GONE)
        with pytest.raises(Cancelled):
            b"".join(parts)
    upstream.release()


def test_hints_before_the_answer_are_no_answer(kind, watchdog):
    hint = b"HTTP/1.1 103 Early Hints\r\nx-hint: 1\r\n\r\n"
    with raw_server(hint + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi") as url:
        transport = kind(url, connect_timeout=LONG)
        response, body = whole(transport, "x", watchdog)
        assert (response.status, body) == (200, b"hi")
        assert "x-hint" not in response.headers
        transport.close()


def test_bytes_after_an_answer_never_reach_the_next_call(watchdog):
    """Over our sockets; httpcore2 takes a second response in one read for the next."""
    kind = of_kind(SocketTransport)
    one = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
    with raw_server(one + b"hi" + one + b"no") as url:
        transport = kind(url, connect_timeout=LONG)
        assert whole(transport, "x", watchdog)[1] == b"hi"
        with pytest.raises(TransportError):  # the server is gone, and so is "no"
            whole(transport, "x", watchdog)
        transport.close()


OBSTACLES = {
    "refused": ("http://127.0.0.1:{refusing}", Obstacle.REFUSED),
    "no such name": ("http://no-such-host.invalid", Obstacle.NAME_NOT_FOUND),
    "no name at all": ("http://a..b", Obstacle.NAME_NOT_FOUND),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_what_stands_in_the_way_is_named(kind, watchdog, name):
    url, obstacle = OBSTACLES[name]
    with socket.socket() as bound:  # and so nobody else's, but it does not listen
        bound.bind(("127.0.0.1", 0))
        refusing = bound.getsockname()[1]
        transport = kind(url.format(refusing=refusing), connect_timeout=LONG)
        with pytest.raises(UnreachedError) as caught:
            whole(transport, "x", watchdog)
    assert caught.value.obstacle is obstacle
    transport.close()


def test_connecting_has_its_time(kind, watchdog):
    with deaf_listener() as url:
        transport = kind(url, connect_timeout=0.2)
        with pytest.raises(UnreachedError) as caught:
            whole(transport, "x", watchdog)
        assert caught.value.obstacle is Obstacle.TIMEOUT
        transport.close()


def test_a_server_that_does_not_greet_in_time_is_no_server(kind, watchdog):
    """It accepts, and says nothing to the TLS hello."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"  # nothing to look up
        transport = kind(url, connect_timeout=0.3, tls=client_tls())
        with pytest.raises(UnreachedError) as caught:
            whole(transport, "x", watchdog)
        assert caught.value.obstacle is Obstacle.TIMEOUT
        transport.close()


@contextlib.contextmanager
def deaf_listener():
    """A listener whose queue is full: a connection to it is never made."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for sock in waiting:
            sock.close()


@pytest.mark.parametrize("name", ["elsewhere.example", None])
def test_a_certificate_of_somebody_else_is_refused(kind, watchdog, name):
    tls = client_tls() if name else ssl.create_default_context()
    with ScriptedUpstream(server_tls(name or "localhost")) as upstream:
        transport = kind(upstream.url, connect_timeout=LONG, tls=tls)
        with pytest.raises(UnreachedError) as caught:
            whole(transport, "ok", watchdog)
        assert caught.value.obstacle is Obstacle.TLS
        assert upstream.calls == []
        transport.close()


def test_addresses_of_version_6_work(kind, watchdog):
    with ScriptedUpstream(host="::1") as upstream:
        transport = kind(upstream.url, connect_timeout=LONG)
        assert whole(transport, "ok", watchdog)[0].status == 200
        assert upstream.calls[0].headers["host"] == f"[::1]:{upstream.port}"
        transport.close()


# Cancel scopes.


def cancel_when(condition, scope, reason=Reason.CLIENT_GONE):
    def run():
        until(condition)
        scope.cancel(reason)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "model",
    ["silent", "half-head", "stall;at=-1", "stall", "stall;inside", "pings", "drip"],
)
def test_a_cancel_wakes_the_call_wherever_it_waits(upstream, connect, watchdog, model):
    transport = connect(upstream)
    with watchdog.scope(None) as scope:
        canceller = cancel_when(lambda: upstream.calls, scope)
        with (
            pytest.raises(Cancelled) as caught,
            ask(transport, model, scope) as response,
        ):
            for _ in response:
                pass
        canceller.join()
        assert caught.value.reason is Reason.CLIENT_GONE
    upstream.wait_until_idle()
    assert whole(transport, "ok", watchdog)[0].status == 200


def test_a_cancel_wakes_a_call_whose_request_is_not_taken(kind, watchdog):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        transport = kind(url, connect_timeout=LONG)
        with watchdog.scope(None) as scope:
            timer = threading.Timer(0.2, scope.cancel, [Reason.CLIENT_GONE])
            timer.start()
            with pytest.raises(Cancelled):
                ask(transport, "x", scope, filler=32 << 20)
            timer.join()
        transport.close()


def test_a_cancel_wakes_a_call_that_still_connects(kind, watchdog):
    with deaf_listener() as url:
        transport = kind(url, connect_timeout=LONG)
        with watchdog.scope(None) as scope:
            timer = threading.Timer(0.2, scope.cancel, [Reason.CLIENT_GONE])
            timer.start()
            with pytest.raises(Cancelled):
                ask(transport, "x", scope)
            timer.join()


def test_a_call_that_was_cancelled_before_it_began_is_not_made(
    plain, connect, watchdog
):
    with watchdog.scope(None) as scope:
        scope.cancel(Reason.DRAINING)
        with pytest.raises(Cancelled):
            ask(connect(plain), "ok", scope)
    assert plain.calls == []


@pytest.mark.parametrize(
    ("model", "deadlines", "reason"),
    [
        ("silent", {"header": 0.2}, Reason.HEADER_TIMEOUT),
        ("half-head", {"header": 0.2}, Reason.HEADER_TIMEOUT),
        ("stall", {"progress": 0.2}, Reason.PROGRESS_TIMEOUT),
        ("pings", {"progress": 0.2}, Reason.PROGRESS_TIMEOUT),
        ("drip", {"total": 0.3}, Reason.TOTAL_TIMEOUT),
    ],
)
def test_deadlines_run_in_their_phase(upstream, connect, model, deadlines, reason):
    watchdog = Watchdog(Deadlines(**deadlines))
    watchdog.start()
    with pytest.raises(Cancelled) as caught:
        whole(connect(upstream), model, watchdog)
    assert caught.value.reason is reason
    upstream.wait_until_idle()
    watchdog.stop()


def test_a_late_cancel_never_hits_a_connection_of_somebody_else(
    plain, connect, watchdog
):
    """Cancels that race with the end of their call, while another one is made."""
    transport = connect(plain)
    for _ in range(100):
        with watchdog.scope(None) as scope:
            timer = threading.Thread(target=scope.cancel, args=[Reason.CLIENT_GONE])
            with (
                contextlib.suppress(Cancelled),
                ask(transport, "ok", scope) as response,
            ):
                timer.start()
                b"".join(response)
            if timer.ident is None:
                timer.start()
            assert whole(transport, "ok", watchdog)[1].endswith(b'"message_stop"}\n\n')
            timer.join()


def test_many_threads_share_a_transport_and_get_their_own_answers(
    plain, connect, watchdog
):
    transport = connect(plain)
    wrong = []

    def run(i):
        for _ in range(10):
            _, body = whole(transport, f"ok;tag={i}", watchdog)
            if b'"model": "ok;tag=%d"' % i not in body:
                wrong.append(i)

    threads = [threading.Thread(target=run, args=[i]) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(plain.calls) == 160
    assert plain.connections <= 16


def test_closing_closes_what_is_kept(plain, connect, watchdog):
    transport = connect(plain)
    whole(transport, "ok", watchdog)
    transport.close()
    until(lambda: plain.open_connections == 0)


def test_connections_that_were_idle_too_long_are_not_used(plain, watchdog, monkeypatch):
    monkeypatch.setattr(sockets, "KEEP", 0.0)
    transport = of_kind(SocketTransport)(plain.url, connect_timeout=LONG)
    for _ in range(3):
        whole(transport, "ok", watchdog)
    assert plain.connections == 3
    transport.close()


# Which one.

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": PROXY}, PROXY),
        ({"HTTPS_PROXY": "proxy:3128"}, PROXY),
        ({"ALL_PROXY": PROXY}, PROXY),
        ({"HTTP_PROXY": PROXY}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "api.anthropic.com"}, None),
        ({"HTTPS_PROXY": PROXY, "no_proxy": ".anthropic.com"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "example.com"}, PROXY),
        ({"SSL_CERT_FILE": "/ca.pem", "SSL_CERT_DIR": "/cas"}, None),
    ],
)
def test_the_environment_names_the_network_proxy(environ, expected):
    assert proxy_for("https://api.anthropic.com", environ) == expected


@pytest.mark.parametrize(
    ("environ", "kind"),
    [({}, SocketTransport), ({"HTTP_PROXY": "http://h"}, HTTPCoreTransport)],
)
def test_only_a_network_proxy_needs_the_other_transport(environ, kind):
    transport = create("http://anthropic.invalid", environ, connect_timeout=LONG)
    assert isinstance(transport, kind)
    transport.close()


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_authorities_of_the_environment_are_trusted(
    watchdog, monkeypatch, tmp_path, name
):
    """A company's own CA, over plain sockets."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    pem = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(pem))
    if name == "SSL_CERT_DIR":  # it is looked up by the hash of its subject
        command = ["openssl", "x509", "-hash", "-noout", "-in", str(pem)]
        digest = subprocess.run(command, capture_output=True, text=True, check=True)
        pem.rename(tmp_path / f"{digest.stdout.strip()}.0")
    monkeypatch.setenv(name, str(pem if name == "SSL_CERT_FILE" else tmp_path))
    with ScriptedUpstream(server_tls()) as upstream:
        transport = create(upstream.url, {}, connect_timeout=LONG)
        assert isinstance(transport, SocketTransport)
        assert whole(transport, "ok", watchdog)[0].status == 200
        transport.close()


def test_what_is_made_for_an_upstream_calls_it(plain, watchdog):
    for environ in ({}, {"HTTP_PROXY": plain.url}):
        transport = create(plain.url, environ, connect_timeout=LONG)
        assert whole(transport, "ok", watchdog)[0].status == 200
        transport.close()


def test_a_resource_is_fetched(upstream, connect, watchdog):
    transport = connect(upstream)
    for _ in range(2):
        with watchdog.scope(None) as scope:
            response = transport.get("/v1/models?limit=1000", {"x-asked": "yes"}, scope)
            assert response.status == 200
            assert response.read() == b'{"data": []}'
            response.close()
    assert upstream.connections == 1


@pytest.mark.parametrize("release", ["before", "never"])
def test_an_answer_that_is_over_need_not_be_at_its_end(
    plain, connect, watchdog, release
):
    """Its connection is kept, and used once the end of its framing has come."""
    transport = connect(plain)
    with watchdog.scope(None) as scope, ask(transport, "late-end", scope) as response:
        body = b""
        for part in response:
            body += part
            if b"message_stop" in body:
                break
        if release == "before":
            plain.release()
            until(lambda: plain.calls[0].finished)
        response.close(over=True)
    whole(transport, "ok", watchdog)
    assert plain.connections == (1 if release == "before" else 2)


@pytest.mark.parametrize(
    "environ", [{}, {"HTTP_PROXY": "…"}], ids=["sockets", "httpcore"]
)
def test_the_headers_of_the_sdk_are_sent(plain, watchdog, environ):
    """Byte for byte the SDK's own, though it is not imported for them."""
    environ = dict.fromkeys(environ, plain.url)
    transport = create(plain.url, environ, connect_timeout=LONG)
    whole(transport, "ok", watchdog)
    sent = plain.calls[0].headers
    sdk = anthropic.Anthropic(api_key="sk-ant-test", base_url=plain.url)
    expected = {name.lower(): value for name, value in sdk.default_headers.items()}
    assert sent.items() >= expected.items()
    assert anthropic.Anthropic(api_key="k").base_url == identity.BASE_URL
    sdk.close()
    transport.close()


def test_the_headers_that_the_environment_adds_are_those_that_the_sdk_would_add(
    monkeypatch,
):
    lines = "X-Team: a:b\n no-value\nUser-Agent : mine"
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", lines)
    sdk = anthropic.Anthropic(api_key="k")
    expected = {name.lower(): value for name, value in sdk.default_headers.items()}
    del expected["authorization"]
    assert identity.headers({"ANTHROPIC_CUSTOM_HEADERS": lines}) == expected
    sdk.close()


def test_a_network_proxy_is_used(plain, watchdog):
    """The scripted upstream plays the proxy: it sees the absolute URL."""
    transport = of_kind(HTTPCoreTransport)(
        "http://anthropic.invalid", connect_timeout=LONG, proxy=plain.url
    )
    with watchdog.scope(None) as scope:
        canceller = cancel_when(lambda: plain.calls, scope)
        with pytest.raises(Cancelled):
            ask(transport, "silent", scope)
        canceller.join()
    assert plain.calls[0].path == "http://anthropic.invalid/v1/messages"
    transport.close()
