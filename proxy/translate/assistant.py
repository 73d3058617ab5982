"""The parts of an assistant turn in the history: thinking, text, call arguments.

Rows b4.assistant, b4.arguments and b2.round_trip.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Raw, json

from proxy import errors
from proxy.schema import chat_request, messages_request
from proxy.translate import cache, content, json_text, warn

MAX_ELEMENTS = 100_000
"""Values in one call's arguments: validating them builds them."""

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


def texts(message: chat_request.AssistantMessage) -> list[messages_request.Text]:
    """The text, refusals included, without blank parts.

    A refusal that stands in ``content`` too, as in our own responses, is said once.
    """
    blocks: list[messages_request.Text] = []
    if isinstance(message.content, str):
        if not content.is_blank(message.content):
            blocks.append(messages_request.Text(text=message.content))
    else:
        for part in message.content or ():
            match part:
                case chat_request.TextPart(text=text):
                    control = cache.control_of(part)
                case chat_request.RefusalPart(refusal=text):
                    control = None
            if content.is_blank(text):
                cache.mark_last(blocks, control)
            else:
                blocks.append(messages_request.Text(text=text, cache_control=control))
    refusal = message.refusal
    said = [block.text for block in blocks]
    if refusal is not None and not content.is_blank(refusal) and said != [refusal]:
        blocks.append(messages_request.Text(text=refusal))
    return blocks


def tool_input(
    arguments: str | None,
    properties: Mapping[str, str],
    warnings: warn.Warnings,
    *,
    at: str,
) -> Raw:
    """A call's arguments as the ``input`` object, with key order and number text kept.

    ``properties`` maps the client's names to Anthropic's, for those that differ. Blank
    and JSON ``null`` are ``{}`` (a .NET client sends ``"null"``). What is not a JSON
    object is sent as ``{"INVALID_JSON": …}``, Anthropic's documented convention:
    dropping the call would orphan its result, and ``{}`` would lose the arguments.

    Raises ``InvalidRequestError`` for more values than a model writes in one response.
    """
    if arguments is None or arguments.strip() in {"", "null"}:
        return Raw(b"{}")
    text = json_text.whole_characters(arguments.strip().encode()).decode()
    if json_text.elements(text.encode(), MAX_ELEMENTS) > MAX_ELEMENTS:
        raise errors.InvalidRequestError(
            f"{at}: must hold at most {MAX_ELEMENTS} values",
            param=at,
            code="invalid_value",
        )
    try:
        _json_object(text)  # Raw is spliced in unread, so it is validated here
    except (ValueError, RecursionError):
        warnings.add("tool_arguments_invalid_json", param=at)
        return Raw(json.encode({"INVALID_JSON": arguments}))
    return Raw(json_text.renamed_keys(text, properties))
