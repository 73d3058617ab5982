"""One client connection: takes a request, runs the application, writes the response.

`receive` never waits: the worker's main thread calls it until a whole head is there, so
that an unfinished one costs no thread. `serve` blocks, in a thread that serves this
connection alone. What they ensure between them:

- a deadline for a whole head and for a whole body, besides the one for each read, so
  that a client that sends a byte at a time gets a 408;
- a body whose errors an application can name without knowing the server: `TimeoutError`
  (408), `BadBody` (400), `ClientGoneError`;
- responses in OpenAI's envelope for what never reaches the application. They name the
  rule that was broken and repeat nothing of what the client sent;
- a cut: a body that raises `StreamCut`, or fails, ends without the last chunk, or with a
  reset where the end of the connection would look like the end of the body.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import random
import socket
import struct
import sys
import termios
import time
import traceback
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from proxy.errors import ClientGoneError, StreamCut
from proxy.server import head, incoming
from proxy.server.head import Refused
from proxy.server.incoming import BadBody, Incoming, RequestTimeoutError
from proxy.server.response import Response, error_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from logging import Logger
    from wsgiref.types import WSGIApplication

RESET_AFTER = 1.0
"""Seconds for the last bytes of a response to arrive before its connection is reset."""


class Arrived(enum.Enum):
    """What `Connection.receive` found."""

    NOTHING = enum.auto()
    A_PART = enum.auto()
    """A part of a head."""
    A_REQUEST = enum.auto()
    """A whole head, or the beginning of one that is refused."""
    MORE = enum.auto()
    """So much that the rest has to wait for its turn."""
    THE_END = enum.auto()


class Connection:
    """A client's socket. What has no underscore belongs to the worker."""

    def __init__(self, sock: socket.socket, client: Any) -> None:  # noqa: ANN401 - an address
        self.sock = sock
        self.descriptor = sock.fileno()
        self.expires = self.idle_since = 0.0
        self.busy = False
        """Its thread owns it."""
        self.missed = False
        """Something came of which its owner was not told."""
        self.idle = True
        self.closing = False
        self._client = client
        self._incoming = Incoming(sock)
        self._refused: Refused | None = None
        self._environ: dict[str, Any] = {}

    def receive(self) -> Arrived:
        """Take in what has come, without waiting."""
        try:
            received = self._incoming.fill()
        except BlockingIOError:
            return Arrived.A_PART if self._incoming.held else Arrived.NOTHING
        except OSError:
            return Arrived.THE_END
        if not received:
            return Arrived.THE_END
        if received == incoming.RECEIVE:  # there may be more, which came before
            self.missed = True
        return self.look()

    def next(self) -> Arrived:
        """What has come while a request was served: mostly nothing, or the next one."""
        arrived = self.look()
        if self.missed and arrived is not Arrived.A_REQUEST:
            self.missed = False
            arrived = self.receive()
            if arrived is Arrived.THE_END:  # the main thread's, once it is given back
                self.missed = True
        return arrived

    def look(self) -> Arrived:
        """What has been received already: the next request may have come with the last."""
        if not self._incoming.held:
            return Arrived.NOTHING
        try:
            whole = self._incoming.holds_head()
        except Refused as ex:
            self._refused, whole = ex, True
        return Arrived.A_REQUEST if whole else Arrived.A_PART

    def serve(
        self, app: WSGIApplication, log: Logger, *, last: Callable[[], bool]
    ) -> bool:
        """Serve the request that has arrived; true if the connection may be kept.

        `last()`: the response must announce that it is the last on its connection.
        """
        response: Response | None = None
        try:
            request = self._request()
            body = incoming.body_of(request, self._incoming, self.sock)
            response = Response(self.sock, request, body)
            if last():
                response.keep = False
            environ = {
                **self._base(),
                **request.environ,
                "wsgi.input": body,
                "proxy.write": response.write,  # for a body that has to wait
            }
            _respond(response, app(environ, response.start_response))
            return response.keep and incoming.finish(body, self._incoming)
        except ClientGoneError:
            return False
        except StreamCut:
            self._cut(response)
            return False
        except Exception as ex:  # noqa: BLE001  # the boundary: everything gets a response
            self._fail(response, ex, log)
            return False

    def _request(self) -> head.Head:
        if self._refused is not None:
            raise self._refused
        return head.parse(self._incoming.take_head())

    def _base(self) -> dict[str, Any]:
        """What the environments of all requests of this connection have in common."""
        if not self._environ:
            server = self.sock.getsockname()
            here = server if isinstance(server, tuple) else (server, "")
            there = self._client if isinstance(self._client, tuple) else ("", "")
            self._environ = {
                "wsgi.version": (1, 0),
                "wsgi.url_scheme": "http",
                "wsgi.errors": sys.stderr,
                "wsgi.multithread": True,
                "wsgi.multiprocess": False,
                "wsgi.run_once": False,
                "wsgi.input_terminated": True,
                "gunicorn.socket": self.sock,
                "SCRIPT_NAME": "",
                "SERVER_NAME": here[0],
                "SERVER_PORT": str(here[1]),
                "REMOTE_ADDR": there[0],
                "REMOTE_PORT": str(there[1]),
            }
        return self._environ

    def _fail(self, response: Response | None, ex: Exception, log: Logger) -> None:
        """Respond with an error, or cut the response that was under way."""
        status, message = explain(ex)
        # the caller's own id may be what is wrong
        request_id = f"req_{random.getrandbits(128):032x}"
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("Error serving a request: %s (%s)", where(ex), request_id)
        else:
            log.info("Rejected with %d: %s (%s)", status, message, request_id)
        if response is not None and response.headers_sent:
            self._cut(response)
        else:
            with contextlib.suppress(OSError):
                self.sock.sendall(error_response(status, message, request_id))

    def _cut(self, response: Response | None) -> None:
        """Have the client see that its response is not whole.

        A missing last chunk shows that, and so do missing bytes of a length. Where only
        the connection ends the body (HTTP/1.0, as behind nginx's default), a proper end
        is the end of a whole response, so it is reset, once all of it has arrived.
        """
        if response is None or not response.ends_with_connection:
            return
        with contextlib.suppress(OSError):
            until = time.monotonic() + RESET_AFTER
            while _unacknowledged(self.sock) and time.monotonic() < until:
                time.sleep(0.01)
            self.sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self.sock.close()

    def time_out(self, log: Logger) -> bool:
        """Respond to a head that did not arrive in time; false if none had begun."""
        if not self._incoming.held:
            return False
        self._fail(None, RequestTimeoutError(), log)
        return True

    def half_close(self) -> bool:
        """Close the sending side and keep reading; false if nobody is there.

        Closing at once would send a RST while bytes from the client are unread or still
        arriving, and a RST destroys what the client has not yet read of its response.
        """
        self.closing = True
        self._incoming.held = b""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return self.discard() is not Arrived.THE_END

    def discard(self) -> Arrived:
        """Discard what came in."""
        try:
            for _ in range(64):  # 4 MiB, then it is somebody else's turn
                if not self.sock.recv(65536, socket.MSG_DONTWAIT):
                    return Arrived.THE_END
        except BlockingIOError:
            return Arrived.NOTHING
        except OSError:
            return Arrived.THE_END
        return Arrived.MORE

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            self.sock.close()


def _respond(response: Response, body: Iterable[bytes]) -> None:
    try:
        for part in body:
            response.write(part)
        response.close()
    finally:
        if hasattr(body, "close"):
            body.close()


def _unacknowledged(sock: socket.socket) -> int:
    """Bytes that were sent and that the client's kernel has not acknowledged."""
    size = fcntl.ioctl(sock, termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", size)[0])


def explain(ex: Exception) -> tuple[int, str]:
    """The status and message for an exception that ended a request."""
    match ex:
        case Refused():
            return ex.status, ex.message
        case BadBody():
            return 400, "The request's body is cut short or malformed."
        case RequestTimeoutError():
            return 408, "The request did not arrive in time."
        case _:
            return 500, "The proxy failed."


def where(ex: Exception) -> str:
    """An exception's type and frames, innermost first; its text may be private."""
    frames = traceback.extract_tb(ex.__traceback__)
    places = [f"{frame.filename}:{frame.lineno}" for frame in reversed(frames)]
    return " < ".join([type(ex).__name__, *places])
