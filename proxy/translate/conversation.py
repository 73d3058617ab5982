"""The conversation as Anthropic's system and messages (rows b4).

Every step looks at a turn and its neighbours, never at what comes later, so that the
translation of a longer conversation begins with the translation of the shorter one.
(Exempt, because they concern the end of a request: a system-only request, a history that
ends with an assistant turn, and a mid-conversation system message whose assistant reply
was blank.)
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Raw, Struct

from proxy import capabilities, errors
from proxy.schema import messages_request
from proxy.translate import ask, cache, mid_system, names, tool_use, warn

OPENING = messages_request.Message(
    role="user",
    content=[
        messages_request.Text(text="[The conversation begins with the assistant.]")
    ],
)
"""Precedes a history that the assistant begins: not every version of the API accepts
an assistant turn first."""

GO_ON = messages_request.Message(
    role="user", content=[messages_request.Text(text="Continue.")]
)
"""Follows a trailing assistant turn on models that reject a prefill."""


class Rules(Struct, frozen=True, kw_only=True):
    """What the translation of one conversation depends on besides its turns."""

    model: capabilities.Model
    keep_thinking: bool
    """Thinking is on, so blocks of earlier responses may be replayed."""
    prefill: bool
    """The model continues a trailing assistant turn of this request."""
    interleaved: bool
    """Thinking may have stood between the calls of a turn, not only before them."""
    properties: Mapping[str, Mapping[str, str]]
    """Anthropic's tool name -> client's property name -> Anthropic's, where changed."""
    at: str
    """JSON path of the conversation in the client's request."""


class Conversation(Struct, frozen=True, kw_only=True):
    """A conversation as it is sent to Anthropic."""

    system: list[messages_request.Text]
    messages: list[messages_request.Message]
    replays_thinking: bool
    """Whether any thinking block of an earlier response is sent back."""


def to_anthropic_messages(
    said: Sequence[ask.Said], rules: Rules, warnings: warn.Warnings
) -> Conversation:
    """Translate a whole conversation.

    Raises ``InvalidRequestError`` with ``param`` for one without content, and for call
    arguments that no model wrote.
    """
    leading: list[ask.System] = []
    for one in said:
        if not isinstance(one, ask.System):
            break
        leading.append(one)
    if len(leading) == len(said):
        return _system_only(leading, rules, warnings)
    turns = _Turns(rules, warnings)
    for one in said[len(leading) :]:
        turns.take(one)
    placed = mid_system.place(turns.out, rules.model)
    if not placed:
        raise _blank(rules)
    if placed[0].role == "assistant" and not any(
        isinstance(one, ask.Compacted) for one in said
    ):
        warnings.add("opening_added", param=rules.at)
        placed.insert(0, OPENING)
    return Conversation(
        system=_leading(leading),
        messages=_end(placed, rules, warnings),
        replays_thinking=turns.replays_thinking,
    )


def has_unsigned_tool_turn(said: Sequence[ask.Said]) -> bool:
    """Whether manual thinking would be rejected: an open tool loop without its thinking.

    Only the last assistant turn counts, and only if it calls tools: Anthropic wants the
    thinking "preceding the lastmost set of `tool_use` and `tool_result` blocks".
    """
    calls = signed = spoken = False
    for one in reversed(said):
        if not isinstance(one, ask.Assistant):
            if spoken:
                break
            continue
        if spoken and one.results:
            break
        blocks = one.blocks
        if not spoken and all(isinstance(one, ask.Thinking) for one in blocks):
            continue  # a turn of thinking alone is not sent
        # thinking that stands elsewhere than first does not count
        signed = signed or isinstance(next(iter(blocks), None), ask.Thinking)
        spoken = True
        calls = calls or any(isinstance(one, ask.Call) for one in blocks)
    return calls and not signed


def _blank(rules: Rules) -> Exception:
    return errors.InvalidRequestError(f"{rules.at}: must not be blank", param=rules.at)


def _leading(said: Sequence[ask.System]) -> list[messages_request.Text]:
    """The system messages that a conversation begins with, as ``system``."""
    system: list[messages_request.Text] = []
    for one in said:
        cache.mark_last(system, one.moved)
        system += one.blocks
    return system


