"""Load by OpenAI's own SDK, from several client addresses at once.

    with Load(url, key, retries=2) as load:
        ...
    assert load.failures() == []

Each client has an address of its own, because the Service's session affinity sends all
requests from one address to one pod.
"""

import itertools
import subprocess
import threading
import time
from typing import NamedTuple

import httpx2
import openai

ADDRESSES = [f"10.78.0.{number}" for number in range(1, 9)]
NEWCOMERS = [f"10.78.1.{number}" for number in range(1, 41)]
"""So many that each of a few pods gets some of them."""
QUICK, SLOW = (0.2, 1, 4), (19,)
"""Seconds that the upstream takes for an answer, in turns."""


class Call(NamedTuple):
    began: float
    ended: float
    trouble: str | None
    """None for a whole answer."""


class Load:
    """`calls` of them each, or calls without end; `delays` are the clients' in turn."""

    def __init__(
        self,
        url,
        key,
        *,
        retries,
        delays=(QUICK, QUICK, SLOW),
        stream=False,
        calls=None,
        addresses=ADDRESSES,
    ):
        self.calls = []
        self._addresses = addresses
        self._most = calls
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._call_on,
                args=[self._client(url, key, retries, address), turns, stream],
            )
            for turns, address in zip(itertools.cycle(delays), addresses, strict=False)
        ]

    def __enter__(self):
        for address in self._addresses:
            subprocess.run(
                ["ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True
            )
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def failures(self):
        return [call for call in self.calls if call.trouble]

    def _client(self, url, key, retries, address):
        transport = httpx2.HTTPTransport(local_address=address)
        return openai.OpenAI(
            base_url=url,
            api_key=key,
            max_retries=retries,
            http_client=httpx2.Client(transport=transport, timeout=100),
        )

    def _call_on(self, client, delays, stream):
        with client:
            for delay in itertools.islice(itertools.cycle(delays), self._most):
                if self._stop.is_set():
                    return
                began = time.time()
                trouble = _trouble(client, delay, stream)
                self.calls.append(Call(began, time.time(), trouble))


def _trouble(client, delay, stream):
    """Make one call; returns what was wrong with the answer, or None."""
    messages = [{"role": "user", "content": str(delay)}]
    try:
        answer = client.chat.completions.create(
            model="claude-sonnet-4-6", messages=messages, stream=stream
        )
        if stream:
            *_, last = answer
            reason = last.choices[0].finish_reason
        else:
            reason = answer.choices[0].finish_reason
    except (openai.OpenAIError, httpx2.HTTPError) as ex:
        return f"{type(ex).__name__}: {getattr(ex, 'code', None)}: {ex}"
    return None if reason == "stop" else f"looked complete, with {reason}"
