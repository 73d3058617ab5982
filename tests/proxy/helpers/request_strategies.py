"""Requests for properties: ``FIELDS`` and ``MESSAGES`` loose, ``GOOD`` well formed."""

import json
from typing import Any

from hypothesis import strategies as st

MODELS = st.sampled_from(
    ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-sonnet-5",
     "claude-opus-5", "claude-opus-4-8", "claude-opus-4-7", "claude-sonnet-4-6",
     "claude-opus-4-5", "claude-haiku-4-5", "claude-fable-5-2", "claude-mythos-preview",
     "anthropic/claude-haiku-4.5", "claude-nova-9"]
)  # fmt: skip
TEXT = st.sampled_from(
    ["Hi", "", " ", "\n", "What is\u2028 this? ☃", "call tool get", "\0"]
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAME = st.sampled_from(["get", "files.read", "a b", "x" * 130, "", "get"])
ID = st.sampled_from(["c1", "c2", "call:3", "y" * 80, ""])
MARK = st.sampled_from([{}, {}, {}, {"cache_control": {"type": "ephemeral"}},
                        {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
                        {"prompt_cache_breakpoint": {"mode": "explicit"}}])  # fmt: skip
PNG = "iVBORw0KGgo="
JPEG = "/9j/4A=="


def merged(*parts: st.SearchStrategy[dict]) -> st.SearchStrategy[dict]:
    return st.tuples(*parts).map(
        lambda some: {k: v for one in some for k, v in one.items()}
    )


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict]:
    return st.fixed_dictionaries({}, optional=fields)


PART = merged(
    st.one_of(
        st.builds(lambda t: {"type": "text", "text": t}, TEXT),
        st.sampled_from(
            [
                {"type": "image_url",
                 "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "image_url", "image_url": {"url": "http://example.com/a.png"}},
                {"type": "file", "file": {"file_data": PNG, "filename": "a.pdf"}},
                {"type": "file", "file": {"file_id": "file_1"}},
                {"type": "refusal", "refusal": "No."},
                {"type": "input_audio", "input_audio": {}},
            ]
        ),
    ),
    MARK,
)  # fmt: skip
CONTENT = st.one_of(TEXT, st.none(), st.lists(PART, max_size=3), ANY)
ARGUMENTS = st.sampled_from(
    [
        "{}",
        "",
        "null",
        '{"a": 1.50}',
        "[",
        '{"a": [1, {}]}',
        '{"$top": 1, "a b": "\\ud83d"}',
    ]
)
CALL = st.builds(
    lambda i, n, a: {"id": i, "type": "function", "function": {"name": n, "arguments": a}},
    ID, NAME, ARGUMENTS,
)  # fmt: skip
THINKING = st.sampled_from(
    [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
     {"type": "thinking", "thinking": "Hm."},
     {"type": "redacted_thinking", "data": "ZGF0YQ=="}]
)  # fmt: skip
LOOSE_MESSAGE = st.one_of(
    merged(
        st.builds(
            lambda r, c: {"role": r, "content": c},
            st.sampled_from(["user", "user", "system", "developer", "assistant"]), CONTENT,
        ),
        MARK,
    ),
    st.builds(lambda i, c: {"role": "tool", "tool_call_id": i, "content": c}, ID, CONTENT),
    ANY,
)  # fmt: skip


CALLS = st.lists(CALL, min_size=1, max_size=3)
THOUGHTFUL = st.lists(THINKING, max_size=2)


@st.composite
def rounds(draw: st.DrawFn) -> list[dict]:
    """Calls and their results, sometimes one too few, with things in between."""
    calls = draw(CALLS)
    results = [
        {"role": "tool", "tool_call_id": one["id"], "content": draw(CONTENT)}
        for one in calls
    ][: draw(st.sampled_from([9, 9, 9, 1]))]
    if draw(st.booleans()):
        results.insert(draw(st.integers(0, len(results))),
                       {"role": "system", "content": draw(TEXT)})  # fmt: skip
    assistant = {"role": "assistant", "content": draw(CONTENT), "tool_calls": calls}
    if draw(st.booleans()):
        assistant["thinking_blocks"] = draw(THOUGHTFUL)
    return [assistant, *results]


MESSAGES = st.one_of(
    st.lists(
        st.one_of(
            rounds(),
            st.builds(lambda c: [{"role": "user", "content": c}], TEXT),
            st.builds(lambda m: [m], LOOSE_MESSAGE),
        ),
        max_size=5,
    ).map(lambda groups: [message for group in groups for message in group]),
    ANY,
)
SCHEMA = st.sampled_from(
    [
        {"type": "object", "properties": {"city": {"type": "string"}}},
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}},
         "required": ["a"], "additionalProperties": False},
        {"type": "object", "properties": {"n": {"type": ["string", "null"]}},
         "anyOf": [{"required": ["n"]}]},
        {"properties": {}}, {}, None, {"type": "object"}, {"type": "array"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"self": {"$ref": "#"}}},
        {"type": "object", "properties": {"a b": {}}},
        {"type": "object", "properties": {"$top": {"type": "integer"}, "größe": {}},
         "required": ["$top"], "additionalProperties": False},
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
         "properties": {"p": {"type": "array", "items": [{"type": "number"}]}}},
        {"type": "object", "properties": {"n": {"type": "string", "nullable": True,
                                                "description": None}}},
        {"type": "object", "properties": {"n": {"type": "INTEGER", "minimum": 0,
                                                "exclusiveMinimum": True}}},
        {"type": "object", "properties": {"n": {"type": "color"}}},
    ]
)  # fmt: skip
FUNCTION = merged(
    st.fixed_dictionaries({"name": NAME}),
    maybe(parameters=SCHEMA, strict=st.booleans() | st.none(), description=TEXT),
)
TOOL = merged(st.builds(lambda f: {"type": "function", "function": f}, FUNCTION), MARK)
FIELDS = maybe(
    model=MODELS | TEXT,
    max_tokens=st.sampled_from([1, 100, 1025, 5000, 200_000, 0, -1, 10**30, None]),
    temperature=st.sampled_from([0, 0.5, 1, 1.7, 2.5, None]),
    top_p=st.sampled_from([0, 0.5, 0.97, 1, 1.5]),
    top_k=st.sampled_from([0, 5, 40]),
    stop=st.sampled_from(["END", "\n", "", ["a", " "], [], None, 3]),
    n=st.sampled_from([1, 1, None, 2]),
    stream_options=st.sampled_from([{"include_usage": True}, {}, None]),
    tools=st.lists(TOOL, max_size=3) | st.none(),
    tool_choice=st.sampled_from(
        ["auto", "none", "required", {"type": "function", "function": {"name": "get"}}]
    ),
    parallel_tool_calls=st.booleans(),
    functions=st.lists(FUNCTION, max_size=2),
    response_format=st.one_of(
        st.sampled_from([None, {"type": "text"}, {"type": "json_object"}]),
        st.builds(
            lambda s: {"type": "json_schema", "json_schema": {"name": "x", "schema": s}},
            SCHEMA,
        ),
    ),
    reasoning_effort=st.sampled_from(
        ["none", "minimal", "low", "medium", "high", "xhigh", "max", "wild"]
    ),
    thinking=st.sampled_from(
        [{"type": "adaptive"}, {"type": "enabled", "budget_tokens": 2000},
         {"type": "enabled"}, {"type": "disabled"}, {"type": "between_tools"}]
    ),
    output_config=st.sampled_from([{}, {"effort": "max"}, {"effort": "low"}]),
    cache_control=st.sampled_from([{"type": "ephemeral"}, {"type": "ephemeral",
                                                           "ttl": "1h"}]),
    user=st.sampled_from(["u", "ada@example.com", "", "z" * 300, "555 010 9999"]),
    service_tier=st.sampled_from(["auto", "default", "flex", "odd"]),
    prompt_cache_options=st.sampled_from([{}, {"mode": "explicit"}, {"ttl": "30m"}]),
    inference_geo=st.sampled_from(["us", "global"]),
    context_management=st.sampled_from([{"edits": []}]),
    logprobs=ANY, seed=ANY, metadata=ANY, zzz=ANY,
)  # fmt: skip


