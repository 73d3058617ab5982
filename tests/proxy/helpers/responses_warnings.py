"""Each warning that only Responses requests give, with a request that gives it."""

from responses_requests import assistant, called, function, output, user

TOOL = {"tools": [function()]}


def of(*items: dict) -> dict:
    return {"input": [user(), *items, user()]}


FOREIGN = [
    "file_search_call", "code_interpreter_call", "image_generation_call",
    "computer_call", "computer_call_output", "mcp_list_tools", "mcp_call",
    "mcp_approval_request", "mcp_approval_response", "program", "program_output",
    "tool_search_call", "tool_search_output",
]  # fmt: skip

REQUESTS: dict[str, dict] = {
    "verbosity_ignored": {"text": {"verbosity": "low"}},
    "logprobs_ignored": {"include": ["message.output_text.logprobs"]},
    "top_logprobs_ignored": {"top_logprobs": 1},
    "truncation_ignored": {"truncation": "auto"},
    "compact_threshold_raised": {
        "context_management": [{"type": "compaction", "compact_threshold": 1000}]
    },
    "moderation_ignored": {"moderation": {"model": "m"}},
    "reasoning_ignored": of({"type": "reasoning", "summary": []}),
    "reasoning_context_ignored": {"reasoning": {"context": "current_turn"}},
    "reasoning_mode_ignored": {"reasoning": {"mode": "pro"}},
    "think_text_dropped": of(assistant("<think>A</think>")),
    "call_incomplete_dropped": of(called(status="incomplete")),
    "tool_result_duplicate": TOOL | of(called(), output(), output()),
    "web_search_call_ignored": of({"type": "web_search_call"}),
    "grammar_not_enforced": {"tools": [
        {"type": "custom", "name": "f", "format": {
            "type": "grammar", "syntax": "lark", "definition": "start: /a/"}}]},
    "defer_loading_ignored": {"tools": [function(defer_loading=True)]},
    "tool_search_ignored": {"tools": [{"type": "tool_search"}]},
    "web_search_ignored": {"tools": [
        {"type": "web_search", "external_web_access": False}]},
    "image_generation_ignored": {"tools": [{"type": "image_generation"}]},
    "programmatic_tool_calling_ignored": {"tools": [
        {"type": "programmatic_tool_calling"}]},
    "tool_choice_ignored": TOOL | {"tool_choice": {"type": "allowed_tools"}},
    **{f"{kind}_ignored": of({"type": kind}) for kind in FOREIGN},
}  # fmt: skip
ONLY_HERE = REQUESTS.keys() - {"tool_result_duplicate", "tool_choice_ignored"}
"""Those that chat completions do not give too."""
