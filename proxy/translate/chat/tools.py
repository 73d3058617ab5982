"""A chat request's tools and choice, and the names its client knows them by (rows b5)."""

from collections.abc import Mapping, Sequence

from proxy import errors
from proxy.schema import chat_request, messages_request
from proxy.translate import ask, cache, names, warn, web_search
from proxy.translate.chat import messages, response

NOTHING_RENAMED = response.ClientNames()


def to_offered(chat: chat_request.ChatRequest) -> list[ask.Offered]:
    """Every function, legacy ``functions`` included.

    Raises ``InvalidRequestError`` for custom tools.
    """
    offered: list[ask.Offered] = []
    for i, tool in enumerate(chat.tools or ()):
        if isinstance(tool, chat_request.CustomTool):
            raise _rejected(
                f"tools[{i}]", "must be of type function", "unsupported_value"
            )
        control = cache.control_of(tool) or cache.control_of(tool.function)
        offered.append(_offered(tool.function, control, f"tools[{i}].function"))
    for i, function in enumerate(chat.functions or ()):
        control = cache.control_of(function)
        offered.append(_offered(function, control, f"functions[{i}]"))
    return offered


def _offered(
    function: chat_request.Function, control: ask.Control, at: str
) -> ask.Offered:
    return ask.Offered(
        name=function.name,
        description=function.description,
        parameters=function.parameters,
        strict=bool(function.strict),
        cache_control=control,
        at=at,
    )


def search_of(chat: chat_request.ChatRequest) -> messages_request.WebSearchTool | None:
    """Anthropic's own search, if ``web_search_options`` asks for it."""
    options = chat.web_search_options
    if options is None:
        return None
    place = options.user_location
    return web_search.tool(place.approximate if place is not None else None)


def client_names(
    chat: chat_request.ChatRequest,
    offered: Sequence[ask.Offered],
    properties: Mapping[str, Mapping[str, str]],
) -> response.ClientNames:
    """The way back, for the tools and properties that had to be renamed.

    ``properties`` as in ``proxy.translate.tools.Tools``.
    """
    known = [*messages.used_names(chat.messages), *(tool.name for tool in offered)]
    tools = {}
    if not all(map(names.is_tool_name, known)):
        tools = {names.tool_name(name): name for name in known}
    if not tools and not properties:
        return NOTHING_RENAMED
    return response.ClientNames(
        {ours: theirs for ours, theirs in tools.items() if ours != theirs},
        {
            tool: {ours: theirs for theirs, ours in changed.items()}
            for tool, changed in properties.items()
        },
    )


def _rejected(at: str, why: str, code: str | None = None) -> Exception:
    return errors.InvalidRequestError(f"{at}: {why}", param=at, code=code)


# ------------------------------------------------------------------ choice


def to_choice(
    chat: chat_request.ChatRequest, warnings: warn.Warnings, *, any_tools: bool
) -> ask.Choice | None:
    """``tool_choice``, or ``function_call``, its predecessor.

    Raises ``InvalidRequestError`` for an unknown one, and for one that forces a call
    where there are no tools.
    """
    if not any_tools:
        _check_no_choice(chat)
        return None
    single = chat.parallel_tool_calls is False
    match chat.tool_choice:
        case None:
            return _legacy_choice(chat, single=single)
        case "none":
            return ask.Choice(mode="none")
        case "auto":
            return ask.Choice(mode="auto", single=single)
        case "required":
            return ask.Choice(mode="any", single=single)
        case chat_request.FunctionChoice(function=function):
            return ask.Choice(mode="tool", name=function.name, single=single)
        case chat_request.AllowedToolsChoice(
            allowed_tools=chat_request.AllowedTools(
                mode="required", tools=[{"function": {"name": str(name)}}]
            )
        ):
            return ask.Choice(mode="tool", name=name, single=single)
        case chat_request.AllowedToolsChoice(allowed_tools=allowed):
            # the tools stay: without some of them the cached prefix would be another
            warnings.add("tool_choice_ignored", param="tool_choice")
            return ask.Choice(
                mode="any" if allowed.mode == "required" else "auto", single=single
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
    chat: chat_request.ChatRequest, *, single: bool
) -> ask.Choice | None:
    """``function_call``, or no choice at all. Legacy responses hold one call."""
    single = single or (chat.functions is not None and not chat.tools)
    match chat.function_call:
        case chat_request.NamedFunction(name=name):
            return ask.Choice(mode="tool", name=name, single=single, at="function_call")
        case "none":
            return ask.Choice(mode="none")
        case None | "auto":
            return ask.Choice(mode="auto", single=True) if single else None
        case _:
            raise _rejected(
                "function_call", "must be none, auto or a function", "invalid_value"
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
