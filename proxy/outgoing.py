"""What a completion sends to Anthropic: a translation, or a client's own Messages request."""

from collections.abc import Hashable, Mapping
from datetime import datetime

import msgspec

from proxy.refusals import Refusals
from proxy.relay import headers as relayed_headers
from proxy.relay.request import Relayed
from proxy.translate import headers as translated_headers
from proxy.translate import repair
from proxy.translate.assemble import Translation

MESSAGES_PATH = "/v1/messages"
COUNT_PATH = "/v1/messages/count_tokens"

_COUNTED = (
    "model", "tools", "tool_choice", "system", "messages", "thinking", "output_config",
    "cache_control", "speed",
)  # fmt: skip
"""The fields of a Messages request that ``count_tokens`` takes."""

Sent = Translation | Relayed

_encode = msgspec.json.Encoder().encode


def on_the_wire(sent: Sent) -> tuple[str, bytes]:
    """The path to post to, and the body."""
    match sent:
        case Translation(counts=True, request=request):
            fields = {name: getattr(request, name) for name in _COUNTED}
            given = {name: one for name, one in fields.items() if one is not None}
            return COUNT_PATH, _encode(given)
        case Translation():
            return MESSAGES_PATH, _encode(sent.request)
        case Relayed():
            return sent.path, sent.body


def limited_by(sent: Sent) -> Hashable:
    """What shares a rate limit: a model. Counting tokens has limits of its own."""
    return (sent.model, "count_tokens") if sent.counts else sent.model


def repaired(sent: Sent, message: str, refusals: Refusals) -> Translation | None:
    """What to send after a 400 with this message; ``None`` where it is the client's to mend.

    Notes what was refused.
    """
    match sent:
        case Translation():
            made = repair.repaired(sent, message)
            if made is not None:
                refusals.note(repair.given_up(sent, made))
            return made
        case Relayed():
            return None


def anticipated(sent: Sent, refusals: Refusals) -> Translation | None:
    """What to send at once, because ``sent`` would be refused; ``None`` for ``sent``."""
    match sent:
        case Translation() if refusals:
            return repair.anticipated(sent, refusals)
        case _:
            return None


def passed_headers(
    sent: Sent, headers: Mapping[str, str], now: datetime
) -> dict[str, str]:
    """The headers of a response that the client gets, under the names its API has."""
    match sent:
        case Translation():
            return translated_headers.to_client(headers, now)
        case Relayed():
            return relayed_headers.to_client(headers)
