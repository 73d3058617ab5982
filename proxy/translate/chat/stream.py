"""One upstream message as OpenAI chunks (rows b7).

Theory of operation. Anthropic streams a message as indexed blocks, each with a start,
deltas and a stop; OpenAI streams one message to which every chunk adds. The state maps
one to the other: which block index is text, reasoning, or the n-th tool call. A block of
an unknown type is never in the map, so its deltas fall through. The finish reason arrives
with ``message_delta`` but is sent only at ``message_stop``: a response that was cut must
not look finished.
"""

from collections.abc import Iterator, Mapping

from msgspec import UNSET, UnsetType

from proxy.schema import chat_response, messages_response
from proxy.translate import accumulator, arguments, finish, usage
from proxy.translate.chat import response


class _ToolCall(arguments.Arriving):
    """A tool call while it is streamed: the n-th of the response."""

    def __init__(
        self,
        position: int,
        start: messages_response.ToolUseBlock,
        properties: Mapping[str, str],
    ) -> None:
        super().__init__(start.input, properties)
        self.position = position


class _Text:
    """A text block while it is streamed: where in the content, and what it cites."""

    def __init__(
        self, start: int, citations: list[messages_response.Citation] | None
    ) -> None:
        self.start = start
        self.citations = citations or []


class _Thinking:
    """A thinking block while it is streamed; its signature comes at its end."""

    def __init__(self, start: messages_response.ThinkingBlock) -> None:
        self.pieces = [start.thinking]
        self.signature = start.signature


