"""Stock clients in tool loops: their thinking survives, whatever they do to a history.

A stock client returns the text and the calls of a turn, and nothing that OpenAI's API
does not know. The stand-in refuses thinking that it did not say just so.
"""

import contextlib
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from falcon import testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy import errors
from standin import models, server

AGAIN = "STAND_IN_CALL_AGAIN"
INTERLEAVED = "STAND_IN_INTERLEAVED_THINKING"
REDACTED = "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "$days": {"type": "number"}},
                "required": ["city", "$days"],
            },
        },
    }
    for name in ("get.weather", "read.clock")
]
ASK = "What is the weather and the clock in Paris for 3 days?"
MODELS = [model.id for model in models.MODELS]
EFFORTS = [None, "none", "minimal", "low", "medium", "high", "xhigh", "max"]

NOT_SAID = ("cache_control", "citations")

History = list[dict[str, Any]]


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def stock(message: dict) -> dict:
    """A message as a stock client keeps it."""
    return {k: message[k] for k in ("role", "content", "tool_calls") if k in message}


def results(message: dict, text: str) -> History:
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": text}
        for call in message.get("tool_calls", ())
    ]


def answered(client: testing.TestClient, body: dict) -> dict:
    """The message of a response, plain or put together from a stream's chunks."""
    answer = client.simulate_post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    if not body.get("stream"):
        return answer.json["choices"][0]["message"]
    whole: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": {}}
    for line in answer.text.split("\n\n"):
        data = line.removeprefix("data: ")
        if not data.startswith("{"):
            continue
        for choice in json.loads(data)["choices"]:
            delta = choice["delta"]
            if delta.get("content"):
                whole["content"] = (whole["content"] or "") + delta["content"]
            for piece in delta.get("tool_calls", ()):
                call = whole["tool_calls"].setdefault(
                    piece["index"],
                    {"type": "function", "function": {"name": "", "arguments": ""}},
                )
                call["id"] = piece.get("id") or call["id"]
                for key, text in piece["function"].items():
                    call["function"][key] += text or ""
    whole["tool_calls"] = list(whole["tool_calls"].values())
    if not whole["tool_calls"]:
        del whole["tool_calls"]
    return whole


def unmarked(messages: list[dict]) -> list[dict]:
    """What was sent without the cache's breakpoints, which move along."""
    return [
        message
        | {
            "content": [
                {k: v for k, v in block.items() if k != "cache_control"}
                for block in message["content"]
            ]
        }
        for message in messages
    ]


def thought(message: dict) -> list[dict]:
    return [b for b in message["content"] if b["type"].endswith("thinking")]


# ------------------------------------------------------------------ loops


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("model", MODELS)
def test_a_loop_of_twelve_steps_thinks_twelve_times(
    client: testing.TestClient, standin: server.StandIn, model: str, stream: bool
) -> None:
    body: dict = {"model": model, "tools": TOOLS, "messages": [user(ASK)]}
    if model.startswith("claude-opus-4-5"):  # effort alone makes it think no more
        body["thinking"] = {"type": "enabled", "budget_tokens": 2048}
    else:
        body["reasoning_effort"] = "high"
    steps, before = [], []

    for step in range(12):
        message = answered(client, {**body, "stream": stream})
        steps.append(len(thought({"content": message.get("thinking_blocks", [])})))
        assert standin.requests[-1].rule is None
        word = f"{AGAIN}: the weather" if step < 10 else "Rain"
        body["messages"] += [stock(message), *results(message, word)]
        now = unmarked(standin.requests[-1].body["messages"])
        assert now[: len(before)] == before  # the cached prefix
        assert [len(thought(m)) for m in now if m["role"] == "assistant"] == [1] * step
        before = now

    assert "tool_calls" not in message
    if not stream:
        assert steps == [1] * 12
    received = [one for one in standin.requests if one.path == "/v1/messages"]
    assert len(received) == 12
    assert all(one.body["thinking"]["type"] != "disabled" for one in received)


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-haiku-4-5"])
def test_without_any_memory_thinking_comes_back_with_the_next_question(
    make_client: Callable[..., testing.TestClient],
    standin: server.StandIn,
    model: str,
) -> None:
    client = make_client(memory_bytes=0)
    body: dict = {
        "model": model, "tools": TOOLS, "reasoning_effort": "high", "messages": [user(ASK)],
    }  # fmt: skip
    called = answered(client, body)
    body["messages"] += [stock(called), *results(called, "Rain")]
    in_loop = client.simulate_post("/v1/chat/completions", json=body)
    done = in_loop.json["choices"][0]["message"]
    body["messages"] += [stock(done), user("And tomorrow?")]

    after = client.simulate_post("/v1/chat/completions", json=body)

    assert in_loop.headers["x-proxy-warnings"] == "thinking_skipped"
    assert "x-proxy-warnings" not in after.headers
    assert after.json["choices"][0]["message"]["thinking_blocks"]


