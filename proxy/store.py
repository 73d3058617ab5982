"""What the process remembers between requests: in bounded memory, and nowhere else.

There are three kinds of entries: turns, exactly as the model said them; responses, for
clients that refer to an earlier one instead of sending it again; and answers that came
when nobody was waiting for them. Half of the memory is for turns, half for responses and
answers. One owner gets at most half of either half, and one entry at most a quarter of
it. Where there is no room, what was used least recently goes.

An owner is an inbound key, known by its digest (``inbound_auth``). All clients of a proxy
without keys are one owner. What belongs to one owner does not exist for another.

All methods may be called from any thread. Values are bytes; they are shared, never
copied. When the process ends, everything is forgotten.
"""

from collections.abc import Iterable, Sequence
from typing import Self

from msgspec import Struct

from proxy.bounded import Entry, Figures, Kind, Owner, Room

BATCHES = 32
"""Turns are evicted in batches of this part of the memory: an eighth of an owner's share.

Without its first turn a conversation begins with other bytes, and Anthropic reads all of
it anew. That may happen once in a while, but not with each turn.
"""

ITEM = 576
"""Bytes that an item of a response costs beside its id and its data."""


class Item(Struct, frozen=True, gc=False):
    """An item of a response's input or output."""

    id: str
    data: bytes
    """The item as JSON, its id included."""


class Response(Struct, frozen=True):
    """A response as `Responses.find` returns it."""

    value: bytes
    """What `Responses.keep` was given: the response object in any form."""
    input: list[Item]
    """All that the model was shown: the input and output of the responses before it,
    oldest first, and then its own input."""
    output: list[Item]


class Turns(Kind[Entry]):
    """Turns that call tools, each found by the id of any of its calls."""

    def keep(self, owner: Owner, call_ids: Iterable[str], turn: bytes) -> bool:
        """Keep a turn; false if it is too large.

        An earlier turn that has one of these ids is forgotten.
        """
        entry = Entry(self, owner, tuple(dict.fromkeys(call_ids)), turn)
        with self._room.lock:
            if entry.size > self._room.largest:
                return False
            for name in entry.names:
                if (former := self._named.get((owner, name))) is not None:
                    self._room.remove(former)
            self._add(entry)
        return True

    def find(self, owner: Owner, turns: Iterable[Sequence[str]]) -> list[bytes]:
        """Those of several turns that are kept, each looked for by the ids of its calls.

        A turn of which no id is known is looked for in vain.
        """
        found: list[bytes] = []
        with self._room.lock:
            for call_ids in turns:
                if call_ids and (entry := self._find(owner, call_ids)) is not None:
                    self._room.touch(entry)
                    found.append(entry.value)
        return found


class Answers(Kind[Entry]):
    """Answers that nobody waited for, by the name of the request that they belong to."""

    def keep(self, owner: Owner, name: str, answer: bytes) -> bool:
        """Keep an answer, in place of one of the same name; false if it is too large."""
        entry = Entry(self, owner, (name,), answer)
        with self._room.lock:
            if entry.size > self._room.largest:
                return False
            self._remove(owner, name)
            self._add(entry)
        return True

    def has(self, owner: Owner, name: str) -> bool:
        """Whether an answer is still there. Counts as no look-up."""
        with self._room.lock:
            return (owner, name) in self._named

    def take(self, owner: Owner, name: str) -> bytes | None:
        """Pick an answer up: the second time it is not there."""
        with self._room.lock:
            entry = self._find(owner, [name])
            if entry is None:
                return None
            self._room.remove(entry)
            return entry.value

    def discard(self, owner: Owner, name: str) -> None:
        """Forget an answer, if it is still there: nobody came for it."""
        with self._room.lock:
            self._remove(owner, name)

    def _remove(self, owner: Owner, name: str) -> None:
        if (entry := self._named.get((owner, name))) is not None:
            self._room.remove(entry)


class _Held:
    """An item, held once however many responses have it."""

    __slots__ = ("holders", "item", "size")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.size = ITEM + len(item.id) + len(item.data)
        self.holders = 0


