"""Text, thinking and opaque blocks while they arrive (rows r8)."""

from typing import Any

from proxy.schema import messages_response, responses_events
from proxy.schema import responses_response as out
from proxy.translate import opaque
from proxy.translate.responses import items_out
from proxy.translate.responses.making import (
    NOWHERE,
    Block,
    Events,
    Numbers,
    OwnItem,
    Place,
)
from proxy.written import Written

# ------------------------------------------------------------------ text and thinking


class Text(Block):
    """A text block: one part of a message, which begins with its first text."""

    def __init__(self, start: messages_response.TextBlock) -> None:
        super().__init__()
        self.content_index = 0
        self._pieces = Written()
        self._citations = list(start.citations or ())

    def part(self) -> out.OutputText:
        """The part as far as it has come."""
        return items_out.text_part(str(self._pieces), self._citations)

    def begins_with(self, delta: messages_response.Delta) -> bool:
        """See ``Block``: the first text that is not empty."""
        first = isinstance(delta, messages_response.TextDelta) and bool(delta.text)
        return first and not self.has_item

    def direct(self, delta: messages_response.Delta) -> str | None:
        """See ``Block``: every text but the first."""
        if type(delta) is messages_response.TextDelta and delta.text and self._pieces:
            self._pieces.add(delta.text)
            return delta.text
        return None

    def opened(self, numbers: Numbers) -> Events:
        """``response.content_part.added``."""
        yield responses_events.PartAdded(
            item_id=self.place.item_id,
            output_index=self.place.output_index,
            content_index=self.content_index,
            sequence_number=numbers.take(),
            part=out.OutputText(text=""),
        )

    def take(self, delta: messages_response.Delta, numbers: Numbers) -> Events:
        """A ``response.output_text.delta`` for a text that is not empty."""
        match delta:
            case messages_response.TextDelta(text) if text:
                self._pieces.add(text)
                yield responses_events.TextDelta(
                    item_id=self.place.item_id,
                    output_index=self.place.output_index,
                    content_index=self.content_index,
                    sequence_number=numbers.take(),
                    delta=text,
                )
            case messages_response.CitationsDelta(citation):
                self._citations.append(citation)
            case _:
                pass

    def close(self, numbers: Numbers) -> Events:
        """The annotations, then ``….output_text.done`` and ``….content_part.done``."""
        part = self.part()
        place, index = self.place, self.content_index
        for number, annotation in enumerate(part.annotations):
            yield responses_events.AnnotationAdded(
                item_id=place.item_id,
                output_index=place.output_index,
                content_index=index,
                sequence_number=numbers.take(),
                annotation_index=number,
                annotation=annotation,
            )
        yield responses_events.TextDone(
            item_id=place.item_id,
            output_index=place.output_index,
            content_index=index,
            sequence_number=numbers.take(),
            text=part.text,
        )
        yield responses_events.PartDone(
            item_id=place.item_id,
            output_index=place.output_index,
            content_index=index,
            sequence_number=numbers.take(),
            part=part,
        )


class Thinking(OwnItem):
    """A thinking block: an item whose summary begins with its first text."""

    def __init__(self, start: messages_response.ThinkingBlock) -> None:
        super().__init__()
        self._pieces = Written()
        self._signature = start.signature

    def direct(self, delta: messages_response.Delta) -> str | None:
        """See ``Block``: every piece of thinking but the first."""
        if (
            type(delta) is messages_response.ThinkingDelta
            and delta.thinking
            and self._pieces
        ):
            self._pieces.add(delta.thinking)
            return delta.thinking
        return None

    def take(self, delta: messages_response.Delta, numbers: Numbers) -> Events:
        """The summary's deltas, after ``….reasoning_summary_part.added`` for the first."""
        match delta:
            case messages_response.ThinkingDelta(thinking) if thinking:
                if not self._pieces:
                    yield responses_events.SummaryPartAdded(
                        item_id=self.place.item_id,
                        output_index=self.place.output_index,
                        sequence_number=numbers.take(),
                        part=out.SummaryText(text=""),
                    )
                self._pieces.add(thinking)
                yield responses_events.SummaryTextDelta(
                    item_id=self.place.item_id,
                    output_index=self.place.output_index,
                    sequence_number=numbers.take(),
                    delta=thinking,
                )
            case messages_response.SignatureDelta(signature):
                self._signature = signature
            case _:
                pass

    def close(self, numbers: Numbers) -> Events:
        """The end of the summary; nothing for thinking without text."""
        if not self._pieces:
            return
        text = str(self._pieces)
        yield responses_events.SummaryTextDone(
            item_id=self.place.item_id,
            output_index=self.place.output_index,
            sequence_number=numbers.take(),
            text=text,
        )
        yield responses_events.SummaryPartDone(
            item_id=self.place.item_id,
            output_index=self.place.output_index,
            sequence_number=numbers.take(),
            part=out.SummaryText(text=text),
        )

    def begun(self, item_id: str) -> out.Item:
        """A reasoning item without a summary."""
        return out.Reasoning(id=item_id, status="in_progress")

    def item(self, item_id: str) -> out.Item:
        """The reasoning item, with the block in its envelope if it was signed."""
        block = messages_response.ThinkingBlock(str(self._pieces), self._signature)
        return items_out.reasoning(item_id, block, cut=self.cut)


