"""One client connection: reads a request, runs the application, writes the response.

Everything here blocks, in a thread that serves this connection alone;
`proxy.server.worker` decides when. gunicorn parses requests and frames responses
(`gunicorn.http`); what this module adds is

- a deadline for a whole request, besides the kernel's for each read, so that a client
  that sends a byte at a time gets a 408;
- a body whose errors an application can name without knowing the server: `TimeoutError`
  (408), `BadBody` (400), `ClientGoneError`;
- responses in OpenAI's envelope for what never reaches the application. They name the
  rule that was broken and repeat nothing of what the client sent;
- a cut: a body that raises `StreamCut`, or fails, ends without the last chunk.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
import traceback
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gunicorn import http, util
from gunicorn.http import body as gunicorn_body
from gunicorn.http import errors as refused
from gunicorn.http import wsgi
from gunicorn.http.body import LengthReader
from gunicorn.http.unreader import SocketUnreader

from proxy.errors import ClientGoneError, StreamCut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from logging import Logger
    from wsgiref.types import WSGIApplication

READ_TIMEOUT = 60.0
"""Seconds from a request's first byte to the end of its body."""

UNREAD = 65536
"""Bytes of an unread body that are read to keep a connection."""

UNREAD_TIMEOUT = 2.0
"""Seconds for that."""

SMALL_CHUNK = 16
"""Bytes of a chunk on average at least (Go's server asks for as many) ..."""
MANY_CHUNKS = 4096
"""... in a body of more chunks than this."""


class BadBody(ValueError):  # noqa: N818  # names what was read
    """The request's body is cut short or badly framed: a 400."""


class RequestTimeoutError(TimeoutError):
    """The request did not arrive in time: a 408."""


class Unreader(SocketUnreader):  # type: ignore[misc]  # gunicorn is untyped
    """Reads a socket whose SO_RCVTIMEO bounds one read, up to `deadline` in all."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.deadline = 0.0
        self.in_body = False

    def chunk(self, size_hint: int | None = None) -> bytes:
        if time.monotonic() > self.deadline:
            raise RequestTimeoutError
        try:
            data: bytes = super().chunk(size_hint)
        except BlockingIOError:  # SO_RCVTIMEO
            raise RequestTimeoutError from None
        except OSError as ex:
            raise ClientGoneError from ex
        if not data and self.in_body:
            raise BadBody("the body ends before its length")
        return data

    @property
    def holds_more(self) -> bool:
        """Bytes of the next request were read with this one."""
        return bool(self.buf.getbuffer().nbytes)


class BodyReader:
    """gunicorn's body reader with its errors as `BadBody`."""

    def __init__(self, reader: Any) -> None:  # noqa: ANN401  # gunicorn is untyped
        self._reader = reader
        self._chunks = self._bytes = 0

    @property
    def leaves_much(self) -> bool:
        """More is unread than is worth reading to keep the connection."""
        if isinstance(self._reader, LengthReader):
            return bool(self._reader.length > UNREAD)
        return self._reader.parser is not None  # chunked: None at its end

    def read(self, size: int) -> bytes:
        try:
            data: bytes = self._reader.read(size)
        except (refused.ParseException, refused.NoMoreData) as ex:
            raise BadBody("the body's chunks are malformed") from ex
        return data

    def read1(self, size: int) -> bytes:
        """What has come of the body, or else what comes next; empty at its end."""
        try:
            if isinstance(self._reader, LengthReader):
                return _some(self._reader, size)
            while self._reader.parser is not None:
                data = next(self._reader.parser, None)
                if data is None:
                    self._reader.parser = None
                    break
                self._count(len(data))
                if data:
                    return bytes(data)
        except (refused.ParseException, refused.NoMoreData) as ex:
            raise BadBody("the body's chunks are malformed") from ex
        return b""

    def _count(self, size: int) -> None:
        """Refuse a body in tiny chunks: each costs 5 us, whatever it brings."""
        self._chunks += 1
        self._bytes += size
        if self._chunks > MANY_CHUNKS and self._bytes < SMALL_CHUNK * self._chunks:
            raise BadBody("the body's chunks are too small")


def _some(reader: LengthReader, size: int) -> bytes:
    wanted = min(reader.length, size)
    if not wanted:
        return b""
    data: bytes = reader.unreader.read(None, read_ahead=wanted)
    if len(data) > wanted:
        reader.unreader.unread(data[wanted:])
        data = data[:wanted]
    reader.length -= len(data)
    return data


