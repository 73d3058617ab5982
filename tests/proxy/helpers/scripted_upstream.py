"""An upstream on loopback that stops, cuts and stalls wherever a test says.

Raw sockets under asyncio, so every byte is ours. The scenario is the request's `model`,
or its `user` where the model has to be a real one:

    name;key=value;key=value          e.g. "rst;at=3"  "status;code=429;times=1"

| name | the upstream |
|---|---|
| `ok` | streams `n` deltas, `gap` seconds apart, and ends well |
| `hold` | streams one delta, then waits for `release()`, then ends well |
| `silent` | never answers |
| `half-head` | stops inside its header block |
| `cut-head` | closes inside its header block |
| `endless-head` | sends header fields for ever |
| `fin0`, `rst0` | closes, resets instead of answering |
| `stall` | stops after `at` deltas; with `inside` in the middle of an event |
| `fin`, `rst` | closes, resets there |
| `tls-close` | TLS close_notify there (plain: as `fin`) |
| `end` | ends its HTTP message properly there, without `message_stop` |
| `after-delta` | as `end`, but after `message_delta` |
| `no-reason` | ends with `message_stop`, but without a stop reason |
| `stall-last` | stops after `message_delta` |
| `late-end` | holds the end of its HTTP message back after `message_stop`, until `release()` |
| `pings` | sends pings for ever there |
| `short` | sends the first `bytes` bytes of the whole answer, and nothing more |
| `error` | sends an `error` event there: `type`, `message` |
| `garbage` | sends an event that is no JSON there |
| `bad-chunk` | sends a chunk whose size is no number there |
| `unknown` | sends an event of an unknown type there, then goes on |
| `drip` | sends deltas for ever |
| `huge` | sends one delta of `size` bytes |
| `status` | answers `code` with an error of Anthropic's; `retry-after`, `x-should-retry` as headers |
| `html` | answers `code` with a page |
| `drip-error` | answers `code` with a body that never ends, a byte at a time |
| `redirect` | answers 307 to `to` |
| `json` | answers 200 with JSON instead of a stream |
| `empty` | answers 200 with an empty body |

`times=2`: only the first two calls of this model string fail, the next is `ok`, or what
`then` names. `held`: what happens at `at` waits for `release()`. `tag=x` tells models apart. `at` is 1 unless given; `at=0` is before
the first delta, `at=-1` before `message_start`, `at=-0.5` behind it. `gap` is 0 unless given. `together`: what the scenario allows goes out in one piece. `close` ends the connection after a whole answer.
"""

import asyncio
import collections
import contextlib
import json
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field

from waiting import until

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


@dataclass
class Call:
    """One request that arrived: what it was, and whether it is still open."""

    model: str
    path: str
    headers: dict[str, str]
    body: dict
    connection: int
    open: bool = True
    finished: bool = False
    """The answer was sent to its end."""
    release: asyncio.Event = field(default_factory=asyncio.Event)


