"""proxy.log_writer: nobody waits for the log, and what is lost is counted."""

import os
import re
import subprocess
import sys

import pytest

from proxy.log_writer import ROOM, Writer
from waiting import LONG


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, Writer(writing, lambda count: b"%d dropped\n" % count)
    os.close(reading)


def read(reading, mark):
    data = b""
    while not data.endswith(mark):
        data += os.read(reading, 1 << 20)
    return data


def test_lines_are_written_in_order(pipe):
    reading, writer = pipe
    lines = [b"%d\n" % i for i in range(1000)]
    for line in lines:
        writer.write(line)
    assert read(reading, b"\n999\n") == b"".join(lines)
    assert writer.dropped == 0


def test_a_line_is_written_without_another_one(pipe):
    reading, writer = pipe
    writer.write(b"one\n")
    assert read(reading, b"\n") == b"one\n"


def test_where_nobody_reads_lines_are_dropped_and_counted_and_nobody_waits(pipe):
    reading, writer = pipe
    line, given = b"x" * 999 + b"\n", 4 * ROOM
    for _ in range(given):  # no pipe holds as much; a writer that waits hangs here
        writer.write(line)
    dropped = writer.dropped
    assert dropped > 0
    data = b""
    while data.count(line) < given - dropped or reported(data) < dropped:
        data += os.read(reading, 1 << 20)
    assert (data.count(line), reported(data)) == (given - dropped, dropped)


def reported(data):
    """How many dropped lines the log itself admits."""
    return sum(
        int(count) for count in re.findall(rb"^(\d+) dropped$", data, re.MULTILINE)
    )


def test_a_flush_waits_until_all_is_written(pipe):
    reading, writer = pipe
    writer.write(b"one\n")
    writer.write(b"two\n")
    writer.flush(LONG)
    assert os.read(reading, 100) == b"one\ntwo\n"


def test_a_flush_gives_up_where_nobody_reads(pipe):
    _, writer = pipe
    writer.write(b"x" * (1 << 20))
    writer.flush(0.01)


def test_a_reader_that_has_gone_is_no_error(pipe):
    _, writer = pipe
    gone, writing = os.pipe()
    os.close(gone)
    writer = Writer(writing, lambda count: b"%d dropped\n" % count)
    writer.write(b"one\n")
    writer.flush(LONG)
    assert writer.dropped == 1


FORKS = """
import os
from proxy.log_writer import Writer

writer = Writer(1, lambda count: b"")
writer.write(b"parent\\n")
writer.flush(30)
child = os.fork()
if child:
    os.waitpid(child, 0)
else:
    writer.write(b"child\\n")
    writer.flush(30)
"""


def test_a_child_process_writes_its_own_lines_and_not_its_parents():
    run = [sys.executable, "-c", FORKS]
    assert subprocess.check_output(run, timeout=LONG) == b"parent\nchild\n"
