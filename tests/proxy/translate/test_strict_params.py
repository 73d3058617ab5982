"""``STRICT_PARAMS``: which warnings it refuses, each with a request that gives it."""

import re
from pathlib import Path

import pytest

import responses_warnings
from proxy import errors
from proxy.translate import warn
from request_translation import translated
from row_cases import HI

TRANSLATION = Path(__file__).parents[3] / "docs/translation.md"

OLD = {"model": "claude-sonnet-4-6"}
SMALL = {"model": "claude-haiku-4-5"}
CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}
MARK = {"cache_control": {"type": "ephemeral"}}


def tool(**function: object) -> dict:
    return {"tools": [{"type": "function", "function": {"name": "f", **function}}]}


def calls(arguments: str = "{}", results: int = 1, **assistant: object) -> dict:
    call = {"id": "c", "type": "function",
            "function": {"name": "f", "arguments": arguments}}  # fmt: skip
    done = [{"role": "tool", "tool_call_id": "c", "content": "ok"}] * results
    return {
        "messages": [
            *HI,
            {"role": "assistant", "tool_calls": [call], **assistant},
            *done,
        ]
    }


def signed(count: int) -> list[dict]:
    return [
        {"type": "thinking", "thinking": "T", "signature": f"s{i}"}
        for i in range(count)
    ]


def said(*roles: str) -> dict:
    return {"messages": [{"role": role, "content": "A"} for role in roles]}


def text(words: str, **more: object) -> dict:
    return {"type": "text", "text": words, **more}


REQUESTS: dict[str, dict] = {
    "seed_ignored": {"seed": 7},
    "temperature_ignored": {"temperature": 0.3},
    "top_p_ignored": {**OLD, "temperature": 0.2, "top_p": 0.9},
    "top_k_ignored": {"top_k": 5},
    "temperature_clamped": {**OLD, "temperature": 1.7},
    "max_tokens_clamped": {"max_tokens": 10**6},
    "stop_whitespace_dropped": {"stop": ["\n"]},
    "service_tier_ignored": {"service_tier": "flex"},
    "reasoning_effort_lowered": {**OLD, "reasoning_effort": "xhigh"},
    "reasoning_effort_ignored": {**SMALL, "output_config": {"effort": "low"}},
    "thinking_always_on": {"reasoning_effort": "none"},
    "thinking_skipped": {**SMALL, "reasoning_effort": "low", "max_tokens": 100},
    "thinking_budget_ignored": {"thinking": {"type": "enabled"}},
    "thinking_blocks_dropped": calls(thinking_blocks=signed(2)),
    "schema_not_enforced": {"response_format": {
        "type": "json_schema", "json_schema": {"schema": {"type": "object"}}}},
    "json_object_by_prompt": {"response_format": {"type": "json_object"}},
    "system_only_request": said("system"),
    "opening_added": said("assistant", "user"),
    "prefill_unsupported": said("user", "assistant"),
    "tool_arguments_invalid_json": calls("["),
    "tool_result_duplicate": calls(results=2),
    "tool_schema_simplified": tool(parameters={"type": "object", "anyOf": [CLOSED]}),
    "tool_choice_ignored": {**tool(), "tool_choice": {
        "type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
    "forced_tool_choice_downgraded": {**tool(), "tool_choice": "required"},
    "strict_dropped": tool(strict=True, parameters={"type": "object"}),
    "cache_marks_dropped": {"messages": [
        {"role": "user", "content": [text("A", **MARK)] * 5}]},
    "cache_ttl_lowered": {"messages": [{"role": "user", "content": [
        text("A", **MARK), text("B", cache_control={"type": "ephemeral", "ttl": "1h"})]}]},
    "audio_ignored": {"messages": [*HI, {
        "role": "assistant", "content": "A", "audio": {"id": "a"}}, *HI]},
}  # fmt: skip


def given(code: str) -> dict:
    return {"model": "claude-opus-5-5", "messages": HI, **REQUESTS[code]}


@pytest.mark.parametrize("code", REQUESTS)
def test_a_change_is_reported(code: str) -> None:
    assert translated(given(code)).warnings == (code,)


@pytest.mark.parametrize("code", REQUESTS)
def test_strict_params_refuse_a_change_that_changes_the_response(code: str) -> None:
    if warn.changes_response(code):
        with pytest.raises(errors.InvalidRequestError) as caught:
            translated(given(code), strict_params=True)
        assert caught.value.code == "unsupported_value"
        assert caught.value.param
        assert code in caught.value.message
    else:
        assert translated(given(code), strict_params=True).warnings == (code,)


def explained() -> dict[str, bool]:
    """Each warning of the document's table, and whether it is refused."""
    table = TRANSLATION.read_text(encoding="utf-8").partition("| Warning |")[2]
    rows = re.findall(r"^\| (`.+?) \| .* \| (yes|no) \|$", table, re.MULTILINE)
    return {
        code: word == "yes"
        for codes, word in rows
        for code in re.findall(r"`([^`]+)`", codes)
    }


def test_the_document_says_of_each_warning_whether_it_is_refused() -> None:
    told = explained()
    for code in REQUESTS:
        row = code if code in told else "<field>_ignored"
        assert told[row] == warn.changes_response(code), code
    assert told.keys() - {"<field>_ignored"} <= REQUESTS.keys()


def test_no_warning_is_without_a_request() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (Path(__file__).parents[3] / "proxy/translate").rglob("*.py")
    )
    added = set(re.findall(r'warnings\.add\(\s*"([a-z_]+)"', code))

    known = REQUESTS.keys() | responses_warnings.REQUESTS.keys()
    assert added <= known
    assert known >= warn.HARMLESS
