"""What Codex has to know of a model (row r6.models).

Codex asks for its catalogue with `GET /v1/models?client_version=…`, and reads the list
``models`` of the response. The fields are those that its ``ModelInfo`` requires, and those
whose defaults would be wrong for Claude.
"""

from typing import Any

from proxy import capabilities

INSTRUCTIONS = """\
You are a coding agent in the Codex CLI, on the user's machine, and work with its tools. \
Be precise, safe and helpful.

- Read before you change. Follow the conventions of the code and the instructions in \
AGENTS.md files; those in deeper directories take precedence.
- Go on until the task is done. Verify your work with the project's own tests and checks.
- Fix causes, not symptoms, and leave unrelated code alone.
- Edit files with `apply_patch`, search with `rg`, and do not commit unless you are asked \
to.
- Before you call tools, say in a sentence what you are about to do. At the end, say \
briefly what you did and what is left, and name files as `path:line`."""
"""The base prompt: a catalogue has to bring one, since it replaces Codex's own."""

_DESCRIPTIONS = {
    "low": "Fast, with little thinking",
    "medium": "Some thinking, for everyday tasks",
    "high": "Much thinking, for hard tasks",
    "xhigh": "Very much thinking, for very hard tasks",
    "max": "As much thinking as possible",
}
_BUDGETED = frozenset({"low", "medium", "high"})
"""The levels of a model whose thinking has a budget."""
_OUTPUT = 10_000
"""Tokens of a tool's output that Codex passes on."""


def to_codex(model: capabilities.Model, name: str, place: int) -> list[dict[str, Any]]:
    """A model's entries. ``place`` is its own in the list, the first being preferred.

    Codex takes an entry for its very slug alone, so a model whose id has a date has two.
    The one with the date is not offered in Codex's menu.
    """
    offered = capabilities.undated(model.id)
    entry = _entry(model, name, place)
    dated = {"slug": model.id, "visibility": "hide"}
    entries = [entry | {"slug": offered, "visibility": "list"}]
    return entries if model.id == offered else [*entries, entry | dated]


def _entry(model: capabilities.Model, name: str, place: int) -> dict[str, Any]:
    levels = model.effort | _BUDGETED
    return {
        "display_name": name or model.id,
        "description": None,
        "default_reasoning_level": "medium",
        "supported_reasoning_levels": [
            {"effort": level, "description": _DESCRIPTIONS[level]}
            for level in capabilities.EFFORT_LEVELS
            if level in levels
        ],
        "shell_type": "shell_command",
        "supported_in_api": True,
        "priority": place,
        "availability_nux": None,
        "upgrade": None,
        "base_instructions": INSTRUCTIONS,
        "supports_reasoning_summaries": True,
        "default_reasoning_summary": "auto",
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": "freeform",
        "truncation_policy": {"mode": "tokens", "limit": _OUTPUT},
        "supports_parallel_tool_calls": True,
        "context_window": model.max_input_tokens,
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image"],
    }
