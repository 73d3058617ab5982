"""Tools and tool choice (rows b5)."""

from collections.abc import Iterable, Sequence

from msgspec import Raw, Struct, structs

from proxy import capabilities, errors
from proxy.schema import messages_request
from proxy.translate import ask, json_schema, names, tool_schema, warn

MAX_STRICT = 20  # structured outputs: strict tools in one request
NOTHING_ALLOWED = Raw(b'{"type":"object","properties":{},"additionalProperties":false}')
ANY_PARAMETERS = Raw(b'{"type":"object"}')


class Tools(Struct, frozen=True, kw_only=True):
    """What a request sends of tools, and what of them is put into words instead."""

    tools: list[messages_request.AnyTool] | None = None
    choice: messages_request.ToolChoice | None = None
    instruction: str | None = None
    """Replaces a forced choice where the model rejects one."""
    properties: dict[str, dict[str, str]] = {}
    """Anthropic's name of a tool -> client's property -> Anthropic's, where changed."""

    @property
    def forced(self) -> bool:
        """Whether a call is forced, which rules out thinking with a budget."""
        return self.choice is not None and self.choice.type in {"any", "tool"}


def to_tools(
    asked: ask.Ask, model: capabilities.Model, warnings: warn.Warnings
) -> Tools:
    """Definitions and choice of a request.

    Raises ``InvalidRequestError`` for bad schemas, duplicate names, and a choice that
    names none of the tools.
    """
    if not asked.tools and asked.search is None:
        return _for_history(asked.said)
    schemas = [
        tool_schema.to_input_schema(tool.parameters, at=f"{tool.at}.parameters")
        for tool in asked.tools
    ]
    tools = [
        _tool(tool, found.schema)
        for tool, found in zip(asked.tools, schemas, strict=True)
    ]
    if any(found.simplified for found in schemas):
        warnings.add("tool_schema_simplified", param="tools")
    _check_unique(tools, asked.tools)
    search = _search(asked, tools)
    used = [] if tools else _used_names(asked.said)
    choice = _choice(asked.choice, [*tools, *search])
    instruction = None
    if choice is not None and choice.type in {"any", "tool"} and not model.forced_tools:
        warnings.add("forced_tool_choice_downgraded", param="tool_choice")
        instruction = instead_of(choice)
        choice = structs.replace(choice, type="auto", name=None)
    return Tools(
        tools=[*(_strict(tools, model, warnings) or _history_tools(used)), *search],
        choice=choice,
        instruction=instruction,
        properties={
            tool.name: found.renamed
            for tool, found in zip(tools, schemas, strict=True)
            if found.renamed
        },
    )


def _rejected(at: str, why: str, code: str | None = None) -> Exception:
    return errors.InvalidRequestError(f"{at}: {why}", param=at, code=code)


def _tool(tool: ask.Offered, schema: Raw) -> messages_request.Tool:
    if not tool.name:
        raise _rejected(f"{tool.at}.name", "must not be empty")
    return messages_request.Tool(
        name=names.tool_name(tool.name),
        description=tool.description or None,
        input_schema=schema,
        strict=tool.strict or None,
        eager_input_streaming=tool.eager or None,
        cache_control=tool.cache_control,
    )


def _search(
    asked: ask.Ask, tools: Sequence[messages_request.Tool]
) -> list[messages_request.WebSearchTool]:
    """Anthropic's own search, if the request asks for it, behind the client's tools."""
    if asked.search is None:
        return []
    name = asked.search.name
    if any(tool.name == name for tool in tools):
        raise _rejected(asked.search_at, f"must be null beside a tool named {name}")
    return [asked.search]


def _check_unique(
    tools: Sequence[messages_request.Tool], offered: Sequence[ask.Offered]
) -> None:
    seen: set[str] = set()
    for tool, given in zip(tools, offered, strict=True):
        if tool.name in seen:
            raise _rejected(
                f"{given.at}.{given.named}", "must differ from the other tools' names"
            )
        seen.add(tool.name)


# ------------------------------------------------------------------ strict


def _strict(
    tools: list[messages_request.Tool],
    model: capabilities.Model,
    warnings: warn.Warnings,
) -> list[messages_request.Tool]:
    """Keep ``strict`` where Anthropic can compile it: closed schemas, at most twenty."""
    strict = sum(tool.strict is True for tool in tools)
    if not strict:
        return tools
    if strict > MAX_STRICT or not model.structured_outputs:
        warnings.add("strict_dropped", param="tools")
        return [structs.replace(tool, strict=None) for tool in tools]
    return [_compiled(tool, warnings) if tool.strict else tool for tool in tools]


def _compiled(
    tool: messages_request.Tool, warnings: warn.Warnings
) -> messages_request.Tool:
    given = bytes(tool.input_schema)
    if tool.input_schema is tool_schema.NO_PARAMETERS:
        return structs.replace(tool, input_schema=NOTHING_ALLOWED)
    if json_schema.is_closed(given):
        try:
            schema = json_schema.to_anthropic_schema(given)
        except json_schema.InexpressibleError:
            pass
        else:
            return structs.replace(tool, input_schema=Raw(schema))
    warnings.add("strict_dropped", param="tools")
    return structs.replace(tool, strict=None)


# ------------------------------------------------------------------ choice


def _choice(
    choice: ask.Choice | None, tools: Sequence[messages_request.AnyTool]
) -> messages_request.ToolChoice | None:
    if choice is None:
        return None
    name = names.tool_name(choice.name) if choice.name is not None else None
    if name is not None and all(tool.name != name for tool in tools):
        raise _rejected(choice.at, "must name one of the tools")
    # the tools stay where none may be called: they begin the cached prefix
    single = None if choice.mode == "none" else choice.single or None
    return messages_request.ToolChoice(
        type=choice.mode, name=name, disable_parallel_tool_use=single
    )


def instead_of(choice: messages_request.ToolChoice) -> str:
    """The instruction that replaces a forced choice."""
    if choice.type == "tool":
        return f"Answer by calling the tool {choice.name}."
    return "Answer by calling at least one of the tools."


# ------------------------------------------------------------------ history


def _for_history(said: Iterable[ask.Said]) -> Tools:
    """Where no tool is offered: those that the history calls, and none may be called."""
    used = _used_names(said)
    if not used:
        return Tools()
    none = messages_request.ToolChoice(type="none")
    return Tools(tools=_history_tools(used), choice=none)


def _used_names(said: Iterable[ask.Said]) -> list[str]:
    """Names of the tools that the history calls, in order of first use."""
    used: dict[str, None] = {}
    for one in said:
        if isinstance(one, ask.Assistant):
            used.update((call.name, None) for call in one.calls)
    return list(used)


def _history_tools(used: Iterable[str]) -> list[messages_request.AnyTool]:
    """A history with calls needs their tools defined, even if none may be called."""
    unique = dict.fromkeys(names.tool_name(name) for name in used)
    return [
        messages_request.Tool(name=name, input_schema=ANY_PARAMETERS) for name in unique
    ]