# ---------------------------------------------------------------- well-formed requests

SAID = st.sampled_from(["Hi", "What is\u2028 this? ☃", "call tool get", " ok ", "0"])
MAYBE_BLANK = SAID | st.sampled_from(["", " ", "\n"])
GOOD_NAME = st.sampled_from(["get", "files.read", "a b", "x" * 130])
GOOD_PART = merged(
    st.one_of(
        st.builds(lambda t: {"type": "text", "text": t}, MAYBE_BLANK),
        st.sampled_from(
            [
                {"type": "image_url",
                 "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                {"type": "image_url",
                 "image_url": {"url": f"data:image/png;base64,{JPEG}"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "file", "file": {"file_data": PNG, "filename": "a.pdf"}},
                {"type": "file", "file": {"file_id": "file_1"}},
            ]
        ),
    ),
    MARK,
)  # fmt: skip
TEXTS = st.lists(
    merged(st.builds(lambda t: {"type": "text", "text": t}, MAYBE_BLANK), MARK),
    max_size=2,
)
USERS = merged(
    st.builds(
        lambda c: {"role": "user", "content": c},
        SAID | st.lists(GOOD_PART, max_size=2).map(lambda some: [*some, A_WORD]),
    ),
    MARK,
)
A_WORD = {"type": "text", "text": "Go."}
SYSTEMS = merged(
    st.builds(
        lambda r, c: {"role": r, "content": c},
        st.sampled_from(["system", "developer"]), MAYBE_BLANK | TEXTS,
    ),
    MARK,
)  # fmt: skip
THOUGHTS = st.just({}) | st.builds(lambda some: {"thinking_blocks": some},
                                   THOUGHTFUL)  # fmt: skip


# Strategies are made once: to make one takes longer than to draw from it.
GOOD_IDS = st.lists(st.sampled_from(["c1", "c2", "call:3", "y" * 80]), min_size=1,
                    max_size=3)  # fmt: skip
OUTPUT = MAYBE_BLANK | st.lists(GOOD_PART, max_size=2)
FLAG = st.sampled_from([{}, {}, {"is_error": True}])
LATE = st.lists(SYSTEMS, max_size=1)
BESIDE_CALLS = st.none() | MAYBE_BLANK | TEXTS


@st.composite
def good_rounds(draw: st.DrawFn) -> list[dict]:
    """Calls and all their results, in any order, with system messages in between."""
    ids = draw(GOOD_IDS)
    calls = [
        {"id": i, "type": "function",
         "function": {"name": draw(GOOD_NAME), "arguments": draw(ARGUMENTS)}}
        for i in ids
    ]  # fmt: skip
    results: list[dict] = [
        {"role": "tool", "tool_call_id": i, "content": draw(OUTPUT), **draw(MARK),
         **draw(FLAG)}
        for i in draw(st.permutations(ids))
    ]  # fmt: skip
    for one in draw(LATE):
        results.insert(draw(st.integers(0, len(results))), one)
    assistant = {"role": "assistant", "content": draw(BESIDE_CALLS)}
    return [{**assistant, "tool_calls": calls, **draw(THOUGHTS)}, *results]


REPLIES = st.builds(
    lambda t, thoughts: [{"role": "assistant", "content": t, **thoughts}],
    MAYBE_BLANK | TEXTS, THOUGHTS,
)  # fmt: skip


GROUPS = st.lists(
    st.one_of(good_rounds(), REPLIES, USERS.map(lambda one: [one]),
              SYSTEMS.map(lambda one: [one])),
    max_size=6,
)  # fmt: skip
END_IN_SYSTEMS = st.lists(SYSTEMS, min_size=1, max_size=3)


@st.composite
def good_messages(draw: st.DrawFn) -> list[dict]:
    messages = [message for group in draw(GROUPS) for message in group]
    end = draw(st.sampled_from(["user", "user", "user and system", "as it is"]))
    if end != "as it is" or not any(m["role"] == "user" for m in messages):
        messages.append(draw(USERS))
    if end == "user and system":
        messages += draw(END_IN_SYSTEMS)
    return messages


def _by_name(tools: list[dict]) -> list[dict]:
    return list({one["function"]["name"]: one for one in tools}.values())


GOOD_SCHEMA = SCHEMA.filter(
    lambda one: (
        one is None
        or (one.get("type", "object") == "object" and "color" not in json.dumps(one))
    )
)
GOOD_FUNCTION = merged(
    st.fixed_dictionaries({"name": GOOD_NAME}),
    maybe(parameters=GOOD_SCHEMA, strict=st.booleans() | st.none(), description=TEXT),
)
GOOD_TOOLS = st.lists(
    merged(
        st.builds(lambda f: {"type": "function", "function": f}, GOOD_FUNCTION), MARK
    ),
    max_size=3,
).map(_by_name)


GOOD_MESSAGES = good_messages()
GOOD_FIELDS = maybe(
    max_tokens=st.sampled_from([1, 100, 1025, 5000, 200_000, None]),
    temperature=st.sampled_from([0, 0.5, 1, 1.7, None]),
    top_p=st.sampled_from([0.5, 0.97, 1]),
    top_k=st.sampled_from([0, 5, 40]),
    stop=st.sampled_from(["END", "\n", "", ["a", " "], [], None]),
    parallel_tool_calls=st.booleans(),
    response_format=st.one_of(
        st.sampled_from([None, {"type": "text"}, {"type": "json_object"}]),
        st.builds(
            lambda s: {"type": "json_schema",
                       "json_schema": {"name": "x", "schema": s}},
            GOOD_SCHEMA.filter(lambda one: one is not None),
        ),
    ),
    reasoning_effort=st.sampled_from(
        ["none", "minimal", "low", "medium", "high", "xhigh", "max"]
    ),
    thinking=st.sampled_from(
        [{"type": "adaptive"}, {"type": "enabled", "budget_tokens": 2000},
         {"type": "enabled"}, {"type": "disabled"}, {"type": "between_tools"}]
    ),
    output_config=st.sampled_from([{}, {"effort": "max"}, {"effort": "low"}]),
    cache_control=st.sampled_from([{"type": "ephemeral"},
                                   {"type": "ephemeral", "ttl": "1h"}]),
    user=st.sampled_from(["u", "ada@example.com", "", "z" * 300, "555 010 9999"]),
    service_tier=st.sampled_from(["auto", "default", "flex", "odd"]),
    prompt_cache_options=st.sampled_from([{}, {"mode": "explicit"}, {"ttl": "30m"}]),
    web_search_options=st.sampled_from(
        [{}, {"user_location": {"type": "approximate", "approximate": {"city": "X"}}}]
    ),
    seed=st.integers(), verbosity=st.sampled_from(["low", "high"]),
)  # fmt: skip


@st.composite
def good_requests(draw: st.DrawFn) -> dict:
    """Requests that OpenAI itself would take, in every odd combination."""
    tools = draw(GOOD_TOOLS)
    choices: list[Any] = ["auto", "none"]
    if tools:
        name = tools[0]["function"]["name"]
        choices += ["required", {"type": "function", "function": {"name": name}}]
    return {
        "model": draw(MODELS),
        "messages": draw(GOOD_MESSAGES),
        **({"tools": tools} if tools or draw(st.booleans()) else {}),
        **draw(maybe(tool_choice=st.sampled_from(choices))),
        **draw(GOOD_FIELDS),
    }


GOOD = good_requests()
