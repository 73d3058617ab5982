"""Tools, tool choice, and the names a client knows them by (rows b5)."""

from collections.abc import Iterable, Sequence

from msgspec import Raw, Struct, structs

from proxy import capabilities, errors
from proxy.schema import chat_request, messages_request
from proxy.translate import (
    cache,
    json_schema,
    names,
    response,
    tool_schema,
    warn,
    web_search,
)

MAX_STRICT = 20  # structured outputs: strict tools in one request
NOTHING_ALLOWED = Raw(b'{"type":"object","properties":{},"additionalProperties":false}')
ANY_PARAMETERS = Raw(b'{"type":"object"}')


class Tools(Struct, frozen=True, kw_only=True):
    tools: list[messages_request.AnyTool] | None = None
    choice: messages_request.ToolChoice | None = None
    instruction: str | None = None
    """Replaces a forced choice where the model rejects one."""
    names: response.ClientNames = response.ClientNames()
    """What the client calls what had to be renamed."""
    properties: dict[str, dict[str, str]] = {}
    """Anthropic's name of a tool -> client's property -> Anthropic's, where changed."""

    @property
    def forced(self) -> bool:
        return self.choice is not None and self.choice.type in {"any", "tool"}


def to_tools(
    chat: chat_request.ChatRequest,
    model: capabilities.Model,
    warnings: warn.Warnings,
) -> Tools:
    """Definitions and choice of a request, legacy ``functions`` included.

    Raises ``InvalidRequestError`` for custom tools, bad schemas, duplicate names, and a
    choice that names none of the tools.
    """
    functions = list(_functions(chat))
    schemas = [
        tool_schema.to_input_schema(tool.function.parameters, at=f"{at}.parameters")
        for tool, at in functions
    ]
    tools = [
        _tool(tool, at, found.schema)
        for (tool, at), found in zip(functions, schemas, strict=True)
    ]
    if any(found.simplified for found in schemas):
        warnings.add("tool_schema_simplified", param="tools")
    _check_unique(tools, functions)
    search = _web_search(chat, tools)
    used = _used_names(chat.messages)
    known = {
        tool.name: f.function.name
        for tool, (f, _) in zip(tools, functions, strict=True)
    }
    properties = {
        tool.name: found.renamed
        for tool, found in zip(tools, schemas, strict=True)
        if found.renamed
    }
    found_names = _client_names(known, used, properties)
    if not tools and not search:
        _check_no_choice(chat)
        if not used:
            return Tools()
        none = messages_request.ToolChoice(type="none")
        return Tools(tools=_history_tools(used), choice=none, names=found_names)
    choice = _choice(chat, known, warnings)
    instruction = None
    if choice is not None and choice.type in {"any", "tool"} and not model.forced_tools:
        warnings.add("forced_tool_choice_downgraded", param="tool_choice")
        instruction = instead_of(choice)
        choice = structs.replace(choice, type="auto", name=None)
    return Tools(
        tools=[*(_strict(tools, model, warnings) or _history_tools(used)), *search],
        choice=choice,
        instruction=instruction,
        names=found_names,
        properties=properties,
    )


def _client_names(
    known: dict[str, str],
    used: Iterable[str],
    properties: dict[str, dict[str, str]],
) -> response.ClientNames:
    """The way back, for the tools and properties that had to be renamed."""
    tools = {**{names.tool_name(name): name for name in used}, **known}
    return response.ClientNames(
        {ours: theirs for ours, theirs in tools.items() if ours != theirs},
        {
            tool: {ours: theirs for theirs, ours in changed.items()}
            for tool, changed in properties.items()
        },
    )


def _rejected(at: str, why: str, code: str | None = None) -> Exception:
    return errors.InvalidRequestError(f"{at}: {why}", param=at, code=code)


def _functions(
    chat: chat_request.ChatRequest,
) -> Iterable[tuple[chat_request.FunctionTool, str]]:
    """Every function with its JSON path; legacy ``functions`` as tools."""
    for i, tool in enumerate(chat.tools or ()):
        if isinstance(tool, chat_request.CustomTool):
            raise _rejected(
                f"tools[{i}]", "must be of type function", "unsupported_value"
            )
        yield tool, f"tools[{i}].function"
    for i, function in enumerate(chat.functions or ()):
        yield chat_request.FunctionTool(function=function), f"functions[{i}]"


def _tool(
    tool: chat_request.FunctionTool, at: str, schema: Raw
) -> messages_request.Tool:
    function = tool.function
    if not function.name:
        raise _rejected(f"{at}.name", "must not be empty")
    return messages_request.Tool(
        name=names.tool_name(function.name),
        description=function.description or None,
        input_schema=schema,
        strict=function.strict or None,
        cache_control=cache.control_of(tool) or cache.control_of(function),
    )


