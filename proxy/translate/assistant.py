"""What an assistant turn of the history holds: thinking, text, a call's arguments.

b.4 rows 5 and 6, and b.2's round trip.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Raw, json

from proxy.schema import anthropic, openai
from proxy.translate import cache, content, warn

_json_object = json.Decoder(dict[str, Any]).decode


def thinking(
    message: openai.AssistantMessage,
) -> Iterable[anthropic.Thinking | anthropic.RedactedThinking]:
    """Blocks of an earlier answer, verbatim; one that cannot be verified is dropped."""
    for block in message.thinking_blocks or ():
        if block.type == "redacted_thinking" and block.data:
            yield anthropic.RedactedThinking(data=block.data)
        elif block.type in {"thinking", None} and block.signature:
            yield anthropic.Thinking(
                thinking=block.thinking or "", signature=block.signature
            )


def texts(message: openai.AssistantMessage, ttl: cache.Ttl) -> Iterable[anthropic.Text]:
    """What was said, refusals included, blank parts left out."""
    if isinstance(message.content, str):
        if not content.is_blank(message.content):
            yield anthropic.Text(text=message.content)
    else:
        for part in message.content or ():
            match part:
                case openai.TextPart(text=text):
                    mark = cache.mark(part, ttl)
                case openai.RefusalPart(refusal=text):
                    mark = None
            if not content.is_blank(text):
                yield anthropic.Text(text=text, cache_control=mark)
    if message.refusal is not None and not content.is_blank(message.refusal):
        yield anthropic.Text(text=message.refusal)


def tool_input(arguments: str | None, warnings: warn.Warnings) -> Raw:
    """A call's arguments as the ``input`` object, key order and number text kept.

    Blank and JSON ``null`` are ``{}`` (a .NET client sends ``"null"``). What is not a
    JSON object goes as ``{"INVALID_JSON": …}``, Anthropic's documented convention: to
    drop the call would orphan its result, to send ``{}`` would lose what was said.
    """
    if arguments is None or arguments.strip() in {"", "null"}:
        return Raw(b"{}")
    text = arguments.strip()
    try:
        _json_object(text)  # Raw is spliced in unread, so all of it is read before
    except (ValueError, RecursionError):
        warnings.add("tool_arguments_invalid_json")
        return Raw(json.encode({"INVALID_JSON": arguments}))
    return Raw(text)