class Body(gunicorn_body.Body):  # type: ignore[misc]  # gunicorn is untyped
    """gunicorn's body, which can also be read as it arrives."""

    def read1(self, size: int = 65536) -> bytes:
        """As `io.BufferedIOBase.read1`: at most one wait for the client."""
        try:
            return self.reader.read1(size)  # type: ignore[no-any-return]
        except Exception:
            self.failed = True  # the connection must not be used again
            raise


class Response(wsgi.Response):  # type: ignore[misc]  # gunicorn is untyped
    """gunicorn's response that sends its head together with the first bytes.

    An application may end its connection with `Connection: close`, as under any other
    server; gunicorn drops that header.
    """

    head = b""
    headers_sent: bool

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        """Honour the application's `Connection: close`, which gunicorn ignores."""
        super().process_headers(headers)
        if any(n.lower() == "connection" and v.lower() == "close" for n, v in headers):
            self.force_close()

    def send_headers(self) -> None:
        if not self.headers_sent:
            if self.req.body.reader.leaves_much:
                self.force_close()
            lines = self.default_headers()
            lines += [f"{name}: {value}\r\n" for name, value in self.headers]
            self.head = "".join([*lines, "\r\n"]).encode("latin-1")
            self.headers_sent = True

    def write(self, data: bytes) -> None:
        super().write(data)
        if not data:  # an application sends b"" to have its head sent now
            self._send(b"")

    def _emit_body(self, data: bytes) -> None:
        self._send(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def close(self) -> None:
        self.send_headers()
        self._send(b"0\r\n\r\n" if self.chunked else b"")

    def _send(self, data: bytes) -> None:
        head, self.head = self.head, b""
        try:
            self.sock.sendall(head + data)
        except OSError as ex:  # SO_SNDTIMEO too: a client that does not read
            raise ClientGoneError from ex


class Connection:
    """A client's socket with its parser. `expires` and `known` belong to the worker."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any) -> None:  # noqa: ANN401
        self.sock = sock
        self.expires = 0.0
        self.known = False
        self.closing = False
        self._cfg = cfg
        self._client = client
        self._server = sock.getsockname()
        self._parser = http.get_parser(cfg, sock, client)
        self._unreader = self._parser.unreader = Unreader(sock)

    @property
    def holds_more(self) -> bool:
        """The next request, or a part of it, has been read already."""
        return self._unreader.holds_more

    def serve(
        self, app: WSGIApplication, log: Logger, *, last: Callable[[], bool]
    ) -> bool:
        """Serve one request; true if the connection may be kept for another.

        `last()`: the response must announce that it is the last on its connection.
        """
        response: Response | None = None
        try:
            if (request := self._receive()) is None:
                return False
            response, environ = self._begin(request)
            if last():
                response.force_close()
            self._respond(response, app(environ, response.start_response))
            return not response.should_close() and self._finish_body()
        except (ClientGoneError, StreamCut):
            return False
        except Exception as ex:  # noqa: BLE001  # the boundary: everything gets a response
            self._fail(response, ex, log)
            return False

    def _receive(self) -> Any:  # noqa: ANN401
        """Read the head of a request; None at the end of the connection."""
        self._unreader.in_body = False
        self._unreader.deadline = time.monotonic() + READ_TIMEOUT
        try:
            request = next(self._parser)
        except (StopIteration, refused.NoMoreData):
            return None
        request.body = Body(BodyReader(request.body.reader))
        self._unreader.in_body = True
        return request

    def _begin(self, request: Any) -> tuple[Response, dict[str, Any]]:  # noqa: ANN401
        try:
            response, environ = wsgi.create(
                request,
                self.sock,
                self._client,
                self._server,
                self._cfg,
                response_class=Response,
            )
        except OSError as ex:  # sending "100 Continue"
            raise ClientGoneError from ex
        environ["wsgi.multithread"] = True
        environ["proxy.write"] = response.write  # for a body that has to wait
        del environ["wsgi.file_wrapper"]  # no files here, and so no sendfile
        return response, environ

    def _respond(self, response: Response, body: Iterable[bytes]) -> None:
        try:
            for part in body:
                response.write(part)
            response.close()
        finally:
            if hasattr(body, "close"):
                body.close()

    def _finish_body(self) -> bool:
        """Read what the application left of the body, within bounds."""
        self._unreader.deadline = time.monotonic() + UNREAD_TIMEOUT
        try:
            return bool(self._parser.finish_body(max_bytes=UNREAD))
        except (OSError, BadBody):
            return False

    def _fail(self, response: Response | None, ex: Exception, log: Logger) -> None:
        """Respond with an error, if no byte of a response has been sent."""
        status, message = explain(ex)
        request_id = f"req_{uuid.uuid4().hex}"  # the caller's own may be what is wrong
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("Error serving a request: %s (%s)", where(ex), request_id)
        else:
            log.info("Rejected with %d: %s (%s)", status, message, request_id)
        if response is None or not response.headers_sent:
            with contextlib.suppress(OSError):
                self.sock.sendall(error_response(status, message, request_id))

    def has_left(self) -> bool:
        """Whether the client has closed its side and sent nothing more."""
        try:
            return not self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def has_data(self, timeout: float = 0.0) -> bool:
        """Whether, within so many seconds, something can be read or nobody is left."""
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        return bool(poller.poll(timeout * 1000))

    def half_close(self) -> bool:
        """Close the sending side and keep reading; false if nobody is there.

        Closing at once would send a RST while bytes from the client are unread or still
        arriving, and a RST destroys what the client has not yet read of its response.
        """
        self.closing = True
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return not self.discard()

    def discard(self) -> bool:
        """Discard what came in; true when the client has closed too."""
        try:
            for _ in range(64):  # 4 MiB, then it is somebody else's turn
                if not self.sock.recv(65536, socket.MSG_DONTWAIT):
                    return True
        except BlockingIOError:
            return False
        except OSError:
            return True
        return False

    def close(self) -> None:
        """Close the socket."""
        util.close(self.sock)


_RULES: tuple[tuple[type[Exception], int, str], ...] = (  # the first that fits
    (refused.InvalidResponseHeader, 500, "The proxy failed."),
    (refused.InvalidResponseHeaderName, 500, "The proxy failed."),
    (refused.ConfigurationProblem, 500, "The proxy failed."),
    (refused.LimitRequestLine, 414, "The request line is too long."),
    (
        refused.LimitRequestHeaders,
        431,
        "There are too many headers, or one is too long.",
    ),
    (refused.ExpectationFailed, 417, "Expect: must be 100-continue."),
    (refused.UnsupportedTransferCoding, 501, "Transfer-Encoding: must be chunked."),
    (refused.ForbiddenProxyRequest, 403, "The request is not allowed."),
    (refused.InvalidRequestMethod, 400, "The method is malformed."),
    (refused.InvalidHTTPVersion, 400, "The HTTP version is not supported."),
    (refused.InvalidRequestLine, 400, "The request line is malformed."),
    (refused.InvalidHeaderName, 400, "A header's name is malformed."),
    (refused.InvalidHeader, 400, "A header is malformed or contradicts another."),
    (refused.ObsoleteFolding, 400, "A header is folded over several lines."),
    (refused.ParseException, 400, "The request is not valid HTTP."),
    (BadBody, 400, "The request's body is cut short or malformed."),
    (RequestTimeoutError, 408, "The request did not arrive in time."),
)


def explain(ex: Exception) -> tuple[int, str]:
    """The status and message for an exception that ended a request."""
    for kind, status, message in _RULES:
        if isinstance(ex, kind):
            return status, message
    return 500, "The proxy failed."


def where(ex: Exception) -> str:
    """An exception's type and frames, innermost first; its text may be private."""
    frames = traceback.extract_tb(ex.__traceback__)
    places = [f"{frame.filename}:{frame.lineno}" for frame in reversed(frames)]
    return " < ".join([type(ex).__name__, *places])


def error_response(status: int, message: str, request_id: str) -> bytes:
    """A whole HTTP response with OpenAI's error envelope, the last on its connection."""
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else None
    error = {
        "message": message,
        "type": kind or "invalid_request_error",
        "param": None,
        "code": None,
    }
    body = json.dumps({"error": error}).encode()
    return (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Connection: close\r\nContent-Type: application/json\r\n"
        f"x-request-id: {request_id}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode("ascii") + body
