"""Items of a Responses request's input, and their parts (OpenAI's Python package 3.57).

The input is split into its items, and each is decoded by its ``type``, which may be
missing. So an item that does not fit is an error with its own path, and a kept item of
an earlier response is decoded as one that was just sent.

``null`` means "not given", as in ``chat_request``. Keys that nobody reads are open: an
item that comes back from a response carries many.
"""

from typing import Annotated, Literal

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
    """What somebody says; its ``type`` may be missing."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part] | None = None


class Reasoning(Struct, frozen=True, kw_only=True):
    """Thinking of an earlier response; without content, a reference to a kept item."""

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
    """Tools that are offered besides those of the request."""

    tools: list[Raw] | None = None


class ItemReference(Struct, frozen=True, kw_only=True):
    """Stands for the kept item of this id."""

    id: str


class WebSearchCall(Struct, frozen=True, kw_only=True):
    """Its blocks travel in a reasoning item; the item itself says nothing."""


class Foreign(Struct, frozen=True, kw_only=True):
    """Hosted work of another provider's."""


class Compaction(Struct, frozen=True, kw_only=True):
    """An envelope that stands for all items before it."""

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

# ------------------------------------------------------------------ decoders

INPUT: msgspec.json.Decoder[str | list[Raw] | None] = msgspec.json.Decoder(
    str | list[Raw] | None
)
KIND = msgspec.json.Decoder(Kind)


class _Message(Message, frozen=True, kw_only=True, tag="message"):
    id: str | None = None


class _FunctionCall(FunctionCall, frozen=True, kw_only=True, tag="function_call"):
    id: str | None = None


class _FunctionCallOutput(
    FunctionCallOutput, frozen=True, kw_only=True, tag="function_call_output"
):
    id: str | None = None


Usual = _Message | _FunctionCall | _FunctionCallOutput
USUAL: msgspec.json.Decoder[Usual] = msgspec.json.Decoder(Usual)
"""Items of these types, as nearly all are: no need to read their type first."""
ITEM_DECODERS: dict[str, msgspec.json.Decoder[Item]] = {
    kind: msgspec.json.Decoder(shape) for kind, shape in _ITEMS.items()
}
REASONING = msgspec.json.Decoder(Reasoning)
CITATION = msgspec.json.Decoder(URLCitation)
