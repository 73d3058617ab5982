"""proxy.translate.accumulator: what the events of a response add up to."""

import pytest
from msgspec import Raw

from memory import kept_by
from proxy.schema.messages_response import (
    Block,
    ContentBlock,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    Error,
    ErrorEvent,
    Event,
    InputJSONDelta,
    MessageStop,
    Ping,
    RedactedThinkingBlock,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
    Usage,
)
from proxy.translate import accumulator
from upstream_blocks import decoded, delta, head, message, redacted, start, stop, text


def test_b6_usage_that_is_reported_again_replaces_the_earlier_count() -> None:
    started = Usage(input_tokens=10, output_tokens=1, cache_read_input_tokens=5)

    merged = accumulator.merge_usage(
        started, Usage(output_tokens=7, cache_read_input_tokens=0)
    )

    assert merged == Usage(input_tokens=10, output_tokens=7, cache_read_input_tokens=0)


def test_b6_usage_that_is_not_reported_again_stays() -> None:
    started = Usage(input_tokens=10)

    assert accumulator.merge_usage(started, Usage()) == started


def test_a_stop_reason_stays_where_a_later_event_has_none() -> None:
    events = message(text("Hi"), reason="max_tokens")
    later = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 9}}

    assert accumulated([*events[:-1], later, events[-1]]).stop_reason == "max_tokens"


@pytest.mark.parametrize(
    "event",
    [ContentBlockStop(0), MessageStop(), Ping(), ErrorEvent(Error("overloaded_error"))],
    ids=lambda event: type(event).__name__,
)
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "with others"])
def test_events_that_only_mark_time_add_nothing(event: Event, *, alone: bool) -> None:
    heard = accumulator.MessageAccumulator()
    heard.feed_all(decoded([head(), start(0, text("Hi")[0])]))
    before = heard.message

    if alone:
        heard.feed(event)
    else:
        heard.feed_all([event, event])

    assert heard.message == before
    assert heard.skipped == 0


def test_a_text_block_stands_where_its_text_begins() -> None:
    """A stream cannot show it earlier, and both kinds of clients get the same."""
    hi = delta(0, {"type": "text_delta", "text": "Hi"})
    whole = accumulated(
        [head(), start(0, text()[0]), start(1, redacted()[0]), hi, stop(0), stop(1)]
    )

    assert [type(block).__name__ for block in whole.content] == [
        "RedactedThinkingBlock", "TextBlock",
    ]  # fmt: skip


def test_texts_that_come_together_go_each_to_its_block() -> None:
    together = accumulator.MessageAccumulator()
    empty = {"type": "text", "text": ""}
    said = [(0, "a"), (1, "b"), (1, "c"), (1, "d"), (0, "e")]
    together.feed_all(
        decoded(
            [
                head(),
                start(0, empty),
                start(1, empty),
                *(delta(i, {"type": "text_delta", "text": word}) for i, word in said),
            ]
        )
    )
    assert together.message.content == [TextBlock("ae"), TextBlock("bcd")]


def test_a_summary_is_of_no_other_block_than_a_compaction() -> None:
    summary = {"type": "compaction_delta", "content": "All."}

    assert accumulated(message((redacted("eA==")[0], [summary]))).content == [
        RedactedThinkingBlock("eA==")
    ]


def accumulated(events):
    whole = accumulator.MessageAccumulator()
    for event in decoded(events):
        whole.feed(event)
    return whole.message


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (TextBlock(), TextDelta),
        (ThinkingBlock(signature="s"), ThinkingDelta),
        (ToolUseBlock("t", "f", Raw(b"{}")), InputJSONDelta),
    ],
    ids=["text", "thinking", "arguments"],
)
def test_very_many_pieces_take_little_more_than_what_they_add_up_to(
    begun: ContentBlock, piece: type
) -> None:
    accumulated = accumulator.MessageAccumulator()
    accumulated.feed(ContentBlockStart(0, begun))
    written = "".join(f"{n:019} " for n in range(5000))

    def feed() -> None:
        for n in range(5000):
            accumulated.feed(ContentBlockDelta(0, piece(f"{n:019} ")))

    assert len(written) < kept_by(feed) < 2 * len(written)
    assert whole_text(accumulated.message.content[0]) == written


def whole_text(block: Block) -> str:
    match block:
        case TextBlock(text=text):
            return text
        case ThinkingBlock(thinking=thinking):
            return thinking
        case ToolUseBlock(input=given):
            return bytes(given).decode()
        case _:
            raise TypeError