class ScriptedUpstream:
    """Runs in a thread of its own from `with` to the end of it."""

    def __init__(self, tls: ssl.SSLContext | None = None, host="127.0.0.1"):
        self.calls: list[Call] = []
        self.connections = 0
        self.open_connections = 0
        self.tokens = None
        """The access tokens that are accepted; None: any."""
        self._tls, self._host = tls, host
        self.rejected = 0
        """Calls whose token was not the accepted one."""
        self._failures = collections.Counter()
        self._pardoned = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upstream")

    def __enter__(self):
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    @property
    def url(self):
        scheme, host = "https" if self._tls else "http", "localhost"
        if not self._tls:
            host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self.port}"

    # What a test asks.

    def of(self, model):
        """The calls whose model string is this, or starts with it."""
        return [call for call in self.calls if call.model.startswith(model)]

    @property
    def open_calls(self):
        return sum(call.open for call in self.calls)

    def wait_for_calls(self, count, model=""):
        until(lambda: len(self.of(model)) >= count, what=f"{count} calls of {model!r}")
        return self.of(model)

    def wait_until_idle(self):
        """Wait until no call is open: each was answered or given up."""
        until(lambda: self.open_calls == 0, what="upstream calls are left open")

    def forget(self):
        """Count failures anew, and accept every token."""
        self._failures.clear()
        self._pardoned.clear()
        self.tokens, self.rejected = None, 0

    def pardon(self, model):
        """Let this model string fail no more."""
        self._pardoned.add(model)

    def release(self, model=""):
        """Let the held answers go on."""
        for call in self.of(model):
            self._loop.call_soon_threadsafe(call.release.set)

    def drop_finished_calls(self):
        """Forget the calls that are over."""

        def drop():
            self.calls[:] = [call for call in self.calls if call.open]

        self._loop.call_soon_threadsafe(drop)

    def drop_idle_connections(self):
        """Close all connections that wait for a request, as a server does in time."""
        done = threading.Event()

        def drop():
            for writer in list(self._waiting):
                writer.close()
            done.set()

        self._loop.call_soon_threadsafe(drop)
        done.wait()

    # The server.

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self):
        self._stopped, self._waiting, self._tasks = asyncio.Event(), set(), set()
        server = await asyncio.start_server(
            self._connected, self._host, 0, ssl=self._tls, limit=1 << 26, backlog=2048
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        self.open_connections += 1
        number = self.connections
        try:
            while await self._one_call(reader, writer, number):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            pass
        finally:
            self.open_connections -= 1
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _one_call(self, reader, writer, number):
        """Serve one call; true if the connection stays open."""
        self._waiting.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        finally:
            self._waiting.discard(writer)
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {}
        for one in fields:
            name, _, value = one.partition(":")
            headers[name.strip().lower()] = value.strip()
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        body = json.loads(raw or b"{}")
        method, path, _ = line.split(" ")
        if method == "GET":
            return await Answer.listing(writer)
        scenario = body.get("metadata", {}).get("user_id") or body.get("model", "")
        call = Call(scenario, path, headers, body, number)
        self.calls.append(call)
        left = asyncio.create_task(reader.read(1))  # ends when the proxy closes
        answering = asyncio.create_task(Answer(self, call, writer).give())
        try:
            await asyncio.wait({left, answering}, return_when=asyncio.FIRST_COMPLETED)
            return answering.done() and answering.result()
        finally:
            call.open = False
            for task in (answering, left):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await task

    def accepts(self, call):
        """Whether the call's token is good; counts those that are not."""
        given = call.headers.get("authorization", "").removeprefix("Bearer ")
        good = self.tokens is None or given in self.tokens
        self.rejected += not good
        return good

    def fails(self, call, parameters):
        """Count a failure of this model string; false when it has had its share."""
        self._failures[call.model] += 1
        if call.model in self._pardoned:
            return False
        return self._failures[call.model] <= int(parameters.get("times", 1 << 30))


class Answer:
    """One scripted answer. `give` returns whether the connection stays open."""

    def __init__(self, upstream, call, writer):
        name, *pairs = call.model.split(";")
        self.name = name
        self.parameters = dict(pair.partition("=")[::2] for pair in pairs)
        self.upstream, self.call, self.writer = upstream, call, writer
        self._waiting = b""
        self._left = int(self.number("bytes", 1 << 60))

    def number(self, key, default):
        return float(self.parameters.get(key, default))

    async def give(self):
        if not self.upstream.accepts(self.call):
            error = {"type": "authentication_error", "message": "invalid bearer token"}
            body = json.dumps({"type": "error", "error": error}).encode()
            return await self._whole(401, "application/json", body)
        beginning = getattr(self, "_" + self.name.replace("-", "_"), None)
        if "times" in self.parameters or beginning:
            if not self.upstream.fails(self.call, self.parameters):
                self.name = self.parameters.get("then", "ok")
            elif beginning:
                return await beginning()
        return await self._stream()

    async def _send(self, data):
        if self.writer.is_closing():
            raise ConnectionResetError
        data, self._waiting = self._waiting + data, b""
        self.writer.write(data[: self._left])
        await self.writer.drain()
        self._left -= len(data)
        if self._left <= 0:
            await self._forever()

    async def _forever(self):
        await asyncio.Event().wait()

    async def _whole(self, status, kind, body, *headers):
        lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", *headers]
        lines += [f"content-length: {len(body)}", "request-id: req_scripted", "", ""]
        await self._send("\r\n".join(lines).encode() + body)
        self.call.finished = True
        return True

    @staticmethod
    async def listing(writer):
        """An empty models list, for any GET; it counts as no call."""
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
        writer.write(b'content-length: 12\r\n\r\n{"data": []}')
        await writer.drain()
        return True

    # Instead of an answer.

    async def _silent(self):
        await self._forever()

    async def _half_head(self):
        await self._send(b"HTTP/1.1 200 OK\r\ncontent-ty")
        await self._forever()

    async def _cut_head(self):
        await self._send(b"HTTP/1.1 200 OK\r\ncontent-ty")
        return False

    async def _endless_head(self):
        await self._send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await self._send(b"x-filler: " + b"y" * 1000 + b"\r\n")
            await asyncio.sleep(0)

    async def _fin0(self):
        return False

    async def _rst0(self):
        return self._reset()

    def _reset(self):
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        return False

    async def _status(self):
        code = int(self.number("code", 500))
        kind = self.parameters.get("type", ERROR_TYPES.get(code, "api_error"))
        error = {"type": kind, "message": self.parameters.get("message", "scripted")}
        body = json.dumps(
            {"type": "error", "error": error, "request_id": "req_scripted"}
        ).encode()
        names = ("retry-after", "x-should-retry")
        headers = [f"{n}: {self.parameters[n]}" for n in names if n in self.parameters]
        return await self._whole(code, "application/json", body, *headers)

    async def _html(self):
        page = b"<html><body>Bad Gateway, says a box in between</body></html>"
        return await self._whole(int(self.number("code", 502)), "text/html", page)

    async def _drip_error(self):
        code = int(self.number("code", 500))
        await self._send(b"HTTP/1.1 %d X\r\ncontent-type: text/html\r\n\r\n" % code)
        while True:
            await self._send(b"x")
            await asyncio.sleep(0.01)

    async def _redirect(self):
        return await self._whole(
            307, "text/plain", b"", f"location: {self.parameters['to']}"
        )

    async def _json(self):
        return await self._whole(200, "application/json", b'{"hello": "world"}')

    async def _empty(self):
        return await self._whole(200, "text/event-stream", b"")

    # A stream, and where it stops.

    async def _stream(self):
        await self._send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
            b"transfer-encoding: chunked\r\nrequest-id: req_scripted\r\n\r\n"
        )
        at = self.number("at", 1)
        if at == -1 and (over := await self._stop()) is not None:
            return over
        await self._event(message_start(self.call.model))
        if at == -0.5 and (over := await self._stop()) is not None:
            return over
        await self._event(block_start())
        await self._event({"type": "ping"})
        if at == 0 and (over := await self._stop()) is not None:
            return over
        for i in range(int(self.number("n", 3))):
            size = int(self.number("size", 0)) if self.name == "huge" else 0
            await self._event(delta("x" * size if size else f"word{i} "))
            await asyncio.sleep(self.number("gap", 0))
            if i + 1 == at and (over := await self._stop()) is not None:
                return over
        return await self._finish()

    async def _event(self, data):
        await self._chunk(sse(data))

    async def _chunk(self, data):
        self._waiting += b"%x\r\n%b\r\n" % (len(data), data)
        if "together" not in self.parameters:
            await self._send(b"")

    async def _finish(self):
        await self._event({"type": "content_block_stop", "index": 0})
        await self._event(
            message_delta(None if self.name == "no-reason" else "end_turn")
        )
        if self.name == "stall-last":
            await self._forever()
        if self.name != "after-delta":
            await self._event({"type": "message_stop"})
        if self.name == "late-end":
            await self.call.release.wait()
        await self._send(b"0\r\n\r\n")
        self.call.finished = True
        return "close" not in self.parameters

    async def _stop(self):
        """What happens at `at`: None to go on, else whether the connection stays."""
        if "held" in self.parameters and self.name != "ok":
            await self.call.release.wait()
        if "inside" in self.parameters:
            event = sse(delta("half"))
            await self._send(b"%x\r\n%b" % (len(event), event[: len(event) // 2]))
        match self.name:
            case "hold":
                await self.call.release.wait()
            case "stall":
                await self._forever()
            case "fin" | "tls-close":
                return False
            case "rst":
                return self._reset()
            case "end":
                await self._send(b"0\r\n\r\n")
                self.call.finished = True
                return True
            case "pings":
                await self._repeat({"type": "ping"})
            case "drip":
                await self._repeat(delta("drip "))
            case "error":
                kind = self.parameters.get("type", "overloaded_error")
                error = {"type": kind, "message": "scripted"}
                await self._event({"type": "error", "error": error})
                await self._send(b"0\r\n\r\n")
                self.call.finished = True
                return True
            case "garbage":
                await self._chunk(b"event: content_block_delta\ndata: {no json\n\n")
            case "bad-chunk":
                await self._send(b"XYZ\r\n")
                await self._forever()
            case "unknown":
                await self._event({"type": "brand_new", "index": 7})
        return None

    async def _repeat(self, data):
        while not self.call.release.is_set():
            await self._event(data)
            await asyncio.sleep(self.number("gap", 0.02))


def sse(data):
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


def message_start(model):
    usage = {"input_tokens": 5, "output_tokens": 1}
    usage |= {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    message = {"id": "msg_scripted", "type": "message", "role": "assistant"}
    message |= {"model": model, "content": [], "stop_reason": None}
    message |= {"stop_sequence": None, "usage": usage}
    return {"type": "message_start", "message": message}


def block_start():
    block = {"type": "text", "text": ""}
    return {"type": "content_block_start", "index": 0, "content_block": block}


def delta(text):
    part = {"type": "text_delta", "text": text}
    return {"type": "content_block_delta", "index": 0, "delta": part}


def message_delta(stop_reason="end_turn"):
    end = {"stop_reason": stop_reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": end, "usage": {"output_tokens": 9}}
