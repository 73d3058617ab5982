"""b2: reasoning_effort and thinking, row by row."""

from collections.abc import Callable

import pytest
from falcon import testing

from proxy import capabilities
from request_translation import translated
from row_cases import HI, NOT_SENT, Case, check, parametrize
from standin import server

INTERLEAVED = "STAND_IN_INTERLEAVED_THINKING"
"""The stand-in's word for: think between the calls too."""

ADAPTIVE = {"type": "adaptive", "display": "summarized"}
EVERY_EFFORT = ("low", "medium", "high", "xhigh", "max")
SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
BINDING = "thinking-binding-controls-2026-08-01"
DROP = {"prefix_mismatch_behavior": "drop_block"}


def tool_loop(**assistant: object) -> list[dict]:
    """A history in the middle of a tool loop."""
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "get_time", "arguments": "{}"},
    }
    return [
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "tool_calls": [call], **assistant},
        {"role": "tool", "tool_call_id": "c1", "content": "12:00"},
    ]


def sent_loop(*thinking: dict) -> dict:
    """What is sent for it, with these thinking blocks."""
    use = {"type": "tool_use", "id": "c1", "name": "get_time", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "12:00"}
    return {
        "tools": SENT_TOOLS,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What time is it?"}]},
            {"role": "assistant", "content": [*thinking, use]},
            {"role": "user", "content": [result]},
        ],
    }


SENT_TOOLS = [
    {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}
]
TOOLS = [{"type": "function", "function": {"name": "get_time"}}]
FORCED = {"tools": TOOLS, "tool_choice": "required"}

