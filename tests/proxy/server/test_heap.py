"""proxy.server.heap: what large bodies took is given back."""

import subprocess
import sys

PROGRAM = """
import re
import threading
from pathlib import Path

from proxy.server import heap


def resident():
    text = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\\s+(\\d+)", text)[1]) >> 10


def work():
    for _ in range(3):
        one = bytearray()
        for _ in range(31 * 16):
            one += b"x" * 65536
        both.wait()
        del one
        both.wait()


heap.give_back()
both = threading.Barrier(4)
before = resident()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(resident() - before)
"""
"""Prints by how many MiB the process has grown after four threads have each held and
dropped 31 MiB, three times."""


def test_the_memory_of_large_bodies_is_given_back():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 16
