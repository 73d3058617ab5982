"""b1: every field of a request, row by row."""

import hashlib

import pytest
from falcon import testing

from proxy import capabilities
from row_cases import NOT_SENT, Case, check, parametrize
from standin import server

SAMPLED = "2023-06-01"
OLD = {"model": "claude-sonnet-4-6"}
THINKS = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
BUDGET = {**THINKS, "max_tokens": 16384 + 2048}
TASK_BUDGET = {"type": "tokens", "total": 20_000}
READABLE = {"type": "adaptive", "display": "summarized"}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


WHOLE = [
    *[
        Case("b1.max_tokens", f"{field} may be written with a point", {field: 4096.0},
             {"max_tokens": 4096})
        for field in ("max_tokens", "max_completion_tokens")
    ],
    Case("b1.max_tokens", "but not a fraction", {"max_tokens": 4096.5},
         refused=("max_tokens", "invalid_type")),
    Case("b1.n", "1.0 is 1", {"n": 1.0}),
    Case("b1.top_k", "40.0 is 40", {"model": "claude-sonnet-4-6", "top_k": 40.0},
         {"top_k": 40}, version="2023-06-01"),
    Case("b2.own", "a budget of 2000.0 tokens",
         {"model": "claude-sonnet-4-6",
          "thinking": {"type": "enabled", "budget_tokens": 2000.0}},
         {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 18384}),
    Case("b1.ignored", "a seed of 7.0", {"seed": 7.0}, warnings=("seed_ignored",)),
]  # fmt: skip

