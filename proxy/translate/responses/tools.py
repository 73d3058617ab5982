"""A Responses request's tools and choice (rows r5).

To a client a tool is a kind, a name and maybe a namespace; to Claude it is a function
under one name. ``full_name`` is a pure function of the three, so an item of the history
needs no definition to be translated.
"""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Raw, Struct

from proxy import errors
from proxy.schema import (
    common,
    messages_request,
    misfit,
    responses_items,
    responses_request,
)
from proxy.schema import responses_tools as wire
from proxy.translate import ask, cache, warn, web_search
from proxy.translate.responses import context

Listed = tuple[wire.Tool, str, str, str | None]
"""A tool, its type, its JSON path and its namespace."""


class _BuiltIn(Struct, frozen=True):
    description: str
    parameters: Raw


FREE_TEXT = Raw(
    b'{"type":"object","properties":{"input":{"type":"string"}},'
    b'"required":["input"],"additionalProperties":false}'
)
_TEXT = "The input is free text: write all of it as the string `input`."
_GRAMMAR = (
    "The input, the string `input`, must match this {syntax} grammar:\n{definition}"
)
_BUILT_IN: dict[context.Kind, _BuiltIn] = {
    "shell": _BuiltIn(
        "Runs shell commands on the user's machine, one after another, and returns what "
        "they print and how they exit.",
        Raw(
            b'{"type":"object","properties":{"commands":{"type":"array","items":'
            b'{"type":"string"}},"timeout_ms":{"type":"integer"},"max_output_length":'
            b'{"type":"integer"}},"required":["commands"]}'
        ),
    ),
    "local_shell": _BuiltIn(
        "Runs a command on the user's machine and returns what it prints. `command` is "
        "the program and its arguments.",
        Raw(
            b'{"type":"object","properties":{"command":{"type":"array","items":'
            b'{"type":"string"}},"working_directory":{"type":"string"},"timeout_ms":'
            b'{"type":"integer"},"env":{"type":"object","additionalProperties":'
            b'{"type":"string"}},"user":{"type":"string"}},"required":["command"]}'
        ),
    ),
    "apply_patch": _BuiltIn(
        "Creates, updates or deletes a file of the user's. `diff` is a V4A diff of the "
        "file; a deletion needs none.",
        Raw(
            b'{"type":"object","properties":{"operation":{"type":"object","properties":'
            b'{"type":{"type":"string","enum":["create_file","update_file","delete_file"'
            b']},"path":{"type":"string"},"diff":{"type":"string"}},"required":["type",'
            b'"path"]}},"required":["operation"]}'
        ),
    ),
}

_INSTEAD = (
    "is a tool that OpenAI runs and this proxy cannot offer; use a function, or an MCP "
    "server that the client itself connects to"
)


_DEFERRABLE = (wire.FunctionTool, wire.CustomTool)


def full_name(client: context.Client) -> str:
    """A tool's name with its namespace: ``crm__find``, before it is sanitised."""
    if not client.namespace:
        return client.name
    between = "" if client.namespace.endswith("__") else "__"
    return f"{client.namespace}{between}{client.name}"


class Toolbox:
    """All tools of a request: its own, and those that arrive in its input."""

    def __init__(self, warnings: warn.Warnings, max_uses: int | None) -> None:
        self.offered: list[ask.Offered] = []
        self.clients: dict[str, context.Client] = {}
        """Full name -> the client's tool."""
        self.search: messages_request.WebSearchTool | None = None
        self.search_at = ""
        self._namespaces: dict[str, str] = {}
        self._warnings = warnings
        self._max_uses = max_uses

    @property
    def instructions(self) -> tuple[str, ...]:
        """What the client says of its namespaces, as one block of system text."""
        if not self._namespaces:
            return ()
        lines = (f"- {name}: {words}" for name, words in self._namespaces.items())
        return (
            "\n".join(("Tools are grouped by the beginning of their names:", *lines)),
        )

    def add(self, given: Sequence[Raw], *, at: str, late: bool = False) -> None:
        """Add tools; ``at`` is the path of their list.

        A ``late`` one, from the input, that the client has offered before counts once.
        Raises ``InvalidRequestError`` for what cannot be offered.
        """
        for tool, kind, path, namespace in _listed(given, at):
            if isinstance(tool, wire.NamespaceTool):
                words = " ".join((tool.description or "").split())
                if words:
                    prefix = full_name(context.Client(name="", namespace=tool.name))
                    self._namespaces.setdefault(prefix, words)
                continue
            client = _client(tool, kind, namespace)
            if client is None:
                self._add_hosted(tool, kind, path, late=late)
            elif not (late and self.clients.get(full_name(client)) == client):
                self._add_own(tool, client, path)

    def _add_own(self, tool: wire.Tool, client: context.Client, at: str) -> None:
        self.offered.append(_offered(tool, client, at, self._warnings))
        self.clients.setdefault(full_name(client), client)

    def _add_hosted(self, tool: wire.Tool, kind: str, at: str, *, late: bool) -> None:
        match tool:
            case wire.WebSearchTool(external_web_access=False):
                # Anthropic's search is live, and this client must not have one
                self._warnings.add("web_search_ignored", param=at)
            case wire.WebSearchTool() if self.search is None:
                self.search = _search(tool, self._max_uses, at)
                self.search_at = f"{at}.type"
            case wire.WebSearchTool() if late:
                pass
            case wire.WebSearchTool():
                raise _rejected(f"{at}.type", "must differ from the other tools'")
            case wire.ToolSearchTool():
                self._warnings.add("tool_search_ignored", param=at)
            case wire.DroppedTool():
                self._warnings.add(f"{kind}_ignored", param=at)
            case _:
                raise _rejected(at, f"{kind} {_INSTEAD}", "unsupported_value")


