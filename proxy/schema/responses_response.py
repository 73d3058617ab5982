"""What a client of the Responses API reads: the response object and its items.

Every key of the response object is always there, ``null`` where there is nothing:
strict readers need them. What OpenAI's types make optional in an item is left out where
it has no value (``UNSET``).
"""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

Status = Literal["in_progress", "completed", "incomplete", "failed"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]

NULL = Raw(b"null")

# ------------------------------------------------------------------ parts of a message


class URLCitation(Struct, frozen=True, kw_only=True, tag="url_citation"):
    """What a text part cites. The last two keys are ours: they let a search be replayed."""

    url: str
    title: str
    start_index: int = 0
    end_index: int
    """Code points of the part, which is the cited span as a whole."""
    cited_text: str | UnsetType = UNSET
    encrypted_index: str | UnsetType = UNSET


class OutputText(Struct, frozen=True, kw_only=True, tag="output_text"):
    text: str
    annotations: list[URLCitation] = []
    logprobs: tuple[()] = ()


class Refusal(Struct, frozen=True, kw_only=True, tag="refusal"):
    refusal: str


class SummaryText(Struct, frozen=True, kw_only=True, tag="summary_text"):
    text: str


# ------------------------------------------------------------------ items


class Message(Struct, frozen=True, kw_only=True, tag="message"):
    id: str
    status: ItemStatus
    role: Literal["assistant"] = "assistant"
    content: list[OutputText | Refusal]


class Reasoning(Struct, frozen=True, kw_only=True, tag="reasoning"):
    """A thinking block of Claude's, or blocks that no other item can carry."""

    id: str
    status: ItemStatus
    summary: list[SummaryText] = []
    encrypted_content: str | UnsetType = UNSET


class FunctionCall(Struct, frozen=True, kw_only=True, tag="function_call"):
    id: str
    status: ItemStatus
    call_id: str
    name: str
    namespace: str | UnsetType = UNSET
    arguments: str


class CustomToolCall(Struct, frozen=True, kw_only=True, tag="custom_tool_call"):
    id: str
    status: ItemStatus
    call_id: str
    name: str
    namespace: str | UnsetType = UNSET
    input: str


class LocalShellAction(Struct, frozen=True, kw_only=True, tag="exec"):
    """What the model wrote, value by value; an empty one where it wrote none."""

    command: Raw = Raw(b"[]")
    env: Raw = Raw(b"{}")
    timeout_ms: Raw = NULL
    working_directory: Raw = NULL
    user: Raw = NULL


class LocalShellCall(Struct, frozen=True, kw_only=True, tag="local_shell_call"):
    id: str
    status: ItemStatus
    call_id: str
    action: LocalShellAction


class ShellAction(Struct, frozen=True, kw_only=True):
    commands: Raw = Raw(b"[]")
    timeout_ms: Raw = NULL
    max_output_length: Raw = NULL


class LocalEnvironment(Struct, frozen=True, tag="local"):
    pass


class ShellCall(Struct, frozen=True, kw_only=True, tag="shell_call"):
    id: str
    status: ItemStatus
    call_id: str
    action: ShellAction
    environment: LocalEnvironment = LocalEnvironment()


class PatchOperation(Struct, frozen=True, kw_only=True):
    """``diff`` is absent where a file is deleted."""

    type: Raw = Raw(b'"update_file"')
    path: Raw = Raw(b'""')
    diff: Raw | UnsetType = Raw(b'""')


class ApplyPatchCall(Struct, frozen=True, kw_only=True, tag="apply_patch_call"):
    id: str
    status: ItemStatus
    call_id: str
    operation: PatchOperation


class ToolSearchCall(Struct, frozen=True, kw_only=True, tag="tool_search_call"):
    id: str
    status: ItemStatus
    call_id: str
    execution: Literal["client"] = "client"
    arguments: Raw = Raw(b"{}")


class SearchSource(Struct, frozen=True, tag="url"):
    url: str


class SearchAction(Struct, frozen=True, kw_only=True, tag="search"):
    query: str = ""
    queries: list[str] = []
    sources: list[SearchSource] | UnsetType = UNSET


SearchStatus = Literal["in_progress", "completed", "incomplete", "failed"]


class WebSearchCall(Struct, frozen=True, kw_only=True, tag="web_search_call"):
    id: str
    status: SearchStatus
    action: SearchAction = SearchAction()


class Compaction(Struct, frozen=True, kw_only=True, tag="compaction"):
    id: str
    encrypted_content: str


Item = (
    Message
    | Reasoning
    | FunctionCall
    | CustomToolCall
    | LocalShellCall
    | ShellCall
    | ApplyPatchCall
    | ToolSearchCall
    | WebSearchCall
    | Compaction
)

# ------------------------------------------------------------------ the response object


class Error(Struct, frozen=True):
    code: str
    message: str


IncompleteReason = Literal["max_output_tokens", "content_filter"]


class IncompleteDetails(Struct, frozen=True):
    reason: IncompleteReason


class InputTokensDetails(Struct, frozen=True):
    cached_tokens: int
    cache_write_tokens: int


class OutputTokensDetails(Struct, frozen=True):
    reasoning_tokens: int


class Usage(Struct, frozen=True, kw_only=True):
    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


Reason = Literal[
    "model_mismatch", "prefix_mismatch", "organization_mismatch", "end_user_mismatch"
]


class InputTransformation(Struct, frozen=True, kw_only=True, tag="reasoning"):
    """A reasoning item of the input that the model did not see."""

    id: str
    action: Literal["removed"] = "removed"
    reason: Reason


class Response(Struct, frozen=True, kw_only=True):
    """The response object. With its defaults it is that of an empty request.

    Its first keys are those that people look for. ``Raw`` values repeat the request: they
    are compact JSON without line breaks (an event is one line), encoded once.
    """

    id: str = ""
    object: Literal["response"] = "response"
    created_at: int = 0
    """Seconds since the epoch."""
    status: Status = "in_progress"
    model: str = ""
    completed_at: int | None = None
    error: Error | None = None
    incomplete_details: IncompleteDetails | None = None
    output: list[Item] = []
    usage: Usage | None = None
    store: bool = False
    service_tier: Literal["default", "priority"] = "default"
    instructions: Raw = NULL
    metadata: Raw = Raw(b"{}")
    max_output_tokens: Raw = NULL
    max_tool_calls: Raw = NULL
    previous_response_id: Raw = NULL
    prompt_cache_key: Raw = NULL
    safety_identifier: Raw = NULL
    user: Raw = NULL
    tools: Raw = Raw(b"[]")
    tool_choice: Raw = Raw(b'"auto"')
    parallel_tool_calls: Raw = Raw(b"true")
    text: Raw = Raw(b'{"format":{"type":"text"},"verbosity":"medium"}')
    reasoning: Raw = Raw(b'{"effort":null,"summary":null}')
    temperature: float = 1.0
    top_p: float = 1.0
    truncation: Literal["disabled"] = "disabled"
    background: Literal[False] = False
    presence_penalty: int = 0
    frequency_penalty: int = 0
    top_logprobs: int = 0
    conversation: None = None
    prompt: None = None
    input_transformations: list[InputTransformation] | UnsetType = UNSET
