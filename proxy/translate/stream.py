"""One upstream answer as OpenAI chunks (b.7).

Theory of operation. Anthropic tells an answer as blocks with an index, each started,
told in deltas, and stopped; OpenAI tells one message to which every chunk adds. The
state is the map between the two: which block index is text, reasoning, or the n-th tool
call. A block of a kind that is not known is never in the map, so its deltas fall through.
The finish reason comes with ``message_delta`` but is told only at ``message_stop``:
an answer that was cut must not look finished.
"""

from collections.abc import Iterator

from msgspec import UNSET, UnsetType

from proxy.schema import anthropic, completion
from proxy.translate import fold, response


class _Call:
    """A client's tool call being told."""

    def __init__(self, position: int, start: anthropic.AnswerToolUse) -> None:
        self.position = position
        self.start = start
        self.told = False


class _Thought:
    """A thinking block being told; its signature comes at its end."""

    def __init__(self, start: anthropic.AnswerThinking) -> None:
        self.pieces = [start.thinking]
        self.signature = start.signature


class ChunkStream:
    """Feed it an answer's events in order; it gives the chunks that tell them.

    ``usage``, ``finish_reason``, ``complete`` and ``skipped`` are facts for the log line.
    """

    def __init__(
        self,
        *,
        model: str,
        created: int,
        client_names: dict[str, str],
        legacy_functions: bool = False,
        include_usage: bool = False,
    ) -> None:
        self.usage = anthropic.Usage()
        self.finish_reason: completion.FinishReason | None = None
        self.complete = False
        self.skipped = 0
        self._model = model
        self._created = created
        self._client_names = client_names
        self._legacy = legacy_functions
        self._include_usage = include_usage
        self._id = ""
        self._stop = anthropic.Stop()
        self._calls: dict[int, _Call] = {}  # content block index -> tool call
        self._texts: set[int] = set()
        self._thoughts: dict[int, _Thought] = {}
        self._blocks: completion.ThinkingBlocks = []  # to be handed back, in order

    def feed(self, event: anthropic.Event) -> Iterator[completion.Chunk]:
        """The chunks that tell one event: none, one or more."""
        match event:
            case anthropic.ContentBlockDelta(index, delta):
                told = self._delta(index, delta)
                if told is not None:
                    yield self._chunk(told)
            case anthropic.ContentBlockStart(index, block):
                told = self._start(index, block)
                if told is not None:
                    yield self._chunk(told)
            case anthropic.ContentBlockStop(index):
                told = self._block_stop(index)
                if told is not None:
                    yield self._chunk(told)
            case anthropic.MessageStart(message):
                self._id, self.usage = message.id, message.usage
                yield self._chunk(completion.Delta(role="assistant", content=""))
            case anthropic.MessageDelta(stop, usage):
                self._stop = stop
                self.usage = fold.merge_usage(self.usage, usage)
            case anthropic.MessageStop():
                yield from self._end()
            case anthropic.Unknown():
                self.skipped += 1
            case anthropic.Ping() | anthropic.ErrorEvent():
                pass

    def tells_text(self, index: int) -> bool:
        """Whether a text delta of this block is told at all."""
        return index in self._texts

    def text_chunk(self, text: str) -> completion.Chunk:
        """The chunk that tells a piece of text."""
        return self._chunk(completion.Delta(content=text))

    def _chunk(
        self, delta: completion.Delta, reason: completion.FinishReason | None = None
    ) -> completion.Chunk:
        return completion.Chunk(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[completion.ChunkChoice(delta=delta, finish_reason=reason)],
            usage=None if self._include_usage else UNSET,
        )

    def _start(
        self, index: int, block: anthropic.AnswerBlock
    ) -> completion.Delta | None:
        match block:
            case anthropic.AnswerText(text):
                self._texts.add(index)
                return completion.Delta(content=text) if text else None
            case anthropic.AnswerThinking(thinking):
                self._thoughts[index] = _Thought(block)
                return (
                    completion.Delta(reasoning_content=thinking) if thinking else None
                )
            case anthropic.AnswerRedactedThinking(data):
                self._blocks.append(completion.AnsweredRedactedThinking(data))
                return None
            case anthropic.AnswerToolUse(use_id, name):
                call = self._calls[index] = _Call(len(self._calls), block)
                function = completion.FunctionDelta(
                    name=self._client_names.get(name, name), arguments=""
                )
                return self._call_delta(call, function, use_id=use_id)

    def _delta(
        self,
        index: int,
        delta: anthropic.TextDelta
        | anthropic.InputJSONDelta
        | anthropic.ThinkingDelta
        | anthropic.SignatureDelta,
    ) -> completion.Delta | None:
        match delta:
            case anthropic.TextDelta(text):
                if text and self.tells_text(index):
                    return completion.Delta(content=text)
            case anthropic.InputJSONDelta(partial_json):
                if partial_json and (call := self._calls.get(index)):
                    call.told = True
                    function = completion.FunctionDelta(arguments=partial_json)
                    return self._call_delta(call, function)
            case anthropic.ThinkingDelta(thinking):
                if thinking and (thought := self._thoughts.get(index)):
                    thought.pieces.append(thinking)
                    return completion.Delta(reasoning_content=thinking)
            case anthropic.SignatureDelta(signature):
                if thought := self._thoughts.get(index):
                    thought.signature = signature
        return None

    def _block_stop(self, index: int) -> completion.Delta | None:
        if (call := self._calls.get(index)) and not call.told:
            call.told = (
                True  # no deltas came: the input stood in the start, or is empty
            )
            given = response.arguments(call.start.input)
            return self._call_delta(call, completion.FunctionDelta(arguments=given))
        if (thought := self._thoughts.get(index)) and thought.signature:
            text = "".join(thought.pieces)
            self._blocks.append(completion.AnsweredThinking(text, thought.signature))
        return None

    def _call_delta(
        self,
        call: _Call,
        function: completion.FunctionDelta,
        *,
        use_id: str | UnsetType = UNSET,
    ) -> completion.Delta | None:
        if self._legacy:  # one call is all that a legacy answer can hold
            return (
                completion.Delta(function_call=function) if not call.position else None
            )
        kind = UNSET if use_id is UNSET else "function"
        told = completion.ToolCallDelta(
            index=call.position, id=use_id, type=kind, function=function
        )
        return completion.Delta(tool_calls=[told])

    def _end(self) -> Iterator[completion.Chunk]:
        self.complete = True
        if self._blocks:  # all at once: openai-python merges lists only by an index
            yield self._chunk(completion.Delta(thinking_blocks=self._blocks))
        stopped = self._stop
        refusal = response.refusal_text(stopped.stop_reason, stopped.stop_details)
        if refusal is not None:
            yield self._chunk(completion.Delta(refusal=refusal))
        self.finish_reason = response.finish_reason(
            stopped.stop_reason, has_calls=bool(self._calls), legacy=self._legacy
        )
        yield self._chunk(completion.Delta(), self.finish_reason)
        if self._include_usage:
            yield completion.Chunk(
                id=self._id,
                created=self._created,
                model=self._model,
                choices=[],
                service_tier=response.service_tier(self.usage),
                usage=response.to_openai_usage(self.usage),
            )
