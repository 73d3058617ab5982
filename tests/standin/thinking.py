"""Thinking blocks: who gets one, what it says, and what its signature vouches for.

A real signature is sealed by Anthropic and opaque. The stand-in's has the same effect:
it vouches for the block's own text and says in which conversation the block was made.
Some models refuse a block in another conversation than that one.
"""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass

from standin.call import Block, Call, blocks, canonical, digest, without_marks

KINDS = ("thinking", "redacted_thinking")
BETA = "thinking-binding-controls-2026-08-01"
INTERLEAVING_TRIGGER = "STAND_IN_INTERLEAVED_THINKING"
"""The stand-in's own word, anywhere in a request: think between the calls too."""
REDACTION_TRIGGER = "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING"

_SECRET = b"the stand-in's own"
_THOUGHT = "This is the stand-in's thinking: it looks at {count} messages."
_CHANGED = {
    "system": "The `system` prompt differs from the one this block was created with.",
    "tools": "The `tools` differ from the ones this block was created with.",
    "messages": "A message before this block differs from when it was created.",
    "previous": (
        "The `thinking` block that preceded this one when it was created is missing "
        "from this request."
    ),
}


@dataclass(frozen=True, slots=True)
class Prefix:
    """Hashes of what stood before a thinking block when it was made.

    `messages` leaves thinking out; `previous` is for the thinking block before, "" where
    there was none.
    """

    system: str
    tools: str
    messages: str
    previous: str
    place: str = ""
    """For all that stood before it in its own message, "" where it came first."""


def made(call: Call, *, calls: bool) -> Iterator[Block]:
    """Give the thinking that comes before an answer (`calls`: one that calls tools).

    `thinking` is what the client sees, nothing under `display: omitted`; `thought` is
    what was paid for.
    """
    if not _thinks(call, calls=calls):
        return
    yield from _made(call, _prefix(call, len(call.messages)))


def between(call: Call, before: list[Block]) -> Iterator[Block]:
    """Give the thinking before a message's next call, behind a call or a search."""
    acted = any(block["type"] in ("tool_use", "server_tool_use") for block in before)
    if acted and INTERLEAVING_TRIGGER in canonical(call.body).decode():
        thought = [block for block in before if block["type"] in KINDS]
        if thought and call.thinking_type == "adaptive":
            prefix = _prefix(call, len(call.messages))
            yield from _made(
                call,
                dataclasses.replace(
                    prefix, previous=_id(thought[-1]), place=_place(before)
                ),
            )


def _made(call: Call, prefix: Prefix) -> Iterator[Block]:
    thought = _THOUGHT.format(count=len(call.messages))
    if REDACTION_TRIGGER in canonical(call.body).decode():
        data = _sign("", prefix)
        yield {"type": "redacted_thinking", "data": data, "thought": thought}
        return
    display = (call.body.get("thinking") or {}).get("display") or call.model.display
    shown = thought if display == "summarized" else ""
    signature = _sign(shown, prefix)
    block = {"type": "thinking", "thinking": shown, "signature": signature}
    yield block | {"thought": thought}


def is_genuine(block: Block) -> bool:
    """Say whether the stand-in made this block, and just so."""
    return _signature(block) == _sign(block.get("thinking", ""), _claimed(block))


def moved(content: list[Block]) -> Iterator[int]:
    """Give the places of a message's thinking blocks that stood behind something else."""
    for index, block in enumerate(content):
        if block["type"] in KINDS and _claimed(block).place != _place(content[:index]):
            yield index


def _place(before: list[Block]) -> str:
    """Hash the blocks before a place in a message; the order of their keys is nothing."""
    if not before:
        return ""
    said = [without_marks(_said(block)) for block in before]
    return digest(json.dumps(said, sort_keys=True).encode())


def _said(block: Block) -> Block:
    """Write a block of an answer as it is when it comes back."""
    kept = {name: value for name, value in block.items() if name not in _NOT_SAID}
    return kept | ({"input": json.loads(block["json"])} if "json" in block else {})


_NOT_SAID = ("caller", "thought", "json")


def unbound(call: Call) -> Iterator[tuple[int, int, str]]:
    """Give the replayed blocks that another conversation made: where, and what changed.

    The two numbers are those of the message and of the block in it.
    """
    if not call.model.binds_thinking:
        return
    earlier = [""]
    for index, (_, content) in enumerate(call.messages):
        for place, block in enumerate(content):
            if block["type"] in KINDS:
                changed = _changed(_claimed(block), _prefix(call, index), earlier)
                if changed is not None:
                    yield index, place, _CHANGED[changed]
                earlier.append(_id(block))


def _changed(claimed: Prefix, actual: Prefix, earlier: list[str]) -> str | None:
    """Name the first part of a prefix that is not what a block says it was."""
    for name in ("system", "tools", "messages"):
        if getattr(claimed, name) != getattr(actual, name):
            return name
    return None if claimed.previous in earlier else "previous"


def without_unbound(call: Call) -> tuple[Call, list[str]]:
    """Drop the blocks that another conversation made, and give their paths.

    The thinking blocks that follow at once on a dropped one go with it.
    """
    gone = {(index, place) for index, place, _ in unbound(call)}
    if not gone:
        return call, []
    messages, paths = [], []
    for index, (role, content) in enumerate(call.messages):
        kept: list[Block] = []
        dropping = False
        for place, block in enumerate(content):
            thinks = block["type"] in KINDS
            dropping = thinks and (dropping or (index, place) in gone)
            if dropping:
                paths.append(f"messages.{index}.content.{place}")
            else:
                kept.append(block)
        messages.append({"role": role, "content": kept})
    return dataclasses.replace(call, body=call.body | {"messages": messages}), paths


def _thinks(call: Call, *, calls: bool) -> bool:
    if calls and call.tool_choice in ("any", "tool"):
        return False  # a forced call comes at once
    if call.thinking_type == "between_tools":
        return any(block["type"] == "tool_result" for block in call.last_turn)
    return call.thinking_type != "disabled"


def _prefix(call: Call, count: int) -> Prefix:
    """Hash what stands before message `count`.

    Marks do not count, nor whether a content is a string or one text block, nor where
    one message ends and the next of the same role begins.
    """
    stream = [(role, block) for role, part in call.messages[:count] for block in part]
    said = [[role, _bare(b)] for role, b in stream if b["type"] not in KINDS]
    thought = [block for _, block in stream if block["type"] in KINDS]
    return Prefix(
        system=digest(canonical([block for _, block in call.system_blocks()])),
        tools=digest(canonical(call.tools)),
        messages=digest(canonical(said)),
        previous=_id(thought[-1]) if thought else "",
    )


def _bare(block: Block) -> Block:
    """Write a block in its shortest form: who called a tool is not part of it."""
    kept = {name: value for name, value in block.items() if name != "caller"}
    if block["type"] == "tool_result":
        kept["content"] = blocks(block.get("content") or [])
    return kept


def _sign(text: str, prefix: Prefix) -> str:
    parts = dataclasses.astuple(prefix)
    seal = digest(_SECRET, text.encode(), *(part.encode() for part in parts))
    return ".".join((*parts, seal))


def _signature(block: Block) -> str:
    return str(block["signature" if block["type"] == "thinking" else "data"])


def _id(block: Block) -> str:
    return digest(_signature(block).encode())


def _claimed(block: Block) -> Prefix:
    """Read the prefix that a block says it was made after."""
    parts = [*_signature(block).split("."), "", "", "", "", ""]
    return Prefix(*parts[:5])