CASES = [
    Case("b2.budgets", "a budget comes on top of the default limit",
         {"model": "claude-haiku-4-5", "reasoning_effort": "max"},
         {"thinking": {"type": "enabled", "budget_tokens": 16384},
          "max_tokens": 32768}),
    Case("b2.display", "a client that asks for effort can read its own thinking",
         {"thinking": {"type": "adaptive"}, "reasoning_effort": "high"},
         {"thinking": ADAPTIVE, "output_config": {"effort": "high"}}),
    Case("b2.absent", "nothing asked, nothing sent", {},
         {"thinking": NOT_SENT, "output_config": NOT_SENT}),
    # ------------------------------------------------------------------ none
    Case("b2.none", "models that think only when asked are left alone",
         {"model": "claude-opus-4-8", "reasoning_effort": "none"},
         {"thinking": NOT_SENT, "output_config": NOT_SENT}),
    *[
        Case("b2.none", f"{model} is switched off",
             {"model": model, "reasoning_effort": "none"},
             {"thinking": {"type": "disabled"}})
        for model in ("claude-sonnet-5", "claude-opus-5", "claude-haiku-5-5")
    ],
    Case("b2.none", "Sonnet 5.5 thinks between tools only",
         {"model": "claude-sonnet-5-5", "reasoning_effort": "none"},
         {"thinking": {"type": "between_tools"}}),
    *[
        Case("b2.none", f"{model} always thinks, so little",
             {"model": model, "reasoning_effort": "none"},
             {"thinking": NOT_SENT, "output_config": {"effort": "low"}},
             ("thinking_always_on",))
        for model in ("claude-opus-5-5", "claude-fable-5-2", "claude-mythos-5")
    ],
    Case("b2.none", "off goes with an effort of high at the most",
         {"model": "claude-opus-5", "reasoning_effort": "none",
          "output_config": {"effort": "max"}},
         {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}},
         ("reasoning_effort_lowered",)),
    # ------------------------------------------------------------------ levels
    *[
        Case("b2.levels", f"{word} is the same word",
             {"reasoning_effort": word},
             {"thinking": ADAPTIVE, "output_config": {"effort": word}})
        for word in EVERY_EFFORT
    ],
    Case("b2.levels", "minimal is low", {"reasoning_effort": "minimal"},
         {"thinking": ADAPTIVE, "output_config": {"effort": "low"}}),
    Case("b2.levels", "4.6 has no xhigh",
         {"model": "claude-sonnet-4-6", "reasoning_effort": "xhigh"},
         {"thinking": ADAPTIVE, "output_config": {"effort": "high"}},
         ("reasoning_effort_lowered",)),
    Case("b2.levels", "4.6 has max",
         {"model": "claude-opus-4-6", "reasoning_effort": "max"},
         {"thinking": ADAPTIVE, "output_config": {"effort": "max"}}),
    Case("b2.levels", "Opus 4.5 has neither, and effort does not make it think",
         {"model": "claude-opus-4-5", "reasoning_effort": "max"},
         {"thinking": NOT_SENT, "output_config": {"effort": "high"}},
         ("reasoning_effort_lowered",)),
    Case("b2.levels", "a model without levels says so",
         {"model": "claude-haiku-4-5", "output_config": {"effort": "high"}},
         {"output_config": NOT_SENT}, ("reasoning_effort_ignored",)),
    Case("b2.levels", "4.8 thinks only with adaptive beside its effort",
         {"model": "claude-opus-4-8", "reasoning_effort": "low"},
         {"thinking": ADAPTIVE, "output_config": {"effort": "low"}}),
    Case("b2.unknown", "an unknown word", {"reasoning_effort": "heroic"},
         refused=("reasoning_effort", "invalid_value")),
    Case("b2.unknown", "an unknown word of Anthropic's own field",
         {"output_config": {"effort": "none"}},
         refused=("output_config.effort", "invalid_value")),
    # ------------------------------------------------------------------ budgets
    *[
        Case("b2.budgets", f"{word} is {budget} tokens",
             {"model": "claude-haiku-4-5", "reasoning_effort": word},
             {"thinking": {"type": "enabled", "budget_tokens": budget},
              "max_tokens": 16384 + budget, "output_config": NOT_SENT})
        for word, budget in (("minimal", 1024), ("low", 1024), ("medium", 2048),
                             ("high", 4096), ("xhigh", 8192), ("max", 16384))
    ],
    *[
        Case("b2.budgets", f"leaves a quarter of {limit} for the response, in few steps",
             {"model": "claude-sonnet-4-5", "reasoning_effort": "max",
              "max_tokens": limit},
             {"thinking": {"type": "enabled", "budget_tokens": budget},
              "max_tokens": limit})
        for limit, budget in ((40_000, 16384), (20_000, 8192), (19_000, 8192),
                              (6000, 4096), (4096, 2048), (3000, 2048), (1025, 1024))
    ],
    Case("b2.own", "a budget that does not fit becomes one of those that are fixed",
         {"model": "claude-sonnet-4-5", "max_tokens": 3000,
          "thinking": {"type": "enabled", "budget_tokens": 5000}},
         {"thinking": {"type": "enabled", "budget_tokens": 2048},
          "max_tokens": 3000}),
    Case("b2.budgets", "no room",
         {"model": "claude-sonnet-4-5", "reasoning_effort": "low", "max_tokens": 1024},
         {"thinking": NOT_SENT, "max_tokens": 1024}, ("thinking_skipped",)),
    Case("b2.budgets", "not with a forced tool",
         {"model": "claude-haiku-4-5", "reasoning_effort": "low", **FORCED},
         {"thinking": NOT_SENT, "tools": SENT_TOOLS, "tool_choice": {"type": "any"}},
         ("thinking_skipped",)),
    Case("b2.budgets", "not over an unsigned tool turn",
         {"model": "claude-haiku-4-5", "reasoning_effort": "low", "tools": TOOLS,
          "messages": tool_loop()},
         {**sent_loop(), "thinking": NOT_SENT}, ("thinking_skipped",)),
    Case("b2.budgets", "over a signed one",
         {"model": "claude-haiku-4-5", "reasoning_effort": "low", "tools": TOOLS,
          "messages": tool_loop(thinking_blocks=[SIGNED])},
         {**sent_loop(SIGNED), "thinking": {"type": "enabled", "budget_tokens": 1024},
          "max_tokens": 16384 + 1024}),
    Case("b2.budgets", "over an unsigned tool turn that is closed",
         {"model": "claude-haiku-4-5", "reasoning_effort": "high", "tools": TOOLS,
          "messages": [*tool_loop(), {"role": "assistant", "content": "Noon."},
                       {"role": "user", "content": "And now?"}]},
         {**sent_loop(), "thinking": {"type": "enabled", "budget_tokens": 4096},
          "max_tokens": 16384 + 4096, "messages": [
              *sent_loop()["messages"],
              {"role": "assistant", "content": [{"type": "text", "text": "Noon."}]},
              {"role": "user", "content": [{"type": "text", "text": "And now?"}]}]}),
    Case("b2.budgets", "not over one whose reply was blank",
         {"model": "claude-haiku-4-5", "reasoning_effort": "high", "tools": TOOLS,
          "messages": [*tool_loop(), {"role": "assistant", "content": " "},
                       {"role": "user", "content": "And now?"}]},
         {**sent_loop(), "thinking": NOT_SENT, "messages": [
             *sent_loop()["messages"],
             {"role": "user", "content": [{"type": "text", "text": "And now?"}]}]},
         ("thinking_skipped",)),
    # ------------------------------------------------------------------ own thinking
    Case("b2.own", "adaptive is passed on",
         {"thinking": {"type": "adaptive", "display": "omitted"}},
         {"thinking": {"type": "adaptive", "display": "omitted"}}),
    Case("b2.own", "an old budget becomes adaptive on new models",
         {"thinking": {"type": "enabled", "budget_tokens": 5000}},
         {"thinking": ADAPTIVE}, ("thinking_budget_ignored",)),
    Case("b2.own", "a budget is kept where it is taken",
         {"model": "claude-sonnet-4-6",
          "thinking": {"type": "enabled", "budget_tokens": 5000}},
         {"thinking": {"type": "enabled", "budget_tokens": 5000},
          "max_tokens": 16384 + 5000}),
    Case("b2.own", "disabled on a model that always thinks",
         {"thinking": {"type": "disabled"}},
         {"thinking": NOT_SENT, "output_config": {"effort": "low"}},
         ("thinking_always_on",)),
    Case("b2.own", "adaptive on a model that has none",
         {"model": "claude-haiku-4-5", "thinking": {"type": "adaptive"}},
         {"thinking": NOT_SENT}, ("thinking_skipped",)),
    Case("b2.own", "between_tools where it exists",
         {"model": "claude-sonnet-5-5", "thinking": {"type": "between_tools"}},
         {"thinking": {"type": "between_tools"}}),
    Case("b2.own", "an unknown type", {"thinking": {"type": "deep"}},
         refused=("thinking.type", "invalid_value")),
    # ------------------------------------------------------------------ display
    Case("b2.display", "a setting makes default thinking readable", {},
         {"thinking": {"type": "adaptive", "display": "summarized"}},
         config={"reasoning_display": "summarized"}),
    Case("b2.display", "... but makes nobody think",
         {"model": "claude-opus-4-8"}, {"thinking": NOT_SENT},
         config={"reasoning_display": "summarized"}),
    # ------------------------------------------------------------------ round trip
    Case("b2.round_trip", "signed blocks go back first, verbatim, bound softly",
         {"tools": TOOLS, "messages": tool_loop(thinking_blocks=[SIGNED])},
         {**sent_loop(SIGNED),
          "thinking": {"type": "adaptive", "block_binding": DROP}},
         betas=(BINDING,)),
    Case("b2.round_trip", "redacted ones too",
         {"tools": TOOLS, "messages": tool_loop(thinking_blocks=[REDACTED])},
         {**sent_loop(REDACTED),
          "thinking": {"type": "adaptive", "block_binding": DROP}}, betas=(BINDING,)),
    Case("b2.round_trip", "several blocks may have stood between the calls: none is sent",
         {"tools": TOOLS, "messages": tool_loop(thinking_blocks=[SIGNED, REDACTED])},
         {**sent_loop(), "thinking": NOT_SENT}, ("thinking_blocks_dropped",)),
    Case("b2.round_trip", "several blocks of a model with a budget stood before them",
         {"model": "claude-haiku-4-5", "reasoning_effort": "low", "tools": TOOLS,
          "messages": tool_loop(thinking_blocks=[SIGNED, REDACTED])},
         {**sent_loop(SIGNED, REDACTED), "max_tokens": 16384 + 1024,
          "thinking": {"type": "enabled", "budget_tokens": 1024}}),
    Case("b2.round_trip", "a block without its signature is dropped",
         {"tools": TOOLS, "messages": tool_loop(
             thinking_blocks=[{"type": "thinking", "thinking": "Hm."}])},
         {**sent_loop(), "thinking": NOT_SENT}),
    Case("b2.round_trip", "... and a redacted one without its data",
         {"tools": TOOLS, "messages": tool_loop(
             thinking_blocks=[{"type": "redacted_thinking", "signature": "c2ln"}])},
         {**sent_loop(), "thinking": NOT_SENT}),
    Case("b2.round_trip", "nothing is replayed to a model that does not think",
         {"model": "claude-opus-4-8", "tools": TOOLS,
          "messages": tool_loop(thinking_blocks=[SIGNED])},
         {**sent_loop(), "thinking": NOT_SENT}),
    Case("b2.round_trip", "between_tools takes no binding, so nothing is replayed",
         {"model": "claude-sonnet-5-5", "reasoning_effort": "none", "tools": TOOLS,
          "messages": tool_loop(thinking_blocks=[SIGNED])},
         {**sent_loop(), "thinking": {"type": "between_tools"}}),
    Case("b10.binding", "effort and replay share one config",
         {"reasoning_effort": "low", "tools": TOOLS,
          "messages": tool_loop(thinking_blocks=[SIGNED])},
         {**sent_loop(SIGNED), "thinking": {**ADAPTIVE, "block_binding": DROP},
          "output_config": {"effort": "low"}}, betas=(BINDING,)),
]  # fmt: skip


