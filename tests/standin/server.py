"""The stand-in over HTTP.

with server.serve() as standin:
    client = anthropic.Anthropic(base_url=standin.base_url, api_key="any")
    client.messages.create(...)
    assert standin.requests[-1].body["model"] == "claude-opus-5-5"
"""

import itertools
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingTCPServer

from standin.handle import StandIn
from standin.handler import Handler

__all__ = ["StandIn", "serve"]


@contextmanager
def serve(host: str = "127.0.0.1", port: int = 0) -> Iterator[StandIn]:
    """Serve a stand-in on loopback until the block ends; port 0 takes a free one."""
    standin = StandIn()
    server = Server((host, port), standin)
    standin.base_url = f"http://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield standin
    finally:
        server.stopping.set()
        server.shutdown()
        server.close_connections()
        server.server_close()
        thread.join()


class Server(ThreadingTCPServer):
    """The listening socket, with one thread for each connection."""

    allow_reuse_address = True
    request_queue_size = 1024
    daemon_threads = False  # closing waits for every thread, so no socket stays open

    def __init__(self, address: tuple[str, int], standin: StandIn) -> None:
        super().__init__(address, Handler)
        self.standin = standin
        self.stopping = threading.Event()
        self._numbers = itertools.count(1)
        self.connections: set[socket.socket] = set()

    def next_request_id(self) -> str:
        """Give the id of one more request."""
        return f"req_{next(self._numbers):024d}"

    def close_connections(self) -> None:
        """Wake the threads that wait for another request on an open connection."""
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                self.connections.discard(connection)  # its client was faster

    def handle_error(
        self,
        request: socket.socket | tuple[bytes, socket.socket],
        client_address: object,
    ) -> None:
        """Say nothing about a client that went away; show any other fault."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)
