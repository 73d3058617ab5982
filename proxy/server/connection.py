"""One client connection: takes a request, runs the application, writes the response.

`receive` never waits: the worker's main thread calls it until a whole head is there, so
that an unfinished one costs no thread. `serve` blocks, in a thread that serves this
connection alone, until the response has to wait for more: from then on `flow` never waits,
and `go_on` does where it must. What they ensure between them:

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
    from collections.abc import Callable
    from logging import Logger
    from wsgiref.types import WSGIApplication

BURST = 32
"""Parts of one response in a row that `flow` writes; then others have their turn."""

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


class Served(enum.Enum):
    """What comes after a step of a response."""

    KEEP = enum.auto()
    """The next request."""
    CLOSE = enum.auto()
    FLOWS = enum.auto()
    """The rest of the response, as it arrives: `Connection.flow`."""
    STUCK = enum.auto()
    """The rest of the response, which may take time: `Connection.go_on`."""


class Connection:
    """A client's socket. What has no underscore belongs to the worker."""

    def __init__(
        self,
        sock: socket.socket,
        client: Any,  # noqa: ANN401 - an address
        app: WSGIApplication,
        log: Logger,
        is_last: Callable[[], bool],
    ) -> None:
        """``is_last()``: a response must announce that it is the connection's last."""
        self.sock = sock
        self.descriptor = sock.fileno()
        self.expires = self.idle_since = 0.0
        self.busy = False
        """Its thread owns it."""
        self.missed = False
        """Something came after its owner last looked."""
        self.ended = False
        """Its client sends nothing after what has come."""
        self.idle = True
        self.closing = False
        self._client = client
        self._app = app
        self._log = log
        self._is_last = is_last
        self._incoming = Incoming(sock)
        self._refused: Refused | None = None
        self._environ: dict[str, Any] = {}
        # Of the request that is being served.
        self._response: Any = None
        self._body: Any = None
        self._application: Any = None
        self._parts: Any = None
        self.source: int | None = None
        """The descriptor on which the next part of a response that flows will arrive."""
        self._failure: BaseException | None = None
        self._silent = False

    def receive(self) -> Arrived:
        """Take in what has come, without waiting."""
        try:
            received = self._incoming.fill()
        except BlockingIOError:
            return self.look()
        except OSError:
            return Arrived.THE_END
        if not received:
            return Arrived.THE_END
        # More, or the end, may have come before: no event will report it again.
        if received == incoming.RECEIVE or self.ended:
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

    def serve(self) -> Served:
        """Serve the request that has arrived."""
        return self._guarded(self._begin)

    def _begin(self) -> Served:
        request = self._request()
        body = self._body = incoming.body_of(request, self._incoming)
        response = self._response = Response(self.sock, request, body)
        if self._is_last():
            response.keep = False
        environ = {
            **self._base(),
            **request.environ,
            "wsgi.input": body,
            "proxy.write": response.write,  # for a body that has to wait
        }
        self._application = self._app(environ, response.start_response)
        flow = getattr(self._application, "flow", None)
        self.source = flow() if flow else None
        self._parts = iter(self._application)
        return self._advance()

    def _advance(self, *, wait: bool = True) -> Served:
        """Write the parts of a response as they come, and end it."""
        response = self._response
        for written, part in enumerate(self._parts, 1):
            if not part and self.source is not None:
                return Served.FLOWS
            if not response.write(part, wait=wait) or not (wait or written < BURST):
                return Served.STUCK
        if not (wait or self._body.is_read) or not response.close(wait=wait):
            return Served.STUCK
        self._let_go()
        whole = response.keep and incoming.finish(self._body, self._incoming)
        return Served.KEEP if whole else Served.CLOSE

    def flow(self) -> Served:
        """Go on with a response that flows, without waiting for anybody."""
        try:
            served = self._advance(wait=False)
        except BaseException as ex:  # noqa: BLE001  # the pump goes on whatever happens
            self.fail(ex)
            return Served.STUCK
        if served is Served.KEEP or served is Served.CLOSE:
            self._response = self._body = None
        return served

    def fail(self, ex: BaseException) -> None:
        """Have `go_on` end the response as this exception ends it."""
        self._failure = ex

    def go_on(self) -> Served:
        """Go on with a response after `flow`, and wait where need be."""
        return self._guarded(self._resume)

    def _resume(self) -> Served:
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # or this frame and the error would keep each other alive
        self._response.flush()
        if self._silent:
            self._silent = False
            self._response.write(self._application.keep_alive())
        return self._advance()

    def is_silent(self) -> bool:
        """Nothing has come for so long that `go_on` must show a sign of life."""
        self._silent = self.source is not None and self._application.is_silent()
        return self._silent

    def _guarded(self, step: Callable[[], Served]) -> Served:
        """Take a step of a response. What ends it early also ends the connection."""
        served = Served.CLOSE
        try:
            served = step()
        except ClientGoneError:
            self._let_go()
        except StreamCut:
            self._let_go()
            self._cut()
        except Exception as ex:  # noqa: BLE001  # the boundary: everything gets a response
            self._let_go()
            self._fail(ex)
        finally:
            if served is not Served.FLOWS:
                self._let_go()
                self._response = self._body = None
        return served

    def _let_go(self) -> None:
        """Close what the application gave, once."""
        application, self._application = self._application, None
        self._parts = self.source = self._failure = None
        if hasattr(application, "close"):
            application.close()

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

    def _fail(self, ex: Exception) -> None:
        """Respond with an error, or cut the response that was under way."""
        status, message = explain(ex)
        # the caller's own id may be what is wrong
        request_id = f"req_{random.getrandbits(128):032x}"
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            self._log.error("Error serving a request: %s (%s)", where(ex), request_id)
        else:
            self._log.info("Rejected with %d: %s (%s)", status, message, request_id)
        if self._response is not None and self._response.headers_sent:
            self._cut()
        else:
            with contextlib.suppress(OSError):
                self.sock.sendall(error_response(status, message, request_id))

    def _cut(self) -> None:
        """Have the client see that its response is not whole.

        A missing last chunk shows that, and so do missing bytes of a length. Where only
        the connection ends the body (HTTP/1.0, as behind nginx's default), a proper end
        is the end of a whole response, so it is reset, once all of it has arrived.
        """
        if self._response is None or not self._response.ends_with_connection:
            return
        with contextlib.suppress(OSError):
            until = time.monotonic() + RESET_AFTER
            while _unacknowledged(self.sock) and time.monotonic() < until:
                time.sleep(0.01)
            self.sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self.sock.close()

    def time_out(self) -> bool:
        """Respond to a head that did not arrive in time; false if none had begun."""
        if not self._incoming.held:
            return False
        self._fail(RequestTimeoutError())
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
