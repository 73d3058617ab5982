"""Responses requests for properties: ``LOOSE`` of any shape, ``GOOD`` well formed."""

from typing import Any

from hypothesis import strategies as st

from request_strategies import (
    ANY,
    ARGUMENTS,
    GOOD_NAME,
    GOOD_SCHEMA,
    MARK,
    MAYBE_BLANK,
    MODELS,
    PNG,
    SAID,
    maybe,
    merged,
)
from responses_requests import reasoning, sealed, thinking

USE = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search",
       "input": {"query": "q"}}  # fmt: skip
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
CALL_ID = st.sampled_from(["c1", "c2", "call:3", "y" * 80])


def text_part(kind: str) -> st.SearchStrategy[dict]:
    return merged(st.builds(lambda t: {"type": kind, "text": t}, MAYBE_BLANK), MARK)


MEDIA = st.sampled_from(
    [{"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
     {"type": "input_image", "image_url": "https://example.com/a.png"},
     {"type": "input_image", "file_id": "file_1"},
     {"type": "input_file", "file_data": "JVBERi0=", "filename": "a.pdf"},
     {"type": "input_file", "file_url": "https://example.com/a.pdf"}]
)  # fmt: skip
USER_PART = text_part("input_text") | MEDIA
TEXTS = st.lists(text_part("output_text") | text_part("text"), max_size=2)
USERS = merged(
    st.builds(
        lambda c: {"role": "user", "content": c},
        SAID
        | st.lists(USER_PART, max_size=2).map(
            lambda some: [*some, {"type": "input_text", "text": "Go."}]
        ),
    ),
    MARK,
)
SYSTEMS = st.builds(
    lambda r, c: {"role": r, "content": c},
    st.sampled_from(["system", "developer"]),
    MAYBE_BLANK | TEXTS,
)
ASSISTANTS = st.builds(
    lambda c: {"type": "message", "id": "msg_1", "role": "assistant", "content": c},
    MAYBE_BLANK | TEXTS | st.just("<think>plan</think>"),
)
THOUGHTS = st.sampled_from(
    [reasoning(id="rs_1"), reasoning(thinking("B", "s2")), reasoning(USE, FOUND),
     reasoning({"type": "redacted_thinking", "data": "ZGF0YQ=="}),
     {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAAA"},
     {"type": "reasoning", "summary": []},
     {"type": "web_search_call", "id": "ws_1", "status": "completed"},
     {"type": "mcp_call", "id": "mcp_1"}]
)  # fmt: skip


# Strategies are made once: to make one takes longer than to draw from it.
OUTPUT = MAYBE_BLANK | st.lists(USER_PART, max_size=2)
FLAG = st.sampled_from([{}, {"is_error": True}])


@st.composite
def calls(draw: st.DrawFn) -> tuple[dict, dict]:
    """A call of any kind, and its output."""
    call_id = draw(CALL_ID)
    given = draw(OUTPUT)
    function = (
        {"type": "function_call", "name": draw(GOOD_NAME), "arguments": draw(ARGUMENTS)},
        {"type": "function_call_output", "output": given,
         **draw(FLAG)},
    )  # fmt: skip
    custom = (
        {"type": "custom_tool_call", "name": "run", "namespace": "js",
         "input": draw(MAYBE_BLANK)},
        {"type": "custom_tool_call_output", "output": draw(MAYBE_BLANK)},
    )  # fmt: skip
    shell = (
        {"type": "shell_call", "action": {"commands": ["ls"], "timeout_ms": None}},
        {"type": "shell_call_output", "output": [{"stdout": "a"}]},
    )
    patch = (
        {"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a"}},
        {"type": "apply_patch_call_output", "status": "failed"},
    )
    call, output = draw(st.sampled_from([function, function, custom, shell, patch]))
    return {**call, "call_id": call_id}, {**output, "call_id": call_id}


CALLS = st.lists(calls(), min_size=1, max_size=3)
BETWEEN = st.lists(THOUGHTS | ASSISTANTS, max_size=3)
LATE = st.lists(SYSTEMS | USERS, max_size=1)


@st.composite
def rounds(draw: st.DrawFn) -> list[dict]:
    """Calls with text and reasoning between them, then all outputs in any order."""
    pairs = draw(CALLS)
    turn = [call for call, _ in pairs]
    for one in draw(BETWEEN):
        turn.insert(draw(st.integers(0, len(turn))), one)
    outputs = draw(st.permutations([output for _, output in pairs]))
    for one in draw(LATE):
        outputs.insert(draw(st.integers(0, len(outputs))), one)
    return [*turn, *outputs]


ROUNDS = rounds()
REPLIES = st.lists(THOUGHTS | ASSISTANTS, min_size=1, max_size=3)
GROUPS = st.lists(
    st.one_of(ROUNDS, REPLIES, USERS.map(lambda one: [one]),
              SYSTEMS.map(lambda one: [one])),
    max_size=6,
)  # fmt: skip


@st.composite
def good_input(draw: st.DrawFn) -> list[dict]:
    items = [one for group in draw(GROUPS) for one in group]
    if draw(st.booleans()):
        summary = {"type": "compaction", "content": "They said hello."}
        compaction = {"type": "compaction", "encrypted_content": sealed(summary)}
        items.insert(0, compaction)
    spoken = any(one.get("role") == "user" for one in items)
    if draw(st.sampled_from([True, True, False])) or not spoken:
        items.append(draw(USERS))
    return items


FUNCTIONS = merged(
    st.builds(lambda n: {"type": "function", "name": n}, GOOD_NAME),
    maybe(parameters=GOOD_SCHEMA, strict=st.booleans() | st.none()),
    MARK,
)
OTHERS = st.sampled_from(
    [{"type": "custom", "name": "run"}, {"type": "shell"}, {"type": "apply_patch"},
     {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "regex",
                                                "definition": "a+"}},
     {"type": "namespace", "name": "js", "description": "JavaScript",
      "tools": [{"type": "custom", "name": "run"}]},
     {"type": "web_search"}, {"type": "web_search", "external_web_access": False},
     {"type": "image_generation"}]
)  # fmt: skip
TOOLS = st.lists(FUNCTIONS | OTHERS, max_size=4).map(
    lambda some: list({one.get("name", one["type"]): one for one in some}.values())
)
FIELDS = maybe(
    instructions=MAYBE_BLANK,
    max_output_tokens=st.sampled_from([1, 100, 1025, 5000, 200_000, None]),
    temperature=st.sampled_from([0, 0.5, 1, 1.7, None]),
    top_p=st.sampled_from([0.5, 0.97, 1]),
    tool_choice=st.sampled_from(["auto", "none"]),
    parallel_tool_calls=st.booleans(),
    max_tool_calls=st.sampled_from([1, None]),
    reasoning=maybe(
        effort=st.sampled_from(
            ["none", "minimal", "low", "medium", "high", "xhigh", "max", None]
        ),
        summary=st.sampled_from(["auto", "detailed", None]),
    ),
    text=maybe(
        format=st.sampled_from([None, {"type": "text"}, {"type": "json_object"}])
        | st.builds(
            lambda s: {"type": "json_schema", "name": "x", "schema": s},
            GOOD_SCHEMA.filter(lambda one: one is not None),
        ),
        verbosity=st.sampled_from(["low", "medium", None]),
    ),
    truncation=st.sampled_from(["auto", "disabled"]),
    context_management=st.sampled_from(
        [[{"type": "compaction", "compact_threshold": 60000}], {"edits": []}]
    ),
    store=st.booleans(),
    user=st.sampled_from(["u", "ada@example.com"]),
    service_tier=st.sampled_from(["auto", "default", "flex"]),
    prompt_cache_options=st.sampled_from([{}, {"mode": "explicit"}, {"ttl": "30m"}]),
)


