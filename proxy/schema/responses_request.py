"""What a Responses API client sends (OpenAI's Python package 3.57, Open Responses).

The request's lists are decoded in two steps: ``input`` and ``tools`` are split into
their members, and each member is decoded by its ``type``, which may be missing. So a
member that does not fit is an error with its own path, and a kept item of an earlier
response is decoded as one that was just sent.

``null`` means "not given", as in ``chat_request``. Keys that nobody reads are open: an
item that comes back from a response carries many.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from proxy.schema import common

Name = Annotated[str, Meta(min_length=1)]

# ------------------------------------------------------------------ parts


class InputText(
    common.Cacheable, frozen=True, kw_only=True, tag_field="type", tag="input_text"
):
    text: str


class PlainText(
    common.Cacheable, frozen=True, kw_only=True, tag_field="type", tag="text"
):
    text: str


class OutputText(
    common.Cacheable, frozen=True, kw_only=True, tag_field="type", tag="output_text"
):
    text: str
    annotations: list[Raw] | None = None


class RefusalPart(Struct, frozen=True, kw_only=True, tag_field="type", tag="refusal"):
    refusal: str


class InputImage(
    common.Cacheable, frozen=True, kw_only=True, tag_field="type", tag="input_image"
):
    image_url: str | None = None
    file_id: str | None = None


class InputFile(
    common.Cacheable, frozen=True, kw_only=True, tag_field="type", tag="input_file"
):
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None


class InputAudio(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="input_audio"
):
    """Decoded only so that it can be rejected by name: Claude takes no audio."""


class InputVideo(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="input_video"
):
    """Decoded only so that it can be rejected by name: Claude takes no video."""


Part = (
    InputText
    | PlainText
    | OutputText
    | RefusalPart
    | InputImage
    | InputFile
    | InputAudio
    | InputVideo
)
"""Any part of any role's: the role decides which of them may stand there."""


class URLCitation(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="url_citation"
):
    """An annotation of ours that comes back with what a citation of Claude's needs."""

    url: str
    title: str | None = None
    cited_text: str
    encrypted_index: str


# ------------------------------------------------------------------ items


class Kind(Struct, frozen=True, kw_only=True):
    """What decides how an item is decoded."""

    type: str | None = None
    role: str | None = None
    id: str | None = None


class Message(common.Cacheable, frozen=True, kw_only=True):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part] | None = None


class Reasoning(Struct, frozen=True, kw_only=True):
    id: str | None = None
    encrypted_content: str | None = None


class FunctionCall(common.Cacheable, frozen=True, kw_only=True):
    call_id: Name
    name: Name
    namespace: str | None = None
    arguments: str | None = None
    status: str | None = None


class CustomToolCall(common.Cacheable, frozen=True, kw_only=True):
    call_id: Name
    name: Name
    namespace: str | None = None
    input: str = ""
    status: str | None = None


class LocalShellCall(common.Cacheable, frozen=True, kw_only=True):
    call_id: Name
    id: str | None = None
    action: dict[str, Raw]
    status: str | None = None


class ShellCall(common.Cacheable, frozen=True, kw_only=True):
    call_id: Name
    action: dict[str, Raw]
    status: str | None = None


class ApplyPatchCall(common.Cacheable, frozen=True, kw_only=True):
    call_id: Name
    operation: dict[str, Raw]
    status: str | None = None


class ToolSearchCall(common.Cacheable, frozen=True, kw_only=True):
    """``execution`` is ``client`` for a search that the client runs."""

    call_id: Name | None = None
    execution: str | None = None
    arguments: Raw = common.ABSENT
    status: str | None = None


class FunctionCallOutput(common.Cacheable, frozen=True, kw_only=True):
    """Of custom tools too."""

    call_id: Name
    output: str | list[Part] | None = None
    is_error: bool | None = None


class ShellCallOutput(common.Cacheable, frozen=True, kw_only=True):
    call_id: Name
    output: Raw = common.ABSENT


class LocalShellCallOutput(common.Cacheable, frozen=True, kw_only=True):
    """It names its call by ``call_id`` or, as OpenAI's type has it, by ``id``."""

    call_id: Name | None = None
    id: Name | None = None
    output: str | None = None


class ApplyPatchCallOutput(common.Cacheable, frozen=True, kw_only=True):
    call_id: Name
    output: str | None = None
    status: str | None = None


class ToolSearchOutput(common.Cacheable, frozen=True, kw_only=True):
    call_id: Name | None = None
    execution: str | None = None
    tools: list[Raw] | None = None


class AdditionalTools(Struct, frozen=True, kw_only=True):
    tools: list[Raw] | None = None


class ItemReference(Struct, frozen=True, kw_only=True):
    id: str


