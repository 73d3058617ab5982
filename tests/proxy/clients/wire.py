"""The wire between a client and the proxy: it passes every byte on, and notes them."""

import contextlib
import socket
import threading


class Wire:
    """Listens on loopback until the block ends; a side that closes closes the other."""

    def __init__(self, port):
        """`port`: where the proxy listens, on loopback."""
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept)
        self._sockets = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = bytearray()
        """What the client sent, over all connections."""
        self.received = bytearray()

    @property
    def tries(self):
        """How many requests were begun."""
        return self.sent.count(b"POST /v1/chat/completions HTTP/1.1\r\n")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self):
        pumps = []
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                break
            proxy = socket.create_connection(self._to)
            self._sockets += [client, proxy]
            for source, drain, seen in (
                (client, proxy, self.sent),
                (proxy, client, self.received),
            ):
                pump = threading.Thread(target=_pump, args=(source, drain, seen))
                pump.start()
                pumps.append(pump)
        for one in self._sockets:
            _hang_up(one)
        for pump in pumps:
            pump.join()
        for one in self._sockets:
            one.close()


def _pump(source, drain, seen):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            seen += data
            drain.sendall(data)
    _hang_up(source)
    _hang_up(drain)


def _hang_up(one):
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
