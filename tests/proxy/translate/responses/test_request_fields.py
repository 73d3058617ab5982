"""Rows r1 and r4: the fields of a Responses request, one case or more for each."""

import hashlib
import json

import pytest

from proxy import body, errors
from proxy.schema import responses_request as wire
from proxy.translate.responses import context
from responses_requests import (
    MODEL,
    Case,
    check,
    function,
    raw,
    read,
    read_bytes,
    refusal,
    sent,
    user,
)
from row_cases import NOT_SENT, parametrize

OLD = "claude-sonnet-4-6"
SMALL = "claude-haiku-4-5"
CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
TEXT = {"type": "text", "text": "Hi"}
ADAPTIVE = {"type": "adaptive"}


def formatted(**form: object) -> dict:
    return {"text": {"format": form}}


FIELDS = [
    Case("r1.model", "absent", {"model": NOT_SENT}, {"model": OLD}),
    Case("r1.model", "blank", {"model": " "}, {"model": OLD}),
    Case("r1.model", "a router's spelling", {"model": "anthropic/claude-haiku-4.5"},
         {"model": SMALL}),
    Case("r1.input-string", "one user message", {"input": "Hi"}),
    Case("r1.input-string", "blank", {"input": " \n"}, refused=("input", None)),
    *(Case("r1.input-missing", says, {"input": given},
           refused=("input", "missing_required_parameter"))
      for says, given in (("absent", NOT_SENT), ("null", None), ("empty", []))),
    Case("r1.input-missing", "neither string nor list", {"input": 7},
         refused=("input", "invalid_type")),
    Case("r1.input-list", "items", {"input": [user()]}),
    Case("r1.instructions", "the first system block",
         {"instructions": "Be brief.", "input": [{"role": "system", "content": "A"},
                                                 user()]},
         {"system": [{"type": "text", "text": "Be brief."},
                     {"type": "text", "text": "A"}]}),
    Case("r1.instructions", "blank", {"instructions": " "}),
    Case("r1.instructions", "null", {"instructions": None}),
    Case("r1.instructions", "no string", {"instructions": ["A"]},
         refused=("instructions", "invalid_type")),
    Case("r1.max-output-tokens", "sent", {"max_output_tokens": 100.0},
         {"max_tokens": 100}),
    Case("r1.max-output-tokens", "above the model's own", {"max_output_tokens": 10**6},
         {"max_tokens": 128000}, warnings=("max_tokens_clamped",)),
    Case("r1.max-output-tokens", "zero", {"max_output_tokens": 0},
         refused=("max_output_tokens", "invalid_type")),
    Case("r1.max-output-tokens", "a fraction", {"max_output_tokens": 1.5},
         refused=("max_output_tokens", "invalid_type")),
    Case("r1.sampling", "temperature", {"model": OLD, "temperature": 0.5},
         {"temperature": 0.5}, version="2023-06-01"),
    Case("r1.sampling", "top_p on a new model", {"top_p": 0.5},
         warnings=("top_p_ignored",)),
    Case("r1.sampling", "out of range", {"temperature": 3},
         refused=("temperature", "invalid_type")),
    Case("r1.format", "text", formatted(type="text")),
    Case("r1.format", "null", {"text": {"format": None}}),
    Case("r1.format", "a schema", formatted(type="json_schema", name="x", schema=CLOSED),
         {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}}),
    Case("r1.format", "no schema", formatted(type="json_schema", name="x"),
         refused=("text.format.schema", "missing_required_parameter")),
    Case("r1.format", "json_object", formatted(type="json_object"),
         {"system": [{"type": "text",
                      "text": "Reply with one JSON object and nothing else."}]},
         warnings=("json_object_by_prompt",)),
    Case("r1.format", "unknown", formatted(type="xml"),
         refused=("text.format.type", "invalid_value")),
    Case("r1.verbosity", "low", {"text": {"verbosity": "low"}},
         warnings=("verbosity_ignored",)),
    Case("r1.verbosity", "medium", {"text": {"verbosity": "medium"}}),
    Case("r1.parallel", "without tools", {"parallel_tool_calls": False}),
    Case("r1.parallel", "one call at a time",
         {"parallel_tool_calls": False, "tools": [function()]},
         {"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
          "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
    Case("r1.max-tool-calls", "of web search",
         {"max_tool_calls": 3, "tools": [{"type": "web_search"}]},
         {"tools": [{"type": "web_search_20250305", "name": "web_search",
                     "max_uses": 3}]}),
    Case("r1.max-tool-calls", "without hosted tools", {"max_tool_calls": 3}),
    Case("r1.max-tool-calls", "zero", {"max_tool_calls": 0},
         refused=("max_tool_calls", "invalid_type")),
    Case("r1.stream", "no boolean", {"stream": "yes"}, refused=("stream", "invalid_type")),
    Case("r1.stream", "options without a stream",
         {"stream_options": {"include_obfuscation": False}},
         refused=("stream_options", None)),
    Case("r1.stream", "options", {"stream": True,
                                  "stream_options": {"include_obfuscation": True}}),
    Case("r1.include", "reasoning, and words that nobody knows",
         {"include": ["reasoning.encrypted_content", "x.y"]}),
    Case("r1.include", "logprobs", {"include": ["message.output_text.logprobs"]},
         warnings=("logprobs_ignored",)),
    Case("r1.logprobs", "asked for", {"top_logprobs": 2},
         warnings=("top_logprobs_ignored",)),
    Case("r1.logprobs", "none", {"top_logprobs": 0}),
    Case("r1.truncation", "auto", {"truncation": "auto"},
         warnings=("truncation_ignored",)),
    Case("r1.truncation", "disabled", {"truncation": "disabled"}),
    Case("r1.truncation", "unknown", {"truncation": "some"},
         refused=("truncation", "invalid_value")),
    Case("r1.metadata", "never sent", {"metadata": {"k": "v"}}),
    Case("r1.metadata", "no strings", {"metadata": {"secret": 1}},
         refused=("metadata", "invalid_type")),
    Case("r1.user", "hashed where it is personal", {"user": "ada@example.com"},
         {"metadata": {"user_id": hashlib.sha256(b"ada@example.com").hexdigest()}}),
    Case("r1.user", "safety_identifier first", {"user": "u", "safety_identifier": "s"},
         {"metadata": {"user_id": "s"}}),
    Case("r1.tier", "default", {"service_tier": "default"},
         {"service_tier": "standard_only"}),
    Case("r1.tier", "flex", {"service_tier": "flex"},
         warnings=("service_tier_ignored",)),
    Case("r1.cache", "lifetime of a mark",
         {"prompt_cache_options": {"ttl": "30m", "comparison_response_id": "r"},
          "input": [user([{"type": "input_text", "text": "Hi",
                           "prompt_cache_breakpoint": {"mode": "explicit"}}])]},
         {"messages": [{"role": "user", "content": [
             {"type": "text", "cache_control": {"type": "ephemeral", "ttl": "1h"},
              "text": "Hi"}]}]}),
    Case("r1.cache", "prewarm", {"prompt_cache_options": {"prewarm": True}},
         refused=("prompt_cache_options.prewarm", "unsupported_value")),
    Case("r1.context", "compaction",
         {"context_management": [{"type": "compaction", "compact_threshold": 60000}]},
         {"context_management": {"edits": [
             {"type": "compact_20260112",
              "trigger": {"type": "input_tokens", "value": 60000}}]}},
         betas=("compact-2026-01-12",)),
    Case("r1.context", "without a threshold",
         {"context_management": [{"type": "compaction"}]},
         {"context_management": {"edits": [{"type": "compact_20260112"}]}},
         betas=("compact-2026-01-12",)),
    Case("r1.context", "another type", {"context_management": [{"type": "other"}]},
         refused=("context_management[0].type", "invalid_value")),
    Case("r1.context", "a broken threshold",
         {"context_management": [{"type": "compaction", "compact_threshold": 1.5}]},
         refused=("context_management[0].compact_threshold", "invalid_type")),
    Case("r1.context", "Anthropic's own",
         {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
         {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
         betas=("context-management-2025-06-27",)),
    Case("r1.context", "Anthropic's own, of both kinds",
         {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"},
                                           {"type": "compact_20260112"}]}},
         {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"},
                                           {"type": "compact_20260112"}]}},
         betas=("context-management-2025-06-27", "compact-2026-01-12")),
    Case("r1.context", "an empty list", {"context_management": []},
         {"context_management": {"edits": []}},
         betas=("context-management-2025-06-27",)),
    Case("r1.moderation", "could have blocked the response",
         {"moderation": {"model": "m"}}, warnings=("moderation_ignored",)),
    *(Case("r1.refused", name, {name: given}, refused=(name, "unsupported_value"))
      for name, given in (("background", True), ("conversation", "conv_1"),
                          ("conversation", {"id": "c"}), ("prompt", {"id": "p"}))),
    Case("r1.refused", "not asked for",
         {"background": False, "conversation": None, "prompt": None}),
    Case("r1.silent", "keys without an effect",
         {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "stop": "END",
          "client_metadata": {"a": 1}, "n": 3, "seed": 1, "image": {}}),
    Case("r1.native", "all of Anthropic's own",
         {"thinking": ADAPTIVE, "output_config": {"effort": "low"}, "inference_geo": "us",
          "reasoning": {"effort": "high"}},
         {"thinking": ADAPTIVE | {"display": "omitted"},
          "output_config": {"effort": "low"}, "inference_geo": "us"}),
    Case("r1.native", "a format before the request's",
         {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}},
          **formatted(type="json_object")},
         {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}}),
    Case("r1.native", "cache_control", {"cache_control": {"type": "ephemeral"}},
         {"cache_control": {"type": "ephemeral"}}),
    Case("r1.native", "speed", {"speed": "fast"}, {"speed": "fast"},
         betas=("fast-mode-2026-02-01",)),
    Case("r1.native", "top_k", {"model": OLD, "top_k": 5}, {"top_k": 5},
         version="2023-06-01"),
]  # fmt: skip


