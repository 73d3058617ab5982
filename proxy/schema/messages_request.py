"""What is sent to Anthropic's Messages API (version 2026-10-21).

``omit_defaults`` leaves out what was not asked for, because the API rejects unknown and
empty fields.
"""

from typing import Any, Literal

from msgspec import Raw, Struct

SAMPLING_VERSION = "2023-06-01"
"""The only API version that accepts sampling parameters, and only for older models.

Under 2026-10-21, which SDK 2.x sends by default, no model takes ``temperature``,
``top_p`` or ``top_k``.
"""


class CacheControl(Struct, frozen=True, omit_defaults=True, tag="ephemeral"):
    """A cache breakpoint: the prompt up to here is kept, for five minutes without a ``ttl``."""

    ttl: Literal["5m", "1h"] | None = None


class DefaultCacheControl(CacheControl, frozen=True, tag="ephemeral"):
    """A breakpoint that names no lifetime: ``translate.cache.place`` gives it one."""


# ------------------------------------------------------------------ request blocks


class Block(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A block that can end a cached prefix (a cache breakpoint)."""

    cache_control: CacheControl | None = None


class SearchCitation(
    Struct, frozen=True, kw_only=True, tag="web_search_result_location"
):
    """A citation of a search result, as an earlier response had it."""

    url: str
    title: str | None
    encrypted_index: str
    cited_text: str


class Text(Block, frozen=True, kw_only=True, omit_defaults=True, tag="text"):
    """Text of any role. Blank text is rejected."""

    text: str
    citations: list[SearchCitation] | None = None
    """The assistant's alone: the API rejects them in any other text."""


class Base64Source(Struct, frozen=True, kw_only=True, tag="base64"):
    """A file in the request itself."""

    media_type: str
    data: str


class URLSource(Struct, frozen=True, kw_only=True, tag="url"):
    """A file that Anthropic fetches; the proxy never does."""

    url: str


class TextSource(Struct, frozen=True, kw_only=True, tag="text"):
    """A plain text file, unencoded."""

    media_type: str = "text/plain"
    data: str


class FileSource(Struct, frozen=True, kw_only=True, tag="file"):
    """A file of Anthropic's Files API, by its id."""

    file_id: str


class Image(Block, frozen=True, kw_only=True, tag="image"):
    source: Base64Source | URLSource | FileSource


class Document(Block, frozen=True, kw_only=True, omit_defaults=True, tag="document"):
    """A PDF or a text file."""

    source: Base64Source | URLSource | TextSource | FileSource
    title: str | None = None


class ToolUse(Block, frozen=True, kw_only=True, tag="tool_use"):
    """A call of a client's tool. ``input`` is its arguments as a JSON object."""

    id: str
    name: str
    input: Raw


class ToolResult(
    Block, frozen=True, kw_only=True, omit_defaults=True, tag="tool_result"
):
    """What a call gave. It must stand in the user message directly after the call's."""

    tool_use_id: str
    content: str | list[Text | Image | Document] | None = None
    is_error: bool | None = None


class Thinking(Struct, frozen=True, kw_only=True, tag="thinking"):
    """Signed thinking, which is accepted only as it was received."""

    thinking: str
    signature: str


class RedactedThinking(Struct, frozen=True, kw_only=True, tag="redacted_thinking"):
    """Thinking that Anthropic has encrypted, accepted only as it was received."""

    data: str


ContentBlock = (
    Text | Image | Document | ToolUse | ToolResult | Thinking | RedactedThinking | Raw
)
"""``Raw`` is a block that goes back as it was received: a server tool's, a compaction."""


class Message(Struct, frozen=True, kw_only=True, gc=False):
    """One turn. ``system`` is a mid-conversation system message, which newer models take."""

    role: Literal["user", "assistant", "system"]
    content: list[ContentBlock]


# ------------------------------------------------------------------ request fields


class Tool(Block, frozen=True, kw_only=True, omit_defaults=True):
    """A client's tool. ``input_schema`` is a schema of an object, in draft 2020-12."""

    name: str
    description: str | None = None
    input_schema: Raw
    strict: bool | None = None
    eager_input_streaming: bool | None = None


class UserLocation(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag="approximate"
):
    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None


class WebSearchTool(
    Block, frozen=True, kw_only=True, omit_defaults=True, tag="web_search_20250305"
):
    """Runs at Anthropic: its calls and results are blocks of the response."""

    name: str
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None
    max_uses: int | None = None
    user_location: UserLocation | None = None


AnyTool = Tool | WebSearchTool


class ToolChoice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``any`` forces some call, ``tool`` one of the tool ``name``."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class BlockBinding(Struct, frozen=True, kw_only=True):
    """What happens to a replayed thinking block whose prefix has changed."""

    prefix_mismatch_behavior: str


class ThinkingConfig(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether the model thinks. ``enabled`` takes a budget, ``adaptive`` an effort instead."""

    type: Literal["enabled", "adaptive", "disabled", "between_tools"]
    budget_tokens: int | None = None
    display: str | None = None
    block_binding: BlockBinding | None = None


class JSONSchemaFormat(Struct, frozen=True, kw_only=True, tag="json_schema"):
    schema: Raw


class OutputConfig(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much effort to make, and what the response must conform to."""

    effort: str | None = None
    format: JSONSchemaFormat | None = None
    task_budget: dict[str, Any] | None = None
    """The client's own, as it came: what the model may spend on a whole task."""


class Compaction(Struct, frozen=True, kw_only=True, tag="summarize"):
    """Asks for a summary of the conversation, as a block that replaces it."""


class Metadata(Struct, frozen=True, kw_only=True):
    """``user_id`` must not identify a person."""

    user_id: str


class MessagesRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of ``POST /v1/messages``, its fields in the order of the prompt."""

    model: str
    max_tokens: int
    stream: bool = False
    tools: list[AnyTool] | None = None
    tool_choice: ToolChoice | None = None
    system: list[Text] | None = None
    messages: list[Message]
    stop_sequences: list[str] | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    cache_control: CacheControl | None = None
    metadata: Metadata | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    speed: str | None = None
    context_management: dict[str, Any] | None = None
    compaction: Compaction | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