def test_another_model_gets_no_thinking_of_this_one_and_this_one_gets_it_again(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    body: dict = {"model": "claude-opus-5-5", "tools": TOOLS, "messages": [user(ASK)]}
    called = answered(client, body)
    body["messages"] += [stock(called), *results(called, "Rain")]

    for model in ("claude-opus-5", "anthropic/claude-opus-5.5"):
        answered(client, {**body, "model": model})

    other, same = [
        unmarked(one.body["messages"])[1] for one in list(standin.requests)[-2:]
    ]
    assert (len(thought(other)), len(thought(same))) == (0, 1)


def test_a_turn_that_was_forgotten_costs_no_error(
    make_client: Callable[..., testing.TestClient], standin: server.StandIn
) -> None:
    client = make_client(memory_bytes=20_000)
    histories = []
    for n in range(30):
        body: dict = {"tools": TOOLS, "model": "claude-opus-5-5"}
        body["messages"] = [user(f"{n}: {ASK}")]
        called = answered(client, body)
        body["messages"] += [stock(called), *results(called, "Rain")]
        histories.append(body)

    for body in histories:
        answered(client, body)

    received = [one for one in standin.requests if one.path == "/v1/messages"]
    assert {one.rule for one in received} == {None}
    kept = [len(thought(one.body["messages"][1])) for one in received[30:]]
    assert kept[0] == 0
    assert kept[-1] == 1


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_turn_that_was_cut_off_or_has_what_nobody_knows_is_not_kept(
    make_client: Callable[..., testing.TestClient],
    standin: server.StandIn,
    stream: bool,
) -> None:
    client = make_client()
    model = "claude-opus-5-5"
    start = {"type": "message_start", "message": {"id": "msg_1", "model": model}}
    thinking = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
    use = {"type": "tool_use", "id": "toolu_1", "name": "get", "input": {}}
    new = {"type": "of_tomorrow"}
    end = [
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {}},
        {"type": "message_stop"},
    ]
    tools = [{"type": "function", "function": {"name": "get"}}]
    body = {"model": model, "messages": [user("Hi")], "tools": tools, "stream": stream}
    for blocks, cut in (([thinking, use], True), ([thinking, new, use], False)):
        events = [
            {"type": "content_block_start", "index": index, "content_block": block}
            for index, block in enumerate(blocks)
        ]
        standin.answer_with([start, *events, *([] if cut else end)], cut=cut)
        with contextlib.suppress(errors.StreamCut):
            client.simulate_post("/v1/chat/completions", json=body)
    call = {"id": "toolu_1", "type": "function", "function": {"name": "get"}}
    said = {"role": "assistant", "tool_calls": [call]}

    answered(client, {**body, "messages": [user("Hi"), said, *results(said, "Rain")]})

    assert standin.requests[-1].rule is None
    assert thought(standin.requests[-1].body["messages"][1]) == []


# ------------------------------------------------------------------ any history


@st.composite
def rewritten(draw: st.DrawFn, message: dict) -> History:
    """A message as one or another client sends it back, and says the same."""
    message = stock(copy.deepcopy(message))
    for call in message.get("tool_calls", ()):
        function = call["function"]
        written = json.loads(function["arguments"])
        match draw(st.integers(0, 3)):
            case 0:
                function["arguments"] = json.dumps(written, indent=2)
            case 1:
                turned = dict(reversed(written.items()))
                function["arguments"] = json.dumps(turned)
    text = message.get("content")
    if text and draw(st.booleans()):
        message["content"] = [{"type": "text", "text": text + "\n"}]
    if text and "tool_calls" in message and draw(st.booleans()):
        said = {"role": "assistant", "content": message.pop("content")}
        return [said, {**message, "content": draw(st.sampled_from([None, ""]))}]
    if draw(st.booleans()):
        message.get("tool_calls", []).reverse()
    return [message]


