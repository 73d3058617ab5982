"""The kinds of items in the making: which blocks each has (rows r7)."""

from proxy.schema import responses_response as out
from proxy.translate.responses import items_out
from proxy.translate.responses.blocks import ServerTool, Text
from proxy.translate.responses.making import OwnItem, Place, Slot


class Own(Slot):
    """The item of one block: thinking, a call, a compaction."""

    def __init__(self, place: Place, block: OwnItem) -> None:
        super().__init__(place, [block], sealed=True)
        self._block = block

    def begun(self) -> out.Item:
        """See ``OwnItem.begun``."""
        return self._block.begun(self.place.item_id)

    def item(self) -> out.Item:
        """See ``OwnItem.item``."""
        return self._block.item(self.place.item_id)


class Message(Slot):
    """Text blocks that follow one another, until another block seals it."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, [], sealed=False)
        self.texts: list[Text] = []

    def join(self, text: Text) -> None:
        """Add a text block as the next part."""
        text.place, text.content_index = self.place, len(self.texts)
        self.texts.append(text)
        self.blocks.append(text)

    def begun(self) -> out.Item:
        """A message without parts."""
        return out.Message(id=self.place.item_id, status="in_progress", content=[])

    def item(self) -> out.Item:
        """The message, one part for each text block."""
        return out.Message(
            id=self.place.item_id,
            status="incomplete" if self.is_cut else "completed",
            content=[text.part() for text in self.texts],
        )


class Search(Slot):
    """A web search: its use, and its result if that comes."""

    def __init__(
        self, place: Place, use: ServerTool, *, use_id: str, sources: bool
    ) -> None:
        super().__init__(place, [use], sealed=False)
        self.use_id = use_id
        self._use = use
        self._result: ServerTool | None = None
        self._sources = sources

    def answer(self, result: ServerTool) -> None:
        """Add the result, which is all that was missing."""
        self._result, self.sealed = result, True
        self.blocks.append(result)
        result.place = self.place

    def begun(self) -> out.Item:
        """A ``web_search_call`` without its query."""
        return out.WebSearchCall(id=self.place.item_id, status="in_progress")

    def item(self) -> out.Item:
        """The ``web_search_call``, whose status says what became of the search."""
        return items_out.search(
            self.place.item_id,
            self._use.received,
            self._result.received if self._result else None,
            sources=self._sources,
        )


class Carrier(Slot):
    """What no other item can hold: uses and results of server tools."""

    def __init__(self, place: Place, blocks: list[ServerTool]) -> None:
        super().__init__(place, blocks, sealed=True)
        self._tools = blocks

    def begun(self) -> out.Item:
        """A reasoning item without a summary, as for redacted thinking."""
        return out.Reasoning(id=self.place.item_id, status="in_progress")

    def item(self) -> out.Item:
        """The reasoning item with all blocks, in order, in its envelope (row r4.carrier)."""
        received = [tool.received for tool in self._tools]
        return items_out.carrier(self.place.item_id, received, cut=self.is_cut)