class WebSearchCall(Struct, frozen=True, kw_only=True):
    """Its blocks travel in a reasoning item; the item itself says nothing."""


class Foreign(Struct, frozen=True, kw_only=True):
    """Hosted work of another provider's."""


class Compaction(Struct, frozen=True, kw_only=True):
    encrypted_content: str


class CompactionTrigger(Struct, frozen=True, kw_only=True):
    """Asks for a compaction of what stands before it."""


# ------------------------------------------------------------------ reasoning and text


class ReasoningConfig(Struct, frozen=True, kw_only=True):
    effort: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    """The former name of ``summary``."""
    context: str | None = None
    mode: str | None = None


class TextFormat(Struct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    pass


class JSONObjectFormat(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="json_object"
):
    pass


class JSONSchemaFormat(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="json_schema"
):
    schema: Raw = common.ABSENT


Format = TextFormat | JSONObjectFormat | JSONSchemaFormat


class TextConfig(Struct, frozen=True, kw_only=True):
    format: Format | None = None
    verbosity: str | None = None


class ConfigurationUpdate(Struct, frozen=True, kw_only=True):
    """Holds until another one: of the last one, effort and format count."""

    reasoning: ReasoningConfig | None = None
    text: TextConfig | None = None


Item = (
    Message
    | Reasoning
    | FunctionCall
    | CustomToolCall
    | LocalShellCall
    | ShellCall
    | ApplyPatchCall
    | ToolSearchCall
    | FunctionCallOutput
    | ShellCallOutput
    | LocalShellCallOutput
    | ApplyPatchCallOutput
    | ToolSearchOutput
    | AdditionalTools
    | ItemReference
    | WebSearchCall
    | Foreign
    | Compaction
    | CompactionTrigger
    | ConfigurationUpdate
)

FOREIGN = (
    "file_search_call", "code_interpreter_call", "image_generation_call",
    "computer_call", "computer_call_output", "mcp_list_tools", "mcp_call",
    "mcp_approval_request", "mcp_approval_response", "program", "program_output",
)  # fmt: skip

_ITEMS: dict[str, type] = {
    "message": Message,
    "reasoning": Reasoning,
    "function_call": FunctionCall,
    "custom_tool_call": CustomToolCall,
    "local_shell_call": LocalShellCall,
    "shell_call": ShellCall,
    "apply_patch_call": ApplyPatchCall,
    "tool_search_call": ToolSearchCall,
    "function_call_output": FunctionCallOutput,
    "custom_tool_call_output": FunctionCallOutput,
    "shell_call_output": ShellCallOutput,
    "local_shell_call_output": LocalShellCallOutput,
    "apply_patch_call_output": ApplyPatchCallOutput,
    "tool_search_output": ToolSearchOutput,
    "additional_tools": AdditionalTools,
    "item_reference": ItemReference,
    "web_search_call": WebSearchCall,
    "compaction": Compaction,
    "compaction_trigger": CompactionTrigger,
    "configuration_update": ConfigurationUpdate,
    **dict.fromkeys(FOREIGN, Foreign),
}

# ------------------------------------------------------------------ tools


class FunctionTool(common.Cacheable, frozen=True, kw_only=True):
    name: Name
    description: str | None = None
    parameters: Raw = common.ABSENT
    strict: bool | None = None
    defer_loading: bool | None = None


class CustomFormat(Struct, frozen=True, kw_only=True):
    type: Literal["text", "grammar"]
    syntax: str | None = None
    definition: str | None = None


class CustomTool(common.Cacheable, frozen=True, kw_only=True):
    name: Name
    description: str | None = None
    format: CustomFormat | None = None
    defer_loading: bool | None = None


class NamespaceTool(Struct, frozen=True, kw_only=True):
    name: Name
    description: str | None = None
    tools: list[Raw]


class Environment(Struct, frozen=True, kw_only=True):
    type: str


class ShellTool(common.Cacheable, frozen=True, kw_only=True):
    environment: Environment | None = None


class LocalShellTool(common.Cacheable, frozen=True, kw_only=True):
    pass


class ApplyPatchTool(common.Cacheable, frozen=True, kw_only=True):
    pass


class ToolSearchTool(common.Cacheable, frozen=True, kw_only=True):
    execution: str | None = None
    description: str | None = None
    parameters: Raw = common.ABSENT


class Filters(Struct, frozen=True, kw_only=True):
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class WebSearchTool(Struct, frozen=True, kw_only=True):
    filters: Filters | None = None
    user_location: common.ApproximateLocation | None = None
    external_web_access: bool | None = None


class DroppedTool(Struct, frozen=True, kw_only=True):
    """Left out: nothing that was promised depends on it."""


class RefusedTool(Struct, frozen=True, kw_only=True):
    """Refused: a response without its data would be worse than none."""


Tool = (
    FunctionTool
    | CustomTool
    | NamespaceTool
    | ShellTool
    | LocalShellTool
    | ApplyPatchTool
    | ToolSearchTool
    | WebSearchTool
    | DroppedTool
    | RefusedTool
)

WEB_SEARCH = (
    "web_search", "web_search_2025_08_26", "web_search_preview",
    "web_search_preview_2025_03_11",
)  # fmt: skip
DROPPED = ("image_generation", "programmatic_tool_calling")
REFUSED = (
    "file_search", "code_interpreter", "mcp", "computer", "computer_use",
    "computer_use_preview",
)  # fmt: skip

Marked = (
    FunctionTool
    | CustomTool
    | ShellTool
    | LocalShellTool
    | ApplyPatchTool
    | ToolSearchTool
)
"""Tools that may carry a cache mark."""

ToolDecoders = Mapping[str, "msgspec.json.Decoder[Tool]"]

_IN_NAMESPACE: dict[str, type] = {"function": FunctionTool, "custom": CustomTool}
_TOOLS: dict[str, type] = {
    **_IN_NAMESPACE,
    "namespace": NamespaceTool,
    "shell": ShellTool,
    "local_shell": LocalShellTool,
    "apply_patch": ApplyPatchTool,
    "tool_search": ToolSearchTool,
    **dict.fromkeys(WEB_SEARCH, WebSearchTool),
    **dict.fromkeys(DROPPED, DroppedTool),
    **dict.fromkeys(REFUSED, RefusedTool),
}


class ToolChoice(Struct, frozen=True, kw_only=True):
    """Any of OpenAI's objects: which fields count, its type says."""

    type: str
    name: str | None = None
    namespace: str | None = None
    mode: Literal["auto", "required"] | None = None
    tools: list["ToolChoice"] | None = None


# ------------------------------------------------------------------ the request


class StreamOptions(Struct, frozen=True, kw_only=True):
    include_obfuscation: bool | None = None


class CacheOptions(common.CacheOptions, frozen=True, kw_only=True):
    prewarm: bool | None = None


class ContextEdit(Struct, frozen=True, kw_only=True):
    type: Literal["compaction"]
    compact_threshold: common.Count | None = None


class ResponsesRequest(Struct, frozen=True, kw_only=True):
    """The body of ``POST /v1/responses``."""

    model: Annotated[str, Meta(max_length=256)] | None = None
    input: Raw = common.ABSENT
    """A string or a list of items (``INPUT``, ``item_decoder``)."""
    instructions: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: common.Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    tools: list[Raw] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: common.Count | None = None
    reasoning: ReasoningConfig | None = None
    text: TextConfig | None = None
    include: list[str] | None = None
    metadata: dict[str, str] | None = None
    safety_identifier: str | None = None
    user: str | None = None
    service_tier: str | None = None
    prompt_cache_options: CacheOptions | None = None
    truncation: Literal["auto", "disabled"] | None = None
    context_management: list[ContextEdit] | dict[str, Any] | None = None

    # No equivalent: reported in a warning where it could matter.
    top_logprobs: float | None = None
    moderation: dict[str, Raw] | None = None

    # Cannot be satisfied: rejected.
    background: bool | None = None
    conversation: Any = None
    prompt: Any = None

    # Anthropic's own, passed through.
    top_k: Annotated[float, Meta(ge=0, le=common.LARGEST)] | None = None
    thinking: common.Thinking | None = None
    output_config: common.OutputConfig | None = None
    cache_control: common.CacheControl | None = None
    inference_geo: str | None = None
    speed: Literal["standard", "fast"] | None = None


# ------------------------------------------------------------------ decoders

DECODER = msgspec.json.Decoder(ResponsesRequest)
INPUT: msgspec.json.Decoder[str | list[Raw] | None] = msgspec.json.Decoder(
    str | list[Raw] | None
)
KIND = msgspec.json.Decoder(Kind)
ITEM_DECODERS: dict[str, msgspec.json.Decoder[Item]] = {
    kind: msgspec.json.Decoder(shape) for kind, shape in _ITEMS.items()
}
TOOL_DECODERS: dict[str, msgspec.json.Decoder[Tool]] = {
    kind: msgspec.json.Decoder(shape) for kind, shape in _TOOLS.items()
}
IN_NAMESPACE: dict[str, msgspec.json.Decoder[Tool]] = {
    kind: TOOL_DECODERS[kind] for kind in _IN_NAMESPACE
}
REASONING = msgspec.json.Decoder(Reasoning)
CITATION = msgspec.json.Decoder(URLCitation)