class _Link(Entry):
    """A response: its own items, and the response that it is built on."""

    __slots__ = ("input", "later", "output", "previous", "with_earlier")

    input: tuple[_Held, ...]
    output: tuple[_Held, ...]
    with_earlier: int
    """Bytes of the response, its items and all that it is built on."""

    def __init__(
        self,
        kind: "Responses",
        owner: Owner,
        name: str,
        value: bytes,
        previous: Self | None,
    ) -> None:
        super().__init__(kind, owner, (name,), value)
        self.previous = previous
        self.later: list[_Link] = []
        """The responses that are built on this one."""

    def chain(self) -> "list[_Link]":
        """The responses that it is built on, oldest first, and itself."""
        links: list[_Link] = []
        link: _Link | None = self
        while link is not None:
            links.append(link)
            link = link.previous
        return links[::-1]


class Responses(Kind[_Link]):
    """Responses, each as a link to the one that it is built on and its own items.

    An item that several responses have is held once. A response is of no use without
    those that it is built on: they are used together, and evicted together.
    """

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._items: dict[tuple[Owner, str], _Held] = {}

    def keep(
        self,
        owner: Owner,
        response_id: str,
        value: bytes,
        *,
        previous: str | None,
        input: Sequence[Item],  # noqa: A002 - the API's own word
        output: Sequence[Item],
    ) -> bool:
        """Keep a response, whose ``input`` is its own: without that of ``previous``.

        False if it is not kept: because ``previous`` is no longer there, because an owner
        may not have that much, or because the id is taken.
        """
        size = sum(ITEM + len(item.id) + len(item.data) for item in (*input, *output))
        with self._room.lock:
            before = self._named.get((owner, previous)) if previous else None
            if (previous and before is None) or (owner, response_id) in self._named:
                return False
            link = _Link(self, owner, response_id, value, before)
            own = link.size + size
            link.with_earlier = own + (before.with_earlier if before else 0)
            if own > self._room.largest or link.with_earlier > self._room.share:
                return False
            if before is not None:
                before.later.append(link)
                self._touch(before)
            link.input = tuple(self._held(link, item) for item in input)
            link.output = tuple(self._held(link, item) for item in output)
            self._add(link)
        return True

    def find(self, owner: Owner, response_id: str) -> Response | None:
        """A response with all that it is built on."""
        with self._room.lock:
            link = self._find(owner, [response_id])
            if link is None:
                return None
            self._touch(link)
            *earlier, _ = link.chain()
            shown = [held for one in earlier for held in (*one.input, *one.output)]
            return Response(
                link.value,
                [held.item for held in (*shown, *link.input)],
                [held.item for held in link.output],
            )

    def item(self, owner: Owner, item_id: str) -> Item | None:
        """An item of any response that is kept: the latest of this id."""
        with self._room.lock:
            held = self._items.get((owner, item_id))
            self.hits += held is not None
            self.misses += held is None
            return held.item if held is not None else None

    def delete(self, owner: Owner, response_id: str) -> bool:
        """Delete a response; false if there is none. Those built on it keep its items."""
        with self._room.lock:
            link = self._named.get((owner, response_id))
            if link is None:
                return False
            self._unname(link)
            unused: _Link | None = link
            while unused is not None and not unused.names and not unused.later:
                before = unused.previous
                self._room.remove(unused)
                unused = before
        return True

    def useless_without(self, entry: _Link) -> Sequence[_Link]:
        """A response goes with all that are built on it (called by the room)."""
        found = [entry]
        for link in found:  # which grows
            found += link.later
        return found

    def forget(self, entry: _Link) -> None:
        """Let go of a response's items too (called by the room)."""
        super().forget(entry)
        if entry.previous is not None:
            entry.previous.later.remove(entry)
        for held in (*entry.input, *entry.output):
            held.holders -= 1
            if not held.holders:
                self._room.charge(entry, -held.size)
                if self._items.get((entry.owner, held.item.id)) is held:
                    del self._items[entry.owner, held.item.id]

    def _held(self, link: _Link, item: Item) -> _Held:
        held = self._items.get((link.owner, item.id))
        if held is None or held.item.data != item.data:
            held = self._items[link.owner, item.id] = _Held(item)
            self._room.charge(link, held.size)
        held.holders += 1
        return held

    def _touch(self, link: _Link) -> None:
        for one in link.chain():
            self._room.touch(one)


class Store:
    """The whole memory: ``limit`` bytes, or nothing at all if that is 0."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.turns = Turns(Room(limit // 2, at_once=limit // BATCHES))
        other = Room(limit // 2)
        self.responses = Responses(other)
        self.answers = Answers(other)

    def figures(self) -> dict[str, Figures]:
        """How each kind is doing, by its name."""
        return {
            "turns": self.turns.figures,
            "responses": self.responses.figures,
            "answers": self.answers.figures,
        }