class ChunkStream:
    """Feed it a message's events in order; it returns the chunks for them.

    ``usage``, ``finish_reason``, ``complete`` and ``skipped`` are facts for the log line.
    """

    def __init__(
        self,
        *,
        model: str,
        created: int,
        names: response.ClientNames,
        legacy_functions: bool = False,
        include_usage: bool = False,
    ) -> None:
        self.usage = messages_response.Usage()
        self.finish_reason: chat_response.FinishReason | None = None
        self.complete = False
        self.skipped = 0
        self._model = model
        self._created = created
        self._names = names
        self._legacy = legacy_functions
        self._include_usage = include_usage
        self._id = ""
        self._stop = messages_response.Stop()
        self._calls: dict[int, _ToolCall] = {}  # content block index -> tool call
        self._texts: dict[int, _Text] = {}
        self._length = 0  # of the content so far, in code points
        self._annotations: list[chat_response.Annotation] = []
        self._thinking: dict[int, _Thinking] = {}
        self._blocks: chat_response.ThinkingBlocks = []  # to be sent back by the client, in order

    def feed(self, event: messages_response.Event) -> Iterator[chat_response.Chunk]:
        """The chunks for one event: none, one or more."""
        match event:
            case messages_response.ContentBlockDelta(index, delta):
                if (added := self._delta(index, delta)) is not None:
                    yield self._chunk(added)
            case messages_response.ContentBlockStart(index, block):
                if (started := self._start(index, block)) is not None:
                    yield self._chunk(started)
            case messages_response.ContentBlockStop(index):
                if (stopped := self._block_stop(index)) is not None:
                    yield self._chunk(stopped)
            case messages_response.MessageStart(message):
                self._id, self.usage = message.id, message.usage
                yield self._chunk(chat_response.Delta(role="assistant", content=""))
            case messages_response.MessageDelta(stop, reported):
                if stop.stop_reason is not None:
                    self._stop = stop
                self.usage = accumulator.merge_usage(self.usage, reported)
            case messages_response.MessageStop():
                yield from self._end()
            case messages_response.Unknown():
                self.skipped += 1
            case (
                messages_response.OpaqueBlockStart()
                | messages_response.Ping()
                | messages_response.ErrorEvent()
            ):
                pass

    def takes_text(self, index: int, text: str) -> bool:
        """Whether this piece of text is passed on: its block is text. It is counted."""
        if index not in self._texts:
            return False
        self._length += len(text)
        return True

    def text_chunk(self, text: str) -> chat_response.Chunk:
        """The chunk for a piece of text."""
        return self._chunk(chat_response.Delta(content=text))

    def _chunk(
        self,
        delta: chat_response.Delta,
        reason: chat_response.FinishReason | None = None,
    ) -> chat_response.Chunk:
        return chat_response.Chunk(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[chat_response.ChunkChoice(delta=delta, finish_reason=reason)],
            usage=None if self._include_usage else UNSET,
        )

    def _start(
        self, index: int, block: messages_response.ContentBlock
    ) -> chat_response.Delta | None:
        match block:
            case messages_response.TextBlock(text, citations):
                self._texts[index] = _Text(self._length, citations)
                self._length += len(text)
                return chat_response.Delta(content=text) if text else None
            case messages_response.ThinkingBlock(thinking):
                self._thinking[index] = _Thinking(block)
                return (
                    chat_response.Delta(reasoning_content=thinking)
                    if thinking
                    else None
                )
            case messages_response.RedactedThinkingBlock(data):
                self._blocks.append(chat_response.RedactedThinkingBlock(data))
                return None
            case messages_response.ToolUseBlock(use_id, name):
                properties = self._names.properties.get(name, {})
                call = _ToolCall(len(self._calls), block, properties)
                self._calls[index] = call
                function = chat_response.FunctionDelta(
                    name=self._names.tools.get(name, name), arguments=""
                )
                return self._call_delta(call, function, use_id=use_id)

    def _delta(
        self, index: int, delta: messages_response.Delta
    ) -> chat_response.Delta | None:
        match delta:
            case messages_response.TextDelta(text) if text and self.takes_text(
                index, text
            ):
                return chat_response.Delta(content=text)
            case messages_response.InputJSONDelta(partial_json) if (
                call := self._calls.get(index)
            ):
                return self._arguments(call, call.take(partial_json))
            case messages_response.ThinkingDelta(thinking) if thinking and (
                thinking_block := self._thinking.get(index)
            ):
                thinking_block.pieces.append(thinking)
                return chat_response.Delta(reasoning_content=thinking)
            case messages_response.SignatureDelta(signature) if (
                thinking_block := self._thinking.get(index)
            ):
                thinking_block.signature = signature
            case messages_response.CitationsDelta(citation) if cited := self._texts.get(
                index
            ):
                cited.citations.append(citation)
            case _:  # of a block that is not passed on, or empty
                pass
        return None

    def _block_stop(self, index: int) -> chat_response.Delta | None:
        if call := self._calls.get(index):
            return self._arguments(call, call.rest())
        if (text_block := self._texts.get(index)) and text_block.citations:
            self._annotations += response.annotations(
                text_block.citations, text_block.start, self._length
            )
        if (thinking_block := self._thinking.get(index)) and thinking_block.signature:
            text = "".join(thinking_block.pieces)
            self._blocks.append(
                chat_response.ThinkingBlock(text, thinking_block.signature)
            )
        return None

    def _arguments(self, call: _ToolCall, piece: str) -> chat_response.Delta | None:
        if not piece:
            return None
        return self._call_delta(call, chat_response.FunctionDelta(arguments=piece))

    def _call_delta(
        self,
        call: _ToolCall,
        function: chat_response.FunctionDelta,
        *,
        use_id: str | UnsetType = UNSET,
    ) -> chat_response.Delta | None:
        if self._legacy:  # a legacy response can hold only one call
            return (
                chat_response.Delta(function_call=function)
                if not call.position
                else None
            )
        kind = UNSET if use_id is UNSET else "function"
        call_delta = chat_response.ToolCallDelta(
            index=call.position, id=use_id, type=kind, function=function
        )
        return chat_response.Delta(tool_calls=[call_delta])

    def _end(self) -> Iterator[chat_response.Chunk]:
        self.complete = True
        if self._blocks:  # all at once: openai-python merges lists only by an index
            yield self._chunk(chat_response.Delta(thinking_blocks=self._blocks))
        if self._annotations:  # likewise
            yield self._chunk(chat_response.Delta(annotations=self._annotations))
        stopped = self._stop
        refusal = finish.refusal_text(stopped.stop_reason, stopped.stop_details)
        if refusal is not None:
            if not self._length:  # for clients that show the content alone
                yield self.text_chunk(refusal)
            yield self._chunk(chat_response.Delta(refusal=refusal))
        self.finish_reason = response.finish_reason(
            stopped.stop_reason, has_calls=bool(self._calls), legacy=self._legacy
        )
        yield self._chunk(chat_response.Delta(), self.finish_reason)
        if self._include_usage:
            yield chat_response.Chunk(
                id=self._id,
                created=self._created,
                model=self._model,
                choices=[],
                service_tier=usage.service_tier(self.usage) or UNSET,
                usage=response.to_openai_usage(self.usage),
            )
