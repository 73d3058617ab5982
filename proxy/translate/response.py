"""A whole message as a ChatCompletion, and what streams share with it (rows b6)."""

from msgspec import UNSET, Raw, UnsetType, json

from proxy.schema import chat_response, messages_response

FINISH_REASONS: dict[str, chat_response.FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",  # only with server tools: the turn is incomplete
    "refusal": "content_filter",
}
DECLINED = "The model declined to respond."
_SERVICE_TIERS = {"standard": "default", "priority": "priority"}


def finish_reason(
    stop_reason: str | None, *, has_calls: bool, legacy: bool
) -> chat_response.FinishReason:
    """OpenAI's term; an unknown stop reason is ``stop``, as is ``tool_use`` without calls."""
    reason = FINISH_REASONS.get(stop_reason or "", "stop")
    if reason == "tool_calls":
        if not has_calls:
            return "stop"
        return "function_call" if legacy else "tool_calls"
    return reason


def refusal_text(
    stop_reason: str | None, details: messages_response.StopDetails | None
) -> str | None:
    if stop_reason != "refusal":
        return None
    return (details.explanation if details else None) or DECLINED


def to_openai_usage(usage: messages_response.Usage) -> chat_response.Usage:
    """OpenAI's prompt tokens include cached ones, Anthropic's input tokens do not."""
    read = usage.cache_read_input_tokens or 0
    written = usage.cache_creation_input_tokens or 0
    prompt = (usage.input_tokens or 0) + read + written
    output = usage.output_tokens or 0
    details = usage.output_tokens_details
    return chat_response.Usage(
        prompt_tokens=prompt,
        completion_tokens=output,
        total_tokens=prompt + output,
        prompt_tokens_details=chat_response.PromptTokensDetails(read, written),
        completion_tokens_details=chat_response.CompletionTokensDetails(
            (details.thinking_tokens if details else None) or 0
        ),
    )


def service_tier(usage: messages_response.Usage) -> str | UnsetType:
    return _SERVICE_TIERS.get(usage.service_tier or "", UNSET)


def arguments(given: Raw) -> str:
    """A tool call's input as text: compact JSON, or the truncated text as it came.

    ``"{}"`` for a tool without arguments: an empty or null string makes .NET throw.
    """
    text = bytes(given).decode()
    if text.strip() in {"", "null"}:
        return "{}"
    try:
        return json.format(text, indent=-1)  # keeps numbers and key order as they are
    except (ValueError, RecursionError):  # a model that repeats itself until the limit
        return text


def to_openai_response(
    message: messages_response.Message,
    *,
    model: str,
    created: int,
    client_names: dict[str, str],
    legacy_functions: bool = False,
) -> chat_response.ChatCompletion:
    """Translate a complete message.

    ``model`` is the name the client asked for, ``created`` seconds since the epoch,
    ``client_names`` the request's reverse map of tool names.
    """
    texts: list[str] = []
    thoughts: list[str] = []
    blocks: chat_response.ThinkingBlocks = []
    calls: list[chat_response.ToolCall] = []
    for block in message.content:
        match block:
            case messages_response.TextBlock(text):
                texts.append(text)
            case messages_response.ToolUseBlock(use_id, name, given):
                function = chat_response.Function(
                    client_names.get(name, name), arguments(given)
                )
                calls.append(chat_response.ToolCall(id=use_id, function=function))
            case messages_response.ThinkingBlock(thinking, signature):
                thoughts.append(thinking)
                signed = [chat_response.ThinkingBlock(thinking, signature)]
                blocks += signed if signature else []
            case messages_response.RedactedThinkingBlock(data):
                blocks.append(chat_response.RedactedThinkingBlock(data))
    legacy_call = legacy_functions and bool(calls)
    translated = chat_response.Message(
        content="".join(texts) or None,  # citations split sentences: no separator
        refusal=refusal_text(message.stop_reason, message.stop_details),
        tool_calls=calls if calls and not legacy_call else UNSET,
        function_call=calls[0].function if legacy_call else UNSET,
        reasoning_content="".join(thoughts) or UNSET,
        thinking_blocks=blocks or UNSET,
    )
    reason = finish_reason(
        message.stop_reason, has_calls=bool(calls), legacy=legacy_functions
    )
    return chat_response.ChatCompletion(
        id=message.id,
        created=created,
        model=model,
        choices=[chat_response.Choice(message=translated, finish_reason=reason)],
        usage=to_openai_usage(message.usage),
        service_tier=service_tier(message.usage),
    )
