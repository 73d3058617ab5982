"""A response's events as the bytes of its stream.

Nearly all events of a long response are deltas, which differ in their number and one
string. Each block's first delta is encoded whole; the bytes around those two are reused
for the others.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct, structs

from proxy import errors, sse
from proxy.schema import messages_response, responses_events
from proxy.translate.error import to_object
from proxy.translate.responses import stream

_encode = msgspec.json.Encoder().encode
_HOLES = b'"sequence_number":0,"delta":""'
_DELTAS = (
    responses_events.TextDelta,
    responses_events.SummaryTextDelta,
    responses_events.ArgumentsDelta,
)


class _Frame(Struct, frozen=True):
    """A delta's bytes before its number and after its text."""

    head: bytes
    tail: bytes


class StreamEncoder:
    """Feed it a response's events; it returns the bytes to send to the client."""

    def __init__(self, events: stream.EventStream) -> None:
        self.stream = events
        self._frames: dict[int, _Frame] = {}  # by the index of Anthropic's block
        self._parts: list[bytes] = []  # encoded and not returned yet

    @property
    def complete(self) -> bool:
        """Whether the end of the response has been encoded."""
        return self.stream.complete

    @property
    def finish_reason(self) -> str | None:
        """The response's status, or the reason why it is incomplete; ``None`` until the end."""
        return self.stream.finish_reason

    @property
    def skipped(self) -> int:
        """Events that this version does not know."""
        return self.stream.skipped

    @property
    def stored(self) -> bool:
        """Whether the response was kept."""
        return self.complete and self.stream.response.store

    def feed(self, events: Sequence[messages_response.Event]) -> bytes:
        """The bytes for these events.

        Raises what ``EventStream.feed`` does; ``broken`` then returns the bytes of what
        came before that.
        """
        frames, parts, direct, take = (
            self._frames,
            self._parts,
            self.stream.direct,
            self.stream.numbers.take,
        )
        for event in events:
            if type(event) is messages_response.ContentBlockDelta:
                frame = frames.get(event.index)
                if frame is not None:
                    text = direct(event.index, event.delta)
                    if text is not None:
                        parts += (
                            frame.head,
                            b'%d,"delta":' % take(),
                            _encode(text),
                            frame.tail,
                        )
                        continue
            self._add_whole(event)
        return self._taken()

    def _add_whole(self, event: messages_response.Event) -> None:
        last: responses_events.Event | None = None
        for last in self.stream.feed(event):
            self._parts.append(_event(last))
        if isinstance(event, messages_response.MessageStop):
            self._parts.append(sse.DONE)
        elif isinstance(event, messages_response.ContentBlockDelta) and isinstance(
            last, _DELTAS
        ):
            self._frames[event.index] = _frame(last)

    def _taken(self) -> bytes:
        taken = sse.one_line_each(b"".join(self._parts))
        self._parts.clear()
        return taken

    def keep_alive(self) -> bytes:
        """An event that says nothing: Codex counts events alone as signs of life."""
        return _event(responses_events.Keepalive(self.stream.numbers.take()))

    def broken(self, error: errors.ProxyError) -> bytes:
        """The events of a response that breaks off; nothing follows them."""
        self._parts += map(_event, self.stream.fail(to_object(error)))
        return self._taken()


def _event(event: responses_events.Event) -> bytes:
    name = event.__struct_config__.tag
    return b"event: %b\n%b" % (str(name).encode(), sse.encode(_encode(event)))


def _frame(delta: responses_events.Delta) -> _Frame:
    blank = _event(structs.replace(delta, sequence_number=0, delta=""))
    head, _, tail = blank.rpartition(_HOLES)
    return _Frame(head + b'"sequence_number":', tail)
