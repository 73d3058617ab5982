"""An HTTP server on which clients that leave are no fault."""

import http.server


class QuietServer(http.server.ThreadingHTTPServer):
    """Ends without waiting for its connections, and says nothing about those that broke."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that are cut or killed are the purpose."""
