"""A call and its result as blocks (b4.arguments, b4.results)."""

from collections.abc import Mapping
from typing import Any

from msgspec import Raw, json

from proxy import errors
from proxy.schema import messages_request
from proxy.translate import arguments as tool_arguments
from proxy.translate import ask, content, json_text, names, warn

MAX_ELEMENTS = 100_000
"""Values in one call's arguments: validating them builds them."""

FAILED = "The tool call failed."
"""Says what ``is_error`` would, where Anthropic rejects the flag: with no content, and
with anything but text ("all content must be type `text` if `is_error` is true")."""

_json_object = json.Decoder(dict[str, Any]).decode


def tool_use(
    call: ask.Call,
    use_id: str,
    properties: Mapping[str, Mapping[str, str]],
    warnings: warn.Warnings,
) -> messages_request.ToolUse:
    """The block of a call; ``properties`` as in ``tools.Tools``.

    Raises ``InvalidRequestError`` for arguments that no model wrote.
    """
    name = names.tool_name(call.name)
    return messages_request.ToolUse(
        id=use_id,
        name=name,
        input=_tool_input(
            call.arguments, properties.get(name, {}), warnings, at=call.at
        ),
        cache_control=call.cache_control,
    )


def _tool_input(
    arguments: str | None,
    properties: Mapping[str, str],
    warnings: warn.Warnings,
    *,
    at: str,
) -> Raw:
    """A call's arguments as the ``input`` object, with key order and number text kept.

    ``properties`` maps the client's names to Anthropic's, for those that differ. No
    arguments, however a client writes that, are ``{}``. What else is not a JSON object is sent as ``{"INVALID_JSON": …}``, Anthropic's documented convention:
    dropping the call would orphan its result, and ``{}`` would lose the arguments.

    Raises ``InvalidRequestError`` for more values than a model writes in one response.
    """
    given = (arguments or "").strip()
    if tool_arguments.are_none(given):
        return Raw(b"{}")
    text = json_text.whole_characters(given.encode())
    if (
        len(text) > MAX_ELEMENTS  # each takes a byte at least
        and json_text.elements(text, MAX_ELEMENTS) > MAX_ELEMENTS
    ):
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
    if not properties:
        return Raw(text)
    return Raw(json_text.renamed_keys(text.decode(), properties))


def tool_result(result: ask.Result, use_id: str) -> messages_request.ToolResult:
    """Blank content is omitted: Anthropic rejects empty text, not an empty result."""
    failed = result.failed
    if result.content is None or isinstance(result.content, str):
        text = None if content.is_blank(result.content) else result.content
        return messages_request.ToolResult(
            tool_use_id=use_id,
            content=text or (FAILED if failed else None),
            is_error=failed or None,
            cache_control=result.cache_control,
        )
    inner = [*result.content]
    only_text = all(isinstance(block, messages_request.Text) for block in inner)
    if failed and not (inner and only_text):
        inner.insert(0, messages_request.Text(text=FAILED))
    return messages_request.ToolResult(
        tool_use_id=use_id,
        content=inner or None,
        is_error=(failed and only_text) or None,
        cache_control=result.cache_control,
    )
