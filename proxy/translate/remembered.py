"""What was made of a text that clients send again and again: in bounded memory."""

from typing import Generic, TypeVar

V = TypeVar("V")

_ENTRY = 400
"""Bytes that Python takes for an entry beside its text and its value."""


class Memory(Generic[V]):
    """Values by the text they were made from, in about ``room`` bytes.

    What is used is kept in the young generation. Once that fills half the room it becomes
    the old one, and what was old is forgotten. No lock is needed: two threads at once may
    lose an entry, or keep one too many until then.
    """

    def __init__(self, room: int) -> None:
        self._half = room // 2
        self._taken = 0
        self._young: dict[bytes, tuple[V, int]] = {}
        self._old: dict[bytes, tuple[V, int]] = {}

    def get(self, given: bytes) -> V | None:
        """What was made from this text, if it is still known."""
        found = self._young.get(given)
        if found is None:
            found = self._old.get(given)
            if found is None:
                return None
            self._add(given, found)
        return found[0]

    def keep(self, given: bytes, value: V, size: int) -> None:
        """Remember a value of ``size`` bytes; a large one would push out too many others."""
        size += len(given) + _ENTRY
        if size <= self._half // 16:
            self._add(given, (value, size))

    def _add(self, given: bytes, entry: tuple[V, int]) -> None:
        size = entry[1]
        if self._taken + size > self._half:
            self._old, self._young, self._taken = self._young, {}, 0
        self._young[given] = entry
        self._taken += size
