"""The documents' tables say what the code does.

``pytest tests/proxy/test_docs.py --update-golden`` rewrites the two tables from the
code; the words of the field table are kept here.
"""

import ast
import inspect
import itertools
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

import every_series
from proxy import errors, log, prices, settings
from proxy.schema import chat_request
from proxy.translate import error
from request_translation import translate
from row_cases import HI

ROOT = Path(__file__).parents[2]
TRANSLATION = ROOT / "docs/translation.md"
OPERATIONS = ROOT / "docs/operations.md"

TOOL = {"type": "function", "function": {"name": "f"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
WITH_TOOL = {"tools": [TOOL]}
OLD = {"model": "claude-sonnet-4-6"}

FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "messages": ({"messages": [*HI, *HI]}, "see [Messages](#messages)"),
    "model": ({"model": "claude-sonnet-5"}, "`anthropic/` and dotted versions are understood; absent: `DEFAULT_MODEL`"),
    "max_completion_tokens": ({}, "before `max_tokens`; absent: `DEFAULT_MAX_TOKENS`; never above the model's own"),
    "max_tokens": ({}, "the same"),
    "temperature": ({**OLD, "temperature": 0.3}, "models up to 4.6; above 1 lowered to 1; newer models: ignored"),
    "top_p": ({**OLD, "top_p": 0.9}, "models up to 4.6, not beside a temperature; newer models: ignored"),
    "top_k": ({**OLD, "top_k": 5}, "Anthropic's own; as `top_p`"),
    "stop": ({"stop": "END"}, "sequences of only white space are dropped"),
    "n": ({"n": 2}, "only 1"),
    "stream": ({"stream": True}, ""),
    "stream_options": ({"stream": True, "stream_options": {"include_usage": True}}, "`include_usage`; only with `stream`"),
    "tools": (WITH_TOOL, "functions, their schemas as draft 2020-12, `strict` where they are closed; custom tools: rejected"),
    "tool_choice": ({**WITH_TOOL, "tool_choice": "none"}, "models that cannot be forced get an instruction instead; `allowed_tools` does not filter the tools"),
    "parallel_tool_calls": ({**WITH_TOOL, "parallel_tool_calls": False}, ""),
    "functions": ({"functions": [{"name": "f"}]}, "legacy; the response uses `function_call`"),
    "function_call": ({"functions": [{"name": "f"}], "function_call": "none"}, "legacy"),
    "response_format": ({"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}, "`json_schema` is enforced; `json_object` and what cannot be expressed are instructions"),
    "reasoning_effort": ({"reasoning_effort": "low"}, "effort and readable thinking, as far as the model has them; `none` where thinking can be switched off"),
    "user": ({"user": "u"}, "`metadata.user_id`; hashed where it looks personal"),
    "safety_identifier": ({"safety_identifier": "s"}, "before `user`"),
    "service_tier": ({"service_tier": "default"}, "`auto`, `default`; others are ignored"),
    "prompt_cache_options": ({"prompt_cache_options": {"mode": "explicit"}, **WITH_TOOL}, "`mode`, and `ttl` for breakpoints"),
    "logprobs": ({"logprobs": True}, "no equivalent; `null` in the response"),
    "top_logprobs": ({"top_logprobs": 3}, "no equivalent"),
    "seed": ({"seed": 7}, "no equivalent"),
    "frequency_penalty": ({"frequency_penalty": 0.5}, "no equivalent"),
    "presence_penalty": ({"presence_penalty": 0.5}, "no equivalent"),
    "logit_bias": ({"logit_bias": {"1": 1}}, "no equivalent"),
    "prediction": ({"prediction": {"type": "content", "content": "x"}}, "no equivalent"),
    "verbosity": ({"verbosity": "low"}, "no equivalent"),
    "store": ({"store": True}, "does not affect the response: no warning"),
    "metadata": ({"metadata": {"a": "b"}}, "does not affect the response: no warning"),
    "prompt_cache_key": ({"prompt_cache_key": "k"}, "does not affect the response: no warning"),
    "prompt_cache_retention": ({"prompt_cache_retention": "24h"}, "does not affect the response: no warning"),
    "moderation": ({"moderation": {"model": "m"}}, "does not affect the response: no warning"),
    "modalities": ({"modalities": ["audio"]}, "rejected if they include `audio`"),
    "audio": ({"audio": {"voice": "x"}}, "Claude has no audio output"),
    "web_search_options": ({"web_search_options": {}}, "Anthropic's web search; its citations are `annotations`"),
    "thinking": ({"thinking": {"type": "adaptive"}}, "Anthropic's own; before `reasoning_effort`"),
    "output_config": ({"output_config": {"effort": "low"}}, "Anthropic's own; `effort`, `format`, `task_budget`"),
    "cache_control": ({"cache_control": {"type": "ephemeral"}}, "Anthropic's own; also on parts, messages, tools and calls, as is `prompt_cache_breakpoint`"),
    "inference_geo": ({"inference_geo": "us"}, "Anthropic's own"),
    "speed": ({"speed": "standard"}, "Anthropic's own"),
    "context_management": ({"context_management": {"edits": []}}, "Anthropic's own"),
}  # fmt: skip
"""Field -> an example that asks for something, and the words of its row."""
FIELDS["max_completion_tokens"] = (
    {"max_completion_tokens": 9},
    FIELDS["max_completion_tokens"][1],
)
FIELDS["max_tokens"] = ({"max_tokens": 9}, FIELDS["max_tokens"][1])


MORE: dict[str, list[dict[str, Any]]] = {
    "max_completion_tokens": [{"max_completion_tokens": 10**6}],
    "max_tokens": [{"max_tokens": 10**6}],
    "temperature": [{**OLD, "temperature": 1.5}, {"temperature": 0.3}],
    "top_p": [{"top_p": 0.9}],
    "top_k": [{"top_k": 5}],
    "stop": [{"stop": ["END", " "]}],
    "tools": [
        {"tools": [{"type": "function", "function": {
            "name": "f", "parameters": {**SCHEMA, "anyOf": [{"required": ["a"]}]}}}]},
        {"tools": [{"type": "custom", "custom": {}}]},
    ],
    "tool_choice": [{**WITH_TOOL, "tool_choice": "required"}],
    "response_format": [{"response_format": {"type": "json_object"}}],
    "reasoning_effort": [{**OLD, "reasoning_effort": "xhigh"}],
    "service_tier": [{"service_tier": "flex"}],
    "thinking": [{"thinking": {"type": "enabled"}}],
    "messages": [{"messages": [*HI, {"role": "assistant", "content": "A"}]}],
}  # fmt: skip
"""Further examples, of fields whose fate depends on the model or the value."""

ORDER = ["translated", "changed", "ignored", "rejected"]


def translated(given: dict[str, Any]) -> tuple[tuple[object, ...], tuple[str, ...]]:
    """What an example's translation says, and its warnings."""
    whole = {"model": "claude-opus-5-5", "messages": HI, **given}
    one, context = translate(json.dumps(whole).encode())
    return (
        one.request,
        one.betas,
        context.stream,
        context.include_usage,
    ), one.warnings


def fate(field: str, given: dict[str, Any]) -> str:
    """What the code does with a field: found out by translating with and without it."""
    without = {k: v for k, v in given.items() if k != field}
    try:
        with_it, warnings = translated(given)
    except errors.InvalidRequestError:
        return "rejected"
    if warnings and with_it != translated(without)[0]:
        return "changed"
    needed = field in {"functions", "messages"}  # the example is nothing without them
    return "translated" if needed or with_it != translated(without)[0] else "ignored"


def kind_of(field: str) -> str:
    fates = {fate(field, given) for given in (FIELDS[field][0], *MORE.get(field, ()))}
    return ", ".join(sorted(fates, key=ORDER.index))


def field_table() -> str:
    rows = [
        f"| `{name}` | {kind_of(name)} | {how} |" for name, (_, how) in FIELDS.items()
    ]
    return "\n".join(["| Field | | How |", "|---|---|---|", *rows]) + "\n"


def setting_table() -> str:
    """Name, default and meaning of every setting, from the class itself."""
    source = ast.parse(inspect.getsource(settings.Settings))
    statements = source.body[0].body
    meanings = {
        field.target.id: doc.value.value
        for field, doc in itertools.pairwise(statements)
        if isinstance(field, ast.AnnAssign) and isinstance(doc, ast.Expr)
    }
    rows = []
    for field in msgspec.structs.fields(settings.Settings):
        default = field.default
        if default in {"", None}:
            shown = ""
        elif isinstance(default, bool):
            shown = f"`{int(default)}`"
        else:
            shown = f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
        rows.append(f"| `{field.name.upper()}` | {shown} | {meanings[field.name]} |")
    return (
        "\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *rows]) + "\n"
    )


@pytest.mark.parametrize(
    ("document", "name", "table"),
    [(TRANSLATION, "fields", field_table), (OPERATIONS, "settings", setting_table)],
)
def test_a_table_of_the_documents_is_what_the_code_says(
    document: Path, name: str, table: Any, request: pytest.FixtureRequest
) -> None:
    text = document.read_text(encoding="utf-8")
    head, tail = re.search(
        rf"(<!-- {name}:[^\n]*-->\n).*?(<!-- /{name} -->)", text, re.DOTALL
    ).groups()
    begin, end = text.index(head) + len(head), text.index(tail)
    if request.config.getoption("--update-golden"):
        document.write_text(text[:begin] + table() + text[end:], encoding="utf-8")
        text = document.read_text(encoding="utf-8")
        end = text.index(tail)

    assert text[begin:end] == table()


def test_every_field_that_is_read_has_a_row() -> None:
    assert list(FIELDS.keys() ^ set(chat_request.ChatRequest.__struct_fields__)) == []


def test_every_warning_that_the_code_can_give_is_explained() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in ROOT.glob("proxy/translate/**/*.py")
    )
    given = set(re.findall(r'warnings\.add\(\s*"([a-z_]+)"', code))
    table = "\n".join(
        path.read_text(encoding="utf-8").partition("\n## Warnings\n")[2]
        for path in (TRANSLATION, ROOT / "docs/responses.md")
    )
    explained = {
        code
        for first in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
        for code in re.findall(r"`([a-z_]+)`", first)
    }

    assert "strict_dropped" in given
    named = {c for c in given if not c.endswith("_ignored")}
    assert named <= explained
    assert {c for c in explained if not c.endswith("_ignored")} <= named


def section(heading: str) -> str:
    """The text under a heading of docs/operations.md."""
    text = OPERATIONS.read_text(encoding="utf-8")
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def in_code(text: str) -> set[str]:
    return set(re.findall(r"`([a-z0-9_]+)`", text))


def test_every_metric_is_explained_with_its_labels() -> None:
    table = section("Health checks and metrics")
    explained = {
        name: set(filter(None, labels.split(",")))
        for name, labels in re.findall(r"`(claude_\w+)\{?([\w,]*)\}?`", table)
    }

    assert explained == every_series.labels()


def test_the_example_of_a_price_list_is_one(tmp_path: Path) -> None:
    [example] = re.findall(r"```json\n(\{\n.*?)```", OPERATIONS.read_text(), re.DOTALL)
    file = tmp_path / "prices.json"
    file.write_text(example)

    given, built_in = prices.load(str(file)), prices.BUILT_IN.models

    assert given.models == {"claude-haiku-5-5": built_in["claude-haiku-5-5"]}
    assert built_in is not given.models
    assert prices.BUILT_IN.date in section("Health checks and metrics")


def test_every_field_of_a_completions_log_line_is_shown_and_explained() -> None:
    [shown] = re.findall(r"^\{.*\}$", section("The log"), re.MULTILINE)
    fields = set(log.Completion.__struct_fields__)

    assert json.loads(shown).keys() == fields | {"time", "level", "message"}
    assert fields <= in_code(section("The log"))


def test_every_error_code_is_explained() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in ROOT.glob("proxy/**/*.py")
        if "demo" not in path.parts
    )
    given = set(re.findall(r'\bcode="([a-z_]+)"', code))
    mapped = {one.code for one in error.BY_TYPE.values()} - {None}

    assert "at_capacity" in given
    assert given | mapped <= in_code(section("Errors"))
