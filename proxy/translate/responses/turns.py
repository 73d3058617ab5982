"""Items as turns of a conversation: users, the assistant with its calls, their results.

Text, reasoning, calls and hosted tools' items that follow each other are one turn of the
assistant's, its blocks in the order of the items (rows r3, r4). An output answers the
earliest open call of its id, wherever it stands; a request whose calls lack outputs is
refused, so looking ahead for them never changes what a shorter request sent.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Raw, Struct

from proxy import errors
from proxy.schema import messages_request, responses_response
from proxy.schema import responses_items as wire
from proxy.translate import ask, cache, warn
from proxy.translate.responses import calls_in, content, envelope, items

MAX_NAMED = 10
_LONGEST_ID = 64

_fields = msgspec.json.Decoder(dict[str, Raw])


class Conversation(Struct, frozen=True, kw_only=True):
    """What the input says, and what of its reasoning is sent."""

    said: list[ask.Said]
    removed: tuple[responses_response.InputTransformation, ...]
    """Reasoning items that were left out (row r4.reported)."""
    thoughts: dict[str, str]
    """Signature, or redacted data, of a thinking block -> the id of its item."""
    compact: bool
    """The last item asks for a compaction."""


def to_conversation(
    given: Sequence[items.Placed], room: envelope.Room, warnings: warn.Warnings
) -> Conversation:
    """The conversation, in order.

    Raises ``InvalidRequestError`` with ``param`` for calls without outputs, outputs
    without calls, content that Claude cannot take, a blank last message, and envelopes
    that hold more than there is room for.
    """
    turns = _Turns(room, warnings)
    for one in items.since_compaction(given):
        turns.take(one)
    said = turns.finished()
    if all(isinstance(one, ask.System) and not one.blocks for one in said):
        raise errors.InvalidRequestError("input: must not be blank", param="input")
    return Conversation(
        said=said,
        removed=tuple(turns.removed),
        thoughts=turns.thoughts,
        compact=any(isinstance(one.item, wire.CompactionTrigger) for one in given),
    )


def _invalid(at: str, why: str, code: str | None = None) -> Exception:
    return errors.InvalidRequestError(f"{at}: {why}", param=at, code=code)


def _no_call_id(at: str) -> Exception:
    return _invalid(f"{at}.call_id", "is required", "missing_required_parameter")


class _Open(Struct):
    """A call that may still get its output."""

    call_id: str
    at: str
    cut: bool
    """The response ended within it, so nobody ran it."""
    result: ask.Result | None = None


class _Use(Struct, frozen=True):
    """A server tool's use, which comes with its result unless the turn was cut."""

    id: str
    at: str


class _Run(Struct):
    """A turn of the assistant's while its items are read."""

    blocks: list[ask.AssistantBlock] = []
    calls: list[_Open] = []
    """One for each call among the blocks, in their order."""
    uses: dict[int, _Use] = {}
    """By their places among the blocks."""
    searches: list[str] = []
    """Paths of the searches, whose blocks must be here too."""
    moved: ask.Control = None


