"""A strict stand-in for Anthropic's OAuth and API hosts, for the real `claude` CLI.

It is an HTTP proxy on loopback that ends the TLS of `platform.claude.com` and
`api.anthropic.com` itself, with a certificate of a throw-away CA, and refuses every
other host. A client is pointed at it as at any company's proxy:

    HTTPS_PROXY=http://127.0.0.1:PORT  NODE_EXTRA_CA_CERTS=DIRECTORY/ca.pem

The API paths also answer plain HTTP, for a client with `ANTHROPIC_BASE_URL`.

Refresh tokens work once (`single_use`), a replaced access token is honoured until its
own expiry, and `Behaviour` makes the token endpoint late, silent or refusing. It has no
page to log in on: `ledger.code()` is what a browser would show there.

In a test:     with Standin(tmp_path) as standin: standin.behaviour = Behaviour(status=429)
As a program:  python oauth_standin.py --directory DIR [--host H] [--port P], then
               POST /standin/login      {"access_left": -60}  -> a credentials file
               POST /standin/behaviour  {"status": 429}
               GET  /standin/calls      every other request seen, as JSON
               GET  /standin/ca.pem
"""

import argparse
import dataclasses
import http.server
import json
import secrets
import signal
import socket
import ssl
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import Self

import trustme

from oauth_ledger import SCOPES, Behaviour, Ledger
from quiet_server import QuietServer, SelfClosing

OAUTH_HOST = "platform.claude.com"
API_HOST = "api.anthropic.com"
GRANTS = {
    "refresh_token": ("refresh_token",),
    "authorization_code": ("code", "code_verifier", "redirect_uri"),
}
"""What the token endpoint is asked for, and what such a request holds."""
HELD_AT_MOST = 25.0
"""Seconds for which a response is held; the CLI gives up after 30."""