def _web_search(
    chat: chat_request.ChatRequest, tools: Sequence[messages_request.Tool]
) -> list[messages_request.WebSearchTool]:
    """Anthropic's own search, if the request asks for it, behind the client's tools."""
    options = chat.web_search_options
    if options is None:
        return []
    if any(tool.name == web_search.NAME for tool in tools):
        raise _rejected(
            "web_search_options", f"must be null beside a tool named {web_search.NAME}"
        )
    place = options.user_location
    return [web_search.tool(place.approximate if place is not None else None)]


def _check_unique(
    tools: Sequence[messages_request.Tool], functions: Sequence[tuple[object, str]]
) -> None:
    seen: set[str] = set()
    for tool, (_, at) in zip(tools, functions, strict=True):
        if tool.name in seen:
            raise _rejected(f"{at}.name", "must differ from the other tools' names")
        seen.add(tool.name)


# ------------------------------------------------------------------ strict


def _strict(
    tools: list[messages_request.Tool],
    model: capabilities.Model,
    warnings: warn.Warnings,
) -> list[messages_request.Tool]:
    """Keep ``strict`` where Anthropic can compile it: closed schemas, at most twenty."""
    strict = sum(tool.strict is True for tool in tools)
    if strict > MAX_STRICT or (strict and not model.structured_outputs):
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
    chat: chat_request.ChatRequest, known: dict[str, str], warnings: warn.Warnings
) -> messages_request.ToolChoice | None:
    single = chat.parallel_tool_calls is False or None
    match chat.tool_choice:
        case None:
            return _legacy_choice(chat, known, single)
        case "none":
            return messages_request.ToolChoice(
                type="none"
            )  # the tools stay: cached prefix
        case "auto":
            return messages_request.ToolChoice(
                type="auto", disable_parallel_tool_use=single
            )
        case "required":
            return messages_request.ToolChoice(
                type="any", disable_parallel_tool_use=single
            )
        case chat_request.FunctionChoice(function=function):
            return _named_choice(function.name, known, single, "tool_choice")
        case chat_request.AllowedToolsChoice(allowed_tools=allowed):
            # the tools stay: without some of them the cached prefix would be another
            warnings.add("tool_choice_ignored", param="tool_choice")
            return messages_request.ToolChoice(
                type="any" if allowed.mode == "required" else "auto",
                disable_parallel_tool_use=single,
            )
        case chat_request.CustomChoice():
            raise _rejected(
                "tool_choice", "custom tools cannot be translated", "unsupported_value"
            )
        case str():
            raise _rejected(
                "tool_choice", "must be none, auto, required or a function",
                "invalid_value",
            )  # fmt: skip


def _legacy_choice(
    chat: chat_request.ChatRequest, known: dict[str, str], single: bool | None
) -> messages_request.ToolChoice | None:
    """``function_call``, or no choice at all. Legacy responses hold one call."""
    single = single or (chat.functions is not None and not chat.tools) or None
    match chat.function_call:
        case chat_request.NamedFunction(name=name):
            return _named_choice(name, known, single, "function_call")
        case "none":
            return messages_request.ToolChoice(type="none")
        case None | "auto":
            return (
                messages_request.ToolChoice(type="auto", disable_parallel_tool_use=True)
                if single
                else None
            )
        case _:
            raise _rejected(
                "function_call", "must be none, auto or a function", "invalid_value"
            )


def _named_choice(
    name: str, known: dict[str, str], single: bool | None, at: str
) -> messages_request.ToolChoice:
    ours = names.tool_name(name)
    if ours not in known:
        raise _rejected(at, "must name one of the tools")
    return messages_request.ToolChoice(
        type="tool", name=ours, disable_parallel_tool_use=single
    )


def _check_no_choice(chat: chat_request.ChatRequest) -> None:
    """Without tools a choice is pointless, and one that forces a call is an error."""
    choice = chat.tool_choice if chat.tool_choice is not None else chat.function_call
    forcing = choice == "required" or isinstance(
        choice,
        chat_request.FunctionChoice
        | chat_request.NamedFunction
        | chat_request.CustomChoice,
    )
    if forcing:
        at = "tool_choice" if chat.tool_choice is not None else "function_call"
        raise _rejected(at, "must not force a call without tools")


def instead_of(choice: messages_request.ToolChoice) -> str:
    """The instruction that replaces a forced choice."""
    if choice.type == "tool":
        return f"Answer by calling the tool {choice.name}."
    return "Answer by calling at least one of the tools."


# ------------------------------------------------------------------ history


def _used_names(messages: Iterable[chat_request.Message]) -> list[str]:
    """Names of the tools that the history calls, in order of first use."""
    used: dict[str, None] = {}
    for message in messages:
        if isinstance(message, chat_request.AssistantMessage):
            for call in message.tool_calls or ():
                if call.function is not None:
                    used[call.function.name] = None
            if message.function_call is not None:
                used[message.function_call.name] = None
    return list(used)


def _history_tools(used: Iterable[str]) -> list[messages_request.AnyTool]:
    """A history with calls needs their tools defined, even if none may be called."""
    unique = dict.fromkeys(names.tool_name(name) for name in used)
    return [
        messages_request.Tool(name=name, input_schema=ANY_PARAMETERS) for name in unique
    ]
