"""`python -m proxy.demo`: the demo as a program of its own, as `claude-proxy` starts it.

When it listens it prints one line of JSON, `{"base_url": "http://127.0.0.1:PORT"}`. It
serves until its standard input ends or a SIGTERM or SIGINT arrives, so that it never
outlives the program that started it.
"""

import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

from proxy.demo import answers


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer `/v1/models`."""
        if self.path.partition("?")[0] == "/v1/models":
            self._send(200, answers.models())
        else:
            self._send_not_found()

    def do_POST(self) -> None:
        """Answer `/v1/messages` and its `count_tokens`."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.partition("?")[0]
        try:
            request = json.loads(body)
            match path:
                case "/v1/messages" if request.get("stream"):
                    self._stream(answers.message(request))
                case "/v1/messages":
                    self._send(200, answers.message(request))
                case "/v1/messages/count_tokens":
                    count = answers.prompt_tokens(request)
                    self._send(200, {"input_tokens": count})
                case _:
                    self._send_not_found()
        except (ValueError, TypeError, LookupError, AttributeError):
            words = "The demo cannot read this request"
            error = {"type": "invalid_request_error", "message": words}
            self._send(400, {"type": "error", "error": error})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: prompts stay out of every log."""

    def _send_not_found(self) -> None:
        error = {"type": "not_found_error", "message": "Not found"}
        self._send(404, {"type": "error", "error": error})

    def _send(self, status: int, value: answers.Json) -> None:
        body = json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, message: answers.Json) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in answers.events(message):
            data = json.dumps(event, ensure_ascii=False)
            written = f"event: {event['type']}\ndata: {data}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(written), written))
        self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    """A free port on loopback, with a thread for each connection."""

    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing about a client that went away; show any other fault."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def main() -> None:
    """Serve until standard input ends or a signal arrives."""
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_, _stop)
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base_url = f"http://127.0.0.1:{server.server_port}"
        print(json.dumps({"base_url": base_url}), flush=True)  # noqa: T201 - its one line of output
        while sys.stdin.buffer.read(4096):
            pass


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
