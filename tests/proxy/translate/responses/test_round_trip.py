"""What Claude said comes back to it, block by block, through any client."""

import json

import pytest

from responses_requests import MODEL, as_data, broken, function, read
from responses_translation import items, last, told
from upstream_blocks import (
    call,
    citation,
    found,
    message,
    redacted,
    search,
    text,
    thinking,
)

TOOLS = [
    function("get.weather"),
    {"type": "custom", "name": "exec"},
    {"type": "namespace", "name": "mcp__files", "tools": [function("read")]},
    {"type": "shell"},
    {"type": "local_shell"},
    {"type": "apply_patch"},
    {"type": "web_search"},
]
ASKED = {"model": MODEL, "tools": TOOLS, "reasoning": {"summary": "auto"},
         "include": ["reasoning.encrypted_content"], "store": False}  # fmt: skip
HI = {"role": "user", "content": "Hi"}
PATCH = {"operation": {"type": "update_file", "path": "a", "diff": "@@"}}
ODD_NAME, *_ = read({**ASKED, "input": [HI]})[1].tools

TURNS = {
    "thinking between calls": [
        thinking("Hm"), text("First. "), redacted(), thinking("So"),
        call(ODD_NAME, '{"city":', ' "Oslo"}'),
    ],
    "a search": [
        thinking("I look."), search('{"query": "x"}', caller={"type": "direct"}),
        found("https://a.example/"), thinking("Found."), text("It is "),
        text("so", citations=[citation()]), text("."), call("exec", '{"input": "ls"}'),
    ],
    "calls of every kind": [
        call("exec", '{"input": "a\\n\\u00e9"}'), call("mcp__files__read", "{}"),
        call("shell", '{"commands": ["ls"]}'),
        call("local_shell", '{"command": ["ls"], "env": {}}'),
        call("apply_patch", json.dumps(PATCH)),
    ],
}  # fmt: skip


def numbered(blocks: list) -> list:
    return [
        (
            {**begun, "id": f"toolu_{i}"} if begun["type"] == "tool_use" else begun,
            deltas,
        )
        for i, (begun, deltas) in enumerate(blocks)
    ]


def whole(block: tuple) -> dict:
    """A block as Anthropic has it in the end, without what is empty."""
    begun, deltas = block
    said = {**begun}
    written = "".join(one.get("partial_json", "") for one in deltas)
    if written:
        said["input"] = json.loads(written)
    for one in deltas:
        for key in ("text", "thinking", "signature"):
            if key in one:
                said[key] = said[key] + one[key]
        if "citation" in one:
            said.setdefault("citations", []).append(one["citation"])
    return said


def as_it_is(item: dict) -> dict:
    return item


def without_ids(item: dict) -> dict:
    """What Codex returns of an item."""
    return {key: value for key, value in item.items() if key != "id"}


def answers(output: list[dict]) -> list[dict]:
    return [
        {"type": f"{item['type']}_output", "call_id": item["call_id"], "output": OUTPUT.get(item["type"], "ok")}
        for item in output
        if "call_id" in item
    ]  # fmt: skip


OUTPUT = {"shell_call": [{"stdout": "", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]}  # fmt: skip


@pytest.mark.parametrize("client", [as_it_is, without_ids])
@pytest.mark.parametrize("blocks", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_turn_comes_back_as_it_was_said(
    blocks: list, client: object, streamed: bool
) -> None:
    _, asked = read({**ASKED, "input": [HI]})
    events = message(*numbered(blocks), reason="tool_use")
    output = last(told(events, asked))["output"] if streamed else items(events, asked)
    returned = [client(item) for item in output]

    again, _ = read(
        {**ASKED, "input": [HI, *returned, *answers(output)]}, prompt_caching="off"
    )

    assert as_data(again)["messages"][1]["content"] == [
        whole(block) for block in numbered(blocks)
    ]
    assert again.warnings == ()
    assert broken(again) <= {"thinking.foreign", "thinking.unbound"}
