"""A plain-HTTP way to the API server that can go wrong in chosen ways.

proxy.fault = lambda method, path: Answer(500)   None lets a request through
proxy.away()                                     no answers, live watches are cut
proxy.back()
"""

import contextlib
import http.client
import http.server
import json
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable  # noqa: TC003 - read by people
from typing import NamedTuple, Self

from quiet_server import QuietServer


class Answer(NamedTuple):
    """What the proxy says itself. Status 0 cuts the connection."""

    status: int
    headers: dict[str, str] = {}  # noqa: RUF012 - of a NamedTuple, never changed


class ApiProxy:
    """The proxy, running while it is a context. `requests` is what was asked for."""

    def __init__(self, server: str) -> None:
        self.target = urllib.parse.urlsplit(server)
        self.fault: Callable[[str, str], Answer | None] = lambda *_: None
        self.requests: list[tuple[str, str]] = []
        self.silent_watches = False
        self.connections: set[socket.socket] = set()
        self._away = False
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.away()
        self._server.shutdown()
        self._server.server_close()

    def away(self) -> None:
        self._away = True
        for each in list(self.connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def back(self) -> None:
        self._away = False

    def answer(self, method: str, path: str) -> Answer | None:
        self.requests.append((method, path))
        return Answer(0) if self._away else self.fault(method, path)


class _Server(QuietServer):
    proxy: ApiProxy


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _pass(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        own = proxy.answer(self.command, self.path)
        if own is not None:
            self._say(own)
            return
        proxy.connections.add(self.connection)
        upstream = http.client.HTTPSConnection(
            proxy.target.hostname or "",
            proxy.target.port,
            context=ssl._create_unverified_context(),
            timeout=60,
        )
        try:
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in {"host", "connection", "accept-encoding"}
            }
            upstream.request(self.command, self.path, body or None, headers)
            self._relay(upstream.getresponse())
        finally:
            upstream.close()
            proxy.connections.discard(self.connection)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815

    def _say(self, own: Answer) -> None:
        self.close_connection = True
        if own.status == 0:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        data = json.dumps(
            {"kind": "Status", "apiVersion": "v1", "code": own.status, "message": "no"}
        ).encode()
        self.send_response(own.status)
        for name, value in own.headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _relay(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        self.send_header("content-type", answer.getheader("content-type", ""))
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        quiet = self.server.proxy.silent_watches and "watch=true" in self.path
        while data := answer.read1(65536):
            if not quiet:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""