def one_by_one(message: dict) -> History:
    """Parallel calls as a client sends them that makes a turn of each."""
    turn: History = []
    for call in message["tool_calls"]:
        said = {"role": "assistant", "content": None, "tool_calls": [call]}
        turn += [said, *results(said, "Rain")]
    return turn


@st.composite
def edited(draw: st.DrawFn, turn: History) -> History:
    """A turn and its results with something changed, dropped or made up."""
    turn = copy.deepcopy(turn)
    with_calls = next((one for one in turn if one.get("tool_calls")), None)
    match draw(st.integers(0, 5)) if turn else 5:
        case 0:
            turn[0]["content"] = "The client's own words."
        case 1:
            turn[0]["content"] = None if turn[0].get("tool_calls") else "."
        case 2 if with_calls:
            function = with_calls["tool_calls"][0]["function"]
            function["arguments"] = '{"city": "Oslo", "$days": true}'
        case 3 if with_calls and len(with_calls["tool_calls"]) > 1:
            gone = with_calls["tool_calls"].pop()["id"]
            turn = [one for one in turn if one.get("tool_call_id") != gone]
        case 4 if with_calls:
            made_up = copy.deepcopy(with_calls["tool_calls"][0])
            made_up["id"] = "call_of_the_client"
            with_calls["tool_calls"].append(made_up)
            after = turn.index(with_calls) + 1
            turn[after:after] = results({"tool_calls": [made_up]}, "made up")
        case 5:
            return []
    return turn


def plain(body: dict) -> dict:
    """What a request says apart from thinking, and from how it is written."""
    said: History = []
    for message in body["messages"]:
        blocks: list[dict] = []
        for whole in message["content"]:
            block = {k: v for k, v in whole.items() if k not in NOT_SAID}
            if block["type"] == "text" and blocks and blocks[-1]["type"] == "text":
                blocks[-1]["text"] += block["text"]
            elif block["type"] in {"text", "tool_use", "tool_result"}:
                blocks.append(block)
        for block in blocks:
            if message["role"] == "assistant" and block["type"] == "text":
                block["text"] = block["text"].strip()
        calls = [b for b in blocks if b["type"] in {"tool_use", "tool_result"}]
        calls.sort(key=lambda b: b.get("id") or b.get("tool_use_id"))
        others = [b for b in blocks if b not in calls]
        said.append({"role": message["role"], "content": [*others, *calls]})
    return {
        "messages": said,
        **{key: body.get(key) for key in ("model", "system", "tools", "tool_choice")},
    }


@pytest.fixture
def forgetful(make_client: Callable[..., testing.TestClient]) -> testing.TestClient:
    return make_client(memory_bytes=0)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_any_history_of_a_stock_client_is_accepted_and_differs_in_thinking_alone(
    data: st.DataObject,
    client: testing.TestClient,
    forgetful: testing.TestClient,
    standin: server.StandIn,
) -> None:
    draw = data.draw
    standin.requests.clear()
    body: dict = {
        "model": draw(st.sampled_from(MODELS)),
        "reasoning_effort": draw(st.sampled_from(EFFORTS)),
        "tools": TOOLS,
    }
    if draw(st.booleans()):
        body["web_search_options"] = {}
    triggers = draw(st.sets(st.sampled_from([INTERLEAVED, REDACTED, "search"])))
    history: list[History] = [[user(" ".join([*triggers, ASK]))]]
    for _ in range(draw(st.integers(1, 5))):
        body["messages"] = [one for turn in history for one in turn]
        body["stream"] = draw(st.booleans())
        message = answered(client, body)
        answered(forgetful, body)
        *_, kept, unkept = [r for r in standin.requests if r.path == "/v1/messages"]
        assert plain(kept.body) == plain(unkept.body)
        turn = draw(rewritten(message))
        if message.get("tool_calls"):
            if draw(st.integers(0, 5)) == 0:
                history.append(one_by_one(message))
                continue
            word = draw(
                st.sampled_from(["Rain", f"{AGAIN}: weather", f"{AGAIN}: clock"])
            )
            history.append([*turn, *results(message, word)])
        else:
            history.append([*turn, user("And the weather in Rome for 2 days?")])
        if draw(st.integers(0, 3)) == 0:
            which = draw(st.integers(1, len(history) - 1))
            history[which] = draw(edited(history[which]))
            if not history[-1]:
                history[-1] = [user("Again: the clock?")]

    broken = {one.rule for one in standin.requests if one.path == "/v1/messages"}
    assert broken == {None}
