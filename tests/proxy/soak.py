"""The soak: minutes of load with clients that leave, an upstream that fails, and tokens
that are replaced.

    .venv/bin/python tests/proxy/soak.py                # 600 s at 30 requests a second
    .venv/bin/python tests/proxy/soak.py --seconds 20   # what CI runs

It starts `claude-proxy` in a real gunicorn in front of the scripted upstream. Of every
kind of request it knows what must come of it. It ends with a table and exit status 1 if a
request was lost that no fault had to lose, if memory grew, or if anything is left over.
"""

import argparse
import collections
import dataclasses
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from concurrent import futures
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).with_name("helpers")))

# ruff: noqa: T201 - a program in a folder of tests that speaks by printing

import httpx2

from quick_proxy import Proxy, head
from scripted_upstream import ScriptedUpstream
from waiting import until

ROTATION = 10.0
"""Seconds between two tokens. The old one is refused at once; the new one is in the file
up to a second later."""

PATIENT = "from proxy import lease; lease.REFRESH_WAIT = 30.0\n"
"""A busy machine may write the new token late; here, that is no fault of the proxy's."""

GROWTH = 0.10
"""How much larger the worker may be at the end than after a quarter of the time."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of request: how often, the upstream's part, and what must come of it."""

    weight: int
    scenario: str
    outcome: str
    stream: bool = True


KINDS = {
    "stream": Kind(40, "ok", "complete"),
    "plain": Kind(15, "ok", "complete", stream=False),
    "kept connection": Kind(10, "ok", "complete"),
    "long stream": Kind(5, "ok;n=30;gap=0.2", "complete"),
    "client leaves a stream": Kind(6, "drip;gap=0.05", "left"),
    "client leaves in silence": Kind(3, "silent", "left"),
    "overloaded once": Kind(4, "status;code=529;retry-after=0;times=1", "complete"),
    "closed once": Kind(3, "fin0;times=1", "complete"),
    "reset once": Kind(3, "rst0;times=1", "complete", stream=False),
    "overloaded": Kind(2, "status;code=529;retry-after=0", "503 overloaded"),
    "refused": Kind(
        2,
        "status;code=400;type=invalid_request_error",
        "400 None",
        stream=False,
    ),
    "closed midway": Kind(2, "fin;at=1", "cut stream_incomplete"),
    "reset midway": Kind(2, "rst;at=2", "cut stream_incomplete"),
    "error midway": Kind(2, "error;at=1", "cut overloaded"),
    "not JSON midway": Kind(1, "garbage;at=1", "cut stream_incomplete"),
}


class Soak:
    """One run."""

    def __init__(self, proxy, upstream, credentials):
        self.proxy, self.upstream, self.credentials = proxy, upstream, credentials
        self.asked = collections.Counter()
        self.lost = collections.defaultdict(collections.Counter)
        self.sizes = []
        self.over = threading.Event()
        self.client = httpx2.Client(
            trust_env=False, timeout=60, limits=httpx2.Limits(max_connections=10)
        )

    def run(self, seconds, rate):
        """Ask so often for so long; then wait for all that was asked."""
        helpers = [
            threading.Thread(target=one) for one in (self._rotate, self._measure)
        ]
        for thread in helpers:
            thread.start()
        began = time.monotonic()
        names = list(KINDS)
        weights = [kind.weight for kind in KINDS.values()]
        with futures.ThreadPoolExecutor(256) as pool:
            for number in range(int(seconds * rate)):
                wait = began + number / rate - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                [name] = random.choices(names, weights)
                pool.submit(self._ask, name, number)
        self.over.set()
        for thread in helpers:
            thread.join()
        self.client.close()

    def _ask(self, name, number):
        kind = KINDS[name]
        model = f"{kind.scenario};tag={number}"
        try:
            if kind.outcome == "left":
                outcome = self._leave(model)
            elif name == "kept connection":
                outcome = self._ask_kept(model)
            else:
                outcome = outcome_of(self._exchange(model, stream=kind.stream))
        except (OSError, httpx2.HTTPError) as ex:
            outcome = type(ex).__name__
        self.asked[name] += 1
        if outcome != kind.outcome:
            self.lost[name][outcome] += 1

    def _request(self, model, *, stream):
        body = json.dumps(self.proxy.request(model, stream=stream)).encode()
        ending = b"Connection: close\r\n\r\n"
        return head(len(body)).removesuffix(b"\r\n") + ending + body

    def _exchange(self, model, *, stream):
        with self.proxy.connect(self._request(model, stream=stream)) as sock:
            sock.settimeout(60)
            received = b""
            while data := sock.recv(65536):
                received += data
        return received

    def _leave(self, model):
        with self.proxy.connect(self._request(model, stream=True)) as sock:
            sock.settimeout(random.uniform(0.05, 0.5))
            try:
                while sock.recv(65536):
                    if random.random() < 0.2:
                        return "left"
            except TimeoutError:
                return "left"
        return "ended"

    def _ask_kept(self, model):
        with self.client.stream(
            "POST",
            self.proxy.url + "/v1/chat/completions",
            json=self.proxy.request(model),
        ) as response:
            body = response.read()
        return "complete" if body.endswith(b"data: [DONE]\n\n") else "incomplete"

    def _rotate(self):
        number = 0
        while not self.over.wait(ROTATION):
            number += 1
            token = f"rotated-token-{number:06}"
            self.upstream.tokens = {token}
            self.over.wait(random.uniform(0, 1))
            write_token(self.credentials, token)
            self.upstream.drop_finished_calls()

    def _measure(self):
        while not self.over.wait(0.5):
            self.sizes.append(resident(self.proxy.worker))

    def growth(self):
        """How much larger the worker is in the last quarter than in the second one."""
        quarter = len(self.sizes) // 4
        before = statistics.median(self.sizes[quarter : 2 * quarter])
        return statistics.median(self.sizes[-quarter:]) / before - 1


