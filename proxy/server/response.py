"""A response as bytes: its head, its framing, and the errors that the server itself sends."""

from __future__ import annotations

import json
import re
import socket
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from proxy.errors import ClientGoneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.server.head import Head
    from proxy.server.incoming import Body

_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Response:
    """What WSGI's ``start_response`` begins; ``write`` and ``close`` send it.

    The head goes out with the first bytes of the body. A body without a length is sent
    in chunks, to HTTP/1.0 up to the end of the connection.
    """

    def __init__(self, sock: socket.socket, request: Head, body: Body) -> None:
        self.keep = request.keep
        """The connection outlives this response, as far as is known."""
        self.headers_sent = False
        self._sock = sock
        self._request = request
        self._body = body
        self._status = ""
        self._headers: list[str] = []
        self._has_length = False
        self._omits_body = False
        self._chunked = False
        self._closed = False
        self._left = b""

    @property
    def ends_with_connection(self) -> bool:
        """Nothing but the connection's end shows the client where the body ends."""
        return not (self._chunked or self._has_length or self._omits_body)

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: Any = None,  # noqa: ANN401 - as WSGI has it
    ) -> Callable[[bytes], bool]:
        """See PEP 3333. An application may end its connection: ``Connection: close``."""
        if self.headers_sent and exc_info:
            raise exc_info[1]
        if self._status and not exc_info:
            raise AssertionError("the response has begun already")
        names = {name.lower() for name, _ in headers}
        if "connection" in names:
            given = {(name.lower(), value.lower()) for name, value in headers}
            self.keep = self.keep and ("connection", "close") not in given
            headers = [one for one in headers if one[0].lower() != "connection"]
        lines = [*map(": ".join, headers)]
        if _UNSAFE.search("".join(lines)):
            raise ValueError("a header holds a control character")
        self._status, self._headers = status, lines
        self._has_length = "content-length" in names
        bodiless = status[:3] in {"204", "304"}
        self._omits_body = bodiless or self._request.environ["REQUEST_METHOD"] == "HEAD"
        self._chunked = self._request.chunks and not (
            self._has_length or self._omits_body
        )
        return self.write

    def write(self, data: bytes, *, wait: bool = True) -> bool:
        """Send a part of the body; b"" sends the head alone.

        Without ``wait`` only what the client has room for; false if something is left,
        to ``flush``.
        """
        if self._omits_body:
            data = b""
        elif self._chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        return self._send(data, wait=wait)

    def close(self, *, wait: bool = True) -> bool:
        """End the body, once; likewise."""
        if self._closed:
            return True
        self._closed = True
        if self._chunked or not self.headers_sent:
            return self._send(b"0\r\n\r\n" if self._chunked else b"", wait=wait)
        return True

    def flush(self) -> None:
        """Send what was left, and wait for the client to take it."""
        left, self._left = self._left, b""
        self._send(left)

    def _send(self, data: bytes, *, wait: bool = True) -> bool:
        if not self.headers_sent:
            data = self._head() + data
            self.headers_sent = True
        elif not data:
            return True
        try:
            if wait:
                self._sock.sendall(data)
            else:
                self._left = data[self._sock.send(data, socket.MSG_DONTWAIT) :]
        except BlockingIOError as ex:
            if wait:  # SO_SNDTIMEO: a client that does not read
                raise ClientGoneError from ex
            self._left = data
        except OSError as ex:
            raise ClientGoneError from ex
        return not self._left

    def _head(self) -> bytes:
        if self.ends_with_connection or self._body.leaves_much:
            self.keep = False
        lines = [
            f"HTTP/1.1 {self._status}",
            _date(int(time.time())),
            "Connection: keep-alive" if self.keep else "Connection: close",
            *self._headers,
        ]
        if self._chunked:
            lines.append("Transfer-Encoding: chunked")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


_dates: tuple[int, str] = (0, "")


def _date(now: int) -> str:
    """The ``Date`` header, formatted once a second."""
    global _dates  # noqa: PLW0603 - a cache of one value, replaced whole
    second, line = _dates
    if second != now:
        line = f"Date: {formatdate(now, usegmt=True)}"
        _dates = now, line
    return line


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
