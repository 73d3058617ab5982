"""What a chat completions client reads: completions and chunks.

The structs hold exactly the keys that OpenAI's schema requires, ``null`` or not; what it
allows to be absent but not to be ``null`` (``system_fingerprint``) is absent.
"""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

FinishReason = Literal[
    "stop", "length", "tool_calls", "content_filter", "function_call"
]
"""A closed set: the .NET client throws on any other value."""


# ------------------------------------------------------------------ completions


class Function(Struct, frozen=True):
    name: str
    arguments: str


class ToolCall(Struct, frozen=True, kw_only=True):
    """A call of one of the client's tools, under the client's own name for it."""

    id: str
    type: str = "function"
    function: Function


class ThinkingBlock(Struct, frozen=True, omit_defaults=True, tag="thinking"):
    thinking: str
    signature: str


class RedactedThinkingBlock(Struct, frozen=True, tag="redacted_thinking"):
    data: str


ThinkingBlocks = list[ThinkingBlock | RedactedThinkingBlock]


class URLCitation(Struct, frozen=True, kw_only=True):
    """A span of the content, in code points, and where it comes from."""

    start_index: int
    end_index: int
    title: str
    url: str


class Annotation(Struct, frozen=True, tag="url_citation"):
    """A citation of a search result."""

    url_citation: URLCitation


class Message(Struct, frozen=True, kw_only=True):
    """The answer. ``reasoning_content`` and ``thinking_blocks`` are extensions."""

    role: str = "assistant"
    content: str | None
    refusal: str | None = None
    tool_calls: list[ToolCall] | UnsetType = UNSET
    function_call: Function | UnsetType = UNSET
    annotations: list[Annotation] | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    thinking_blocks: ThinkingBlocks | UnsetType = UNSET


class Choice(Struct, frozen=True, kw_only=True):
    index: int = 0
    message: Message
    logprobs: None = None
    finish_reason: FinishReason


class PromptTokensDetails(Struct, frozen=True):
    """Of the prompt: tokens read from the cache, and written to it."""

    cached_tokens: int
    cache_write_tokens: int


class CompletionTokensDetails(Struct, frozen=True):
    reasoning_tokens: int


class Usage(Struct, frozen=True):
    """Token counts. ``prompt_tokens`` includes what the cache held."""

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
    service_tier: str | UnsetType = UNSET


# ------------------------------------------------------------------ the stream


class FunctionDelta(Struct, frozen=True, kw_only=True):
    """``arguments`` is a piece of JSON text, to be appended to those before it."""

    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class ToolCallDelta(Struct, frozen=True, kw_only=True):
    """A piece of a call: id and name come with the first one of an ``index`` only."""

    index: int
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    function: FunctionDelta


class Delta(Struct, frozen=True, kw_only=True):
    """What a chunk adds to the message."""

    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET
    function_call: FunctionDelta | UnsetType = UNSET
    annotations: list[Annotation] | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    thinking_blocks: ThinkingBlocks | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True, kw_only=True):
    """The one choice; ``finish_reason`` comes with the last chunk that has a choice."""

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
