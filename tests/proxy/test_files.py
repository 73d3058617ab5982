"""proxy.files: what is found at a path, and a file that hangs."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy import files
from waiting import LONG


def content(path: Path) -> files.Content:
    (found,) = files.Files(path).read()
    return found


def test_a_text_is_read_without_the_mark_of_its_encoding(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbfwords\n")

    assert content(path) == files.Content(text="words\n")


def test_what_is_no_small_text_file_is_told_in_words(tmp_path: Path) -> None:
    fifo, binary, large = tmp_path / "fifo", tmp_path / "binary", tmp_path / "large"
    os.mkfifo(fifo)
    binary.write_bytes(b"\xff\xfe\x00")
    large.write_bytes(b"x" * (files.LARGEST + 1))

    assert content(tmp_path / "none").missing
    assert content(tmp_path / "none").trouble == "does not exist"
    assert content(fifo).trouble == "is not a regular file"
    assert content(Path("/dev/zero")).trouble == "is not a regular file"
    assert content(tmp_path).trouble == "is not a regular file"
    assert content(binary).trouble == "is not UTF-8 text"
    assert content(large).trouble == f"is larger than {files.LARGEST} bytes"
    assert content(tmp_path / ("x" * 300)).trouble.startswith("cannot be read (")


class DeadVolume:
    """``open`` hangs, as it does on a network volume whose server is gone."""

    def __init__(self) -> None:
        self.opened = threading.Semaphore(0)
        self.back = threading.Event()
        self._open = os.open

    def __call__(self, *arguments: object, **more: object) -> int:
        self.opened.release()
        self.back.wait()
        return self._open(*arguments, **more)  # type: ignore[arg-type]


@pytest.fixture
def volume(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeadVolume]:
    dead = DeadVolume()
    monkeypatch.setattr(files.os, "open", dead)
    monkeypatch.setattr(files, "PATIENCE", 0.05)
    yield dead
    dead.back.set()


def test_a_file_that_hangs_holds_up_nobody_and_one_thread_waits_for_it(
    tmp_path: Path, volume: DeadVolume
) -> None:
    path = tmp_path / "file"
    path.write_text("words")
    one = files.Files(path)

    for _ in range(20):
        assert one.read() == (files.UNRESPONSIVE,)
    assert volume.opened.acquire(timeout=LONG)
    assert not volume.opened.acquire(blocking=False)


def test_a_file_that_responds_again_is_read_again(
    tmp_path: Path, volume: DeadVolume
) -> None:
    path = tmp_path / "file"
    path.write_text("words")
    one = files.Files(path)
    assert one.read() == (files.UNRESPONSIVE,)

    volume.back.set()

    files.PATIENCE = LONG  # the fixture puts it back
    assert one.read() == (files.Content(text="words"),)


def test_every_question_is_a_look(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    watched = files.Files(path)
    assert watched.read() == (files.Content(text="one"),)

    path.write_text("two")

    assert watched.read() == (files.Content(text="two"),)