class Redacted(OwnItem):
    """Thinking that nobody but Anthropic can read."""

    def __init__(self, start: messages_response.RedactedThinkingBlock) -> None:
        super().__init__()
        self._block = start

    def begun(self, item_id: str) -> out.Item:
        """A reasoning item, which will never have a summary."""
        return out.Reasoning(id=item_id, status="in_progress")

    def item(self, item_id: str) -> out.Item:
        """The reasoning item, with the block in its envelope."""
        return items_out.reasoning(item_id, self._block, cut=self.cut)


# ------------------------------------------------------------------ opaque blocks


class ServerTool(Block):
    """A use or a result of a server tool, which a carrier holds."""

    def __init__(self, start: messages_response.OpaqueBlock) -> None:
        super().__init__()
        self.is_use = start.type == "server_tool_use"
        self._start = start
        self._written = Written()

    @property
    def received(self) -> messages_response.OpaqueBlock:
        """The block as Anthropic would have sent it whole, its streamed input put in."""
        written = str(self._written)
        return opaque.with_input(self._start, written) if written else self._start

    def take(self, delta: messages_response.Delta, numbers: Numbers) -> Events:  # noqa: ARG002
        """No event: the input of a use is gathered for ``received``."""
        if self.is_use and isinstance(delta, messages_response.InputJSONDelta):
            self._written.add(delta.partial_json)
        yield from ()

    def opened(self, numbers: Numbers) -> Events:
        """``response.web_search_call.in_progress`` for the use of a search."""
        if self.is_use and self.has_item:
            yield responses_events.WebSearchInProgress(
                item_id=self.place.item_id,
                output_index=self.place.output_index,
                sequence_number=numbers.take(),
            )

    def close(self, numbers: Numbers) -> Events:
        """``….searching`` at a use's end, ``….completed`` at its result's if that is no error."""
        if self.place is NOWHERE:
            return
        if self.is_use:
            yield responses_events.WebSearchSearching(
                item_id=self.place.item_id,
                output_index=self.place.output_index,
                sequence_number=numbers.take(),
            )
        elif not items_out.is_error(self._start):
            yield responses_events.WebSearchCompleted(
                item_id=self.place.item_id,
                output_index=self.place.output_index,
                sequence_number=numbers.take(),
            )


class Compaction(OwnItem):
    """A compaction: an item once it has its summary."""

    def __init__(self, start: messages_response.OpaqueBlock) -> None:
        super().__init__()
        self.received = start

    def begins_with(self, delta: messages_response.Delta) -> bool:
        """See ``Block``: the summary. Without one a compaction stands for nothing."""
        summary = isinstance(delta, messages_response.CompactionDelta) and delta.content
        return bool(summary) and not self.has_item

    def take(self, delta: messages_response.Delta, numbers: Numbers) -> Events:  # noqa: ARG002
        """No event: the summary is put into the block."""
        if isinstance(delta, messages_response.CompactionDelta):
            self.received = opaque.with_summary(self.received, delta)
        yield from ()

    def begun(self, item_id: str) -> out.Item:
        """A compaction item that holds nothing yet."""
        return out.Compaction(id=item_id, encrypted_content="")

    def item(self, item_id: str) -> out.Item:
        """The compaction item, with the block in its envelope."""
        return items_out.compaction(item_id, self.received)


# ------------------------------------------------------------------ a refusal


def refused(place: Place, words: str, numbers: Numbers) -> Events:
    """All events of a refusal, which is a message of its own.

    Codex cannot read a refusal, and would lose the text beside it.
    """
    take, part = numbers.take, out.Refusal(refusal=words)
    where: Any = {
        "item_id": place.item_id,
        "output_index": place.output_index,
        "content_index": 0,
    }
    yield responses_events.OutputItemAdded(
        sequence_number=take(),
        output_index=place.output_index,
        item=out.Message(id=place.item_id, status="in_progress", content=[]),
    )
    yield responses_events.PartAdded(
        **where, sequence_number=take(), part=out.Refusal(refusal="")
    )
    yield responses_events.RefusalDelta(**where, sequence_number=take(), delta=words)
    yield responses_events.RefusalDone(**where, sequence_number=take(), refusal=words)
    yield responses_events.PartDone(**where, sequence_number=take(), part=part)
    yield responses_events.OutputItemDone(
        sequence_number=take(),
        output_index=place.output_index,
        item=out.Message(id=place.item_id, status="completed", content=[part]),
    )
