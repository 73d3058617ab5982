"""Compactions: the one block that a request for a summary gets, and its signature.

The signature vouches for the summary and for the tool changes beside it. The real one is
opaque; the stand-in's holds a hash of each, so that it can say what was changed.
"""

from standin.call import Block, Call, canonical, digest, tokens

BETA = "compact-2026-09-04"

_SECRET = b"the stand-in's own compaction"


def made(call: Call) -> Block:
    """Summarize a conversation. A summary for which there is no room has failed: null."""
    summary = f"This is the stand-in's summary of {len(call.messages)} messages."
    content = summary if tokens(summary) <= call.body["max_tokens"] else None
    return {
        "type": "compaction",
        "content": content,
        "encrypted_content": None,
        "signature": _sign(digest(canonical(content)), digest(canonical([]))),
        "tool_changes": [],
    }


def fault(block: Block) -> str | None:
    """Name what is wrong with a block that comes back, by the SDK's own error codes.

    One without a signature was made by an edit of `context_management`.
    """
    signature = block.get("signature")
    if signature is None:
        return None
    content, _, rest = str(signature).partition(".")
    changes = rest.partition(".")[0]
    if signature != _sign(content, changes):
        return "compaction_signature_invalid"
    if content != digest(canonical(block.get("content"))):
        return "compaction_content_mismatch"
    if changes != digest(canonical(block.get("tool_changes"))):
        return "compaction_tool_changes_mismatch"
    return None


def _sign(content: str, changes: str) -> str:
    seal = digest(_SECRET, content.encode(), changes.encode())
    return f"{content}.{changes}.{seal}"