def loaded(given: Sequence[Raw], *, at: str) -> list[str]:
    """Full names of the tools in a list that are the client's own."""
    found = (_client(tool, kind, ns) for tool, kind, _, ns in _listed(given, at))
    return [full_name(client) for client in found if client is not None]


def _rejected(at: str, why: str, code: str | None = None) -> Exception:
    return errors.InvalidRequestError(f"{at}: {why}", param=at, code=code)


def _listed(given: Sequence[Raw], at: str) -> Iterator[Listed]:
    """Every tool, a namespace before the tools that it groups."""
    for i, raw in enumerate(given):
        path = f"{at}[{i}]"
        tool, kind = _decoded(raw, path, wire.TOOL_DECODERS)
        yield tool, kind, path, None
        if isinstance(tool, wire.NamespaceTool):
            for j, inner in enumerate(tool.tools):
                where = f"{path}.tools[{j}]"
                held, held_kind = _decoded(inner, where, wire.IN_NAMESPACE)
                yield held, held_kind, where, tool.name


def _decoded(raw: Raw, at: str, decoders: wire.ToolDecoders) -> tuple[wire.Tool, str]:
    try:
        usual = wire.USUAL.decode(raw)
        return usual, str(usual.__struct_config__.tag)
    except msgspec.ValidationError:  # of another type, or wrong: what follows says how
        pass
    kind = misfit.read(raw, responses_items.KIND, at=at).type
    if kind is None:
        raise _rejected(f"{at}.type", "is required", "missing_required_parameter")
    if kind not in decoders:
        choices = ", ".join(decoders)
        raise _rejected(f"{at}.type", f"must be one of {choices}", "invalid_value")
    return misfit.read(raw, decoders[kind], at=at), kind


def _client(tool: wire.Tool, kind: str, namespace: str | None) -> context.Client | None:
    """What the client calls a tool that it runs itself; ``None`` for any other."""
    match tool:
        case wire.FunctionTool(name=name):
            return context.Client(name=name, namespace=namespace)
        case wire.CustomTool(name=name):
            return context.Client(kind="custom", name=name, namespace=namespace)
        case wire.ShellTool():
            return context.Client(kind="shell", name=kind)
        case wire.LocalShellTool():
            return context.Client(kind="local_shell", name=kind)
        case wire.ApplyPatchTool():
            return context.Client(kind="apply_patch", name=kind)
        case wire.ToolSearchTool(execution="client"):
            return context.Client(kind="tool_search", name=kind)
        case _:
            return None


def _offered(
    tool: wire.Tool, client: context.Client, at: str, warnings: warn.Warnings
) -> ask.Offered:
    """A client's tool as one of Anthropic's."""
    if isinstance(tool, _DEFERRABLE) and tool.defer_loading:
        warnings.add("defer_loading_ignored", param=f"{at}.defer_loading")
    name = full_name(client)
    control = cache.control_of(tool) if isinstance(tool, common.Cacheable) else None
    match tool:
        case wire.FunctionTool():
            return ask.Offered(
                name=name,
                description=tool.description,
                parameters=tool.parameters,
                strict=bool(tool.strict),
                cache_control=control,
                at=at,
            )
        case wire.CustomTool():
            return ask.Offered(
                name=name,
                description=_of_custom(tool, at, warnings),
                parameters=FREE_TEXT,
                eager=True,  # else one long string is held back until it is whole
                cache_control=control,
                at=at,
            )
        case wire.ShellTool(environment=where) if where and where.type != "local":
            param = f"{at}.environment.type"
            raise _rejected(param, "must be local", "unsupported_value")
        case wire.ToolSearchTool(description=words, parameters=parameters):
            pass
        case _:
            built_in = _BUILT_IN[client.kind]
            words, parameters = built_in.description, built_in.parameters
    return ask.Offered(
        name=name,
        description=words,
        parameters=parameters,
        cache_control=control,
        at=at,
        named="type",
    )


