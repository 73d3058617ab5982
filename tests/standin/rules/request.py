"""Rows about headers and the plain fields of a body."""

import re
from collections.abc import Iterator

from standin import caching, compaction, models
from standin.call import NEW_VERSION, OLD_VERSION, Call
from standin.rules.row import Row

MAX_BODY_BYTES = 32 * 1024 * 1024
_CONTEXT_BETA = "context-management-2025-06-27"
_EDIT_BETAS = {"compact_20260112": "compact-2026-01-12"}
_TASK_BUDGET_BETA = "task-budgets-2026-03-13"
_LEAST_TRIGGER = 50_000  # tokens: the page on compaction
_COMPACTION_BETAS = ("compact-2026-01-12", compaction.BETA)
_SAMPLING = ("temperature", "top_p", "top_k")
_E_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"\+?[\d\s().-]{7,20}")


def _body_size(call: Call) -> Iterator[str]:
    if call.size > MAX_BODY_BYTES:
        yield "Request exceeds the maximum size"


def _no_credential(call: Call) -> Iterator[str]:
    if not call.credential:
        yield "x-api-key header is required"


def _wrong_credential(call: Call) -> Iterator[str]:
    given, accepted = call.credential, call.tokens
    if given and accepted is not None and given not in accepted:
        bearer = "authorization" in call.headers
        yield "Invalid bearer token" if bearer else "invalid x-api-key"


def _no_version(call: Call) -> Iterator[str]:
    if not call.version:
        yield "anthropic-version: header is required"


def _unknown_version(call: Call) -> Iterator[str]:
    if call.version and call.version not in (OLD_VERSION, NEW_VERSION):
        yield f'anthropic-version: "{call.version}" is not a valid version'


def _output_format(call: Call) -> Iterator[str]:
    if "output_format" in call.body:
        yield (
            "output_format: This field is deprecated. "
            "Use 'output_config.format' instead."
        )


def _context_management(call: Call) -> Iterator[str]:
    if "context_management" not in call.body:
        return
    edits = (call.body["context_management"] or {}).get("edits") or [{}]
    needed = {_EDIT_BETAS.get(edit.get("type"), _CONTEXT_BETA) for edit in edits}
    if not needed <= set(call.betas):
        yield "context_management: Extra inputs are not permitted"


def _task_budget(call: Call) -> Iterator[str]:
    budgeted = call.output_config.get("task_budget") is not None
    if budgeted and _TASK_BUDGET_BETA not in call.betas:
        yield "output_config.task_budget: Extra inputs are not permitted"


def _compaction_trigger(call: Call) -> Iterator[str]:
    for edit in (call.body.get("context_management") or {}).get("edits") or []:
        least = (edit.get("trigger") or {}).get("value", _LEAST_TRIGGER)
        if edit.get("type") in _EDIT_BETAS and least < _LEAST_TRIGGER:
            yield (
                "context_management.edits: `trigger.value` must be at least "
                f"{_LEAST_TRIGGER}"
            )


def _compaction_beta(call: Call) -> Iterator[str]:
    if "compaction" in call.body and compaction.BETA not in call.betas:
        yield "compaction: Extra inputs are not permitted"
    held = any(block["type"] == "compaction" for _, block in call.message_blocks())
    if held and not set(_COMPACTION_BETAS) & set(call.betas):
        yield "messages: `compaction` blocks need a beta header"


def _compaction_alone(call: Call) -> Iterator[str]:
    """Nothing that only shapes a reply (the SDK removes these itself)."""
    if "compaction" not in call.body:
        return
    shaping: list[str] = [
        n for n in ("context_management", "stop_sequences") if n in call.body
    ]
    if call.output_schema is not None:
        shaping.append("output_config.format")
    if call.tool_choice in ("any", "tool"):
        shaping.append("tool_choice")
    for name in shaping:
        yield f"{name}: not supported with `compaction`"


def _unknown_model(call: Call) -> Iterator[str]:
    if models.find(call.body["model"]) is None:
        yield f"model: {call.body['model']}"


def _max_tokens_too_small(call: Call) -> Iterator[str]:
    if call.body.get("max_tokens", 1) < 0:
        yield "max_tokens: Input should be greater than or equal to 0"


def _warming(call: Call) -> Iterator[str]:
    """Nothing that only an answer can have (the page on prompt caching, "Pre-warming")."""
    if call.body.get("max_tokens") != 0:
        return
    asked = {
        "stream": call.body.get("stream"),
        "thinking.type: enabled": call.thinking_type == "enabled",
        "output_config.format": call.output_schema is not None,
        "tool_choice": call.tool_choice in ("any", "tool"),
    }
    for name in (name for name, there in asked.items() if there):
        yield f"max_tokens: 0 is not supported with `{name}`"


