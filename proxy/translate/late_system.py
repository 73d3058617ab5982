"""System messages that do not lead the conversation (b.4 row 2)."""

from collections.abc import Sequence

from proxy import capabilities
from proxy.schema import anthropic

OPERATOR = "[A message from the operator of this conversation, not from the user]\n"
"""Stands before a late system message for models that take no ``role: system``."""


def place(
    turns: Sequence[anthropic.Message], model: capabilities.Model
) -> list[anthropic.Message]:
    """System messages that do not lead (b.4 row 2).

    Where the model takes them: as ``role: system`` directly behind a user turn and last
    or before an assistant turn; one that precedes a user turn slides behind it. After an
    assistant turn, and on other models: as the user's text, marked as the operator's.
    """
    if not model.mid_system:
        return [_as_user(turn) if turn.role == "system" else turn for turn in turns]
    out: list[anthropic.Message] = []
    waiting: list[anthropic.Message] = []
    for turn in turns:
        if turn.role == "system":
            waiting.append(turn)
            continue
        if turn.role == "assistant":
            _settle(out, waiting)
        out.append(turn)
    _settle(out, waiting)
    return out


def _settle(out: list[anthropic.Message], waiting: list[anthropic.Message]) -> None:
    """Put the waiting system messages here: an assistant turn or the end follows."""
    if waiting and out and out[-1].role == "user":
        blocks = [block for message in waiting for block in message.content]
        out.append(anthropic.Message(role="system", content=blocks))
    else:
        out += map(_as_user, waiting)
    waiting.clear()


def _as_user(message: anthropic.Message) -> anthropic.Message:
    head, *rest = message.content
    if isinstance(head, anthropic.Text):
        marked = anthropic.Text(
            text=OPERATOR + head.text, cache_control=head.cache_control
        )
        return anthropic.Message(role="user", content=[marked, *rest])
    return anthropic.Message(role="user", content=message.content)