def _of_custom(tool: wire.CustomTool, at: str, warnings: warn.Warnings) -> str:
    """The client's description, and what its input must look like."""
    how = _TEXT
    if tool.format is not None and tool.format.type == "grammar":
        warnings.add("grammar_not_enforced", param=f"{at}.format")
        parts = {"syntax": tool.format.syntax, "definition": tool.format.definition}
        for name, part in parts.items():
            if not part:
                code = "missing_required_parameter"
                raise _rejected(f"{at}.format.{name}", "is required", code)
        how = _GRAMMAR.format(**parts)
    return "\n\n".join(text for text in (tool.description, how) if text)


def _search(
    tool: wire.WebSearchTool, max_uses: int | None, at: str
) -> messages_request.WebSearchTool:
    filters = tool.filters or wire.Filters()
    if filters.allowed_domains and filters.blocked_domains:
        raise _rejected(
            f"{at}.filters", "must have allowed_domains or blocked_domains, not both"
        )
    return web_search.tool(
        tool.user_location,
        allowed_domains=filters.allowed_domains,
        blocked_domains=filters.blocked_domains,
        max_uses=max_uses,
    )


# ------------------------------------------------------------------ choice


def to_choice(
    request: responses_request.ResponsesRequest, box: Toolbox, warnings: warn.Warnings
) -> ask.Choice | None:
    """``tool_choice`` and ``parallel_tool_calls``.

    Raises ``InvalidRequestError`` for an unknown choice, for one that is not among the
    tools, and for one that forces a call where there are none.
    """
    chosen = request.tool_choice
    single = request.parallel_tool_calls is False
    if not box.offered and box.search is None:
        if chosen is not None and _is_forcing(chosen):
            raise _rejected("tool_choice", "must not force a call without tools")
        return None
    match chosen:
        case None:
            return ask.Choice(mode="auto", single=True) if single else None
        case "none":
            return ask.Choice(mode="none")
        case "auto":
            return ask.Choice(mode="auto", single=single)
        case "required":
            return ask.Choice(mode="any", single=single)
        case str():
            raise _rejected(
                "tool_choice",
                "must be none, auto, required or an object that names a tool",
                "invalid_value",
            )
        case wire.ToolChoice(type="allowed_tools", mode="required", tools=[one]):
            return ask.Choice(mode="tool", name=_chosen(one, box), single=single)
        case wire.ToolChoice(type="allowed_tools", mode=mode):
            # the tools stay: without some of them the cached prefix would be another
            warnings.add("tool_choice_ignored", param="tool_choice")
            return ask.Choice(
                mode="any" if mode == "required" else "auto", single=single
            )
        case wire.ToolChoice():
            return ask.Choice(mode="tool", name=_chosen(chosen, box), single=single)


def _is_forcing(chosen: str | wire.ToolChoice) -> bool:
    if isinstance(chosen, str):
        return chosen not in {"none", "auto"}
    return chosen.type != "allowed_tools" or chosen.mode == "required"


def _chosen(chosen: wire.ToolChoice, box: Toolbox) -> str:
    """The full name of the one tool that is chosen."""
    kind = chosen.type
    if kind in {*wire.REFUSED, *wire.DROPPED}:
        raise _rejected("tool_choice", f"{kind} {_INSTEAD}", "unsupported_value")
    if kind in wire.WEB_SEARCH:
        if box.search is not None:
            return box.search.name
    elif kind not in context.KINDS:
        raise _rejected(
            "tool_choice",
            f"must be one of {', '.join((*context.KINDS, *wire.WEB_SEARCH))}, or "
            "allowed_tools",
            "invalid_value",
        )
    name = chosen.name if kind in {"function", "custom"} else kind
    wanted = (kind, name or "", chosen.namespace or None)
    for full, client in box.clients.items():
        if (client.kind, client.name, client.namespace) == wanted:
            return full
    raise _rejected("tool_choice", "must name one of the tools")