class Standin:
    """The stand-in, running while it is a context."""

    def __init__(self, directory: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self.behaviour = Behaviour()
        self.ledger = Ledger()
        self.calls: list[dict[str, object]] = []
        self.closing = threading.Event()
        self.ca_file = directory / "ca.pem"
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(self.ca_file))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.sslsocket_class = SelfClosing
        ca.issue_cert(OAUTH_HOST, API_HOST).configure_cert(self.tls)
        self._server = _Server((host, port), _Handler)
        self._server.standin = self
        self.url = f"http://{host}:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def environ(self) -> dict[str, str]:
        """The variables that send a client here."""
        return {
            "HTTPS_PROXY": self.url,
            "NODE_EXTRA_CA_CERTS": str(self.ca_file),
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def login(
        self, access_left: float, login_left: float | None = 20 * 86400
    ) -> dict[str, object]:
        """Begin a made-up login; the value is the content of a credentials file."""
        access, refresh, ends = self.ledger.login(access_left)
        oauth: dict[str, object] = {
            "accessToken": access,
            "refreshToken": refresh,
            "expiresAt": int(ends * 1000),
            "scopes": SCOPES,
            "subscriptionType": "max",
        }
        if login_left is not None:
            oauth["refreshTokenExpiresAt"] = int((time.time() + login_left) * 1000)
        return {"claudeAiOauth": oauth}

    def token_calls(self) -> list[dict[str, object]]:
        """The calls of the token endpoint, oldest first."""
        return [call for call in self.calls if call["path"] == "/v1/oauth/token"]


class _Server(QuietServer):
    standin: Standin


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    host: str | None = None  # inside a CONNECT tunnel: whose name was asked for
    timeout = 300

    def do_CONNECT(self) -> None:
        host, _, port = self.path.partition(":")
        if host not in {OAUTH_HOST, API_HOST} or port != "443":
            self._record(HTTPStatus.BAD_GATEWAY)
            self.send_error(HTTPStatus.BAD_GATEWAY)
            return
        self.send_response_only(HTTPStatus.OK, "Connection established")
        self.end_headers()
        self.wfile.flush()
        self.host = host
        tls = self.server.standin.tls.wrap_socket(self.connection, server_side=True)
        self.connection = self.request = tls
        self.rfile, self.wfile = tls.makefile("rb"), tls.makefile("wb", buffering=0)
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the server itself knows only the socket under TLS

    def do_GET(self) -> None:
        self._body()
        standin = self.server.standin
        if self.host is None and self.path == "/standin/calls":
            self._json(HTTPStatus.OK, standin.calls, record=False)
        elif self.host is None and self.path == "/standin/ca.pem":
            self._send(HTTPStatus.OK, standin.ca_file.read_bytes(), "text/plain")
        elif self.host == API_HOST and self.path.partition("?")[0] == "/v1/models":
            if self._accepted():
                self._json(HTTPStatus.OK, {"data": [], "has_more": False}, record=False)
        else:
            self._not_found()

    def do_POST(self) -> None:
        body = self._body()
        path = self.path.partition("?")[0]
        if self.host is None and path.startswith("/standin/"):
            self._control(path.removeprefix("/standin/"), body)
        elif self.host == OAUTH_HOST and path == "/v1/oauth/token":
            self._token(body)
        elif self.host in {API_HOST, None} and path == "/v1/messages":
            self._messages(body)
        else:
            self._not_found()

    def do_PUT(self) -> None:
        self._body()
        self._not_found()

    do_PATCH = do_DELETE = do_HEAD = do_PUT  # noqa: N815 - the base class's names

    def _control(self, what: str, body: dict[str, object]) -> None:
        standin = self.server.standin
        if what == "behaviour":
            standin.behaviour = Behaviour(**body)
            now = dataclasses.asdict(standin.behaviour)
            self._json(HTTPStatus.OK, now, record=False)
        elif what == "login":
            self._json(HTTPStatus.OK, standin.login(**body), record=False)
        else:
            self._not_found()

    def _token(self, body: dict[str, object]) -> None:
        standin, behaviour = self.server.standin, self.server.standin.behaviour
        call = self._record(None, refresh_token=body.get("refresh_token"))
        if behaviour.hang:
            standin.closing.wait()
            self.close_connection = True
            return
        if behaviour.cut:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if behaviour.page:
            call["status"] = behaviour.status
            self._send(behaviour.status, behaviour.page.encode(), "text/html")
            return
        if behaviour.status != HTTPStatus.OK:
            call["status"] = behaviour.status
            self._json(behaviour.status, {"error": behaviour.error}, record=False)
            return
        problem = self._problem(body)
        answer = None if problem else self._grant(body, behaviour)
        standin.closing.wait(behaviour.delay)
        if behaviour.held_until:
            behaviour.held_until.wait(HELD_AT_MOST)
        call["status"] = HTTPStatus.OK if answer else HTTPStatus.BAD_REQUEST
        self._json(
            call["status"],
            answer or {"error": problem or "invalid_grant"},
            record=False,
        )

    def _problem(self, body: dict[str, object]) -> str | None:
        if self.headers.get_content_type() != "application/json":
            return "invalid_request"
        needed = GRANTS.get(str(body.get("grant_type")))
        if needed is None:
            return "unsupported_grant_type"
        if not all(body.get(name) for name in ("client_id", *needed)):
            return "invalid_request"
        return None

    def _grant(
        self, body: dict[str, object], behaviour: Behaviour
    ) -> dict[str, object] | None:
        ledger = self.server.standin.ledger
        if body["grant_type"] == "authorization_code":
            return ledger.redeem(str(body["code"]), behaviour)
        return ledger.exchange(str(body["refresh_token"]), behaviour)

    def _accepted(self) -> bool:
        """Whether the API accepts the request's token; it has had its response if not."""
        standin = self.server.standin
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        beta = "oauth-2025-04-20" in self.headers.get("anthropic-beta", "")
        status, unknown = standin.behaviour.api_status, standin.behaviour.unknown_tokens
        if not standin.ledger.accepts(token, unknown=unknown) or not beta:
            status = HTTPStatus.UNAUTHORIZED
        self._record(status, access_token=token)
        if status != HTTPStatus.OK:
            refused = status == HTTPStatus.UNAUTHORIZED
            kind = "authentication_error" if refused else "api_error"
            error = {"type": kind, "message": "not accepted"}
            self._json(status, {"type": "error", "error": error}, record=False)
        return status == HTTPStatus.OK

    def _messages(self, body: dict[str, object]) -> None:
        if not self._accepted():
            return
        if body.get("stream"):
            self._send(HTTPStatus.OK, _pong_events(body), "text/event-stream")
        else:
            self._json(HTTPStatus.OK, _message(body, _PONG, "end_turn"), record=False)

    def _not_found(self) -> None:
        error = {"type": "not_found_error", "message": "not found"}
        self._json(HTTPStatus.NOT_FOUND, {"type": "error", "error": error})

    def _body(self) -> dict[str, object]:
        length = int(self.headers.get("content-length") or 0)
        data = self.rfile.read(length)
        try:
            body = json.loads(data or b"{}")
        except ValueError:
            body = {}
        return body if isinstance(body, dict) else {}

    def _json(self, status: int, value: object, *, record: bool = True) -> None:
        if record:
            self._record(status)
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _record(self, status: int | None, **more: object) -> dict[str, object]:
        call = {
            "time": time.time(),
            "client": self.client_address[0],
            "host": self.host,
            "method": self.command,
            "path": self.path.partition("?")[0],
            "status": status,
            **more,
        }
        self.server.standin.calls.append(call)
        return call

    def log_message(self, *_: object) -> None:
        """Say nothing: `calls` is the log."""


_PONG = [{"type": "text", "text": "pong"}]


def _message(
    body: dict[str, object], content: list[dict[str, str]], stop: str | None
) -> dict[str, object]:
    return {
        "id": "msg_" + secrets.token_hex(8),
        "type": "message",
        "role": "assistant",
        "model": body.get("model"),
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def _pong_events(body: dict[str, object]) -> bytes:
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": _message(body, [], None)},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "pong"},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 1},
        },
        {"type": "message_stop"},
    ]
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        for event in events
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", type=Path, required=True, help="for ca.pem")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    words = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Standin(words.directory, words.host, words.port) as standin:
        where = {"url": standin.url, "ca": str(standin.ca_file)}
        print(json.dumps(where), flush=True)  # noqa: T201 - for whoever started it
        stop.wait()


if __name__ == "__main__":
    main()
