"""The conversation: OpenAI's message list as Anthropic's system and messages (rows b4).

Every step looks at a message and its neighbours, never at what comes later, so that
the translation of a longer conversation begins with the translation of the shorter
one. (Exempt, because they concern the end of a request: a system-only request, a
history that ends with an assistant turn, and a mid-conversation system message whose
assistant reply was blank.)
"""

from collections.abc import Sequence

from msgspec import Struct

from proxy.schema import chat_request, messages_request
from proxy.translate import cache, mid_system, turns, warn

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


class Conversation(Struct, frozen=True, kw_only=True):
    system: list[messages_request.Text]
    messages: list[messages_request.Message]
    replays_thinking: bool
    """Whether any thinking block of an earlier response is sent back."""


def to_anthropic_messages(
    messages: Sequence[chat_request.Message],
    rules: turns.Rules,
    warnings: warn.Warnings,
) -> Conversation:
    """Translate a whole message list.

    Raises ``InvalidRequestError`` with ``param`` for tool calls without results,
    results without calls, content Claude cannot take, and a blank last turn.
    """
    leading = 0
    while leading < len(messages) and isinstance(messages[leading], turns.System):
        leading += 1
    if leading == len(messages):
        return _system_only(messages, warnings)
    taken = turns.Turns(rules, warnings)
    taken.take(messages, leading)
    placed = mid_system.place(taken.out, rules.model)
    if not placed:
        raise turns.invalid("messages", "must not be blank")
    if placed[0].role == "assistant":
        warnings.add("opening_added", param="messages")
        placed.insert(0, OPENING)
    return Conversation(
        system=_leading(messages[:leading]),
        messages=_end(placed, rules, warnings),
        replays_thinking=taken.replays_thinking,
    )


def _leading(messages: Sequence[chat_request.Message]) -> list[messages_request.Text]:
    """The system messages that a conversation begins with, as ``system``."""
    system: list[messages_request.Text] = []
    for message in _systems(messages):
        blocks = turns.system_blocks(message)
        cache.mark_last(system, turns.control_of_dropped(message, kept=bool(blocks)))
        system += blocks
    return system


def _systems(messages: Sequence[chat_request.Message]) -> list[turns.System]:
    return [message for message in messages if isinstance(message, turns.System)]


def _system_only(
    messages: Sequence[chat_request.Message], warnings: warn.Warnings
) -> Conversation:
    """A request of system messages alone: the last one is what the user says."""
    systems = _systems(messages)
    last, spoken = len(systems), list[messages_request.Text]()
    while last and not spoken:
        last -= 1
        spoken = turns.system_blocks(systems[last])
    if not spoken:
        raise turns.invalid("messages", "must not be blank")
    warnings.add("system_only_request", param="messages")
    return Conversation(
        system=_leading(messages[:last]),
        messages=[messages_request.Message(role="user", content=list(spoken))],
        replays_thinking=False,
    )


# ------------------------------------------------------------------ the end


def _end(
    placed: list[messages_request.Message], rules: turns.Rules, warnings: warn.Warnings
) -> list[messages_request.Message]:
    """A history that ends with an assistant turn: continued, or asked to go on."""
    *earlier, last = placed
    if last.role != "assistant":
        return placed
    if rules.prefill and isinstance(text := last.content[-1], messages_request.Text):
        stripped = messages_request.Text(  # a prefill must not end in white space
            text=text.text.rstrip(), cache_control=text.cache_control
        )
        content = [*last.content[:-1], stripped]
        return [*earlier, messages_request.Message(role="assistant", content=content)]
    warnings.add("prefill_unsupported", param="messages")
    return [*placed, GO_ON]
