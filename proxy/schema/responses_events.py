"""The events of a streamed response: every one of them has its place in the sequence.

Each struct's tag is the event's name and its ``type``. In a delta the number and the text
stand side by side, so that a stream can reuse the rest of the bytes.
"""

from msgspec import Struct

from proxy.schema import responses_response

# ------------------------------------------------------------------ the response


class Lifecycle(Struct, frozen=True, kw_only=True):
    """An event that holds the whole response."""

    sequence_number: int
    response: responses_response.Response


class Created(Lifecycle, frozen=True, tag="response.created"):
    pass


class InProgress(Lifecycle, frozen=True, tag="response.in_progress"):
    pass


class Completed(Lifecycle, frozen=True, tag="response.completed"):
    pass


class Incomplete(Lifecycle, frozen=True, tag="response.incomplete"):
    pass


class Failed(Lifecycle, frozen=True, tag="response.failed"):
    pass


# ------------------------------------------------------------------ items


class ItemEvent(Struct, frozen=True, kw_only=True):
    """An event that holds a whole item."""

    sequence_number: int
    output_index: int
    item: responses_response.Item


class OutputItemAdded(ItemEvent, frozen=True, tag="response.output_item.added"):
    pass


class OutputItemDone(ItemEvent, frozen=True, tag="response.output_item.done"):
    pass


class OfItem(Struct, frozen=True, kw_only=True):
    """An event inside an item."""

    item_id: str
    output_index: int
    sequence_number: int


class WebSearchInProgress(
    OfItem, frozen=True, tag="response.web_search_call.in_progress"
):
    pass


class WebSearchSearching(OfItem, frozen=True, tag="response.web_search_call.searching"):
    pass


class WebSearchCompleted(OfItem, frozen=True, tag="response.web_search_call.completed"):
    pass


# ------------------------------------------------------------------ calls


class ArgumentsDelta(
    OfItem, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    delta: str


class ArgumentsDone(
    OfItem, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    arguments: str


class CustomInputDelta(
    OfItem, frozen=True, kw_only=True, tag="response.custom_tool_call_input.delta"
):
    delta: str


class CustomInputDone(
    OfItem, frozen=True, kw_only=True, tag="response.custom_tool_call_input.done"
):
    input: str


# ------------------------------------------------------------------ parts of a message


class OfPart(Struct, frozen=True, kw_only=True):
    """An event inside a part of a message."""

    item_id: str
    output_index: int
    content_index: int
    sequence_number: int


Part = responses_response.OutputText | responses_response.Refusal


class PartAdded(OfPart, frozen=True, kw_only=True, tag="response.content_part.added"):
    part: Part


class PartDone(OfPart, frozen=True, kw_only=True, tag="response.content_part.done"):
    part: Part


class TextDelta(OfPart, frozen=True, kw_only=True, tag="response.output_text.delta"):
    delta: str
    logprobs: tuple[()] = ()


class TextDone(OfPart, frozen=True, kw_only=True, tag="response.output_text.done"):
    text: str
    logprobs: tuple[()] = ()


class AnnotationAdded(
    OfPart, frozen=True, kw_only=True, tag="response.output_text.annotation.added"
):
    annotation_index: int
    annotation: responses_response.URLCitation


class RefusalDelta(OfPart, frozen=True, kw_only=True, tag="response.refusal.delta"):
    delta: str


class RefusalDone(OfPart, frozen=True, kw_only=True, tag="response.refusal.done"):
    refusal: str


# ------------------------------------------------------------------ parts of a summary


class OfSummary(Struct, frozen=True, kw_only=True):
    """An event inside a reasoning item's summary, which has one part."""

    item_id: str
    output_index: int
    summary_index: int = 0
    sequence_number: int


class SummaryPartAdded(
    OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_part.added"
):
    part: responses_response.SummaryText


class SummaryPartDone(
    OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_part.done"
):
    part: responses_response.SummaryText


class SummaryTextDelta(
    OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_text.delta"
):
    delta: str


class SummaryTextDone(
    OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_text.done"
):
    text: str


# ------------------------------------------------------------------ beside the items


class Keepalive(Struct, frozen=True, tag="keepalive"):
    sequence_number: int


class ErrorBody(Struct, frozen=True, kw_only=True):
    type: str
    code: str | None
    message: str
    param: str | None


class Error(Struct, frozen=True, kw_only=True, tag="error"):
    """The error flat, as OpenAI's types have it, and nested, as Open Responses has it."""

    sequence_number: int
    code: str | None
    message: str
    param: str | None
    error: ErrorBody


Delta = TextDelta | SummaryTextDelta | ArgumentsDelta | CustomInputDelta

Event = (
    Created
    | InProgress
    | Completed
    | Incomplete
    | Failed
    | OutputItemAdded
    | OutputItemDone
    | WebSearchInProgress
    | WebSearchSearching
    | WebSearchCompleted
    | ArgumentsDelta
    | ArgumentsDone
    | CustomInputDelta
    | CustomInputDone
    | PartAdded
    | PartDone
    | TextDelta
    | TextDone
    | AnnotationAdded
    | RefusalDelta
    | RefusalDone
    | SummaryPartAdded
    | SummaryPartDone
    | SummaryTextDelta
    | SummaryTextDone
    | Keepalive
    | Error
)