class _Turns:
    """Takes items in order."""

    def __init__(self, room: envelope.Room, warnings: warn.Warnings) -> None:
        self.removed: list[responses_response.InputTransformation] = []
        self.thoughts: dict[str, str] = {}
        self._said: list[ask.Said | _Run] = []
        self._run: _Run | None = None
        self._waiting: dict[str, deque[_Open]] = {}
        self._shells: dict[str, str] = {}
        """Id of a local shell's item -> the id of its call."""
        self._unanswered: set[str] = set()
        """Uses of server tools whose results have not come yet."""
        self._room = room
        self._warnings = warnings

    def take(self, one: items.Placed) -> None:
        """Add an item."""
        match one.item:
            case wire.Message() as message:
                self._take_message(message, one)
            case wire.FunctionCall() as call:
                self._take_call(call, one.at)
            case wire.FunctionCallOutput() as output:
                self._take_output(output, one.at)
            case wire.Reasoning() as reasoning:
                self._take_reasoning(reasoning, one.at)
            case wire.ToolSearchCall() | wire.ToolSearchOutput() as search if (
                search.execution != "client"
            ):
                self._warnings.add(f"{one.type}_ignored", param=one.at)
            case wire.WebSearchCall():
                self._current().searches.append(one.at)
            case wire.Foreign():
                self._warnings.add(f"{one.type}_ignored", param=one.at)
            case wire.Compaction(encrypted_content=sealed):
                self._add(_compaction(self._room.opened(sealed), one.at))
            case wire.CompactionTrigger() if not one.last:
                raise _invalid(one.at, "must be the last item")
            case item if isinstance(item, calls_in.Calling):
                self._take_call(item, one.at)
            case item if isinstance(item, calls_in.Answering):
                self._take_output(item, one.at)
            case _:  # tools and settings, which are read elsewhere
                pass

    def finished(self) -> list[ask.Said]:
        """All turns. Raises ``InvalidRequestError`` for calls without outputs."""
        runs = [one for one in self._said if isinstance(one, _Run)]
        _check_answered([call for run in runs for call in run.calls])
        return [self._turn(one) if isinstance(one, _Run) else one for one in self._said]

    def _add(self, one: ask.Said) -> None:
        self._run = None
        self._said.append(one)

    def _current(self) -> _Run:
        if self._run is None:
            self._run = _Run()
            self._said.append(self._run)
        return self._run

    # -------------------------------------------------------------- messages

    def _take_message(self, message: wire.Message, one: items.Placed) -> None:
        at = f"{one.at}.content"
        match message.role:
            case "assistant":
                self._take_text(message, at)
            case "user":
                blocks = content.user_blocks(message.content, at=at)
                if not blocks and one.last:
                    raise _invalid(at, "the last message must not be blank")
                cache.mark_last(blocks, cache.control_of(message))
                moved = _moved(message, kept=bool(blocks))
                self._add(ask.User(blocks=blocks, moved=moved))
            case "system" | "developer":
                texts = content.system_blocks(message.content, at=at)
                cache.mark_last(texts, cache.control_of(message))
                moved = _moved(message, kept=bool(texts))
                self._add(ask.System(blocks=texts, moved=moved))

    def _take_text(self, message: wire.Message, at: str) -> None:
        run = self._current()
        before = len(run.blocks)
        dropped = content.control_of_dropped(message.content)
        cache.mark_last(run.blocks, dropped)
        content.add_assistant(run.blocks, message.content, self._warnings, at=at)
        cache.mark_last(run.blocks, cache.control_of(message))
        if not before:
            run.moved = _moved(message, kept=bool(run.blocks)) or run.moved

    # -------------------------------------------------------------- reasoning

    def _take_reasoning(self, item: wire.Reasoning, at: str) -> None:
        """Blocks of Claude's own, in their place; anything else is left out."""
        sealed = item.encrypted_content
        opened = self._room.opened(sealed) if sealed else ()
        if not opened or any(block.type == "compaction" for block in opened):
            self._warnings.add("reasoning_ignored", param=at)
            if item.id:
                self.removed.append(
                    responses_response.InputTransformation(
                        id=item.id, reason="model_mismatch"
                    )
                )
            return
        for block in opened:
            self._take_block(block, item.id, at)

    def _take_block(self, block: envelope.Block, item_id: str | None, at: str) -> None:
        run = self._current()
        if block.thought is not None:
            if item_id:
                self.thoughts[signature(block.thought)] = item_id
            run.blocks.append(block.thought)
        elif block.type == "server_tool_use":
            self._unanswered.add(block.use)
            run.uses[len(run.blocks)] = _Use(block.use, at)
            run.blocks.append(block.received)
        elif block.use in self._unanswered:
            self._unanswered.discard(block.use)
            run.blocks.append(block.received)
        else:  # Anthropic rejects a result without its use
            self._warnings.add("web_search_call_ignored", param=at)

    # -------------------------------------------------------------- calls

    def _take_call(self, item: calls_in.Calling, at: str) -> None:
        call = calls_in.called(item, at)
        if not call.id:
            raise _no_call_id(at)
        run = self._current()
        run.blocks.append(call)
        opened = _Open(call_id=call.id, at=at, cut=item.status == "incomplete")
        run.calls.append(opened)
        self._waiting.setdefault(call.id, deque()).append(opened)
        if isinstance(item, wire.LocalShellCall) and item.id:
            self._shells[item.id] = call.id

    def _take_output(self, item: calls_in.Answering, at: str) -> None:
        """Answer the earliest open call: what an earlier turn was never changes."""
        self._run = None
        answer = calls_in.answer(item, at)
        if not answer.call_id:
            raise _no_call_id(at)
        named = answer.call_id
        waiting = self._waiting.get(named) or self._waiting.get(
            self._shells.get(named, named)
        )
        if waiting is None:
            raise errors.InvalidRequestError(
                "No tool call found for function call output with call_id "
                f"{answer.call_id[:_LONGEST_ID]}.",
                param="input",
            )
        if waiting:
            waiting.popleft().result = answer.result
        else:
            self._warnings.add("tool_result_duplicate", param=at)

    # -------------------------------------------------------------- the end

    def _turn(self, run: _Run) -> ask.Assistant:
        """A run as a turn: text that stands behind a call goes before the first one.

        Claude's own turns end with their calls; some clients return a turn's text last.
        """
        if run.searches and not any(isinstance(one, Raw) for one in run.blocks):
            self._warnings.add("web_search_call_ignored", param=run.searches[0])
        before: list[ask.AssistantBlock] = []
        behind: list[ask.AssistantBlock] = []
        results: list[ask.Result] = []
        calls = iter(run.calls)
        for block in self._sent(run):
            if isinstance(block, ask.Call):
                call = next(calls)
                if call.result is None:
                    self._warnings.add("call_incomplete_dropped", param=call.at)
                    continue
                results.append(call.result)
                behind.append(block)
            elif isinstance(block, messages_request.Text) or not behind:
                before.append(block)
            else:
                behind.append(block)
        return ask.Assistant(
            blocks=[*before, *behind], results=results, ordered=True, moved=run.moved
        )

    def _sent(self, run: _Run) -> Iterator[ask.AssistantBlock]:
        """The blocks of a run, but for uses of server tools that never get a result.

        A turn that was paused or cut within a search goes on from there if nothing
        follows it. Behind anything else Anthropic would reject the conversation for ever.
        """
        goes_on = run is self._said[-1]
        for place, block in enumerate(run.blocks):
            use = run.uses.get(place)
            if use is None or use.id not in self._unanswered or goes_on:
                yield block
            else:
                self._warnings.add("web_search_call_ignored", param=use.at)


