"""One upstream message as the events of a response (rows r8).

Theory of operation. Anthropic streams a message as indexed blocks; OpenAI streams a list
of items. The state maps one to the other: which block index is which part of which item.
A block's end is reported late, when the next block begins or the stop reason is known: only
then is it certain that the turn was not cut inside it, and a call that was cut must never
look finished. The plain response is made by the same machine (``response``), so that both
clients get the same.
"""

from collections.abc import Callable, Iterator

from proxy.schema import messages_response, openai, responses_events
from proxy.schema import responses_response as out
from proxy.translate import accumulator, finish, web_search
from proxy.translate.responses import (
    blocks,
    calls,
    context,
    items_out,
    response_object,
    slots,
)
from proxy.translate.responses.making import Block, Numbers, OwnItem, Place, Slot

Events = Iterator[responses_events.Event]
Kind = blocks.Text | blocks.ServerTool | OwnItem
"""What a block can be in a response: a part, something to carry, an item."""


def keep_nothing(_: out.Response) -> bool:
    """There is no store."""
    return False


class EventStream:
    """Feed it a message's events in order; it returns the response's events for them.

    ``usage``, ``finish_reason``, ``complete`` and ``skipped`` are facts for the log line,
    ``response`` is the object as it was sent last.
    """

    def __init__(
        self,
        asked: context.Context,
        *,
        created: int,
        now: Callable[[], int],
        keep: response_object.Keep = keep_nothing,
    ) -> None:
        """``created`` and ``now()`` are seconds since the epoch.

        ``keep`` is called at the end of a response that is to be kept, before its last
        event is returned; it says whether it was.
        """
        self.usage = messages_response.Usage()
        self.finish_reason: str | None = None
        self.complete = False
        self.skipped = 0
        self.numbers = Numbers()
        self._asked = asked
        self._now = now
        self._keep = keep
        self._object = response_object.ResponseObject(asked, created=created)
        self.response = self._object.began(messages_response.StartedMessage(id=""))
        self._stop = messages_response.Stop()
        self._blocks: dict[int, Kind] = {}
        self._slots: dict[Block, list[Slot]] = {}  # that each block is part of
        self._stopped: list[Block] = []  # whose ends are still to be reported
        self._last: Block | None = None  # of those that have an item
        self._count = 0  # of items
        self._done: dict[int, out.Item] = {}
        self._cut: dict[int, out.Item] = {}
        self._message: slots.Message | None = None  # the one that text would join
        self._searches: list[slots.Search] = []
        self._carried: list[blocks.ServerTool] = []
        self._unanswered: set[str] = set()  # uses so far

    def feed(self, event: messages_response.Event) -> Events:
        """The events for one of Anthropic's: none, one or more.

        It raises ``UpstreamError`` for a call that ends in the middle of its input though
        the turn goes on, and at the end if a compaction was to be made and was not.
        """
        match event:
            case messages_response.ContentBlockDelta(index, delta):
                yield from self._delta(index, delta)
            case messages_response.ContentBlockStart(index, block):
                yield from self._start(index, block)
            case messages_response.OpaqueBlockStart(index, block):
                yield from self._start_opaque(index, block)
            case messages_response.ContentBlockStop(index):
                if (stopped := self._blocks.get(index)) is not None:
                    self._stopped.append(stopped)
            case messages_response.MessageStart(message):
                yield from self._begin_message(message)
            case messages_response.MessageDelta(stop, usage, transformations):
                self.usage = accumulator.merge_usage(self.usage, usage)
                self._object.transformed(transformations)
                if stop.stop_reason is not None:
                    self._stop = stop
                    yield from self._settle()
            case messages_response.MessageStop():
                yield from self._end()
            case messages_response.Ping():
                yield responses_events.Keepalive(self.numbers.take())
            case messages_response.Unknown():
                self.skipped += 1
            case messages_response.ErrorEvent():
                pass  # raised before it comes here; ``fail`` reports it

    def direct(self, index: int, delta: messages_response.Delta) -> str | None:
        """Take a delta whose text is passed on as it is, in an event like the one before.

        ``None`` means that it was not taken: feed its event instead.
        """
        block = self._blocks.get(index)
        return None if block is None or block.over else block.direct(delta)

    def fail(self, error: openai.Error) -> Events:
        """The events of a response that breaks off: nothing follows them."""
        yield responses_events.Error(
            sequence_number=self.numbers.take(),
            code=error.code,
            message=error.message,
            param=error.param,
            error=responses_events.ErrorBody(
                type=error.type,
                code=error.code,
                message=error.message,
                param=error.param,
            ),
        )
        output = [self._done[index] for index in sorted(self._done)]
        self.response = self._object.failed(error, output)
        yield responses_events.Failed(
            sequence_number=self.numbers.take(), response=self.response
        )

    # ------------------------------------------------------------------ blocks

    def _begin_message(self, message: messages_response.StartedMessage) -> Events:
        self.usage = message.usage
        self.response = self._object.began(message)
        yield responses_events.Created(
            sequence_number=self.numbers.take(), response=self.response
        )
        yield responses_events.InProgress(
            sequence_number=self.numbers.take(), response=self.response
        )

    def _start(self, index: int, start: messages_response.ContentBlock) -> Events:
        match start:
            case messages_response.TextBlock(text):
                self._blocks[index] = blocks.Text(start)
                if text:
                    yield from self._delta(index, messages_response.TextDelta(text))
            case messages_response.ThinkingBlock(thinking):
                yield from self._begin(index, blocks.Thinking(start))
                yield from self._delta(index, messages_response.ThinkingDelta(thinking))
            case messages_response.RedactedThinkingBlock():
                yield from self._begin(index, blocks.Redacted(start))
            case messages_response.ToolUseBlock():
                yield from self._begin(index, calls.call(start, self._asked))

    def _start_opaque(self, index: int, start: messages_response.OpaqueBlock) -> Events:
        if start.type != "compaction":
            yield from self._begin(index, blocks.ServerTool(start))
            return
        self._blocks[index] = compaction = blocks.Compaction(start)
        if items_out.has_summary(start):
            yield from self._begin(index, compaction)

    def _delta(self, index: int, delta: messages_response.Delta) -> Events:
        block = self._blocks.get(index)
        if block is None or block.over:
            return
        if block.begins_with(delta):
            yield from self._begin(index, block)
        yield from block.take(delta, self.numbers)

    def _begin(self, index: int, block: Kind) -> Events:
        """Give a block its item. That it begins ends whatever has stopped before it."""
        yield from self._settle()
        self._blocks[index] = self._last = block
        match block:
            case blocks.Text():
                yield from self._carry()
                yield from self._join_message(block)
            case blocks.ServerTool():
                yield from self._seal_message()
                yield from self._begin_server_tool(block)
            case OwnItem():
                yield from self._seal_message()
                yield from self._carry()
                prefix = _prefix(block)
                yield from self._open(slots.Own(self._place(prefix), block), block)
        yield from block.opened(self.numbers)

    def _join_message(self, text: blocks.Text) -> Events:
        if self._message is None:
            self._message = slots.Message(self._place("msg"))
            yield self._added(self._message)
        self._message.join(text)
        self._put(text, self._message)

    def _begin_server_tool(self, tool: blocks.ServerTool) -> Events:
        if not self._unanswered:
            yield from self._carry()
        self._carried.append(tool)
        if tool.is_use:
            use = items_out.server_tool_use(tool.received)
            self._unanswered.add(use.id)
            if use.name == web_search.NAME:
                place = self._place("ws")
                search = slots.Search(
                    place, tool, use_id=use.id, sources=self._asked.sources
                )
                self._searches.append(search)
                yield from self._open(search, tool)
            return
        answered = items_out.answers(tool.received)
        self._unanswered.discard(answered)
        for search in self._searches:
            if search.use_id == answered and not search.sealed:
                search.answer(tool)
                self._put(tool, search)
                break

    # ------------------------------------------------------------------ items

    def _place(self, prefix: str) -> Place:
        """The next item's place."""
        index = self._count
        self._count += 1
        return Place(
            item_id=f"{prefix}_{self._object.suffix}_{index}", output_index=index
        )

    def _open(self, slot: Slot, block: Block) -> Events:
        block.place = slot.place
        self._put(block, slot)
        yield self._added(slot)

    def _put(self, block: Block, slot: Slot) -> None:
        block.has_item = True
        self._slots.setdefault(block, []).append(slot)

    def _added(self, slot: Slot) -> responses_events.Event:
        return responses_events.OutputItemAdded(
            sequence_number=self.numbers.take(),
            output_index=slot.place.output_index,
            item=slot.begun(),
        )

    def _carry(self) -> Events:
        """Put what no item holds into one of its own."""
        held = [tool for tool in self._carried if tool.received.whole or not tool.over]
        self._carried = []
        if held:
            carrier = slots.Carrier(self._place("rs"), held)
            for tool in held:
                self._put(tool, carrier)
            yield self._added(carrier)
            yield from self._finish(carrier)

    def _seal_message(self) -> Events:
        message, self._message = self._message, None
        if message is not None:
            message.sealed = True
            yield from self._finish(message)

    def _settle(self) -> Events:
        """Tell the ends of the blocks that have stopped."""
        stopped, self._stopped = self._stopped, []
        for block in stopped:
            yield from self._close(block)

    def _close(self, block: Block) -> Events:
        if block.over:
            return
        block.over = True
        block.cut = self._stop.stop_reason in finish.CUT and block is self._last
        if not block.has_item and not isinstance(block, blocks.ServerTool):
            return  # it was empty
        yield from block.close(self.numbers)
        for slot in self._slots.get(block, ()):
            yield from self._finish(slot)
        if isinstance(block, blocks.ServerTool) and not self._unanswered:
            yield from self._carry()

    def _finish(self, slot: Slot) -> Events:
        """Report the end of an item, if it is over and was not cut inside a call."""
        if not slot.is_over:
            return
        index, item = slot.place.output_index, slot.item()
        if slot.is_cut and isinstance(slot.blocks[0], calls.Call):
            self._cut[index] = item
            return
        self._done[index] = item
        yield responses_events.OutputItemDone(
            sequence_number=self.numbers.take(), output_index=index, item=item
        )

    # ------------------------------------------------------------------ the end

    def _end(self) -> Events:
        for block in [*self._stopped, *self._blocks.values()]:
            yield from self._close(block)
        yield from self._seal_message()
        for search in self._searches:
            if not search.sealed:
                search.sealed = True
                yield from self._finish(search)
        yield from self._carry()
        refusal = finish.refusal_text(self._stop.stop_reason, self._stop.stop_details)
        if refusal is not None:
            for event in blocks.refused(self._place("msg"), refusal, self.numbers):
                if isinstance(event, responses_events.OutputItemDone):
                    self._done[event.output_index] = event.item
                yield event
        output = self._done | self._cut
        self.response = self._object.ended(
            self._stop.stop_reason,
            [output[index] for index in sorted(output)],
            self.usage,
            completed=self._now,
            keep=self._keep,
        )
        self.complete = True
        details = self.response.incomplete_details
        self.finish_reason = details.reason if details else "completed"
        ended = responses_events.Incomplete if details else responses_events.Completed
        yield ended(sequence_number=self.numbers.take(), response=self.response)


def _prefix(block: OwnItem) -> str:
    """What the id of a block's own item begins with."""
    match block:
        case calls.Call():
            return items_out.PREFIXES[block.client.kind]
        case blocks.Compaction():
            return "cmp"
        case _:
            return "rs"
