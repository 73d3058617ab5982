"""claude-proxy with the memory of its pod, and twenty streams that must notice nothing.

`.ci/limits` runs these tests: they need root, for the control group.
"""

import json
import os
import threading

import httpx2
import pytest

from limits.memory_cgroup import MemoryCgroup
from quick_proxy import Proxy
from scripted_upstream import ScriptedUpstream
from waiting import LONG, until

LIMIT = 512 << 20
"""Bytes: the limit in the manifests."""

MOST = 384 << 20
"""Bytes that the group may hold at most: another kernel or libc needs a little more."""

BOOTING = "Booting worker"


@pytest.fixture(scope="session")
def _lane():
    if not os.environ.get("LIMITS"):
        pytest.skip("run by .ci/limits, which needs root")


@pytest.fixture(scope="session")
def upstream(_lane):
    with ScriptedUpstream() as running:
        yield running


@pytest.fixture(scope="session")
def cgroup(_lane):
    group = MemoryCgroup(LIMIT)
    yield group
    until(lambda: not (group.path / "cgroup.procs").read_text())
    group.remove()


@pytest.fixture(scope="session")
def proxy(cgroup, upstream, tmp_path_factory):
    """One proxy in its pod's memory, with the patience that it has in production."""
    running = Proxy(
        tmp_path_factory.mktemp("proxy"),
        upstream,
        client_timeout=20,
        header_timeout=600,  # who waits for Anthropic waits for the test
        idle_timeout=600,
        before=cgroup.joining,
    )
    yield running
    running.stop()


class Stream:
    """A stream that runs until its upstream is released."""

    def __init__(self, proxy, number):
        self._opened = proxy.open(f"drip;gap=0.1;tag={number}")
        self._response = self._opened.__enter__()
        self.deltas = 0
        self.error = self.is_done = None
        self._thread = threading.Thread(target=self._listen, name=f"stream {number}")
        self._thread.start()

    def _listen(self):
        try:
            for line in self._response.iter_lines():
                self._hear(line)
        except httpx2.HTTPError as ex:
            self.error = ex

    def _hear(self, line):
        if line == "data: [DONE]":
            self.is_done = True
        elif line.startswith("data: "):
            chunk = json.loads(line.removeprefix("data: "))
            self.error = self.error or chunk.get("error")
            self.deltas += bool(chunk.get("choices"))

    def end(self):
        self._thread.join(LONG)
        self._opened.__exit__(None, None, None)


@pytest.fixture
def streams(proxy, upstream, cgroup):
    """Twenty of them; at the end each has gone on all the time and ends whole."""
    upstream.calls.clear()
    kills, workers = cgroup.kills, proxy.log.count(BOOTING)
    running = [Stream(proxy, number) for number in range(20)]
    upstream.wait_for_calls(20, "drip")
    yield running
    assert cgroup.kills == kills, f"killed for lack of memory: {proxy.log[-2000:]}"
    assert proxy.log.count(BOOTING) == workers, proxy.log[-2000:]
    before = [one.deltas for one in running]
    until(
        lambda: all(one.deltas > was for one, was in zip(running, before, strict=True)),
        what="a stream stands still",
    )
    upstream.release("drip")
    for one in running:
        one.end()
    assert [one.error for one in running if one.error] == []
    assert all(one.is_done for one in running)
    assert cgroup.peak <= MOST, f"the group has held {cgroup.peak >> 20} MiB"
