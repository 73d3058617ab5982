"""What a client asks for, in neither API's words: the value that both fronts make.

A front (``chat``, ``responses``) turns its API's request into an ``Ask``, and ``assemble``
alone turns an ``Ask`` into a Messages request. The conversation is made of Anthropic's own
blocks: they alone hold what a turn consists of, in order (thinking, server tools, cache
marks). ``at`` is always a JSON path of the client's request, for errors and warnings.
"""

from typing import Any, Literal

from msgspec import Raw, Struct

from proxy.schema import common, messages_request

Control = messages_request.CacheControl | None
UserBlock = messages_request.Text | messages_request.Image | messages_request.Document
Thinking = messages_request.Thinking | messages_request.RedactedThinking

# ------------------------------------------------------------------ the conversation


class System(Struct, frozen=True, kw_only=True, gc=False):
    """Text of the system or the developer, wherever it stands."""

    blocks: list[messages_request.Text]
    moved: Control = None
    """A cache mark of what the front dropped; it belongs to the block before."""


class User(Struct, frozen=True, kw_only=True, gc=False):
    """What the user says in one turn."""

    blocks: list[UserBlock]
    moved: Control = None


class Call(Struct, frozen=True, kw_only=True, gc=False):
    """A client tool's call in the history."""

    id: str
    """The client's; made unique over the conversation when it is sent."""
    name: str
    """The client's full name of the tool, a namespace included."""
    arguments: str | None
    """JSON text, or what the client has in its place."""
    at: str
    """Of the arguments."""
    cache_control: Control = None


class Result(Struct, frozen=True, kw_only=True, gc=False):
    """What a call gave. ``cache_control`` of its blocks is its own by now."""

    content: str | list[UserBlock] | None
    failed: bool = False
    """What the client says of it; never inferred from the text."""
    cache_control: Control = None


AssistantBlock = messages_request.Text | Thinking | Call | Raw
"""``Raw`` is a block of a server tool, sent back as it was received."""


class Assistant(Struct, frozen=True, kw_only=True, gc=False):
    """A turn of the assistant's: its blocks in order, calls last, and their results."""

    blocks: list[AssistantBlock]
    results: list[Result] = []
    """One a call, in the order of the calls."""
    ordered: bool
    """Thinking stands where the model put it. Chat clients cannot say where it stood."""
    moved: Control = None

    @property
    def calls(self) -> list[Call]:
        """The calls among its blocks, one for each of ``results``."""
        return [block for block in self.blocks if isinstance(block, Call)]


class Compacted(Struct, frozen=True, kw_only=True):
    """A compaction of Anthropic's, in place of all that was said before it."""

    block: Raw
    signed: bool
    """A request made it (``compact``), not an edit (``context_management``)."""
    moved: Control = None


Said = System | User | Assistant | Compacted

# ------------------------------------------------------------------ tools


class Offered(Struct, frozen=True, kw_only=True, gc=False):
    """A client's tool."""

    name: str
    """The client's full name, a namespace included."""
    description: str | None = None
    parameters: Raw = common.ABSENT
    """A JSON schema as the client wrote it."""
    strict: bool = False
    eager: bool = False
    """Its input is streamed as it is written (Anthropic's ``eager_input_streaming``)."""
    cache_control: Control = None
    at: str
    """Of the definition that holds ``name`` and ``parameters``."""
    named: str = "name"
    """The field of the definition that names it: a built-in tool has only its type."""


class Choice(Struct, frozen=True, kw_only=True):
    """Whether a tool must be called, and which: Anthropic's ``tool_choice`` in its words."""

    mode: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    """The client's full name of the tool that must be called."""
    single: bool = False
    """At most one call in a turn."""
    at: str = "tool_choice"


# ------------------------------------------------------------------ output and effort


class AnyJSONObject(Struct, frozen=True, kw_only=True):
    """One JSON object of any shape."""

    at: str


class JSONOf(Struct, frozen=True, kw_only=True):
    """One JSON value that conforms to a schema."""

    schema: Raw
    at: str
    """Of the schema."""


class Limit(Struct, frozen=True, kw_only=True):
    """The most that the response may have, thinking included."""

    tokens: int
    at: str


class Effort(Struct, frozen=True, kw_only=True):
    """How hard to think, in OpenAI's words."""

    word: str | None = None
    at: str
    shown: Literal["summarized", "omitted"] | None = None
    """How thinking is shown that is asked for; ``None`` where the API does not say."""
    wanted: bool = False
    """Thinking is asked for, even if no effort is."""


# ------------------------------------------------------------------ all of it


class Ask(Struct, frozen=True, kw_only=True):
    """All that a request asks for. What is absent was not asked for."""

    model: str
    """The name the client asked for, or the default."""
    said: list[Said]
    at: str
    """Of the conversation: ``messages`` or ``input``."""
    instructions: tuple[str, ...] = ()
    """System text of the front's own, constant over a conversation."""
    tools: list[Offered] = []
    choice: Choice | None = None
    search: messages_request.WebSearchTool | None = None
    search_at: str = ""
    effort: Effort
    own_effort: str | None = None
    """Anthropic's ``output_config.effort``, which takes precedence."""
    task_budget: dict[str, Any] | None = None
    """Anthropic's ``output_config.task_budget``."""
    thinking: common.Thinking | None = None
    """Anthropic's ``thinking``, which takes precedence over ``effort``."""
    output: AnyJSONObject | JSONOf | None = None
    limit: Limit | None = None
    stop: list[str] = []
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    user: str | None = None
    service_tier: str | None = None
    cache_options: common.CacheOptions | None = None
    cache_control: common.CacheControl | None = None
    inference_geo: str | None = None
    speed: str | None = None
    context_management: dict[str, Any] | None = None
    compact: bool = False
    """The conversation is to be compacted, not continued."""
