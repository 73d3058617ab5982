"""What an OpenAI client reads: completions, chunks, models, errors.

The structs hold exactly the keys that OpenAI's schema requires, ``null`` or not.
"""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

FinishReason = Literal[
    "stop", "length", "tool_calls", "content_filter", "function_call"
]
"""The closed set: the .NET client throws at any other word."""


# ------------------------------------------------------------------ completions


class AnsweredFunction(Struct, frozen=True):
    name: str
    arguments: str


class AnsweredToolCall(Struct, frozen=True, kw_only=True):
    id: str
    type: str = "function"
    function: AnsweredFunction


class AnsweredThinking(Struct, frozen=True, omit_defaults=True, tag="thinking"):
    thinking: str
    signature: str


class AnsweredRedactedThinking(Struct, frozen=True, tag="redacted_thinking"):
    data: str


ThinkingBlocks = list[AnsweredThinking | AnsweredRedactedThinking]


class AnsweredMessage(Struct, frozen=True, kw_only=True):
    role: str = "assistant"
    content: str | None
    refusal: str | None = None
    tool_calls: list[AnsweredToolCall] | UnsetType = UNSET
    function_call: AnsweredFunction | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    thinking_blocks: ThinkingBlocks | UnsetType = UNSET


class Choice(Struct, frozen=True, kw_only=True):
    index: int = 0
    message: AnsweredMessage
    logprobs: None = None
    finish_reason: FinishReason


class PromptTokensDetails(Struct, frozen=True):
    cached_tokens: int
    cache_write_tokens: int


class CompletionTokensDetails(Struct, frozen=True):
    reasoning_tokens: int


class Usage(Struct, frozen=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class ChatCompletion(Struct, frozen=True, kw_only=True):
    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: None = None
    service_tier: str | UnsetType = UNSET


# ------------------------------------------------------------------ the stream


class FunctionDelta(Struct, frozen=True, kw_only=True):
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class ToolCallDelta(Struct, frozen=True, kw_only=True):
    index: int
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    function: FunctionDelta


class Delta(Struct, frozen=True, kw_only=True):
    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET
    function_call: FunctionDelta | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    thinking_blocks: ThinkingBlocks | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True, kw_only=True):
    index: int = 0
    delta: Delta
    logprobs: None = None
    finish_reason: FinishReason | None = None


class Chunk(Struct, frozen=True, kw_only=True):
    """One ``data:`` line of a stream."""

    id: str
    object: str = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    service_tier: str | UnsetType = UNSET
    usage: Usage | UnsetType | None = UNSET


# ------------------------------------------------------------------ models, errors


class Model(Struct, frozen=True, kw_only=True):
    id: str
    object: str = "model"
    created: int
    owned_by: str = "anthropic"


class ModelList(Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[Model]


class Error(Struct, frozen=True, kw_only=True):
    """All four keys, always: the .NET client loses the words of any other shape."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorResponse(Struct, frozen=True):
    error: Error
