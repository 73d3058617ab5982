"""Reads small files that change, and waits for none that hangs.

A key or a token may lie on a network volume that has died, or at a path that turns out
to be a FIFO: there even ``stat`` can block for ever. So files are read by threads of
their own, and whoever needs the content waits `PATIENCE` seconds for it at most.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 1.0
"""Seconds to wait for a file that does not respond. Only the first who asks waits: until
the file responds, everybody else gets the last known content at once."""

FRESH = 0.05
"""Seconds for which a content counts as new: one look serves all requests of a burst."""

LARGEST = 1 << 20
"""Bytes of a file at most; no keys file and no credentials file is larger."""

_NONBLOCKING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Content:
    """What was found at a path: a text, or why there is none."""

    text: str | None = None
    trouble: str = ""
    """In words that continue ``the file …``: ``does not exist``."""
    missing: bool = False

    def __repr__(self) -> str:
        return f"Content(…, trouble={self.trouble!r})"


UNRESPONSIVE = Content(trouble="does not respond")


class Files:
    """Some files that are read together, in the order of ``paths``.

    Thread-safe; to be used after the fork, which no thread survives.
    """

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._lock = threading.Lock()
        self._found: tuple[Content, ...] = ()
        self._looked_at = float("-inf")
        self._look: _Look | None = None

    def read(self, *, again: bool = False) -> tuple[Content, ...]:
        """The files' contents now, or `UNRESPONSIVE` for each.

        Unless ``again``, a content that is not older than `FRESH` will do.
        """
        with self._lock:
            look = self._look
            if look is None:
                if not again and time.monotonic() - self._looked_at < FRESH:
                    return self._found
                look = self._begin()
                if look is None:
                    return self._found or (UNRESPONSIVE,) * len(self._paths)
            patience = max(0.0, look.began + PATIENCE - time.monotonic())
        look.over.wait(patience)
        return look.found or (UNRESPONSIVE,) * len(self._paths)

    def _begin(self) -> _Look | None:
        """Start a look; ``None`` where there can be no more threads."""
        look = _Look(self._paths)
        thread = threading.Thread(
            target=self._run, args=[look], name="files", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            return None
        self._look = look
        return look

    def _run(self, look: _Look) -> None:
        found = tuple(_content(path) for path in look.paths)
        with self._lock:
            self._found, self._looked_at, self._look = found, time.monotonic(), None
        look.found = found
        look.over.set()


class _Look:
    """One reading of all files, under way."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.paths = paths
        self.began = time.monotonic()
        self.over = threading.Event()
        self.found: tuple[Content, ...] = ()


def _content(path: Path) -> Content:
    try:
        descriptor = os.open(path, _NONBLOCKING)  # a FIFO must not block it
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Content(trouble="is not a regular file")
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(LARGEST + 1)
        finally:
            os.close(descriptor)
        if len(data) > LARGEST:
            return Content(trouble=f"is larger than {LARGEST} bytes")
        return Content(text=data.decode("utf-8-sig"))
    except FileNotFoundError:
        return Content(trouble="does not exist", missing=True)
    except OSError as ex:
        return Content(trouble=f"cannot be read ({ex.strerror})")
    except UnicodeDecodeError:
        return Content(trouble="is not UTF-8 text")
