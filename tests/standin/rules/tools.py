"""Rows about tools: their definitions, the choice of one, calls and results."""

import re
from collections import Counter
from collections.abc import Iterator

from standin.call import Block, Call, PlacedBlock, blocks
from standin.rules import json_schema
from standin.rules.row import Row

_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_MAY_BE_NULL = ("properties", "required")
"""Fields of the SDK's `InputSchema`, which are optional: null is as good as absent."""
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


def _of_type(content: list[Block], kind: str) -> list[Block]:
    return [block for block in content if block["type"] == kind]


def _placed(call: Call, kind: str) -> Iterator[PlacedBlock]:
    return ((p, block) for p, block in call.message_blocks() if block["type"] == kind)


def _id_pattern(call: Call) -> Iterator[str]:
    for kind, name in (("tool_use", "id"), ("tool_result", "tool_use_id")):
        for path, block in _placed(call, kind):
            if not _ID.fullmatch(block[name]):
                yield (
                    f"{path}.{kind}.{name}: "
                    "String should match pattern '^[a-zA-Z0-9_-]+$'"
                )


def _called_name_pattern(call: Call) -> Iterator[str]:
    for path, block in _placed(call, "tool_use"):
        if not _NAME.fullmatch(block["name"]):
            yield (
                f"{path}.tool_use.name: "
                "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"
            )


def _duplicate_id(call: Call) -> Iterator[str]:
    used = Counter(block["id"] for _, block in _placed(call, "tool_use"))
    if any(count > 1 for count in used.values()):
        yield "messages: `tool_use` ids must be unique"


def _wrong_role(call: Call) -> Iterator[str]:
    allowed = {"tool_use": "assistant", "tool_result": "user"}
    for index, (role, content) in enumerate(call.messages):
        for kind, wanted in allowed.items():
            if role != wanted and _of_type(content, kind):
                yield (
                    f"messages.{index}: `{kind}` blocks can only be in "
                    f"`{wanted}` messages"
                )


def _turns(call: Call) -> Iterator[tuple[int, list[str], list[Block]]]:
    """Give each message as its index, the calls before it and its own blocks."""
    before: list[Block] = []
    for index, (role, content) in enumerate([*call.messages, ("user", [])]):
        calls = [block["id"] for block in _of_type(before, "tool_use")]
        yield index, calls, content if role == "user" else []
        before = content if role == "assistant" else []


def _unanswered(call: Call) -> Iterator[str]:
    for index, calls, content in _turns(call):
        results = _of_type(content, "tool_result")
        answered = {block["tool_use_id"] for block in results}
        if missing := [used for used in calls if used not in answered]:
            yield (
                f"messages.{index - 1}: `tool_use` ids were found without "
                f"`tool_result` blocks immediately after: {', '.join(missing)}. Each "
                "`tool_use` block must have a corresponding `tool_result` block in "
                "the next message."
            )


def _orphan(call: Call) -> Iterator[str]:
    for index, calls, content in _turns(call):
        for place, block in enumerate(content):
            if block["type"] == "tool_result" and block["tool_use_id"] not in calls:
                yield (
                    f"messages.{index}.content.{place}: unexpected `tool_use_id` found "
                    f"in `tool_result` blocks: {block['tool_use_id']}. Each "
                    "`tool_result` block must have a corresponding `tool_use` block in "
                    "the previous message."
                )


def _duplicate_result(call: Call) -> Iterator[str]:
    for index, (_, content) in enumerate(call.messages):
        results = _of_type(content, "tool_result")
        for used, count in Counter(b["tool_use_id"] for b in results).items():
            if count > 1:
                yield (
                    f"messages.{index}: each tool_use must have a single result. "
                    f"Found multiple `tool_result` blocks with id: {used}"
                )


def _result_not_first(call: Call) -> Iterator[str]:
    for index, (_, content) in enumerate(call.messages):
        kinds = [block["type"] == "tool_result" for block in content]
        if sorted(kinds, reverse=True) != kinds:
            yield (
                f"messages.{index - 1}: `tool_use` ids were found without "
                "`tool_result` blocks immediately after: `tool_result` blocks must "
                "come first in the content of the next message."
            )


def _server_orphan(call: Call) -> Iterator[str]:
    for index, (_, content) in enumerate(call.messages):
        used: set[str] = set()
        for place, block in enumerate(content):
            if block["type"] == "server_tool_use":
                used.add(block["id"])
            elif (
                block["type"] == "web_search_tool_result"
                and block["tool_use_id"] not in used
            ):
                yield (
                    f"messages.{index}.content.{place}: unexpected `tool_use_id` found "
                    f"in `web_search_tool_result` blocks: {block['tool_use_id']}. Each "
                    "`web_search_tool_result` block must have a corresponding "
                    "`server_tool_use` block before it."
                )


def _server_unanswered(call: Call) -> Iterator[str]:
    """A turn that was paused may end with a use: it goes on from there."""
    for index, (_, content) in enumerate(call.messages[:-1]):
        answered = {
            b["tool_use_id"] for b in _of_type(content, "web_search_tool_result")
        }
        for block in _of_type(content, "server_tool_use"):
            if block["id"] not in answered:
                yield (
                    f"messages.{index}: `web_search` tool use with id `{block['id']}` "
                    "was found without a corresponding `web_search_tool_result` block"
                )


