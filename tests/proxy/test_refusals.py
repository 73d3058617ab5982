"""What Anthropic has refused once is not sent to it again with each turn (row b0.known)."""

import copy

import pytest
from falcon import testing

from proxy import refusals
from proxy.translate import assemble, repair
from request_translation import translated
from standin import server

HI = {"role": "user", "content": "Hi"}
MANY = {f"p{i}": {"type": ["string", "null"]} for i in range(20)}
CLOSED = {"type": "object", "properties": MANY, "required": [*MANY],
          "additionalProperties": False}  # fmt: skip
STRICT = {"type": "function",
          "function": {"name": "f", "parameters": CLOSED, "strict": True}}  # fmt: skip
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": CLOSED}}
CALLED = [HI, {"role": "assistant", "content": None, "tool_calls": [
    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "ok"}]  # fmt: skip
WEATHER = {"type": "function", "function": {"name": "get_weather"}}


def ask(client: testing.TestClient, **given: object) -> testing.Result:
    return client.simulate_post(
        "/v1/chat/completions", json={"messages": [HI], **given}
    )


def refused(standin: server.StandIn) -> list[bool]:
    """Of each request for a message, whether it was refused."""
    calls = [one for one in standin.requests if one.path == "/v1/messages"]
    return [one.usage is None for one in calls]


@pytest.mark.parametrize(
    ("given", "warning"),
    [
        ({"tools": [STRICT]}, "strict_dropped"),
        ({"response_format": FORMAT}, "schema_not_enforced"),
    ],
)
def test_b0_known_grammar_is_not_asked_for_again(
    client: testing.TestClient, standin: server.StandIn, given: dict, warning: str
) -> None:
    first, second = (ask(client, **given) for _ in range(2))

    assert refused(standin) == [True, False, False]
    assert standin.requests[-1].body == standin.requests[-2].body
    assert first.headers["x-proxy-warnings"] == second.headers["x-proxy-warnings"]
    assert warning in second.headers["x-proxy-warnings"]


def test_b0_known_refusals_of_two_things_add_up(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    """Only one repair is made for a request, so the first of these fails."""
    for _ in range(3):
        answer = ask(client, tools=[STRICT], response_format=FORMAT)

    assert answer.status_code == 200
    assert refused(standin)[-1:] == [False]
    assert len(refused(standin)) <= 5


@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-sonnet-4-5"])
def test_b0_known_thinking_is_left_out_and_later_thinking_is_not(
    client: testing.TestClient, standin: server.StandIn, model: str
) -> None:
    given = {"model": model, "tools": [WEATHER], "reasoning_effort": "high"}
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    for turn in range(5):
        if turn == 2:
            standin.fail_next(
                status=400, type="invalid_request_error",
                message="messages.1.content.0: Invalid `signature` in `thinking` block",
            )  # fmt: skip
        if turn == 3:  # the loop that was refused is over
            messages.append({"role": "user", "content": "And the weather in Rome?"})
        standin.say_next(("get_weather", {"turn": turn}))
        answer = ask(client, messages=messages, **given)
        assert answer.status_code == 200, answer.text
        said = answer.json["choices"][0]["message"]
        messages.append({k: said[k] for k in ("role", "content", "tool_calls")})
        result = {"role": "tool", "content": "Fine."}
        messages += [
            {**result, "tool_call_id": call["id"]} for call in said["tool_calls"]
        ]
        if turn == 2:
            messages += [{"role": "assistant", "content": "It is fine."}]

    assert refused(standin) == [False, False, True, False, False, False]
    last = standin.requests[-1].body
    thinks = [
        any(block["type"] == "thinking" for block in message["content"])
        for message in last["messages"]
        if message["role"] == "assistant"
    ]
    assert thinks[:2] == [False, False]
    assert thinks[-1]


def test_b0_known_thinking_may_be_redacted() -> None:
    def one(data: str) -> assemble.Translation:
        blocks = [{"type": "redacted_thinking", "data": data}]
        said = {"role": "assistant", "content": "A", "thinking_blocks": blocks}
        return translated({"model": "claude-opus-5", "messages": [HI, said, HI]})

    repaired = repair.repaired(one("eA=="), "Invalid `data` in `redacted_thinking`")
    known = repair.given_up(one("eA=="), repaired)

    assert repair.anticipated(one("eA=="), known) == repaired
    assert repair.anticipated(one("eQ=="), known) is None


def marks(**given: object) -> set[repair.Mark]:
    """What is noted when this is refused for its grammar."""
    one = translated({"messages": [HI], **given})
    return repair.given_up(one, repair.repaired(one, "Schema is too complex"))


def test_b0_known_is_only_the_same_grammar_of_the_same_model() -> None:
    known = marks(tools=[STRICT], model="claude-sonnet-4-6")
    other = copy.deepcopy(STRICT)
    other["function"]["parameters"]["properties"]["p0"] = {"type": "string"}

    def is_known(**given: object) -> bool:
        one = translated({"messages": [HI], **given})
        return repair.anticipated(one, known) is not None

    assert is_known(tools=[STRICT], model="claude-sonnet-4-6", messages=CALLED)
    assert not is_known(tools=[other], model="claude-sonnet-4-6")
    assert not is_known(tools=[STRICT], model="claude-opus-5")


def test_b0_known_things_are_not_given_up_under_strict_params() -> None:
    known = marks(tools=[STRICT])

    one = translated({"messages": [HI], "tools": [STRICT]}, strict_params=True)

    assert repair.anticipated(one, known) is None


@pytest.mark.parametrize(
    ("given", "message", "code"),
    [
        ({"model": "claude-sonnet-4-6", "temperature": 0.2},
         "`temperature` is deprecated for this model.", "temperature_ignored"),
        ({"model": "claude-opus-4-8", "tools": [WEATHER], "tool_choice": "required"},
         'tool_choice: type "tool" and "any" are not supported for this model.',
         "forced_tool_choice_downgraded"),
        ({"model": "claude-haiku-4-5",
          "messages": [HI, {"role": "assistant", "content": "A"}]},
         "This model does not support assistant message prefill",
         "prefill_unsupported"),
    ],
)  # fmt: skip
def test_b0_known_traits_of_a_model_are_remembered(
    given: dict, message: str, code: str
) -> None:
    one = translated({"messages": [HI], **given})
    repaired = repair.repaired(one, message)

    again = repair.anticipated(one, repair.given_up(one, repaired))

    assert again == repaired
    assert code in again.warnings


def test_b0_known_is_not_how_much_room_there_was() -> None:
    one = translated({"messages": [HI]})
    repaired = repair.repaired(
        one,
        "input length and `max_tokens` exceed context limit: 199000 + 16384 > 200000",
    )

    assert repaired is not None
    assert repair.given_up(one, repaired) == set()


def test_what_was_refused_is_tried_again_after_an_hour() -> None:
    now = 0.0
    known = refusals.Refusals(lambda: now)
    known.note([1])
    assert 1 in known
    assert 2 not in known

    now = refusals.LIFETIME

    assert 1 not in known


def test_refusals_are_bounded() -> None:
    known = refusals.Refusals()
    known.note(range(refusals.KNOWN + 1))

    assert [0 in known, 1 in known, refusals.KNOWN in known] == [False, True, True]