CASES = [
    *WHOLE,
    # ------------------------------------------------------------------ b0 and model
    Case("b0.unknown_newest", "an unknown model takes no sampling",
         {"model": "claude-nova-9", "temperature": 0.5},
         {"model": "claude-nova-9", "temperature": NOT_SENT}, ("temperature_ignored",)),
    Case("b0.unknown_newest", "an unknown model's effort is forwarded",
         {"model": "claude-nova-9", "reasoning_effort": "xhigh"},
         {"output_config": {"effort": "xhigh"}, "thinking": READABLE}),
    Case("b0.unknown_newest", "an unknown model's limit is not guessed",
         {"model": "claude-nova-9", "max_tokens": 900_000}, {"max_tokens": 900_000}),
    Case("b0.alias", "a router's name is the official id upstream",
         {"model": "anthropic/claude-haiku-4.5"}, {"model": "claude-haiku-4-5"}),
    Case("b0.alias", "dots alone are enough",
         {"model": "claude-sonnet-4.6"}, {"model": "claude-sonnet-4-6"}),
    Case("b0.alias", "another vendor's name passes as it is",
         {"model": "gpt-4.1"}, {"model": "gpt-4.1"}),
    Case("b0.table", "a dated id has its model's row",
         {"model": "claude-haiku-4-5-20251001", "temperature": 0.5},
         {"temperature": 0.5}, version=SAMPLED),
    Case("b1.model", "absent is the default model", {"model": NOT_SENT},
         {"model": "claude-sonnet-4-6"}),
    Case("b1.model", "empty is the default model", {"model": ""},
         {"model": "claude-opus-4-8"}, config={"default_model": "claude-opus-4-8"}),
    # ------------------------------------------------------------------ the body
    Case("b1.body", "no messages", {"messages": NOT_SENT},
         refused=("messages", "missing_required_parameter")),
    Case("b1.body", "empty messages", {"messages": []},
         refused=("messages", "missing_required_parameter")),
    Case("b1.body", "messages of another type", {"messages": "Hi"},
         refused=("messages", "missing_required_parameter")),
    Case("b1.body", "an unknown role", {"messages": [{"role": "wizard"}]},
         refused=("messages[0].role", "invalid_value")),
    Case("b1.body", "a message without its role", {"messages": [{"content": "Hi"}]},
         refused=("messages[0].role", "missing_required_parameter")),
    # ------------------------------------------------------------------ tokens
    Case("b1.max_tokens", "absent is the default", {}, {"max_tokens": 16384}),
    Case("b1.max_tokens", "the default is a setting", {}, {"max_tokens": 1000},
         config={"default_max_tokens": 1000}),
    Case("b1.max_tokens", "max_tokens", {"max_tokens": 77}, {"max_tokens": 77}),
    Case("b1.max_tokens", "max_completion_tokens wins",
         {"max_tokens": 77, "max_completion_tokens": 99}, {"max_tokens": 99}),
    Case("b1.max_tokens", "the default never exceeds the model's own",
         {"model": "claude-haiku-4-5"}, {"max_tokens": 64_000},
         config={"default_max_tokens": 100_000}),
    Case("b1.max_tokens", "more than the model has is lowered",
         {"max_tokens": 200_000}, {"max_tokens": 128_000}, ("max_tokens_clamped",)),
    Case("b1.max_tokens", "zero", {"max_tokens": 0},
         refused=("max_tokens", "invalid_type")),
    Case("b1.max_tokens", "a fraction", {"max_tokens": 1.5},
         refused=("max_tokens", "invalid_type")),
    Case("b1.max_tokens", "true is no number", {"max_completion_tokens": True},
         refused=("max_completion_tokens", "invalid_type")),
    Case("b1.max_tokens", "10**30", {"max_tokens": 10**30},
         refused=("max_tokens", "invalid_type")),
    Case("b1.large", "a large answer is streamed, as every one", {"max_tokens": 64_000},
         {"stream": True, "max_tokens": 64_000}),
    # ------------------------------------------------------------------ sampling
    Case("b1.version", "without sampling the SDK's version is sent", OLD, {}),
    Case("b1.version", "with sampling the older one", {**OLD, "temperature": 0.2},
         {"temperature": 0.2}, version=SAMPLED),
    Case("b1.temperature", "above 2", {"temperature": 2.5},
         refused=("temperature", "invalid_type")),
    Case("b1.temperature", "below 0", {"temperature": -0.1},
         refused=("temperature", "invalid_type")),
    Case("b1.temperature", "not a number", {"temperature": "warm"},
         refused=("temperature", "invalid_type")),
    Case("b1.temperature", "1 is the default and goes silently", {"temperature": 1},
         {"temperature": NOT_SENT}),
    Case("b1.temperature", "another is dropped where the model has none",
         {"temperature": 0.2}, {"temperature": NOT_SENT}, ("temperature_ignored",)),
    Case("b1.temperature", "... and refused under STRICT_PARAMS", {"temperature": 0.2},
         refused=("temperature", "unsupported_value"), config={"strict_params": True}),
    Case("b1.temperature", "above 1 is lowered", {**OLD, "temperature": 1.5},
         {"temperature": 1.0}, ("temperature_clamped",), SAMPLED),
    Case("b1.top_p", "0 is outside", {"top_p": 0}, refused=("top_p", "invalid_type")),
    Case("b1.top_p", "above 1", {"top_p": 1.1}, refused=("top_p", "invalid_type")),
    Case("b1.top_p", "dropped where the model has none", {"top_p": 0.9},
         {"top_p": NOT_SENT}, ("top_p_ignored",)),
    Case("b1.top_p", "... and refused under STRICT_PARAMS", {"top_p": 0.9},
         refused=("top_p", "unsupported_value"), config={"strict_params": True}),
    Case("b1.top_p", "kept alone", {**OLD, "top_p": 0.9},
         {"top_p": 0.9, "temperature": NOT_SENT}, version=SAMPLED),
    Case("b1.top_p", "beside a temperature it goes",
         {**OLD, "temperature": 0.3, "top_p": 0.9},
         {"temperature": 0.3, "top_p": NOT_SENT}, ("top_p_ignored",), SAMPLED),
    Case("b1.top_p", "beside a default temperature it stays",
         {**OLD, "temperature": 1, "top_p": 0.9},
         {"top_p": 0.9, "temperature": NOT_SENT}, version=SAMPLED),
    Case("b1.top_p", "1 is the default and goes silently", {**OLD, "top_p": 1},
         {"top_p": NOT_SENT}),
    Case("b1.top_k", "dropped where the model has none", {"top_k": 5},
         {"top_k": NOT_SENT}, ("top_k_ignored",)),
    Case("b1.top_k", "kept where it has", {**OLD, "top_k": 5}, {"top_k": 5},
         version=SAMPLED),
    Case("b1.thinking_sampling", "thinking takes no other temperature, no top_k",
         {**OLD, **THINKS, "temperature": 0.3, "top_k": 5},
         {**BUDGET, "temperature": NOT_SENT, "top_k": NOT_SENT},
         ("temperature_ignored", "top_k_ignored")),
    Case("b1.thinking_sampling", "a low top_p goes too", {**OLD, **THINKS, "top_p": 0.5},
         {**BUDGET, "top_p": NOT_SENT}, ("top_p_ignored",)),
    Case("b1.thinking_sampling", "a high top_p stays", {**OLD, **THINKS, "top_p": 0.97},
         {**BUDGET, "top_p": 0.97}, version=SAMPLED),
    # ------------------------------------------------------------------ stop, n, stream
    Case("b1.stop", "null", {"stop": None}, {"stop_sequences": NOT_SENT}),
    Case("b1.stop", "a string", {"stop": "END"}, {"stop_sequences": ["END"]}),
    Case("b1.stop", "a list", {"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
    Case("b1.stop", "white space goes", {"stop": ["\n", "END", ""]},
         {"stop_sequences": ["END"]}, ("stop_whitespace_dropped",)),
    Case("b1.stop", "only white space is none", {"stop": "\n\n"},
         {"stop_sequences": NOT_SENT}, ("stop_whitespace_dropped",)),
    Case("b1.stop", "a number", {"stop": [1]}, refused=("stop[0]", "invalid_type")),
    Case("b1.n", "1", {"n": 1}, {"n": NOT_SENT}),
    Case("b1.n", "null", {"n": None}, {"n": NOT_SENT}),
    Case("b1.n", "2", {"n": 2}, refused=("n", "unsupported_value")),
    Case("b1.n", "0", {"n": 0}, refused=("n", "unsupported_value")),
    Case("b1.stream", "upstream always streams", {"stream": False}, {"stream": True}),
    Case("b1.stream", "a word", {"stream": "yes"}, refused=("stream", "invalid_type")),
    Case("b1.stream_options", "without stream", {"stream_options": {}},
         refused=("stream_options", None)),
    Case("b1.stream_options", "obfuscation is ignored",
         {"stream": True, "stream_options": {"include_obfuscation": True}},
         {"stream_options": NOT_SENT}),
    # ------------------------------------------------------------------ no equivalent
    Case("b1.logprobs", "dropped", {"logprobs": True, "top_logprobs": 3},
         {"logprobs": NOT_SENT}, ("logprobs_ignored", "top_logprobs_ignored")),
    Case("b1.logprobs", "false asks for nothing", {"logprobs": False}, {}),
    Case("b1.logprobs", "refused under STRICT_PARAMS", {"logprobs": True},
         refused=("logprobs", "unsupported_value"), config={"strict_params": True}),
    Case("b1.ignored", "each is named",
         {"seed": 7, "frequency_penalty": 0.5, "presence_penalty": -1,
          "logit_bias": {"50256": -100}, "verbosity": "low",
          "prediction": {"type": "content", "content": "x"}},
         {"seed": NOT_SENT},
         ("seed_ignored", "frequency_penalty_ignored", "presence_penalty_ignored",
          "logit_bias_ignored", "prediction_ignored", "verbosity_ignored")),
    Case("b1.ignored", "neutral values are no news",
         {"seed": None, "frequency_penalty": 0, "presence_penalty": 0.0,
          "logit_bias": {}, "prediction": None, "verbosity": None}, {}),
    Case("b1.ignored", "refused under STRICT_PARAMS", {"seed": 7},
         refused=("seed", "unsupported_value"), config={"strict_params": True}),
    Case("b1.silent", "what changes no answer",
         {"store": True, "metadata": {"a": "b"}, "prompt_cache_key": "k",
          "prompt_cache_retention": "24h", "moderation": {"model": "m"}},
         {"metadata": NOT_SENT}),
    Case("b1.silent", "... also under STRICT_PARAMS", {"store": True}, {},
         config={"strict_params": True}),
    Case("b1.unknown", "a field nobody knows is dropped", {"zzz": {"a": 1}},
         {"zzz": NOT_SENT}),
    Case("b1.audio", "modalities with audio", {"modalities": ["text", "audio"]},
         refused=("modalities", "unsupported_value")),
    Case("b1.audio", "modalities of text", {"modalities": ["text"]}, {}),
    Case("b1.audio", "audio", {"audio": {"voice": "x", "format": "wav"}},
         refused=("audio", "unsupported_value")),
    # ------------------------------------------------------------------ user, tier
    Case("b1.user", "user", {"user": "u-1"}, {"metadata": {"user_id": "u-1"}}),
    Case("b1.user", "safety_identifier wins", {"user": "u-1", "safety_identifier": "s"},
         {"metadata": {"user_id": "s"}}),
    Case("b1.user", "an e-mail address is hashed", {"user": "ada@example.com"},
         {"metadata": {"user_id": sha("ada@example.com")}}),
    Case("b1.user", "a telephone number is hashed", {"user": "+1 (555) 010-9999"},
         {"metadata": {"user_id": sha("+1 (555) 010-9999")}}),
    Case("b1.user", "a long one is hashed", {"user": "x" * 257},
         {"metadata": {"user_id": sha("x" * 257)}}),
    Case("b1.service_tier", "auto", {"service_tier": "auto"}, {"service_tier": "auto"}),
    Case("b1.service_tier", "default", {"service_tier": "default"},
         {"service_tier": "standard_only"}),
    Case("b1.service_tier", "flex", {"service_tier": "flex"},
         {"service_tier": NOT_SENT}, ("service_tier_ignored",)),
    # ------------------------------------------------------------------ Anthropic's own
    Case("b1.extras", "are passed through",
         {"inference_geo": "us", "speed": "standard",
          "cache_control": {"type": "ephemeral", "ttl": "1h"}},
         {"inference_geo": "us", "speed": "standard",
          "cache_control": {"type": "ephemeral", "ttl": "1h"}},
         betas=("fast-mode-2026-02-01",)),
    Case("b1.model", "a whole text in the wrong field", {"model": "x" * 257},
         refused=("model", "invalid_type")),
    Case("b1.extras", "context_management brings its beta",
         {"context_management": {"edits": []}}, {"context_management": {"edits": []}},
         betas=("context-management-2025-06-27",)),
    Case("b1.extras", "output_config's task budget brings its beta",
         {"output_config": {"task_budget": TASK_BUDGET}},
         {"output_config": {"task_budget": TASK_BUDGET}},
         betas=("task-budgets-2026-03-13",)),
    Case("b1.extras", "output_config's effort wins",
         {"output_config": {"effort": "low"}, "reasoning_effort": "high"},
         {"output_config": {"effort": "low"}, "thinking": READABLE}),
]  # fmt: skip


@parametrize(CASES)
def test_a_field_is_translated_as_its_row_says(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{", "invalid_json", None),
        (b"", "invalid_json", None),
        (b"\xff\xfe{}", "invalid_json", None),
        (b'{"messages": NaN}', "invalid_json", None),
        (
            b'{"messages": [{"role": "wizard"}], "x": Infinity}',
            "invalid_value",
            "messages[0].role",
        ),
        (b"[]", "invalid_json", None),
        (b'{"a": ' * 100_000, "invalid_json", None),
        (b'{"temperature": 1e999, "messages": []}', "invalid_value", "temperature"),
        (b"{}", "missing_required_parameter", "messages"),
        (
            b'{"messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"default":1e999}}}]}',
            "invalid_value",
            "tools[0].function.parameters",
        ),
    ],
    ids=[
        "cut",
        "empty",
        "utf-16",
        "nan",
        "not JSON behind a bad value",
        "array",
        "deep",
        "inf",
        "bare",
        "deep inf",
    ],
)
def test_b1_body_that_cannot_be_read_is_a_400_and_reaches_nobody(
    body: bytes,
    code: str,
    param: str | None,
    client: testing.TestClient,
    standin: server.StandIn,
) -> None:
    answer = client.simulate_post("/v1/chat/completions", body=body)

    assert answer.status_code == 400
    assert answer.json["error"]["code"] == code
    assert answer.json["error"]["param"] == param
    assert not standin.requests


@pytest.mark.parametrize(
    ("escaped", "read"),
    [
        (r"cut \ud83d off", "cut \ufffd off"),
        (r"\ude00 begins", "\ufffd begins"),
        (r"whole \ud83d\ude00", "whole \U0001f600"),
    ],
)
def test_b1_body_with_half_a_character_goes_on_without_it(
    escaped: str, read: str, client: testing.TestClient, standin: server.StandIn
) -> None:
    """Text that was cut in the middle of an emoji is common."""
    text = f'{{"messages": [{{"role": "user", "content": "{escaped}"}}]}}'

    assert client.simulate_post("/v1/chat/completions", body=text).status_code == 200
    assert standin.requests[-1].body["messages"][0]["content"][0]["text"] == read


def test_b1_size_above_the_limit_is_a_413_before_it_is_read(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    answer = client.simulate_post(
        "/v1/chat/completions", headers={"content-length": str(10**20)}
    )

    assert answer.status_code == 413
    assert answer.json["error"]["code"] == "request_too_large"
    assert not standin.requests


def test_b0_live_capabilities_of_a_model_come_before_the_table() -> None:
    live = {
        "claude-sonnet-4-6": capabilities.with_live(
            "claude-sonnet-4-6",
            effort=frozenset({"low", "xhigh"}),
            thinking=frozenset({"adaptive", "disabled"}),
            max_tokens=256_000,
        )
    }

    row = capabilities.model_for("claude-sonnet-4-6", live)

    assert row.effort == {"low", "xhigh"}
    assert row.thinking == {"adaptive", "disabled"}
    assert row.max_tokens == 256_000
    assert row.sampling  # the live list does not tell; the table does