def reasoning(**given: object) -> dict:
    return {"reasoning": given}


def shown(display: str) -> dict:
    return {"thinking": ADAPTIVE | {"display": display}}


REASONING = [
    Case("r1.reasoning", "neither effort nor summary", reasoning()),
    Case("r4.effort", "a level, shown to nobody", reasoning(effort="high"),
         {**shown("omitted"), "output_config": {"effort": "high"}}),
    Case("r4.effort", "unknown", reasoning(effort="wild"),
         refused=("reasoning.effort", "invalid_value")),
    Case("r4.effort", "a budget", {"model": SMALL, **reasoning(effort="high")},
         {"max_tokens": 16384 + 4096, "thinking": {
             "type": "enabled", "budget_tokens": 4096, "display": "omitted"}}),
    Case("r4.effort", "no thinking", {"model": "claude-opus-5", **reasoning(
        effort="none", summary="auto")}, {"thinking": {"type": "disabled"}}),
    Case("r4.summary", "alone, on a model that thinks", reasoning(summary="auto"),
         shown("summarized")),
    Case("r4.summary", "alone, on a model that need not think",
         {"model": OLD, **reasoning(summary="detailed")}, shown("summarized")),
    Case("r4.summary", "by its former name", reasoning(generate_summary="concise"),
         shown("summarized")),
    Case("r4.summary", "with an effort", reasoning(summary="auto", effort="low"),
         {**shown("summarized"), "output_config": {"effort": "low"}}),
    Case("r4.summary", "alone, where thinking needs a budget",
         {"model": SMALL, **reasoning(summary="auto")}),
    Case("r4.summary", "with a budget",
         {"model": SMALL, **reasoning(summary="auto", effort="low")},
         {"max_tokens": 16384 + 1024, "thinking": {
             "type": "enabled", "budget_tokens": 1024, "display": "summarized"}}),
    Case("r4.summary", "with a budget that the setting shows",
         {"model": SMALL, **reasoning(effort="low")},
         {"max_tokens": 16384 + 1024, "thinking": {
             "type": "enabled", "budget_tokens": 1024, "display": "summarized"}},
         config={"reasoning_display": "summarized"}),
    Case("r4.summary", "of Anthropic's own thinking",
         {"thinking": ADAPTIVE, **reasoning(summary="auto")}, shown("summarized")),
    Case("r4.summary", "against the setting", reasoning(summary="auto"),
         shown("omitted"), config={"reasoning_display": "omitted"}),
    Case("r4.summary", "for the setting", reasoning(effort="low"),
         {**shown("summarized"), "output_config": {"effort": "low"}},
         config={"reasoning_display": "summarized"}),
    Case("r4.summary", "an unknown word", reasoning(summary="long"),
         refused=("reasoning.summary", "invalid_value")),
    Case("r4.context", "thinking of one turn only", reasoning(context="current_turn"),
         warnings=("reasoning_context_ignored",)),
    Case("r4.context", "thinking of all turns", reasoning(context="all_turns")),
    Case("r4.context", "another mode", reasoning(mode="pro"),
         warnings=("reasoning_mode_ignored",)),
    Case("r4.context", "the usual mode", reasoning(mode="standard")),
]  # fmt: skip


