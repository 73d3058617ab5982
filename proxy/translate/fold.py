"""Events folded to the whole message, for a client that does not stream."""

from msgspec import Raw, structs

from proxy.schema import anthropic


def merge_usage(old: anthropic.Usage, new: anthropic.Usage) -> anthropic.Usage:
    """Counts in ``message_delta`` are cumulative: set what is said, never add."""
    said = {k: v for k, v in structs.asdict(new).items() if v is not None}
    return structs.replace(old, **said) if said else old


class Folder:
    """Takes an answer's events in order; ``message`` is what they have told so far.

    That the answer is whole is the source's promise: ``upstream`` raises where a stream
    ends without ``message_stop``.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._head = anthropic.StartedMessage(id="")
        self._usage = anthropic.Usage()
        self._stop = anthropic.Stop()
        self._blocks: dict[int, anthropic.AnswerBlock] = {}
        self._pieces: dict[int, list[str]] = {}
        self._signatures: dict[int, str] = {}

    def feed(self, event: anthropic.Event) -> None:
        """Take one event."""
        match event:
            case anthropic.MessageStart(message):
                self._head, self._usage = message, message.usage
            case anthropic.ContentBlockStart(index, block):
                self._blocks[index] = block
                self._pieces[index] = []
            case anthropic.ContentBlockDelta(index, delta):
                self._delta(index, delta)
            case anthropic.MessageDelta(stop, usage):
                self._stop = stop
                self._usage = merge_usage(self._usage, usage)
            case anthropic.Unknown():
                self.skipped += 1
            case (
                anthropic.ContentBlockStop()
                | anthropic.MessageStop()
                | anthropic.Ping()
                | anthropic.ErrorEvent()
            ):
                pass

    def _delta(
        self,
        index: int,
        delta: anthropic.TextDelta
        | anthropic.InputJSONDelta
        | anthropic.ThinkingDelta
        | anthropic.SignatureDelta,
    ) -> None:
        if index not in self._blocks:  # a delta of a block of an unknown kind
            return
        match delta:
            case anthropic.TextDelta(text):
                self._pieces[index].append(text)
            case anthropic.InputJSONDelta(partial_json):
                self._pieces[index].append(partial_json)
            case anthropic.ThinkingDelta(thinking):
                self._pieces[index].append(thinking)
            case anthropic.SignatureDelta(signature):
                self._signatures[index] = signature

    @property
    def message(self) -> anthropic.AnswerMessage:
        return anthropic.AnswerMessage(
            id=self._head.id,
            model=self._head.model,
            usage=self._usage,
            content=[self._block(index) for index in self._blocks],
            stop_reason=self._stop.stop_reason,
            stop_details=self._stop.stop_details,
        )

    def _block(self, index: int) -> anthropic.AnswerBlock:
        block, told = self._blocks[index], "".join(self._pieces[index])
        match block:
            case anthropic.AnswerText(text):
                return anthropic.AnswerText(text + told)
            case anthropic.AnswerToolUse(id=use_id, name=name, input=given):
                # The text is kept as it came, also when it was cut: a client must see
                # that arguments do not parse.
                return anthropic.AnswerToolUse(
                    use_id, name, Raw(told.encode()) if told else given
                )
            case anthropic.AnswerThinking(thinking, signature):
                signature = self._signatures.get(index, signature)
                return anthropic.AnswerThinking(thinking + told, signature)
            case anthropic.AnswerRedactedThinking():
                return block
