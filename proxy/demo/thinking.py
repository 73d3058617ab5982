"""Thinking blocks: who gets one, what it says, and what its signature vouches for.

The real signature is sealed by Anthropic and opaque. The stand-in's is a hash with
the same effect: it vouches for the block's own text and, on models that bind thinking
to its conversation, for everything that stood before it.
"""

from collections.abc import Iterator

from proxy.demo.call import Block, Call, canonical, digest

_SECRET = b"the stand-in's own"
_THOUGHT = "This is the demo's thinking: it looks at {count} messages and then answers."


def blocks(call: Call, *, calls: bool) -> Iterator[Block]:
    """Give the thinking that comes before an answer (`calls`: one that calls tools).

    `thinking` is what the client sees, nothing under `display: omitted`; `thought` is
    what was paid for.
    """
    if not _thinks(call, calls=calls):
        return
    thought = _THOUGHT.format(count=len(call.messages))
    display = (call.body.get("thinking") or {}).get("display") or call.model.display
    shown = thought if display == "summarized" else ""
    signature = sign(shown, prefix_of(call, len(call.messages)))
    yield {
        "type": "thinking",
        "thinking": shown,
        "signature": signature,
        "thought": thought,
    }


def _thinks(call: Call, *, calls: bool) -> bool:
    if calls and call.tool_choice in ("any", "tool"):
        return False  # a forced call comes at once
    if call.thinking_type == "between_tools":
        _, last = call.messages[-1]
        return any(block["type"] == "tool_result" for block in last)
    return call.thinking_type != "disabled"


def sign(text: str, prefix: str) -> str:
    """Sign a thinking block's text for the conversation that it stands in."""
    return f"{_seal(text, prefix)}.{prefix}"


def _seal(text: str, prefix: str) -> str:
    return digest(_SECRET, text.encode(), prefix.encode())


def is_ours(block: Block) -> bool:
    """Say whether a thinking block is one that the stand-in made, unchanged."""
    seal, _, prefix = block["signature"].partition(".")
    return bool(seal == _seal(block["thinking"], prefix))


def is_bound_to(block: Block, prefix: str) -> bool:
    """Say whether the block was made after exactly that prefix."""
    return str(block["signature"]).partition(".")[2] == prefix


def prefix_of(call: Call, count: int) -> str:
    """Hash what stands before message `count`: tools, system, earlier messages.

    Marks do not count, nor whether a content is a string or one text block, nor where
    one message ends and the next of the same role begins.
    """
    stream = [[role, block] for role, part in call.messages[:count] for block in part]
    system = [block for _, block in call.system_blocks()]
    return digest(canonical(call.tools), canonical(system), canonical(stream))
