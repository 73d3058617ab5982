"""Mid-conversation system messages: those after the first user turn (b4.mid_system)."""

import operator
from collections.abc import Sequence

from proxy import capabilities
from proxy.schema import messages_request

OPERATOR = "[A message from the operator of this conversation, not from the user]\n"
"""Precedes a mid-conversation system message on models without ``role: system``."""


_role_of = operator.attrgetter("role")


def place(
    turns: Sequence[messages_request.Message], model: capabilities.Model
) -> list[messages_request.Message]:
    """Put mid-conversation system messages where the model accepts them.

    On models that take them: as ``role: system`` directly after a user turn, last or
    before an assistant turn; one that precedes a user turn moves behind it. After an
    assistant turn, and on other models: as user text, labelled as the operator's.
    """
    if not model.mid_system:
        return [_as_user(turn) if turn.role == "system" else turn for turn in turns]
    if "system" not in map(_role_of, turns):  # nearly always
        return [*turns]
    out: list[messages_request.Message] = []
    waiting: list[messages_request.Message] = []
    for turn in turns:
        if turn.role == "system":
            waiting.append(turn)
            continue
        if waiting and turn.role == "assistant":
            _settle(out, waiting)
        out.append(turn)
    if waiting:
        _settle(out, waiting)
    return out


def _settle(
    out: list[messages_request.Message], waiting: list[messages_request.Message]
) -> None:
    """Place the waiting system messages here: an assistant turn or the end follows."""
    if out and out[-1].role == "user":
        blocks = [block for message in waiting for block in message.content]
        out.append(messages_request.Message(role="system", content=blocks))
    else:
        out += map(_as_user, waiting)
    waiting.clear()


def _as_user(message: messages_request.Message) -> messages_request.Message:
    held = [one for one in message.content if isinstance(one, messages_request.Text)]
    head, *rest = held  # a system message holds text alone
    marked = messages_request.Text(
        text=OPERATOR + head.text, cache_control=head.cache_control
    )
    return messages_request.Message(role="user", content=[marked, *rest])
