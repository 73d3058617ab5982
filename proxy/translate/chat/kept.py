"""Turns as the model said them, kept because a chat message cannot hold them (b2.kept).

A stock client returns a turn's text and calls, but not its thinking, nor where each block
stood, nor a web search. Where a later request's history has a turn that was kept, and
says what the client was sent of it, the turn goes upstream as the model said it.
"""

from collections.abc import Iterable, Mapping
from itertools import takewhile
from typing import Any

import msgspec
from msgspec import Raw, Struct, structs

from proxy import capabilities
from proxy.schema import chat_request, messages_request, messages_response
from proxy.translate import arguments, ask, names
from proxy.translate.content import is_blank

TOOL_USE = "tool_use"
"""The stop reason of a turn whose calls the client is to make."""


class Cited(Struct, frozen=True, tag="cited"):
    """Text with citations."""

    text: str
    citations: list[messages_response.Citation]


class Opaque(Struct, frozen=True, tag="opaque"):
    """A block of a server tool, as it was received."""

    received: Raw


Block = (
    messages_request.Text
    | messages_request.ToolUse
    | messages_request.Thinking
    | messages_request.RedactedThinking
    | Cited
    | Opaque
)


class Turn(Struct, frozen=True):
    """A turn that ends with calls."""

    model: str
    """Anthropic's name of the model that said it, without a date."""
    blocks: list[Block]

    @property
    def uses(self) -> dict[str, messages_request.ToolUse]:
        """Its calls by id, in their order."""
        return {b.id: b for b in self.blocks if isinstance(b, messages_request.ToolUse)}


Turns = Mapping[str, Turn]
"""The turns that were found for a request, by the id of each of their calls."""

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Turn).decode


def model_name(model: str) -> str:
    """A model's name as `Turn.model` has it."""
    return capabilities.undated(capabilities.to_anthropic_id(model))


def call_ids(history: Iterable[chat_request.Message]) -> list[list[str]]:
    """The ids of the calls of each turn in a history that calls tools."""
    return [
        [call.id for call in message.tool_calls if call.id]
        for message in history
        if type(message) is chat_request.AssistantMessage and message.tool_calls
    ]


def to_keep(message: messages_response.Message) -> Turn | None:
    """The turn of a complete response, if it has to be kept and can be sent back.

    A turn without calls needs none of its blocks later.
    """
    if message.stop_reason != TOOL_USE:
        return None
    blocks: list[Block] = []
    calls = 0
    for one in message.content:
        block = _block(one)
        if block is None:
            return None
        blocks.append(block)
        calls += isinstance(block, messages_request.ToolUse)
    turn = Turn(model_name(message.model), blocks)
    uses = turn.uses
    return turn if uses and "" not in uses and len(uses) == calls else None


def _block(block: messages_response.Block) -> Block | None:
    """A block as it is sent back; ``None`` for one that cannot be."""
    match block:
        case messages_response.TextBlock(text, citations):
            return (
                Cited(text, citations)
                if citations
                else messages_request.Text(text=text)
            )
        case messages_response.ToolUseBlock(use_id, name, given):
            use = messages_request.ToolUse(id=use_id, name=name, input=given)
            return use if arguments.is_json(bytes(given).decode()) else None
        case messages_response.ThinkingBlock(thinking, signature):
            return (
                messages_request.Thinking(thinking=thinking, signature=signature)
                if signature
                else None
            )
        case messages_response.RedactedThinkingBlock(data):
            return messages_request.RedactedThinking(data=data)
        case messages_response.OpaqueBlock(received=received, whole=whole):
            return Opaque(received) if whole else None


# ------------------------------------------------------------------ the way back


def replayed(given: ask.Assistant, turns: Turns) -> ask.Assistant:
    """A turn of the history: as the model said it, if that was kept and is unchanged.

    What the client changed wins. Then the thinking with which the turn began still fits
    before its first call, unless the client itself sent thinking. (Not before another
    one: some clients make a turn of each call, and the thinking was said once.)
    """
    if not turns:
        return given
    turn = next((turns[call.id] for call in given.calls if call.id in turns), None)
    if turn is None:
        return given
    if _is_unchanged(given, turn):
        return _as_said(given, turn)
    first = list(takewhile(lambda one: isinstance(one, ask.Thinking), turn.blocks))
    has_own = any(isinstance(block, ask.Thinking) for block in given.blocks)
    begins = next(iter(turn.uses)) in {call.id for call in given.calls}
    if not first or has_own or not begins:
        return given
    return structs.replace(given, blocks=[*first, *given.blocks], ordered=True)


def _as_said(given: ask.Assistant, turn: Turn) -> ask.Assistant:
    calls = {call.id: call for call in given.calls}
    results = dict(zip(calls, given.results, strict=True))
    marks = [
        block.cache_control
        for block in given.blocks
        if isinstance(block, messages_request.Text) and block.cache_control is not None
    ]
    blocks: list[ask.AssistantBlock] = []
    for block in reversed(turn.blocks):
        match block:
            case messages_request.ToolUse(id=use_id, input=written):
                text = bytes(written).decode()
                blocks.append(structs.replace(calls[use_id], arguments=text))
            case messages_request.Text(text=text):
                if not is_blank(text):  # Anthropic takes none, not even its own
                    mark = marks.pop() if marks else None
                    blocks.append(messages_request.Text(text=text, cache_control=mark))
            case Cited(text, citations):
                whole = {"type": "text", "text": text, "citations": citations}
                blocks.append(Raw(encode(whole)))
            case Opaque(received):
                blocks.append(received)
            case messages_request.Thinking() | messages_request.RedactedThinking():
                blocks.append(block)
    return ask.Assistant(
        blocks=blocks[::-1],
        results=[results[use_id] for use_id in turn.uses],
        ordered=True,
        moved=given.moved,
    )


def _is_unchanged(given: ask.Assistant, turn: Turn) -> bool:
    """Whether the client sends what it was sent: the text, and each call.

    White space around the text does not matter, nor how arguments are written.
    """
    uses, calls = turn.uses, given.calls
    if len(calls) != len(uses) or {call.id for call in calls} != uses.keys():
        return False
    said = "".join(
        b.text for b in turn.blocks if isinstance(b, messages_request.Text | Cited)
    )
    theirs = "".join(
        b.text for b in given.blocks if isinstance(b, messages_request.Text)
    )
    return said.strip() == theirs.strip() and all(
        names.tool_name(call.name) == uses[call.id].name
        and _are_equal(call.arguments, uses[call.id].input)
        for call in calls
    )


def _are_equal(theirs: str | None, said: Raw) -> bool:
    """Whether a call's arguments are the same JSON value as its input.

    Nearly all are as they were sent: compact in a plain response, as it is in a stream.
    """
    text = bytes(said).decode()
    if theirs in {text, arguments.whole(said, {})}:
        return True
    try:
        return _is_same(_value(theirs), _value(text))
    except (ValueError, RecursionError):
        return False


def _value(written: str | None) -> object:
    text = written or ""
    return {} if arguments.are_none(text) else msgspec.json.decode(text)


def _is_same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Equal as JSON values; property names may be the client's or Anthropic's.

    Empty objects and lists are the same: a PHP client that read one may write the other.
    """
    if one in ({}, []) and other in ({}, []):
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        one = {names.property_name(name): value for name, value in one.items()}
        other = {names.property_name(name): value for name, value in other.items()}
        return one.keys() == other.keys() and all(
            _is_same(value, other[name]) for name, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    both = isinstance(one, bool), isinstance(other, bool)
    return bool(one == other) and both[0] == both[1]
