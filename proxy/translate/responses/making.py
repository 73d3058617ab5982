"""What a response is made of while it arrives: blocks, and the items that they become.

A block knows what it has said so far, and which events that gives inside its item. A slot
is an item in the making, with one block or more. ``stream`` decides which block belongs
to which slot, and when a block is over. Slots hold blocks, and blocks hold no slots: in a
cycle, a whole response would wait for the garbage collector.
"""

import abc
import itertools
from collections.abc import Iterator, Sequence

from msgspec import Struct

from proxy.schema import messages_response, responses_events
from proxy.schema import responses_response as out

Events = Iterator[responses_events.Event]


class Numbers:
    """The sequence numbers of one response, from 0 without a gap."""

    def __init__(self) -> None:
        self._count = itertools.count()

    def take(self) -> int:
        """The number of the next event."""
        return next(self._count)


class Place(Struct, frozen=True, kw_only=True):
    """Where an item stands in the response."""

    item_id: str
    output_index: int


NOWHERE = Place(item_id="", output_index=0)


class Block:
    """A block in the making, and the events that its parts give."""

    def __init__(self) -> None:
        self.place = NOWHERE  # of the item whose events it gives
        self.has_item = False  # it is part of one
        self.over = False
        self.cut = False  # the turn was cut inside it

    def begins_with(self, delta: messages_response.Delta) -> bool:  # noqa: ARG002
        """Whether this delta is the first to give it an item."""
        return False

    def direct(self, delta: messages_response.Delta) -> str | None:  # noqa: ARG002
        """Take a delta whose text is passed on as it is: the fast way.

        ``None`` means that it was not taken, and is for ``take``.
        """
        return None

    def opened(self, numbers: Numbers) -> Events:  # noqa: ARG002
        """The events of its beginning, once it has a place."""
        yield from ()

    def take(self, delta: messages_response.Delta, numbers: Numbers) -> Events:  # noqa: ARG002
        """The events of a delta."""
        yield from ()

    def close(self, numbers: Numbers) -> Events:  # noqa: ARG002
        """The events of its end. None for a call that was cut: it must not run."""
        yield from ()


class OwnItem(Block, abc.ABC):
    """A block that is an item by itself."""

    @abc.abstractmethod
    def begun(self, item_id: str) -> out.Item:
        """The item as it begins."""

    @abc.abstractmethod
    def item(self, item_id: str) -> out.Item:
        """The item once the block is over."""


class Slot(abc.ABC):
    """An item in the making."""

    def __init__(self, place: Place, blocks: Sequence[Block], *, sealed: bool) -> None:
        self.place = place
        self.blocks = [*blocks]
        self.sealed = sealed  # no block can join it any more

    @property
    def is_over(self) -> bool:
        """No block can join it, and all of its blocks have ended."""
        return self.sealed and all(block.over for block in self.blocks)

    @property
    def is_cut(self) -> bool:
        """The turn was cut inside one of its blocks."""
        return any(block.cut for block in self.blocks)

    @abc.abstractmethod
    def begun(self) -> out.Item:
        """The item as it begins."""

    @abc.abstractmethod
    def item(self) -> out.Item:
        """The item once it is over."""