@parametrize(FIELDS)
def test_a_field_is_translated_as_its_row_says(case: Case) -> None:
    check(case)


@parametrize(REASONING)
def test_reasoning_is_asked_for_as_its_row_says(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    "written",
    [b"", b"{", b"[]", b'"Hi"', b"\xff", b'{"a":' * 5000 + b"1" + b"}" * 5000],
)
def test_r1_body_that_is_no_json_object_is_refused(written: bytes) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        body.decode(written, wire.DECODER)

    assert (caught.value.status, caught.value.code) == (400, "invalid_json")


def test_r1_store_is_asked_for_unless_it_is_false() -> None:
    wishes = [
        read({"input": "Hi", "store": s})[1].store if s is not NOT_SENT
        else read({"input": "Hi"})[1].store
        for s in (NOT_SENT, None, True, False)
    ]  # fmt: skip

    assert wishes == [True, True, True, False]


def test_what_the_response_repeats_is_what_was_sent() -> None:
    given = {
        "model": "claude-sonnet-4.6",
        "input": "Hi",
        "instructions": "A",
        "stream": True,
        "include": ["web_search_call.action.sources"],
        "temperature": 0.5,
        "metadata": {"k": "v"},
    }

    _, way_back = read(given)

    assert (way_back.model, way_back.stream) == ("claude-sonnet-4.6", True)
    assert way_back.sources is True
    assert way_back.echo == context.echo(
        context.Echoed(instructions=raw("A"), metadata=raw({"k": "v"})), temperature=0.5
    )