def test_b2_levels_step_up_only_where_the_model_has_none_that_is_lower() -> None:
    model = "claude-some-day-9"
    live = {model: capabilities.with_live(model, effort=frozenset({"high", "max"}))}
    given = {"model": model, "messages": HI, "reasoning_effort": "low"}

    one = translated(given, live)

    assert one.request.output_config.effort == "high"
    assert one.warnings == ("reasoning_effort_lowered",)


def test_b2_budgets_are_skipped_where_thinking_alone_followed_an_unsigned_tool_turn(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    """A turn that was cut while it thought comes back as its thinking alone."""
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
    }
    cut = [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}]
    body = {
        "model": "claude-opus-4-5",
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "messages": [
            *HI,
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
            {"role": "assistant", "content": "", "thinking_blocks": cut},
            *HI,
        ],
    }
    standin.requests.clear()

    answer = client.simulate_post("/v1/chat/completions", json=body)

    assert answer.status_code == 200
    assert answer.headers["x-proxy-warnings"] == "thinking_skipped"
    assert [one.rule for one in standin.requests if one.body] == [None]


@pytest.mark.parametrize("model", ["claude-opus-4-8", "claude-opus-5-5"])
def test_b2_round_trip_of_interleaved_thinking_costs_one_call(
    make_client: Callable[..., testing.TestClient], standin: server.StandIn, model: str
) -> None:
    """The answer thinks between its calls, which nobody remembers.

    The next request is accepted at once.
    """
    client = make_client(memory_bytes=0)
    tools = [
        {"type": "function", "function": {"name": name}}
        for name in ("weather", "clock")
    ]
    asked = {
        "model": model,
        "reasoning_effort": "high",
        "tools": tools,
        "messages": [
            {"role": "user", "content": f"{INTERLEAVED}: the weather and the clock"}
        ],
    }
    first = client.simulate_post("/v1/chat/completions", json=asked)
    message = first.json["choices"][0]["message"]
    assert len(message["thinking_blocks"]) == len(message["tool_calls"]) == 2
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": "ok"}
        for call in message["tool_calls"]
    ]
    standin.requests.clear()

    answer = client.simulate_post(
        "/v1/chat/completions",
        json={**asked, "messages": [*asked["messages"], message, *results]},
    )

    assert answer.status_code == 200
    assert [one.rule for one in standin.requests] == [None]
    assert answer.headers["x-proxy-warnings"] == "thinking_blocks_dropped"


@parametrize(CASES)
def test_reasoning_is_translated_as_its_row_says(case: Case) -> None:
    check(case, prompt_caching="off")  # breakpoints have rows of their own
