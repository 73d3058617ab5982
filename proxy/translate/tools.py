"""Tools, tool choice, and the names a client knows them by (rows b5)."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Raw, Struct, json, structs

from proxy import capabilities, errors
from proxy.schema import chat_request, messages_request
from proxy.translate import cache, json_schema, names, warn

MAX_STRICT = 20  # structured outputs: strict tools in one request
NO_PARAMETERS = Raw(b'{"type":"object","properties":{}}')
NOTHING_ALLOWED = Raw(b'{"type":"object","properties":{},"additionalProperties":false}')
ANY_PARAMETERS = Raw(b'{"type":"object"}')

UNIONS = frozenset({"anyOf", "oneOf", "allOf"})
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_NULLABLE = frozenset({"type", "properties", "required"})  # as some serialisers write


class Tools(Struct, frozen=True, kw_only=True):
    tools: list[messages_request.Tool] | None = None
    choice: messages_request.ToolChoice | None = None
    instruction: str | None = None
    """Replaces a forced choice where the model rejects one."""
    client_names: dict[str, str] = {}
    """Anthropic's name -> the client's, for the names that had to change."""

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
    tools = [_tool(function, at, warnings) for function, at in functions]
    _check_unique(tools, functions)
    used = _used_names(chat.messages)
    known = {
        tool.name: f.function.name
        for tool, (f, _) in zip(tools, functions, strict=True)
    }
    client_names = {**{names.tool_name(name): name for name in used}, **known}
    renamed = {ours: theirs for ours, theirs in client_names.items() if ours != theirs}
    if not tools:
        _check_no_choice(chat)
        if not used:
            return Tools()
        return Tools(
            tools=_history_tools(used),
            choice=messages_request.ToolChoice(type="none"),
            client_names=renamed,
        )
    choice = _choice(chat, known, warnings)
    instruction = None
    if choice is not None and choice.type in {"any", "tool"} and not model.forced_tools:
        warnings.add_or_refuse("forced_tool_choice_downgraded", param="tool_choice")
        instruction = instead_of(choice)
        choice = structs.replace(choice, type="auto", name=None)
    return Tools(
        tools=_strict(tools, model, warnings),
        choice=choice,
        instruction=instruction,
        client_names=renamed,
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
    tool: chat_request.FunctionTool, at: str, warnings: warn.Warnings
) -> messages_request.Tool:
    function = tool.function
    if not function.name:
        raise _rejected(f"{at}.name", "must not be empty")
    return messages_request.Tool(
        name=names.tool_name(function.name),
        description=function.description or None,
        input_schema=_input_schema(function.parameters, f"{at}.parameters", warnings),
        strict=function.strict or None,
        cache_control=cache.control_of(tool) or cache.control_of(function),
    )


def _input_schema(parameters: Raw, at: str, warnings: warn.Warnings) -> Raw:
    """The schema's own bytes where possible: it begins the cached prefix.

    Two things that other APIs allow are 400s at Anthropic: a union at the top level,
    which moves into the description, and property names outside its pattern.
    """
    given = bytes(parameters)
    if given in {b"", b"null"}:
        return NO_PARAMETERS
    try:
        read = json.decode(given)  # passed on unread, so all of it must be JSON
    except (ValueError, RecursionError):
        raise _rejected(
            at, "must not nest too deeply or hold numbers out of range"
        ) from None
    if not isinstance(read, dict):
        raise _rejected(at, "must be a JSON schema object")
    schema = {k: v for k, v in read.items() if v is not None or k not in _NULLABLE}
    if not schema:
        return NO_PARAMETERS
    if schema.get("type", "object") != "object":
        raise _rejected(f"{at}.type", "must be 'object'")
    _check_property_names(schema.get("properties", {}), f"{at}.properties")
    if not UNIONS.isdisjoint(schema):
        warnings.add("tool_schema_simplified")
        return Raw(json.encode({"type": "object", **_without_unions(schema)}))
    if len(schema) < len(read) or "type" not in schema:
        return Raw(json.encode({"type": "object", **schema}))
    return parameters


def _check_property_names(properties: object, at: str) -> None:
    if not isinstance(properties, dict):
        raise _rejected(at, "must be an object")
    for name in properties:
        if _PROPERTY.fullmatch(name) is None:
            why = f"{name[:64]!r} must match ^[a-zA-Z0-9_.-]{{1,64}}$"
            raise _rejected(at, why, "invalid_value")


def _without_unions(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its top-level unions moved into its description."""
    unions = ((k, v) for k, v in schema.items() if k in UNIONS)
    added = "; ".join(f"{k}: {json.encode(v).decode()}" for k, v in unions)
    own = schema.get("description")
    words = f"{own}\n{added}" if isinstance(own, str) else added
    kept = {k: v for k, v in schema.items() if k not in UNIONS}
    return {**kept, "description": words}


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
        warnings.add("strict_dropped")
        return [structs.replace(tool, strict=None) for tool in tools]
    return [_compiled(tool, warnings) if tool.strict else tool for tool in tools]


def _compiled(
    tool: messages_request.Tool, warnings: warn.Warnings
) -> messages_request.Tool:
    given = bytes(tool.input_schema)
    if tool.input_schema is NO_PARAMETERS:
        return structs.replace(tool, input_schema=NOTHING_ALLOWED)
    if json_schema.is_closed(given):
        try:
            schema = json_schema.to_anthropic_schema(given)
        except json_schema.InexpressibleError:
            pass
        else:
            return structs.replace(tool, input_schema=Raw(schema))
    warnings.add("strict_dropped")
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
            warnings.add(
                "tool_choice_ignored"
            )  # tools stay: filtering breaks the cache
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


def _history_tools(used: Iterable[str]) -> list[messages_request.Tool]:
    """A history with calls needs their tools defined, even if none may be called."""
    unique = dict.fromkeys(names.tool_name(name) for name in used)
    return [
        messages_request.Tool(name=name, input_schema=ANY_PARAMETERS) for name in unique
    ]