def outcome_of(received):
    """What a client makes of all that it received: the end, and an error's code."""
    first, _, rest = received.partition(b"\r\n")
    if not first:
        return "nothing"
    status = int(first.split()[1])
    _, _, body = rest.partition(b"\r\n\r\n")
    if status != 200:
        return f"{status} {json.loads(body)['error']['code']}"
    if b"data: [DONE]" in body:
        return "complete" if body.endswith(b"0\r\n\r\n") else "without its end"
    if b'"error"' in body:
        code = body.rpartition(b'"code":"')[2].partition(b'"')[0].decode()
        ended = " and ended properly" if body.endswith(b"0\r\n\r\n") else ""
        return f"cut {code}{ended}"
    return "complete" if b'"total_tokens"' in body else "incomplete"


def write_token(path, token):
    """Replace the credentials file as the CLI does."""
    new = path.with_name("new")
    new.write_text(json.dumps({"claudeAiOauth": {"accessToken": token}}))
    new.replace(path)


def resident(pid):
    """A process's resident memory in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rate", type=float, default=30.0, help="requests a second")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, ScriptedUpstream() as upstream:
        credentials = Path(directory, "credentials.json")
        write_token(credentials, "first-token-of-the-soak")
        proxy = Proxy(
            directory,
            upstream,
            anthropic_api_key="",
            claude_credentials_path=credentials,
            before=PATIENT,
        )
        try:
            soak = Soak(proxy, upstream, credentials)
            soak.run(arguments.seconds, arguments.rate)
            upstream.wait_until_idle()
            in_flight = "claude_proxy_requests_in_flight"
            until(lambda: proxy.metric(in_flight) == 0, what="a slot is left")
            proxy.idle = (proxy.idle[0], proxy.idle[1] + 10)
            proxy.check_nothing_is_left()
        finally:
            proxy.stop()
    sys.exit(report(soak, arguments.seconds))


def report(soak, seconds):
    """Print the table; the exit status."""
    for name, kind in KINDS.items():
        lost = ", ".join(f"{one}: {n}" for one, n in soak.lost[name].items())
        print(f"{soak.asked[name]:7} {name:26} -> {kind.outcome:26} {lost or '-'}")
    lost = sum(one.total() for one in soak.lost.values())
    growth = soak.growth()
    # in a short run what a process holds is still settling
    grown = growth > GROWTH and seconds >= 120
    print(
        f"{soak.asked.total()} asked, {lost} lost, "
        f"{soak.sizes[-1] >> 10} MiB at the end ({growth:+.1%})"
    )
    return int(bool(lost) or grown)


if __name__ == "__main__":
    main()