def _failed_result(call: Call) -> Iterator[str]:
    for path, block in _placed(call, "tool_result"):
        if block.get("is_error"):
            inner = blocks(block.get("content") or [])
            if not inner:
                yield f"{path}: content cannot be empty if `is_error` is true"
            elif any(part["type"] != "text" for part in inner):
                yield f"{path}: all content must be type `text` if `is_error` is true"


def _history_without_tools(call: Call) -> Iterator[str]:
    kinds = {block["type"] for _, block in call.message_blocks()}
    if not call.tools and kinds & {"tool_use", "tool_result"}:
        yield (
            "Requests which include `tool_use` or `tool_result` blocks must define "
            "tools."
        )


def _name_pattern(call: Call) -> Iterator[str]:
    for index, tool in enumerate(call.tools):
        if not _NAME.fullmatch(tool["name"]):
            yield (
                f"tools.{index}.custom.name: "
                "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"
            )


def _duplicate_name(call: Call) -> Iterator[str]:
    names = [tool["name"] for tool in call.tools]
    if len(set(names)) < len(names):
        yield "tools: Tool names must be unique."


def _custom(call: Call) -> Iterator[tuple[int, Block]]:
    """Give the tools that the client runs, with their places among all."""
    for index, tool in enumerate(call.tools):
        if tool in call.client_tools:
            yield index, tool


def _schema_type(call: Call) -> Iterator[str]:
    for index, tool in _custom(call):
        path = f"tools.{index}.custom.input_schema.type"
        if "type" not in tool["input_schema"]:
            yield f"{path}: Field required"
        elif tool["input_schema"]["type"] != "object":
            yield f"{path}: Input should be 'object'"


def _schema_union(call: Call) -> Iterator[str]:
    for index, tool in _custom(call):
        if tool["input_schema"].keys() & json_schema.UNIONS:
            yield (
                f"tools.{index}.custom.input_schema: input_schema does not support "
                "oneOf, allOf, or anyOf at the top level"
            )


def _schema_invalid(call: Call) -> Iterator[str]:
    for index, tool in _custom(call):
        given = tool["input_schema"]
        nulls = [name for name in _MAY_BE_NULL if given.get(name, ...) is None]
        if not json_schema.is_valid({k: given[k] for k in given if k not in nulls}):
            yield (
                f"tools.{index}.custom.input_schema: JSON schema is invalid. It must "
                "match JSON Schema draft 2020-12"
            )


def _property_key(call: Call) -> Iterator[str]:
    for index, tool in _custom(call):
        schema = tool["input_schema"]
        nodes = json_schema.nodes(schema) if json_schema.is_valid(schema) else ()
        names = [name for node in nodes for name in node.get("properties") or ()]
        if not all(map(_PROPERTY.fullmatch, names)):
            yield (
                f"tools.{index}.custom.input_schema.properties: Property keys should "
                "match pattern '^[a-zA-Z0-9_.-]{1,64}$'"
            )


def _choice_without_tools(call: Call) -> Iterator[str]:
    if call.body.get("tool_choice") and not call.tools:
        yield "tool_choice may only be specified while providing tools"


def _choice_unknown(call: Call) -> Iterator[str]:
    names = [tool["name"] for tool in call.tools]
    if call.tool_choice == "tool" and names:
        chosen = call.body["tool_choice"]["name"]
        if chosen not in names:
            yield f"Tool '{chosen}' not found in provided tools"


def _forced(call: Call) -> bool:
    return call.tool_choice in ("any", "tool")


def _forced_on_model(call: Call) -> Iterator[str]:
    if _forced(call) and not call.model.forced_tools:
        yield ('tool_choice: type "tool" and "any" are not supported for this model.')


def _forced_with_thinking(call: Call) -> Iterator[str]:
    supported = call.model.forced_tools and "enabled" in call.model.thinking
    if _forced(call) and supported and call.thinking_type == "enabled":
        yield "Thinking may not be enabled when tool_choice forces tool use."


ROWS = (
    Row("tools.name_pattern", _name_pattern),
    Row("tools.duplicate_name", _duplicate_name, error_code="tool_name_conflict"),
    Row("tools.schema_type", _schema_type),
    Row("tools.schema_union", _schema_union),
    Row("tools.schema_invalid", _schema_invalid),
    Row("tools.property_key", _property_key),
    Row("tools.missing_for_history", _history_without_tools),
    Row("tool_choice.no_tools", _choice_without_tools),
    Row("tool_choice.unknown_tool", _choice_unknown),
    Row("tool_choice.forced_on_model", _forced_on_model),
    Row("tool_choice.forced_with_thinking", _forced_with_thinking),
    Row("tool_use.id_pattern", _id_pattern),
    Row("tool_use.name_pattern", _called_name_pattern),
    Row("tool_use.duplicate_id", _duplicate_id),
    Row("tool_use.role", _wrong_role),
    Row("tool_use.unanswered", _unanswered),
    Row("tool_result.orphan", _orphan),
    Row("tool_result.duplicate", _duplicate_result),
    Row("tool_result.not_first", _result_not_first),
    Row("tool_result.failed", _failed_result),
    Row("server_tool.orphan", _server_orphan),
    Row("server_tool.unanswered", _server_unanswered),
)
