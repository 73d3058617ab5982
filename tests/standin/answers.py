"""What the stand-in answers. The same request always gets the same answer.

* Every text says that it comes from a stand-in and not from Claude.
* A tool is called when the last user turn brings no results and its text names the
  tool, or a word of at least four letters of the tool's name (`get_weather` is called
  by "weather"). If it names none but says "tool", the first tool is called. A forced
  tool choice calls that tool, or the named ones, or the first.
  Arguments fit the tool's schema: required properties, first enum values, and from the
  text: what is in quotes, or else the last capitalised word (a city, say), and the
  first number. A text precedes a call that is not forced, unless the model is quiet.
* After tool results the text quotes them. Results that hold the stand-in's own word
  `STAND_IN_CALL_AGAIN` are read like a user's text: it calls the tools that they name.
* With Anthropic's web search among the tools, a text that says "search" gets a search,
  its result, and a text that cites it, before any calls.
* A structured output (`output_config.format`) is an instance of its schema.
* A user who asks for JSON gets an object with the quoted words of that turn as keys.
* Anthropic's documented test string makes it refuse.
* With `max_tokens: 0` the prompt is only cached, and the answer is empty.
* A request for a compaction gets its block and nothing else.

System prompts are never read: what the client asked for must arrive in the fields that
the API has for it, not in a translator's words.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from standin import caching, compaction, instances, thinking
from standin.call import Block, Call, blocks, canonical, digest, tokens

AGAIN_TRIGGER = "STAND_IN_CALL_AGAIN"
REFUSAL_TRIGGER = "ANTHROPIC_MAGIC_STRING_TRIGGER_REFUSAL"
_QUOTED = 200  # of each tool result, in characters
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """The blocks of an answer and why it stops.

    A `tool_use` block holds its arguments as JSON text in `json`, because an answer
    that ran out of tokens ends in the middle of that text.
    """

    id: str
    content: tuple[Block, ...]
    stop_reason: str
    output_tokens: int
    thinking_tokens: int = 0
    stop_sequence: str | None = None
    stop_details: Block | None = None


def answer(
    call: Call, said: Sequence[str | tuple[str, dict[str, object]]] = ()
) -> Answer:
    """Answer a request that breaks no rule; `said` is what a test wants to be said."""
    key = digest(canonical(call.body))
    if call.compacts:
        return _compacted(call, key)
    if call.body["max_tokens"] == 0:
        return Answer(f"msg_{key}", (), "max_tokens", 0)
    if said:
        texts = [{"type": "text", "text": one} for one in said if isinstance(one, str)]
        named = [one for one in said if not isinstance(one, str)]
        calls = [_tool_call(key, i, *one) for i, one in enumerate(named)]
    elif any(REFUSAL_TRIGGER in text for text in _texts(call.last_turn)):
        return _refusal(key)
    else:
        calls = list(_tool_calls(call, key))
        texts = list(_prose(call, calls))
    content = [*thinking.made(call, calls=bool(calls)), *texts]
    for one in calls:
        content += thinking.between(call, content)
        content.append(one)
    return _within_limits(call, f"msg_{key}", content)


def _compacted(call: Call, key: str) -> Answer:
    block = compaction.made(call)
    written = block["content"]
    if written is None:
        return Answer(f"msg_{key}", (block,), "max_tokens", call.body["max_tokens"])
    return Answer(f"msg_{key}", (block,), "compaction", tokens(written))


def _refusal(key: str) -> Answer:
    details = {
        "type": "refusal",
        "category": "general_harms",
        "explanation": "The stand-in was asked to refuse.",
    }
    return Answer(f"msg_{key}", (), "refusal", 1, stop_details=details)


def _texts(turn: list[Block]) -> list[str]:
    return [block["text"] for block in turn if block["type"] == "text"]


def _prose(call: Call, calls: list[Block]) -> Iterator[Block]:
    turn = call.last_turn
    results = [block for block in turn if block["type"] == "tool_result"]
    if not calls and (schema := _json_asked_for(call)) is not None:
        made = instances.make(schema, _hints(turn), every=True)
        yield {"type": "text", "text": json.dumps(made, ensure_ascii=False)}
        return
    if not results and call.searches and _asks_to_search(turn):
        yield from _found(call)
        return
    if calls and (call.model.quiet or call.tool_choice in {"any", "tool"}):
        return
    said = "This is the stand-in, not Claude."
    if calls:
        said += f" It calls {len(calls)} of {len(call.tools)} tools."
    elif results:
        said += f" The tools answered: {'; '.join(map(_quote, results))}."
    else:
        length = sum(map(len, _texts(turn)))
        said += (
            f" Messages sent: {len(call.messages)}; characters of text in the last "
            f"turn: {length}."
        )
    yield {"type": "text", "text": said}


def _asks_to_search(turn: list[Block]) -> bool:
    return any(re.search(r"(?i)\bsearch\b", text) for text in _texts(turn))


def _found(call: Call) -> Iterator[Block]:
    """Search the web: a call of the server's, its result, and a text that cites it."""
    use = f"srvtoolu_{digest(canonical(call.body))}"
    query = {"query": _hints(call.last_turn).word}
    page = {"url": "https://example.com/found", "title": "A page of the stand-in"}
    yield {"type": "server_tool_use", "id": use, "name": "web_search", "input": query}
    result = {
        "type": "web_search_result",
        "encrypted_content": "c2Vl",
        "page_age": None,
    }
    yield {
        "type": "web_search_tool_result",
        "tool_use_id": use,
        "content": [result | page],
    }
    yield {"type": "text", "text": "The stand-in searched: "}
    cited = {"type": "web_search_result_location", "cited_text": "what it found"}
    yield {
        "type": "text",
        "text": "Grüße, it found one page",
        "citations": [cited | page | {"encrypted_index": "aW5k"}],
    }
    yield {"type": "text", "text": "."}


