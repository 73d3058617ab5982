"""The wire between a client and the proxy: it passes every byte on, and notes them."""

import contextlib
import selectors
import socket
import threading


class Wire:
    """Listens on loopback until the block ends; a side that closes closes the other.

    As on a real wire, the proxy learns that a client has hung up before it hears from
    that client again: one thread passes on all that has come before it accepts anything.
    """

    def __init__(self, port):
        """`port`: where the proxy listens, on loopback."""
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stop, self._stopped = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run)
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
        self._stop.close()
        self._thread.join()

    def _run(self):
        for one in (self._listener, self._stopped):
            self._selector.register(one, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj: key.data for key, _ in self._selector.select()}
            if self._stopped in ready:
                break
            for source, passed_on in ready.items():
                open_ = source in self._selector.get_map()  # with its other side
                if passed_on and open_:
                    self._pass_on(source, *passed_on)
            if self._listener in ready:
                self._connect()
        for key in [*self._selector.get_map().values()]:
            key.fileobj.close()
        self._selector.close()

    def _connect(self):
        client, _ = self._listener.accept()
        proxy = socket.create_connection(self._to)
        read = selectors.EVENT_READ
        self._selector.register(client, read, (proxy, self.sent))
        self._selector.register(proxy, read, (client, self.received))

    def _pass_on(self, source, drain, seen):
        data = b""
        with contextlib.suppress(ConnectionError):
            data = source.recv(65536)
            seen += data
            drain.sendall(data)
        if not data:
            for one in (source, drain):
                self._selector.unregister(one)
                one.close()
