"""``/healthz``, ``/readyz`` and ``/metrics``, on a port of their own.

They have threads of their own: a probe must not queue behind completions that each take
minutes.
"""

import json
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Page = tuple[int, str, bytes]
"""Status, content type, body."""


def pages(
    trouble: Callable[[], str | None],
    metrics: Callable[[], Page],
) -> Mapping[str, Callable[[], Page]]:
    """The listener's pages, by path. ``trouble`` says why it is not ready."""

    def ready() -> Page:
        why = trouble()
        body = {"status": "ready"} if why is None else {"status": why}
        return 200 if why is None else 503, "application/json", _json(body)

    return {
        "/healthz": lambda: (200, "application/json", _json({"status": "ok"})),
        "/readyz": ready,
        "/metrics": metrics,
    }


def _json(body: dict[str, str]) -> bytes:
    return json.dumps(body).encode()


def bind(port: int) -> socket.socket:
    """The listening socket, on all interfaces: kubelets probe the pod's address.

    Raises ``OSError`` for a port in use.
    """
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    listener = socket.create_server(
        ("", port), family=family, backlog=64, dualstack_ipv6=dual
    )
    listener.set_inheritable(True)
    return listener


class Listener(ThreadingHTTPServer):
    """Serves the pages on a socket that is already bound."""

    daemon_threads = True

    def __init__(
        self, sock: socket.socket, served: Mapping[str, Callable[[], Page]]
    ) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.pages = served

    def start(self) -> None:
        """Serve in a thread of its own; call after the fork."""
        threading.Thread(target=self.serve_forever, name="health", daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A prober that left is not worth a line."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    server: Listener

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path.partition("?")[0])
        status, kind, body = page() if page else (404, "application/json", b"{}")
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
        """Probes are not worth a line."""