def _json_asked_for(call: Call) -> Block | None:
    """Give the schema of the JSON that is asked for; None where none is."""
    if call.output_schema is not None:
        return call.output_schema
    text = " ".join(_texts(call.last_turn))
    keys = re.findall(r"['\"](\w+)['\"]", text) if "JSON" in text else []
    if not keys:
        return None
    return {"type": "object", "properties": {key: {"type": "string"} for key in keys}}


def _quote(result: Block) -> str:
    texts = _texts(blocks(result.get("content") or []))
    return " ".join(" ".join(texts).split())[:_QUOTED] or "nothing"


def _tool_calls(call: Call, key: str) -> Iterator[Block]:
    turn = call.last_turn
    for index, tool in enumerate(_chosen(call, turn)):
        arguments = instances.make(tool["input_schema"], _hints(turn)) or {}
        yield _tool_call(key, index, tool["name"], arguments)


def _tool_call(key: str, index: int, name: str, arguments: object) -> Block:
    return {
        "type": "tool_use",
        "id": f"toolu_{digest(key.encode(), str(index).encode())}",
        "name": name,
        "json": json.dumps(arguments, ensure_ascii=False),
    }


def _chosen(call: Call, turn: list[Block]) -> list[Block]:
    said = [_quote(block) for block in turn if block["type"] == "tool_result"]
    again = any(AGAIN_TRIGGER in text for text in said)
    text = " ".join([*_texts(turn), *(said if again else ())])
    tools = call.client_tools
    named = [tool for tool in tools if _names(text, tool["name"])]
    answered = bool(said) and not again
    match call.tool_choice:
        case "none":
            return []
        case "tool":
            name = call.body["tool_choice"]["name"]
            return [tool for tool in tools if tool["name"] == name]
        case "any":
            chosen = named or tools[:1]
        case _:
            asked = tools[:1] if re.search(r"(?i)\btools?\b", text) else []
            chosen = [] if answered else named or asked
    serial = (call.body.get("tool_choice") or {}).get("disable_parallel_tool_use")
    return chosen[:1] if serial else chosen


def _names(text: str, name: str) -> bool:
    """Say whether a text names a tool: by its name, or a long word of its name."""
    parts = [part for part in re.split(r"[^a-zA-Z]+", name) if len(part) >= 4]
    words = "|".join(map(re.escape, [name, *parts]))
    return re.search(rf"(?i)(?<![\w-])(?:{words})(?![\w-])", text) is not None


def _hints(turn: list[Block]) -> instances.Hints:
    return instances.hints(" ".join(_texts(turn)))


def _within_limits(call: Call, id_: str, content: list[Block]) -> Answer:
    """Cut the answer at a stop sequence or where the tokens run out."""
    room = call.model.max_input_tokens - caching.prompt_tokens(call)
    limit, reason = call.body["max_tokens"], "max_tokens"
    if room < limit:
        limit, reason = room, "model_context_window_exceeded"
    kept: list[Block] = []
    thought = spent = 0
    for block in content:
        if block["type"] not in _WRITTEN:  # the server's own search
            kept.append(block)
            continue
        left = limit - spent
        stopped, sequence = _at_stop_sequence(call, block)
        fitting, fits = _fitting(stopped, left)
        spent += min(_cost(stopped), left)
        if block["type"] in thinking.KINDS:
            thought = spent
        if fitting is not None:
            kept.append(fitting)
        if not fits:
            return Answer(id_, tuple(kept), reason, spent, thought)
        if sequence is not None:
            return Answer(id_, tuple(kept), "stop_sequence", spent, thought, sequence)
    tool_use = any(block["type"] == "tool_use" for block in kept)
    ended = "tool_use" if tool_use else "end_turn"
    return Answer(id_, tuple(kept), ended, max(1, spent), thought)


def _at_stop_sequence(call: Call, block: Block) -> tuple[Block, str | None]:
    if block["type"] != "text":
        return block, None
    text = block["text"]
    stops = call.body.get("stop_sequences") or []
    found = [(text.find(stop), stop) for stop in stops if stop in text]
    if not found:
        return block, None
    at, sequence = min(found)
    return block | {"text": text[:at]}, sequence


_WRITTEN = {
    "text": "text",
    "tool_use": "json",
    "thinking": "thought",
    "redacted_thinking": "thought",
}


def _cost(block: Block) -> int:
    return tokens(block[_WRITTEN[block["type"]]])


def _fitting(block: Block, left: int) -> tuple[Block | None, bool]:
    """Give what fits into that many tokens, and whether it is the whole block."""
    name = _WRITTEN[block["type"]]
    written = block[name].encode()
    if _cost(block) <= left:
        return (block if written else None), True
    if left <= 0 or name == "thought":
        return None, False
    cut = written[: left * _BYTES_PER_TOKEN].decode(errors="ignore")
    return block | {name: cut}, False