def test_halves_of_surrogate_pairs_are_mended_in_what_is_repeated() -> None:
    written = b'{"input": "Hi", "instructions": "A\\ud83d"}'

    _, way_back = read_bytes(written)

    assert json.loads(bytes(way_back.echo.instructions)) == "A\ufffd"


def test_r10_marks_stand_behind_the_instructions_the_system_prompt_and_at_the_end() -> (
    None
):
    one = sent({"model": MODEL, "instructions": "A", "input": [
        {"role": "system", "content": "B"}, user()], "tools": [function()]})  # fmt: skip

    mark = {"type": "ephemeral"}
    assert one["cache_control"] == mark
    assert [block.get("cache_control") for block in one["system"]] == [mark, mark]


SECRET = "s3cr3t-input"


@pytest.mark.parametrize(
    "given",
    [
        {"input": [{"type": SECRET}]},
        {"input": [{"role": SECRET, "content": "x"}]},
        {"input": [user([{"type": SECRET}])]},
        {"input": [user([{"type": "input_image", "image_url": f"http://{SECRET}"}])]},
        {"input": [user([{"type": "input_file", "file_id": SECRET}])]},
        {"input": "Hi", "tools": [{"type": SECRET}]},
        {"input": "Hi", "tools": [function(SECRET), function(SECRET)]},
        {"input": "Hi", "tool_choice": SECRET, "tools": [function()]},
        {"input": "Hi", "tool_choice": {"type": SECRET}, "tools": [function()]},
        {"input": "Hi", "reasoning": {"effort": SECRET}},
        {"input": "Hi", "metadata": {SECRET: 1}},
        {"input": "Hi", "text": {"format": {"type": SECRET}}},
        {"input": [{"type": "compaction", "encrypted_content": SECRET}]},
        {"input": SECRET, "conversation": SECRET},
        {"input": [SECRET]},
        {"input": [{"type": "shell_call", "call_id": "c", "action": SECRET}]},
    ],
    ids=str,
)
def test_r9_words_never_repeat_what_was_sent(given: dict) -> None:
    why = refusal({"model": MODEL, **given})

    assert SECRET not in why.message
    assert SECRET not in (why.param or "")
