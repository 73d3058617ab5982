"""Tools of a Responses request, and its choice (OpenAI's Python package 3.57).

A list of tools is split into its members, and each is decoded by its ``type``: tools
stand in the request, in a namespace and in items of the input.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from proxy.schema import common
from proxy.schema.responses_items import Name

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
    """A tool whose input is free text, or text of a grammar."""

    name: Name
    description: str | None = None
    format: CustomFormat | None = None
    defer_loading: bool | None = None


class NamespaceTool(Struct, frozen=True, kw_only=True):
    """Functions and custom tools under a common name."""

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
    """Domains that a web search may return, or may not: one of the two lists."""

    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class WebSearchTool(Struct, frozen=True, kw_only=True):
    """OpenAI's search, in place of which Anthropic's is offered."""

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


# ------------------------------------------------------------------ decoders

TOOL_DECODERS: dict[str, msgspec.json.Decoder[Tool]] = {
    kind: msgspec.json.Decoder(shape) for kind, shape in _TOOLS.items()
}


class _Function(FunctionTool, frozen=True, kw_only=True, tag="function"):
    pass


class _Custom(CustomTool, frozen=True, kw_only=True, tag="custom"):
    pass


USUAL: msgspec.json.Decoder[FunctionTool | CustomTool] = msgspec.json.Decoder(
    _Function | _Custom
)
"""Tools of these two types, as nearly all are: no need to read their type first."""

IN_NAMESPACE: dict[str, msgspec.json.Decoder[Tool]] = {
    kind: TOOL_DECODERS[kind] for kind in _IN_NAMESPACE
}