def signature(thought: ask.Thinking) -> str:
    """What no two blocks share."""
    if isinstance(thought, messages_request.Thinking):
        return thought.signature
    return thought.data


def _moved(message: wire.Message, *, kept: bool) -> ask.Control:
    """The mark of what is dropped at a message's beginning, its own if nothing is kept."""
    dropped = content.control_of_dropped(message.content)
    return dropped if kept else cache.control_of(message) or dropped


def _compaction(opened: Sequence[envelope.Block], at: str) -> ask.Compacted:
    if [block.type for block in opened] != ["compaction"]:
        raise _invalid(
            f"{at}.encrypted_content",
            "must be a compaction that this proxy made: the conversation that any other "
            "one stands for cannot be read",
            "invalid_value",
        )
    signed = "signature" in _fields.decode(opened[0].received)
    return ask.Compacted(block=opened[0].received, signed=signed)


def _check_answered(calls: Sequence[_Open]) -> None:
    missing = [call.call_id for call in calls if call.result is None and not call.cut]
    if missing:
        named = ", ".join(one[:_LONGEST_ID] for one in missing[:MAX_NAMED])
        several = "s" if len(missing) > 1 else ""
        raise errors.InvalidRequestError(
            f"No tool output found for function call{several} {named}.", param="input"
        )