INPUT = good_input()


@st.composite
def good_requests(draw: st.DrawFn) -> dict[str, Any]:
    """Requests that OpenAI itself would take, in every odd combination."""
    items = draw(INPUT)
    tools = draw(TOOLS)
    if draw(st.booleans()):
        late = {"type": "additional_tools", "role": "developer", "tools": tools}
        items.insert(draw(st.integers(0, len(items) - 1)), late)
        tools = draw(st.sampled_from([tools, []]))
    return {"model": draw(MODELS), "input": items, "tools": tools, **draw(FIELDS)}


GOOD = good_requests()

LOOSE_ITEM = st.one_of(
    merged(
        st.builds(
            lambda kind: {"type": kind},
            st.sampled_from(
                ["message", "reasoning", "function_call", "function_call_output",
                 "custom_tool_call", "local_shell_call", "shell_call_output",
                 "tool_search_call", "tool_search_output", "additional_tools",
                 "compaction", "compaction_trigger", "configuration_update",
                 "item_reference", "web_search_call", "program", "zzz"]
            ),
        ),
        maybe(
            id=ANY, role=st.sampled_from(["user", "assistant", "system"]) | ANY,
            content=ANY | st.lists(USER_PART | ANY, max_size=2), call_id=CALL_ID | ANY,
            name=GOOD_NAME | ANY, arguments=ARGUMENTS | ANY, output=ANY, action=ANY,
            tools=st.lists(FUNCTIONS | OTHERS | ANY, max_size=2) | ANY, status=ANY,
            encrypted_content=ANY, execution=st.sampled_from(["client", "server"]) | ANY,
            reasoning=ANY, text=ANY, summary=ANY,
        ),
    ),
    USERS,
    ANY,
)  # fmt: skip
LOOSE = merged(
    st.fixed_dictionaries(
        {"input": st.lists(st.one_of(LOOSE_ITEM, USERS), max_size=4) | ANY}
    ),
    maybe(
        model=MODELS | ANY, tools=st.lists(FUNCTIONS | OTHERS | ANY, max_size=3) | ANY,
        tool_choice=ANY | st.builds(
            lambda kind, name: {"type": kind, "name": name},
            st.sampled_from(["function", "custom", "shell", "web_search", "mcp", "zzz"]),
            GOOD_NAME,
        ),
        instructions=ANY, reasoning=ANY, text=ANY, metadata=ANY, include=ANY,
        context_management=ANY, max_output_tokens=ANY, previous_response_id=ANY,
        stream=ANY, truncation=ANY, prompt=ANY, thinking=ANY, output_config=ANY,
    ),
)  # fmt: skip
