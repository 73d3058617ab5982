"""Calls through a network proxy's tunnel (CONNECT) to an upstream that speaks TLS."""

import contextlib
import socket
import ssl
import threading

import pytest
import trustme

from proxy.cancellation import Cancelled, Reason
from proxy.transport import UnreachedError
from proxy.transport.httpcore import HTTPCoreTransport
from quiet_server import SelfClosing
from scripted_upstream import ScriptedUpstream
from waiting import LONG, until

AUTHORITY = trustme.CA()


def server_tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    return context


def client_tls():
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


class TunnellingProxy:
    """Grants every CONNECT and passes bytes on; ``asked`` are the targets."""

    def __init__(self, tls=None, grant=b"HTTP/1.1 200 Connection established\r\n\r\n"):
        self.asked = []
        self._tls, self._grant = tls, grant
        if tls is not None:
            tls.sslsocket_class = SelfClosing
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[sock], daemon=True).start()

    def _serve(self, sock):
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            held.enter_context(sock)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += sock.recv(1)
            target = head.split()[1].decode()
            self.asked.append(target)
            sock.sendall(self._grant)
            port = int(target.split(":")[1])
            there = held.enter_context(socket.create_connection(("127.0.0.1", port)))
            back = threading.Thread(target=self._pass_on, args=[there, sock])
            back.start()
            self._pass_on(sock, there)
            back.join()

    @staticmethod
    def _pass_on(here, there):
        with contextlib.suppress(OSError):
            while data := here.recv(65536):
                there.sendall(data)
        with contextlib.suppress(OSError):
            there.shutdown(socket.SHUT_WR)

    def close(self):
        self._listener.close()


@pytest.fixture
def upstream():
    with ScriptedUpstream(server_tls()) as running:
        yield running


@pytest.fixture(params=["http", "https"])
def proxy(request):
    """A network proxy that is spoken to in the clear, or over TLS."""
    running = TunnellingProxy(server_tls() if request.param == "https" else None)
    running.url = f"{request.param}://localhost:{running.port}"
    yield running
    running.close()


@contextlib.contextmanager
def transport_through(proxy, upstream):
    transport = HTTPCoreTransport(
        upstream.url, {}, connect_timeout=LONG, tls=client_tls(), proxy=proxy.url
    )
    yield transport
    transport.close()


def ask(transport, model, scope, filler=0):
    body = b'{"model": "%b", "filler": "%b"}' % (model.encode(), b"x" * filler)
    return contextlib.closing(transport.post("/v1/messages", body, {}, scope))


def whole(transport, model, watchdog, **more):
    with (
        watchdog.scope(None) as scope,
        ask(transport, model, scope, **more) as response,
    ):
        return b"".join(response)


def test_a_call_goes_through_the_tunnel_and_its_connection_is_kept(
    proxy, upstream, watchdog
):
    with transport_through(proxy, upstream) as transport:
        for _ in range(3):
            body = whole(transport, "ok", watchdog, filler=1 << 20)
            assert body.endswith(b'data: {"type": "message_stop"}\n\n')
    assert [len(call.body["filler"]) for call in upstream.calls] == [1 << 20] * 3
    assert proxy.asked == [f"localhost:{upstream.port}"]


def test_a_cancel_wakes_a_call_inside_the_tunnel(proxy, upstream, watchdog):
    with transport_through(proxy, upstream) as transport:
        with watchdog.scope(None) as scope:

            def cancel():
                until(lambda: upstream.calls)
                scope.cancel(Reason.CLIENT_GONE)

            canceller = threading.Thread(target=cancel)
            canceller.start()
            with (
                pytest.raises(Cancelled),
                ask(transport, "stall", scope) as response,
            ):
                b"".join(response)
            canceller.join()
        assert whole(transport, "ok", watchdog)


def test_a_proxy_that_refuses_the_tunnel_is_an_upstream_out_of_reach(
    upstream, watchdog
):
    refusing = TunnellingProxy(grant=b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                                     b"content-length: 0\r\n\r\n")  # fmt: skip
    refusing.url = f"http://localhost:{refusing.port}"
    with (
        transport_through(refusing, upstream) as transport,
        pytest.raises(UnreachedError),
    ):
        whole(transport, "ok", watchdog)
    assert upstream.calls == []
    refusing.close()
