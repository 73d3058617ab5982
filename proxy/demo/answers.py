"""What the demo answers. The same request always gets the same answer.

* A request for a compaction gets one that says how many messages there were.
* When tools are offered and the last turn is the user's, one of them is called: the one
  that `tool_choice` names, else one that the turn mentions by name, else the first.
* When the last turn brings tool results, the text quotes them.
* A structured output (`output_config.format`) is an instance of its schema.
* Any other answer is a text, which begins with `GREETING`.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

GREETING = "This is the built-in demo, not Claude."
_PIECE = 16  # characters in a delta
_BYTES_PER_TOKEN = 4
_MAX_DEPTH = 16
_QUOTED = 200  # characters of each tool result

_MODELS = (
    ("claude-opus-5-5", "Claude Opus 5.5", "2026-09-22"),
    ("claude-sonnet-5-5", "Claude Sonnet 5.5", "2026-09-28"),
    ("claude-haiku-5-5", "Claude Haiku 5.5", "2026-10-07"),
    ("claude-sonnet-4-6", "Claude Sonnet 4.6", "2026-02-17"),
)


def models() -> Json:
    """The body of `GET /v1/models`: one page."""
    data = [
        {
            "type": "model",
            "id": id_,
            "display_name": name,
            "created_at": f"{day}T00:00:00Z",
            "lifecycle": "active",
        }
        for id_, name, day in _MODELS
    ]
    first, last = data[0]["id"], data[-1]["id"]
    return {"data": data, "has_more": False, "first_id": first, "last_id": last}


def message(request: Json) -> Json:
    """The whole answer to the body of `POST /v1/messages`, as a `Message` object."""
    key = hashlib.sha256(json.dumps(request).encode()).hexdigest()[:24]
    content, stop_reason = _answer(request, key)
    return {
        "id": f"msg_{key}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": prompt_tokens(request),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": _tokens(content),
            "service_tier": "standard",
        },
    }


def _answer(request: Json, key: str) -> tuple[list[Json], str]:
    """The blocks of an answer, and why it ends."""
    if "compaction" in request:
        said = f"{GREETING} There were {len(request['messages'])} messages."
        block = {"type": "compaction", "content": said, "signature": key}
        return [block], "compaction"
    turn = _last_turn(request)
    tool = _tool(request, turn)
    text = _text(request, turn, tool)
    content: list[Json] = [{"type": "text", "text": text}] if text else []
    if tool is None:
        return content, "end_turn"
    use = {"type": "tool_use", "id": f"toolu_{key}", "name": tool["name"]}
    content.append(use | {"input": instance(tool["input_schema"]) or {}})
    return content, "tool_use"


def prompt_tokens(request: Json) -> int:
    """Estimate how many tokens a prompt is."""
    parts = [request.get(part, "") for part in ("tools", "system", "messages")]
    return sum(map(_tokens, parts))


def events(answer: Json) -> Iterator[Json]:
    """The events of a stream that adds up to that message."""
    begun: Json = {"content": [], "stop_reason": None}
    usage = {"usage": answer["usage"] | {"output_tokens": 1}}
    yield {"type": "message_start", "message": answer | begun | usage}
    for index, block in enumerate(answer["content"]):
        at = {"index": index}
        opened, deltas = _pieces(block)
        yield {"type": "content_block_start", **at, "content_block": block | opened}
        for delta in deltas:
            yield {"type": "content_block_delta", **at, "delta": delta}
        yield {"type": "content_block_stop", **at}
    ended = ("stop_reason", "stop_sequence", "stop_details")
    yield {
        "type": "message_delta",
        "delta": {name: answer[name] for name in ended},
        "usage": {"output_tokens": answer["usage"]["output_tokens"]},
    }
    yield {"type": "message_stop"}


def _pieces(block: Json) -> tuple[Json, list[Json]]:
    """How a block begins, and the deltas that add up to the rest of it."""
    match block["type"]:
        case "compaction":
            whole = {"type": "compaction_delta", "content": block["content"]}
            return {"content": None}, [whole]
        case "text":
            opened: Json = {"text": ""}
            written, kind, field = block["text"], "text_delta", "text"
        case _:
            opened = {"input": {}}
            written = json.dumps(block["input"])
            kind, field = "input_json_delta", "partial_json"
    steps = range(0, len(written), _PIECE)
    return opened, [
        {"type": kind, field: written[start : start + _PIECE]} for start in steps
    ]


def instance(schema: object) -> Any:  # noqa: ANN401 - any JSON value
    """A value that fits a simple JSON schema; null where none is known.

    Objects get their required properties, arrays one item, enums their first value.
    """
    return _instance(schema, schema, 0)


def _instance(schema: object, root: object, depth: int) -> Any:  # noqa: ANN401
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return None
    match schema:
        case {"const": value} | {"enum": [value, *_]} | {"default": value}:
            return value
        case {"$ref": str(reference)}:
            return _instance(_resolve(root, reference), root, depth + 1)
        case {"anyOf": [first, *_]} | {"oneOf": [first, *_]} | {"allOf": [first, *_]}:
            return _instance(first, root, depth + 1)
        case {"type": [kind, *_]} | {"type": str(kind)}:
            return _of_kind(kind, schema, root, depth)
        case _:
            return None


def _of_kind(kind: str, schema: Json, root: object, depth: int) -> Any:  # noqa: ANN401
    match kind:
        case "object":
            properties = schema.get("properties") or {}
            return {
                name: _instance(properties.get(name), root, depth + 1)
                for name in schema.get("required") or []
            }
        case "array":
            return [_instance(schema.get("items"), root, depth + 1)]
        case "string":
            return "demo"
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return None


def _resolve(root: object, reference: str) -> object:
    found = root
    for step in filter(None, reference.removeprefix("#").split("/")):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _last_turn(request: Json) -> list[Json]:
    """The blocks of the user's turn at the end; none after the assistant's."""
    turn: list[Json] = []
    for given in reversed(request["messages"]):
        if given["role"] == "assistant":
            break
        if given["role"] == "user":
            turn = [*_blocks(given["content"]), *turn]
    return turn


def _blocks(content: str | list[Json]) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _said(blocks: list[Json]) -> str:
    return " ".join(block["text"] for block in blocks if block["type"] == "text")


def _tool(request: Json, turn: list[Json]) -> Json | None:
    """The tool that is called, None where none is."""
    offered: list[Json] = request.get("tools") or []
    tools = [tool for tool in offered if "input_schema" in tool]  # not Anthropic's own
    choice: Json = request.get("tool_choice") or {"type": "auto"}
    answered = any(block["type"] == "tool_result" for block in turn)
    forced = choice["type"] in {"any", "tool"}
    if choice["type"] == "none" or not turn or (answered and not forced):
        return None
    words = _said(turn)
    named = [tool for tool in tools if tool["name"] == choice.get("name")]
    named += [tool for tool in tools if tool["name"] in words]
    return next(iter([*named, *tools]), None)


def _text(request: Json, turn: list[Json], tool: Json | None) -> str:
    form = (request.get("output_config") or {}).get("format")
    if tool is not None:
        return f"{GREETING} It calls a tool."
    if form:
        return json.dumps(instance(form["schema"]), ensure_ascii=False)
    results = [block for block in turn if block["type"] == "tool_result"]
    if results:
        told = (_said(_blocks(block.get("content") or [])) for block in results)
        return f"{GREETING} The tools answered: {'; '.join(t[:_QUOTED] for t in told)}."
    length = sum(len(block["text"]) for block in turn if block["type"] == "text")
    return (
        f"{GREETING} Messages sent: {len(request['messages'])}; characters of text in "
        f"the last turn: {length}."
    )


def _tokens(value: object) -> int:
    """Estimate how many tokens a value is: a quarter of its bytes as JSON."""
    return len(json.dumps(value).encode()) // _BYTES_PER_TOKEN
