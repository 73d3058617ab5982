"""What reached the stand-in, over HTTP: suites run in processes of their own.

`GET /` gives what came since the last time, as JSON: a list of objects with `path`,
`rule` (the one that was broken, or null), `body`, and `dropped` (what changed before each
block of thinking that Anthropic would not have accepted).
"""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standin import thinking
from standin.call import Call


class Ledger:
    """The stand-in's requests, taken one suite's test after the other."""

    def __init__(self, standin):
        self._standin = standin
        self.url = ""
        self.taken = []
        """All that was ever given."""

    def take(self):
        """What came since the last time."""
        new = []
        while self._standin.requests:
            new.append(self._standin.requests.popleft())
        self.taken += new
        return new

    @property
    def rules(self):
        """The rules that requests broke, in the order in which they came."""
        self.take()
        return [one.rule for one in self.taken if one.rule]


def dropped(received):
    """What changed before each block of thinking that Anthropic would have dropped."""
    if received.path != "/v1/messages" or received.rule or not received.body:
        return []
    call = Call(received.body, received.headers)
    return [changed for _, _, changed in thinking.unbound(call)]


@contextmanager
def serve(standin):
    """Serve a ledger on loopback until the block ends."""
    ledger = Ledger(standin)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(
                [
                    {
                        "path": one.path,
                        "rule": one.rule,
                        "body": one.body,
                        "dropped": dropped(one),
                    }
                    for one in ledger.take()
                ]
            ).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ledger.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield ledger
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
