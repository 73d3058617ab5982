"""The stand-in's endpoints: bodies in, envelopes, headers and chunked streams out."""

import json
import select
import socket
import threading
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast

from standin import answers, caching, events, handle, listing, rules, thinking
from standin.call import Call

if TYPE_CHECKING:
    from standin.server import Server

_POLL_SECONDS = 0.02


class Handler(BaseHTTPRequestHandler):
    """One connection. What a request breaks is decided before any script is played."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120  # seconds that a client may be silent for

    def setup(self) -> None:
        """Open the connection; closing the server closes what is still open."""
        super().setup()
        self._server.connections.add(self.connection)
        if self._server.stopping.is_set():  # it came while the others were closed
            self.connection.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        """Close the connection."""
        self._server.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        """Answer `/v1/models` and `/v1/models/{id}`."""
        self._begin()
        violation = rules.header_violation(self._call({}))
        if violation is not None:
            self._refuse(None, violation)
        else:
            self._record(None)
            self._send_json(*listing.answer(self._path, self._query))

    def do_POST(self) -> None:
        """Answer `/v1/messages` and `/v1/messages/count_tokens`."""
        self._begin()
        try:
            raw = self._raw = self._read_body()
        except ValueError:
            self.send_error(400, "Invalid content-length or chunk")
            return
        if self._path not in ("/v1/messages", "/v1/messages/count_tokens"):
            self._record(None)
            self._send_json(404, listing.error("not_found_error", "Not found"))
            return
        parsed = rules.parse(raw)
        call = self._call(parsed if isinstance(parsed, dict) else {}, size=len(raw))
        violation = rules.header_violation(call) or (
            parsed if isinstance(parsed, rules.Violation) else None
        )
        violation = violation or rules.first_violation(call)
        if violation is not None:
            self._refuse(call.body, violation)
        elif call.counting:
            self._record(call.body)
            self._send_json(200, {"input_tokens": caching.prompt_tokens(call)})
        else:
            self._answer(call)

    def send_error(
        self, code: int, message: str | None = None, explain: str | None = None
    ) -> None:
        """Answer what is no request to any endpoint in the envelope, too."""
        del explain
        self.close_connection = True
        self._request_id = self._server.next_request_id()
        words = message or "Bad request"
        self._send_json(code, listing.error("invalid_request_error", words))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""

    def _begin(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        self._path = url.path.rstrip("/")
        self._query = urllib.parse.parse_qs(url.query)
        self._query_string, self._raw = url.query, b""
        self._headers = {name.lower(): value for name, value in self.headers.items()}
        self._request_id = self._server.next_request_id()

    @property
    def _server(self) -> "Server":
        return cast("Server", self.server)

    @property
    def _standin(self) -> handle.StandIn:
        return self._server.standin

    def _call(self, body: dict[str, Any], size: int = 0) -> Call:
        accepted = self._standin.accept_tokens
        return Call(
            body,
            self._headers,
            size=size,
            counting=self._path.endswith("/count_tokens"),
            tokens=None if accepted is None else frozenset(accepted),
        )

    def _read_body(self) -> bytes:
        if self._headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(self._read_chunks())
        return self.rfile.read(int(self._headers.get("content-length", "0")))

    def _read_chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers

    def _answer(self, call: Call) -> None:
        scripted = self._standin.take_scripted()
        match scripted:
            case handle.Failure(status, body, headers):
                self._record(call.body)
                if isinstance(body, bytes):
                    self._send(status, body, headers)
                else:
                    self._send_json(status, body, headers)
            case handle.Script(items, cut):
                self._record(call.body)
                self._stream(items, cut=cut)
            case handle.Said(said):
                self._answer_truly(call, said)
            case None:
                self._answer_truly(call)

    def _answer_truly(
        self, call: Call, said: tuple[str | tuple[str, dict[str, Any]], ...] = ()
    ) -> None:
        shown, dropped = thinking.without_unbound(call)
        answer = answers.answer(shown, said)
        usage = self._standin.cache.usage(shown)
        head: dict[str, Any] = {"model": call.model.id}
        if thinking.BETA in call.betas:
            head["input_transformations"] = [
                {
                    "type": "thinking_dropped",
                    "path": path,
                    "reason": "prefix_binding_mismatch",
                }
                for path in dropped
            ]
        self._record(call.body, usage=usage)
        if call.body.get("stream"):
            self._stream(events.stream(answer, head, usage))
        else:
            self._send_json(200, events.message(answer, head, usage))

    def _record(
        self,
        body: object,
        rule: str | None = None,
        usage: Mapping[str, Any] | None = None,
    ) -> None:
        headers = handle.without_credentials(self._headers)
        received = handle.Received(
            self.command,
            self._path,
            headers,
            body,
            rule,
            usage,
            raw=self._raw,
            query=self._query_string,
        )
        self._standin.requests.append(received)

    def _refuse(self, body: object, violation: rules.Violation) -> None:
        self._record(body, rule=violation.rule)
        error = listing.error(violation.type, violation.message, violation.error_code)
        self._send_json(violation.status, error)

    def _send_json(
        self,
        status: int,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if body.get("type") == "error":
            body = {**body, "request_id": self._request_id}
        self._send(status, json.dumps(body, ensure_ascii=False).encode(), headers)

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self._send_head(
            status,
            {"content-type": "application/json", "content-length": str(len(body))}
            | dict(headers or {}),
        )
        self.wfile.write(body)

    def _send_head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        standard = {"request-id": self._request_id} | _rate_limits()
        for name, value in (standard | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self, items: Iterable[handle.Item], *, cut: bool = False) -> None:
        streamed = "text/event-stream; charset=utf-8"
        self._send_head(
            200,
            {
                "content-type": streamed,
                "cache-control": "no-cache",
                "transfer-encoding": "chunked",
            },
        )
        try:
            for item in items:
                if isinstance(item, threading.Event):
                    self._wait_for(item)
                elif data := handle.written(item):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            if not cut:
                self.wfile.write(b"0\r\n\r\n")
        except (ConnectionError, TimeoutError):
            self._standin.hangups += 1
            cut = True
        self.close_connection = self.close_connection or cut

    def _wait_for(self, event: threading.Event) -> None:
        """Hold the stream until the event is set; raise if the client goes first."""
        while not event.wait(_POLL_SECONDS):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise ConnectionAbortedError
            if self._server.stopping.is_set():
                raise ConnectionAbortedError


def _rate_limits() -> dict[str, str]:
    """Give the headers about rate limits, far from any limit."""
    reset = f"{datetime.now(UTC) + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    limits = {"requests": 4000, "input-tokens": 2_000_000, "output-tokens": 400_000}
    limits["tokens"] = limits["input-tokens"] + limits["output-tokens"]
    headers: dict[str, str] = {}
    for kind, limit in limits.items():
        prefix = f"anthropic-ratelimit-{kind}"
        headers[f"{prefix}-limit"] = str(limit)
        headers[f"{prefix}-remaining"] = str(limit - 1)
        headers[f"{prefix}-reset"] = reset
    return headers
