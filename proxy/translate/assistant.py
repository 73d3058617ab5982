"""The parts of an assistant turn in the history: thinking, text, call arguments.

Rows b4.assistant, b4.arguments and b2.round_trip.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Raw, json

from proxy.schema import chat_request, messages_request
from proxy.translate import cache, content, warn

_json_object = json.Decoder(dict[str, Any]).decode


def thinking(
    message: chat_request.AssistantMessage,
) -> Iterable[messages_request.Thinking | messages_request.RedactedThinking]:
    """Blocks of an earlier response, verbatim; unsigned ones are dropped."""
    for block in message.thinking_blocks or ():
        if block.type == "redacted_thinking" and block.data:
            yield messages_request.RedactedThinking(data=block.data)
        elif block.type in {"thinking", None} and block.signature:
            yield messages_request.Thinking(
                thinking=block.thinking or "", signature=block.signature
            )


def texts(message: chat_request.AssistantMessage) -> Iterable[messages_request.Text]:
    """The text, refusals included, without blank parts."""
    if isinstance(message.content, str):
        if not content.is_blank(message.content):
            yield messages_request.Text(text=message.content)
    else:
        for part in message.content or ():
            match part:
                case chat_request.TextPart(text=text):
                    control = cache.control_of(part)
                case chat_request.RefusalPart(refusal=text):
                    control = None
            if not content.is_blank(text):
                yield messages_request.Text(text=text, cache_control=control)
    if message.refusal is not None and not content.is_blank(message.refusal):
        yield messages_request.Text(text=message.refusal)


def tool_input(arguments: str | None, warnings: warn.Warnings) -> Raw:
    """A call's arguments as the ``input`` object, with key order and number text kept.

    Blank and JSON ``null`` are ``{}`` (a .NET client sends ``"null"``). What is not a
    JSON object is sent as ``{"INVALID_JSON": …}``, Anthropic's documented convention:
    dropping the call would orphan its result, and ``{}`` would lose the arguments.
    """
    if arguments is None or arguments.strip() in {"", "null"}:
        return Raw(b"{}")
    text = arguments.strip()
    try:
        _json_object(text)  # Raw is spliced in unread, so it is validated here
    except (ValueError, RecursionError):
        warnings.add("tool_arguments_invalid_json")
        return Raw(json.encode({"INVALID_JSON": arguments}))
    return Raw(text)
