"""A whole answer as a ChatCompletion, and what plain and streamed answers share (b.6)."""

from msgspec import UNSET, Raw, UnsetType, json

from proxy.schema import anthropic, completion

FINISH_REASONS: dict[str, completion.FinishReason] = {
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
) -> completion.FinishReason:
    """OpenAI's word; a new one of Anthropic's is ``stop``, as is a lone ``tool_use``."""
    reason = FINISH_REASONS.get(stop_reason or "", "stop")
    if reason == "tool_calls":
        if not has_calls:
            return "stop"
        return "function_call" if legacy else "tool_calls"
    return reason


def refusal_text(
    stop_reason: str | None, details: anthropic.StopDetails | None
) -> str | None:
    if stop_reason != "refusal":
        return None
    return (details.explanation if details else None) or DECLINED


def to_openai_usage(usage: anthropic.Usage) -> completion.Usage:
    """OpenAI's prompt tokens hold the cached ones, Anthropic's input tokens do not."""
    read = usage.cache_read_input_tokens or 0
    written = usage.cache_creation_input_tokens or 0
    prompt = (usage.input_tokens or 0) + read + written
    output = usage.output_tokens or 0
    details = usage.output_tokens_details
    return completion.Usage(
        prompt_tokens=prompt,
        completion_tokens=output,
        total_tokens=prompt + output,
        prompt_tokens_details=completion.PromptTokensDetails(read, written),
        completion_tokens_details=completion.CompletionTokensDetails(
            (details.thinking_tokens if details else None) or 0
        ),
    )


def service_tier(usage: anthropic.Usage) -> str | UnsetType:
    return _SERVICE_TIERS.get(usage.service_tier or "", UNSET)


def arguments(given: Raw) -> str:
    """A tool call's input as text: compact JSON, or the cut text as it came.

    ``"{}"`` for a tool without arguments: an empty or null string makes .NET throw.
    """
    text = bytes(given).decode()
    if text.strip() in {"", "null"}:
        return "{}"
    try:
        return json.format(text, indent=-1)  # numbers and key order stay as they are
    except (ValueError, RecursionError):  # a model that loops until its limit
        return text


def to_openai_response(
    message: anthropic.AnswerMessage,
    *,
    model: str,
    created: int,
    client_names: dict[str, str],
    legacy_functions: bool = False,
) -> completion.ChatCompletion:
    """Translate a complete answer.

    ``model`` is the name the client asked for, ``created`` seconds since the epoch,
    ``client_names`` the request's reverse map of tool names.
    """
    texts: list[str] = []
    thoughts: list[str] = []
    blocks: completion.ThinkingBlocks = []
    calls: list[completion.AnsweredToolCall] = []
    for block in message.content:
        match block:
            case anthropic.AnswerText(text):
                texts.append(text)
            case anthropic.AnswerToolUse(use_id, name, given):
                function = completion.AnsweredFunction(
                    client_names.get(name, name), arguments(given)
                )
                calls.append(completion.AnsweredToolCall(id=use_id, function=function))
            case anthropic.AnswerThinking(thinking, signature):
                thoughts.append(thinking)
                if signature:
                    blocks.append(completion.AnsweredThinking(thinking, signature))
            case anthropic.AnswerRedactedThinking(data):
                blocks.append(completion.AnsweredRedactedThinking(data))
    legacy_call = legacy_functions and bool(calls)
    answer = completion.AnsweredMessage(
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
    return completion.ChatCompletion(
        id=message.id,
        created=created,
        model=model,
        choices=[completion.Choice(message=answer, finish_reason=reason)],
        usage=to_openai_usage(message.usage),
        service_tier=service_tier(message.usage),
    )
