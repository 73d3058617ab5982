"""The way out, as clients see it: an HTTP proxy on loopback that lets nothing through."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Outside:
    """Refuses everything until the block ends; `wanted` is what clients asked for."""

    def __init__(self):
        self.wanted = []
        wanted = self.wanted

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self):
                wanted.append(self.requestline)
                self.send_error(403)

            def do_GET(self):
                self.do_CONNECT()

            def do_POST(self):
                self.do_CONNECT()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
