"""A real claude-proxy with short limits for its clients, and what clients received."""

import json
import os
from contextlib import contextmanager

import httpx2

import health_port
from gunicorn_process import Gunicorn, read_all
from loopback import PLAIN
from ports import free_port
from waiting import LONG, until

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"

PROGRAM = """
import os
import socket
from proxy.server import application, worker as constants
from proxy.server.application import Server
from proxy.settings import Settings

# so that a worker that was held up at its end still says its last words
application.GRACE = constants.GRACE = 10.0


class QuickServer(Server):
    def listen(self):
        return socket.create_server(("127.0.0.1", %d))

    def post_worker_init(self, worker):
        super().post_worker_init(worker)
        worker.threads.idle = 0.2
        worker.receive_timeout = worker.send_timeout = %s


QuickServer(Settings.from_environ(os.environ)).run()
"""
"""claude-proxy on a free port, with short limits for its clients."""


class Received:
    """What a client received: status, headers, body, and whether the body was complete."""

    def __init__(self, status, headers, body, complete):
        self.status, self.headers, self.body = status, headers, body
        self.complete = complete

    @property
    def events(self):
        """The payloads of a stream, of either API."""
        events = self.body.decode().split("\n\n")
        named = [one for one in events if one.startswith(("data: ", "event: "))]
        return [one[one.index("data: ") + 6 :] for one in named]

    @property
    def text(self):
        chunks = [json.loads(one) for one in self.events if one != "[DONE]"]
        deltas = [one["choices"][0]["delta"] for one in chunks if one.get("choices")]
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def error(self):
        """The error of a plain response, or the one inside a stream."""
        last = self.events[-1] if self.events else self.body
        return json.loads(last)["error"]

    @property
    def is_done(self):
        return self.complete and self.events[-1:] == ["[DONE]"]


class Proxy(Gunicorn):
    """A running claude-proxy."""

    _mark = 0

    def __init__(
        self,
        directory,
        upstream,
        *,
        client_timeout=LONG,
        before="",
        listen=0,
        warm=True,
        **settings,
    ):
        """`before`: Python code that its process runs first, `listen` its port.

        Unless `warm` no request is made until the test makes one.
        """
        self.health_port = free_port()
        given = {
            "ANTHROPIC_API_KEY": "sk-ant-api03-canary",
            "ANTHROPIC_API_BASE": upstream.url,
            "HEALTH_PORT": str(self.health_port),
            **_network_proxy(upstream),
            **{name.upper(): str(value) for name, value in settings.items()},
        }
        super().__init__(
            directory,
            "-c",
            before + PROGRAM % (listen, client_timeout),
            env={"PATH": os.environ["PATH"], **given},
        )
        self.url = f"http://127.0.0.1:{self.port}"
        until(lambda: self.health("/healthz") == 200)
        if warm:
            self.ask("ok", stream=False)  # threads and connections that stay
        self.idle = self._held()

    def request(self, model, *, stream=True, **more):
        message = {"role": "user", "content": "PROMPT-CANARY"}
        return {"model": model, "stream": stream, "messages": [message], **more}

    def ask(self, model, *, stream=True, client=None, path=CHAT, **more):
        """Ask for a completion and read the whole response."""
        with self.open(
            model, stream=stream, client=client, path=path, **more
        ) as response:
            parts, complete = [], True
            try:
                parts.extend(response.iter_raw())
            except httpx2.RemoteProtocolError:
                complete = False
            body = b"".join(parts)
            return Received(response.status_code, response.headers, body, complete)

    @contextmanager
    def open(self, model, *, stream=True, client=None, path=CHAT, **more):
        """Ask, and yield once the response's head has come."""
        client = client or httpx2.Client(trust_env=False, verify=PLAIN)
        with (
            client,
            client.stream(
                "POST",
                self.url + path,
                json=self.request(model, stream=stream, **more),
                timeout=LONG,
            ) as response,
        ):
            yield response

    def raw(self, model, *, stream=True, path=CHAT, **more):
        """Ask on a bare socket; the caller reads the response."""
        body = json.dumps(self.request(model, stream=stream, **more)).encode()
        return self.connect(head(len(body), path) + body)

    def health(self, path):
        url = f"http://127.0.0.1:{self.health_port}{path}"
        try:
            return health_port.get(url).status_code
        except httpx2.ConnectError:
            return None

    def metric(self, name):
        """As `health_port.metric`."""
        return health_port.metric(f"http://127.0.0.1:{self.health_port}", name)

    def get(self, path):
        """The raw response to a GET on a connection of its own."""
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", "", ""]
        with self.connect("\r\n".join(lines).encode()) as sock:
            return read_all(sock)

    def is_draining(self):
        """New work is refused in words."""
        received = self.ask("ok;tag=newcomer")
        return received.status == 503 and received.error["code"] == "shutting_down"

    @contextmanager
    def lent(self, upstream):
        """For one test: its own log lines, and nothing left of it in the end."""
        self.mark_log()
        yield
        upstream.wait_until_idle()
        self.check_nothing_is_left()

    def mark_log(self):
        """Forget the lines that were written so far."""
        self._mark = self.log.rfind("\n") + 1

    def lines(self, model):
        """The log lines of the completions that asked for this model."""
        *whole, _ = self.log[self._mark :].split(
            "\n"
        )  # the last is still being written
        lines = [json.loads(one) for one in whole]
        return [one for one in lines if one.get("model") == model]

    def line(self, model):
        """The one log line of the one completion that asked for this model."""
        (line,) = until(lambda: self.lines(model), what=f"no log line for {model}")
        return line

    def _held(self):
        return self.threads(), self.descriptors()

    def check_nothing_is_left(self):
        in_flight = "claude_proxy_requests_in_flight"
        until(lambda: self.metric(in_flight) == 0, what="a slot is left")
        until(lambda: self.threads() <= self.idle[0] + 1, what="threads are left")
        # besides, up to 64 connections to Anthropic are kept
        kept = self.idle[1] + 64
        until(lambda: self.descriptors() <= kept, what="descriptors are left")
        assert "Traceback" not in self.log
        assert "unexpected" not in self.log
        for secret in ("PROMPT-CANARY", "sk-ant-api03-canary"):
            assert secret not in self.log


def head(length, path=CHAT):
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def is_direct():
    """Whether proxies call their upstream over plain sockets.

    With FAULTS_OVER=httpcore they call through a network proxy: the upstream itself,
    which is asked for absolute URLs then.
    """
    return os.environ.get("FAULTS_OVER") != "httpcore"


def _network_proxy(upstream):
    return {} if is_direct() else {"HTTP_PROXY": upstream.url}
