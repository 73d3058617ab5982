"""Bounded memory: entries of several owners, and who gives way when there is no room.

One owner gets at most half of a room, and one entry at most a quarter of it. What was
used least recently goes first.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

Owner = bytes
"""Digest of an inbound key; empty in a proxy that has none."""

ENTRY = 512
"""Bytes that an entry costs beside its names and values. These three are measured."""
NAME = 320
"""Bytes that a name costs beside its characters."""


class Figures(Struct, frozen=True, kw_only=True):
    """How the entries of one kind are doing."""

    entries: int
    bytes: int
    hits: int
    misses: int
    evictions: int


class Entry:
    """Something that is kept. What only a response has is in `_Link`."""

    __slots__ = ("kind", "names", "owner", "size", "used", "value")

    def __init__(
        self, kind: "Kind[Any]", owner: Owner, names: tuple[str, ...], value: bytes
    ) -> None:
        self.kind = kind
        self.owner = owner
        self.names = names
        self.value = value
        self.size = ENTRY + len(value) + sum(NAME + len(name) for name in names)
        self.used = 0
        """When it was last used, by the room's own count."""


class _Owned:
    """What one owner has in a room."""

    __slots__ = ("entries", "size")

    def __init__(self) -> None:
        self.entries: OrderedDict[Entry, None] = OrderedDict()
        """The least recently used first."""
        self.size = 0


class Room:
    """Room for ``limit`` bytes. Everything but its construction is done under ``lock``."""

    def __init__(self, limit: int, *, at_once: int = 0) -> None:
        self.limit = limit
        self.at_once = at_once
        """Bytes that are evicted together, at least, when an owner's share is full."""
        self.share = limit // 2
        """Bytes that one owner may have."""
        self.largest = limit // 4
        """Bytes that one entry may have."""
        self.lock = threading.Lock()
        self._size = 0
        self._uses = 0
        self._owners: dict[Owner, _Owned] = {}

    def add(self, entry: Entry) -> None:
        """Take in an entry of at most ``largest`` bytes, and evict what is in its way."""
        self.charge(entry, entry.size)
        owned = self._owners[entry.owner]
        owned.entries[entry] = None
        self.touch(entry)
        if owned.size > self.share:
            while owned.size > self.share - self.at_once:
                self._evict(next(iter(owned.entries)))
        if self._size > self.limit:
            while self._size > self.limit - self.at_once:
                oldest = [next(iter(one.entries)) for one in self._owners.values()]
                self._evict(min(oldest, key=lambda one: one.used))

    def charge(self, entry: Entry, size: int) -> None:
        """Count ``size`` bytes more, or less, for an entry's owner and kind."""
        self._owners.setdefault(entry.owner, _Owned()).size += size
        entry.kind.size += size
        self._size += size

    def touch(self, entry: Entry) -> None:
        """Note that an entry is being used."""
        self._uses += 1
        entry.used = self._uses
        self._owners[entry.owner].entries.move_to_end(entry)

    def remove(self, entry: Entry) -> None:
        """Let an entry go."""
        entry.kind.forget(entry)
        self.charge(entry, -entry.size)
        owned = self._owners[entry.owner]
        del owned.entries[entry]
        if not owned.entries:
            del self._owners[entry.owner]

    def _evict(self, entry: Entry) -> None:
        for gone in entry.kind.useless_without(entry):
            gone.kind.evictions += 1
            self.remove(gone)


E = TypeVar("E", bound=Entry)


class Kind(Generic[E]):
    """The entries of one kind in a room, found by their owner and any of their names."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = self.entries = self.hits = self.misses = self.evictions = 0
        self._named: dict[tuple[Owner, str], E] = {}

    @property
    def figures(self) -> Figures:
        """How this kind is doing."""
        with self._room.lock:
            return Figures(
                entries=self.entries,
                bytes=self.size,
                hits=self.hits,
                misses=self.misses,
                evictions=self.evictions,
            )

    @property
    def largest(self) -> int:
        """Bytes that one entry may have."""
        return self._room.largest

    def useless_without(self, entry: E) -> Sequence[E]:
        """What goes when an entry is evicted (called by the room)."""
        return [entry]

    def forget(self, entry: E) -> None:
        """Note that an entry goes (called by the room)."""
        self.entries -= 1
        self._unname(entry)

    def _unname(self, entry: E) -> None:
        for name in entry.names:
            del self._named[entry.owner, name]
        entry.names = ()

    def _add(self, entry: E) -> None:
        for name in entry.names:
            self._named[entry.owner, name] = entry
        self.entries += 1
        self._room.add(entry)

    def _find(self, owner: Owner, names: Iterable[str]) -> E | None:
        for name in names:
            if (entry := self._named.get((owner, name))) is not None:
                self.hits += 1
                return entry
        self.misses += 1
        return None
