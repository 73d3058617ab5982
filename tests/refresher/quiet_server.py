"""An HTTP server on which clients that leave are no fault."""

import http.server
import ssl


class QuietServer(http.server.ThreadingHTTPServer):
    """Ends without waiting for its connections, and says nothing about those that broke."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that are cut or killed are the purpose."""


class SelfClosing(ssl.SSLSocket):
    """The `sslsocket_class` of a server's TLS; is closed even where its client has gone.

    If that happens before the handshake, `wrap_socket` raises, and CPython leaves open
    what nobody has a name for.
    """

    def __del__(self) -> None:
        self.close()