def _max_tokens_too_large(call: Call) -> Iterator[str]:
    asked, most = call.body.get("max_tokens", 1), call.model.max_tokens
    if asked > most:
        yield (
            f"max_tokens: {asked} > {most}, which is the maximum allowed number of "
            f"output tokens for {call.model.id}"
        )


def _prompt_too_long(call: Call) -> Iterator[str]:
    size, most = caching.prompt_tokens(call), call.model.max_input_tokens
    if size > most:
        yield f"prompt is too long: {size} tokens > {most} maximum"


def _sampling_removed(call: Call) -> Iterator[str]:
    if call.version == NEW_VERSION:
        for name in _SAMPLING:
            if name in call.body:
                yield f"{name}: Extra inputs are not permitted"


def _sampled(call: Call) -> dict[str, float]:
    """Give the sampling fields that count: none under the new version."""
    if call.version == NEW_VERSION:
        return {}
    return {n: call.body[n] for n in _SAMPLING if call.body.get(n) is not None}


def _sampling_model(call: Call) -> Iterator[str]:
    given = _sampled(call)
    if call.model.sampling == "none":
        for name in given:
            yield f"`{name}` is deprecated for this model."
    elif call.model.sampling == "default":
        defaults = {"temperature": 1, "top_p": 0.99}
        for name, value in given.items():
            if value != defaults.get(name):
                yield f"`{name}` is deprecated for this model."


def _sampling_both(call: Call) -> Iterator[str]:
    given = _sampled(call)
    if call.model.sampling != "none" and {"temperature", "top_p"} <= given.keys():
        yield (
            "`temperature` and `top_p` cannot both be specified for this model. "
            "Please use only one."
        )


def _sampling_range(call: Call) -> Iterator[str]:
    given = _sampled(call) if call.model.sampling == "one" else {}
    for name in ("temperature", "top_p"):
        if not 0 <= given.get(name, 0) <= 1:
            yield f"{name}: range: 0..1"
    if given.get("top_k", 0) < 0:
        yield "top_k: Input should be greater than or equal to 0"


def _sampling_thinking(call: Call) -> Iterator[str]:
    given = _sampled(call) if call.model.sampling == "one" else {}
    if call.thinking_type not in ("enabled", "adaptive"):
        return
    if given.get("temperature", 1) != 1:
        yield "`temperature` may only be set to 1 when thinking is enabled."
    if "top_k" in given:
        yield "`top_k` must be unset when thinking is enabled."
    if given.get("top_p", 1) < 0.95:
        yield (
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is "
            "enabled."
        )


def _user_id_length(call: Call) -> Iterator[str]:
    if len(_user_id(call)) > 256:
        yield "metadata.user_id: String should have at most 256 characters"


def _user_id_personal(call: Call) -> Iterator[str]:
    for pattern, what in ((_E_MAIL, "an email address"), (_PHONE, "a phone number")):
        if pattern.fullmatch(_user_id(call)):
            yield f"metadata.user_id: user_id appears to contain {what}"


def _user_id(call: Call) -> str:
    return (call.body.get("metadata") or {}).get("user_id") or ""


def _blank_stop(call: Call) -> Iterator[str]:
    for stop in call.body.get("stop_sequences") or []:
        if not stop.strip():
            yield "stop_sequences: each stop sequence must contain non-whitespace"


HEADER_ROWS = (
    Row("request.size", _body_size, 413, "request_too_large"),
    Row("auth.missing", _no_credential, 401, "authentication_error"),
    Row("auth.wrong", _wrong_credential, 401, "authentication_error"),
    Row("version.missing", _no_version),
    Row("version.unknown", _unknown_version),
)
"""Rows that need no body."""

BODY_ROWS = (
    Row("output.top_level_format", _output_format),
    Row("context_management.beta", _context_management),
    Row("output.task_budget_beta", _task_budget),
    Row("compaction.beta", _compaction_beta),
    Row("compaction.trigger", _compaction_trigger),
    Row("compaction.alone", _compaction_alone),
    Row("sampling.removed", _sampling_removed),
    Row("model.unknown", _unknown_model, 404, "not_found_error"),
    Row("max_tokens.small", _max_tokens_too_small),
    Row("max_tokens.large", _max_tokens_too_large),
    Row("max_tokens.zero", _warming),
    Row("sampling.model", _sampling_model),
    Row("sampling.both", _sampling_both),
    Row("sampling.range", _sampling_range),
    Row("sampling.thinking", _sampling_thinking),
    Row("metadata.user_id_length", _user_id_length),
    Row("metadata.user_id_personal", _user_id_personal),
    Row("stop.blank", _blank_stop),
)

LAST_ROWS = (Row("prompt.long", _prompt_too_long),)
"""Counting a prompt's tokens comes after all that can be wrong with it."""
