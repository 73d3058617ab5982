"""proxy.translate.accumulator: what the events of a response add up to."""

from proxy.schema.messages_response import (
    ContentBlockDelta,
    ContentBlockStart,
    TextBlock,
    TextDelta,
    Usage,
)
from proxy.translate import accumulator


def test_b6_usage_that_is_reported_again_replaces_the_earlier_count() -> None:
    started = Usage(input_tokens=10, output_tokens=1, cache_read_input_tokens=5)

    merged = accumulator.merge_usage(
        started, Usage(output_tokens=7, cache_read_input_tokens=0)
    )

    assert merged == Usage(input_tokens=10, output_tokens=7, cache_read_input_tokens=0)


def test_b6_usage_that_is_not_reported_again_stays() -> None:
    started = Usage(input_tokens=10)

    assert accumulator.merge_usage(started, Usage()) == started


def test_a_text_of_very_many_pieces_is_whole() -> None:
    accumulated = accumulator.MessageAccumulator()
    accumulated.feed(ContentBlockStart(0, TextBlock()))
    for n in range(2500):
        accumulated.feed(ContentBlockDelta(0, TextDelta(f"{n} ")))

    [block] = accumulated.message.content
    assert block == TextBlock("".join(f"{n} " for n in range(2500)))