def _system_only(
    said: Sequence[ask.System], rules: Rules, warnings: warn.Warnings
) -> Conversation:
    """A request of system messages alone: the last one is what the user says."""
    for last in range(len(said) - 1, -1, -1):
        if said[last].blocks:
            break
    else:
        raise _blank(rules)
    warnings.add("system_only_request", param=rules.at)
    return Conversation(
        system=_leading(said[:last]),
        messages=[messages_request.Message(role="user", content=[*said[last].blocks])],
        replays_thinking=False,
    )


class _Turns:
    """Takes turns in order; system messages stay in place for ``mid_system``."""

    def __init__(self, rules: Rules, warnings: warn.Warnings) -> None:
        self.out: list[messages_request.Message] = []
        self.replays_thinking = False
        self._rules = rules
        self._warnings = warnings
        self._ids = names.UseIds()

    def take(self, one: ask.Said) -> None:
        """Add what was said; a mark of what was dropped moves to the block before."""
        if one.moved is not None and self.out:
            cache.mark_last(self.out[-1].content, one.moved)
        match one:
            case ask.Assistant():
                self._take_turn(one)
            case ask.User(blocks=blocks):
                self._add("user", [*blocks])
            case ask.System(blocks=texts):
                self._add("system", [*texts])
            case ask.Compacted(block=block):
                self._add("assistant", [block])

    def _add(
        self,
        role: Literal["user", "assistant", "system"],
        blocks: list[messages_request.ContentBlock],
    ) -> None:
        if blocks:
            self.out.append(messages_request.Message(role=role, content=blocks))

    def _take_turn(self, turn: ask.Assistant) -> None:
        uses: list[messages_request.ToolUse] = []
        content: list[Any] = []
        spoken = thinks = False
        for block in turn.blocks:
            if type(block) is ask.Call:
                use_id = self._ids.take(block.id)
                use = tool_use.tool_use(
                    block, use_id, self._rules.properties, self._warnings
                )
                uses.append(use)
                content.append(use)
                spoken = True
            elif not isinstance(block, ask.Thinking):
                content.append(block)
                spoken = True
            elif self._keeps_thinking(turn):
                content.append(block)
                thinks = True
        if not spoken:  # a turn of thinking alone is rejected
            return
        if thinks:
            while isinstance(content[-1], ask.Thinking):  # and one that ends with it
                content.pop()
            self.replays_thinking = self.replays_thinking or any(
                isinstance(block, ask.Thinking) for block in content
            )
        self._add("assistant", content)
        results = zip(uses, turn.results, strict=True)
        self._add("user", [tool_use.tool_result(r, use.id) for use, r in results])

    def _keeps_thinking(self, turn: ask.Assistant) -> bool:
        """Whether the turn's thinking is sure to stand where it stood in the response.

        The first block begins a turn. Where thinking is interleaved a second one stood
        behind a text or a call, and a chat message does not say which; Anthropic rejects
        signed blocks in another order, so none is sent.
        """
        if not self._rules.keep_thinking:
            return False
        if turn.ordered or not self._rules.interleaved:
            return True
        held = sum(isinstance(block, ask.Thinking) for block in turn.blocks)
        if held <= 1:
            return True
        self._warnings.add("thinking_blocks_dropped", param=self._rules.at)
        return False


# ------------------------------------------------------------------ the end


def _end(
    placed: list[messages_request.Message], rules: Rules, warnings: warn.Warnings
) -> list[messages_request.Message]:
    """A history that ends with an assistant turn: continued, or asked to go on.

    A compaction, which may be the first message, is no turn to be continued.
    """
    *earlier, last = placed
    if last.role != "assistant":
        return placed
    if isinstance(last.content[-1], Raw) and earlier:
        return placed  # Anthropic's own tool was at work: the turn goes on from there
    if rules.prefill and isinstance(text := last.content[-1], messages_request.Text):
        stripped = messages_request.Text(  # a prefill must not end in white space
            text=text.text.rstrip(), cache_control=text.cache_control
        )
        content = [*last.content[:-1], stripped]
        return [*earlier, messages_request.Message(role="assistant", content=content)]
    warnings.add("prefill_unsupported", param=rules.at)
    return [*placed, GO_ON]
