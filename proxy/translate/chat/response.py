"""A whole message as a ChatCompletion, and what streams share with it (rows b6)."""

from collections.abc import Mapping

from msgspec import UNSET, Struct

from proxy.schema import chat_response, messages_response
from proxy.translate import arguments, finish, usage, web_search

FINISH_REASONS: dict[str, chat_response.FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",  # only with server tools: the turn is incomplete
    "refusal": "content_filter",
}


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


def to_openai_usage(reported: messages_response.Usage) -> chat_response.Usage:
    """Anthropic's token counts in chat's shape. ``usage.counts`` says what counts as what."""
    counts = usage.counts(reported)
    return chat_response.Usage(
        prompt_tokens=counts.input,
        completion_tokens=counts.output,
        total_tokens=counts.total,
        prompt_tokens_details=chat_response.PromptTokensDetails(
            counts.read, counts.written
        ),
        completion_tokens_details=chat_response.CompletionTokensDetails(
            counts.reasoning
        ),
    )


class ClientNames(Struct, frozen=True):
    """What the client calls its tools and their properties, where we had to rename."""

    tools: Mapping[str, str] = {}
    """Anthropic's tool name -> the client's."""
    properties: Mapping[str, Mapping[str, str]] = {}
    """Anthropic's tool name -> Anthropic's property -> the client's."""


def annotations(
    citations: list[messages_response.Citation], start: int, end: int
) -> list[chat_response.Annotation]:
    """The annotations of one cited text block of Claude's.

    ``start`` and ``end`` are its place in the whole text, in code points: the block is
    the cited span. Citations of anything but the web have no equivalent.
    """
    return [
        chat_response.Annotation(
            chat_response.URLCitation(
                start_index=start,
                end_index=end,
                title=citation.title or citation.url,
                url=citation.url,
            )
        )
        for citation in citations
        if citation.type == web_search.CITED and citation.url
    ]


class _Parts:
    """A message's blocks, sorted into what an OpenAI message has for them."""

    def __init__(self, message: messages_response.Message, names: ClientNames) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self._length = 0  # of the texts, in code points
        self.blocks: chat_response.ThinkingBlocks = []
        self.calls: list[chat_response.ToolCall] = []
        self.annotations: list[chat_response.Annotation] = []
        for block in message.content:
            self._take(block, names)

    def _take(self, block: messages_response.Block, names: ClientNames) -> None:
        match block:
            case messages_response.TextBlock(text, citations):
                start, self._length = self._length, self._length + len(text)
                self.texts.append(text)
                self.annotations += (
                    annotations(citations, start, self._length) if citations else ()
                )
            case messages_response.ToolUseBlock(use_id, name, given):
                function = chat_response.Function(
                    names.tools.get(name, name),
                    arguments.whole(given, names.properties.get(name, {})),
                )
                self.calls.append(chat_response.ToolCall(id=use_id, function=function))
            case messages_response.ThinkingBlock(thinking, signature):
                self.thoughts.append(thinking)
                signed = chat_response.ThinkingBlock(thinking, signature)
                self.blocks += [signed] if signature else []
            case messages_response.RedactedThinkingBlock(data):
                self.blocks.append(chat_response.RedactedThinkingBlock(data))
            case messages_response.OpaqueBlock():
                pass  # a server tool's use is counted in the usage


def to_openai_response(
    message: messages_response.Message,
    *,
    model: str,
    created: int,
    names: ClientNames,
    legacy_functions: bool = False,
) -> chat_response.ChatCompletion:
    """Translate a complete message.

    ``model`` is the name the client asked for, ``created`` seconds since the epoch,
    ``names`` the request's reverse map of names. A refusal's words are the content too
    where there is no other: many clients show nothing else.
    """
    parts = _Parts(message, names)
    calls = parts.calls
    text = "".join(parts.texts)  # citations split sentences: no separator
    legacy_call = legacy_functions and bool(calls)
    refusal = finish.refusal_text(message.stop_reason, message.stop_details)
    translated = chat_response.Message(
        content=text or refusal or (None if calls else ""),
        refusal=refusal,
        tool_calls=calls if calls and not legacy_call else UNSET,
        function_call=calls[0].function if legacy_call else UNSET,
        annotations=parts.annotations or UNSET,
        reasoning_content="".join(parts.thoughts) or UNSET,
        thinking_blocks=parts.blocks or UNSET,
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
        service_tier=usage.service_tier(message.usage) or UNSET,
    )
