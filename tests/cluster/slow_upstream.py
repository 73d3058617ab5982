"""A stand-in for Anthropic whose responses take as long as the request's text asks for.

`{"messages": [{"role": "user", "content": "2.5"}]}` is answered within 2.5 seconds: a
stream sends a piece of text every half second, a plain response comes at the end.
"""

import http.server
import json
import threading
import time
from contextlib import contextmanager

PIECE = 0.5
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-6",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
END = {"stop_reason": "end_turn", "stop_sequence": None}


@contextmanager
def serve(host):
    """Serve until the block ends; the value is the base URL."""
    server = http.server.ThreadingHTTPServer((host, 0), _Handler)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        seconds = float(_text(asked["messages"][-1]["content"]))
        try:
            if asked.get("stream"):
                self._stream(seconds)
            else:
                time.sleep(seconds)
                content = [{"type": "text", "text": "done"}]
                self._send(200, MESSAGE | END | {"content": content})
        except OSError:
            self.close_connection = True  # the proxy has gone

    def do_GET(self):
        self._send(404, {"type": "error", "error": {"type": "not_found_error"}})

    def _send(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, seconds):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._event("message_start", message=MESSAGE)
        block = {"type": "text", "text": ""}
        self._event("content_block_start", index=0, content_block=block)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(PIECE, left))
            delta = {"type": "text_delta", "text": "piece "}
            self._event("content_block_delta", index=0, delta=delta)
        self._event("content_block_stop", index=0)
        self._event("message_delta", delta=END, usage=MESSAGE["usage"])
        self._event("message_stop")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, kind, **body):
        data = json.dumps({"type": kind} | body)
        text = f"event: {kind}\ndata: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(text), text))
        self.wfile.flush()

    def log_message(self, *_):
        """Log nothing."""


def _text(content):
    return content if isinstance(content, str) else content[-1]["text"]
