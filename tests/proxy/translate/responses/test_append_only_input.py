"""Rows r10: earlier turns stay what they were, whichever way they are sent.

Exempt are what ``test_append_only`` exempts, a new compaction, tools that arrive in the
input, and an output that comes late for a call that was left out.
"""

import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from request_strategies import MAYBE_BLANK, SAID
from responses_requests import earlier, function, sent, user
from responses_strategies import ASSISTANTS, ROUNDS, SYSTEMS, THOUGHTS

MODELS = ["claude-opus-5-5", "claude-sonnet-4-6", "claude-haiku-4-5", "claude-sonnet-5"]
TOOLS = [function("get"), function("files.read")]
TEXT_ONLY = st.builds(
    lambda c: {"type": "message", "role": "assistant", "content": c}, SAID
)


SOME_SYSTEMS = st.lists(SYSTEMS, max_size=2)
SOME_USERS = st.lists(MAYBE_BLANK, max_size=2)
SOME_THOUGHTS = st.lists(THOUGHTS | ASSISTANTS, max_size=2)


@st.composite
def user_turns(draw: st.DrawFn) -> list[dict]:
    """What stands between two replies: users, blanks, late system messages."""
    turns = [user(text) for text in draw(SOME_USERS)]
    turns.append(user(draw(SAID)))
    for one in draw(SOME_SYSTEMS):
        turns.insert(draw(st.integers(0, len(turns))), one)
    return turns


@st.composite
def replies(draw: st.DrawFn) -> list[dict]:
    """A reply that says something: one that was blank is exempt."""
    return [*draw(SOME_THOUGHTS), draw(TEXT_ONLY)]


USER_TURNS, REPLIES = user_turns(), replies()


@st.composite
def conversations(draw: st.DrawFn) -> list[list[dict]]:
    """Successive inputs of one conversation; each ends in a user's or a tool's turn."""
    history = draw(SOME_SYSTEMS)
    inputs = []
    for _ in range(draw(st.integers(2, 3))):
        history = [*history, *draw(USER_TURNS)]
        inputs.append(history)
        for _ in range(draw(st.integers(0, 2))):
            history = [*history, *draw(ROUNDS)]
            inputs.append(history)
        history = [*history, *draw(REPLIES)]
    return inputs


def prefix_of(items: list[dict], model: str) -> tuple[list, list]:
    """System and messages without cache marks, which may move freely."""
    body = sent(
        {"model": model, "input": items, "tools": TOOLS,
         "prompt_cache_options": {"mode": "explicit"}},
        prompt_caching="off",
    )  # fmt: skip
    return without_marks(body.get("system", [])), without_marks(body["messages"])


def without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_marks(v) for k, v in value.items() if k != "cache_control"}
    return [without_marks(v) for v in value] if isinstance(value, list) else value


@given(inputs=conversations(), model=st.sampled_from(MODELS))
def test_r10_append_only_changes_nothing_that_was_sent_for_earlier_items(
    inputs: list[list[dict]], model: str
) -> None:
    sent_for = [prefix_of(items, model) for items in inputs]

    for shorter, longer in itertools.pairwise(sent_for):
        system, messages = shorter
        system_later, messages_later = longer
        assert system_later == system
        assert json.dumps(messages_later[: len(messages)]) == json.dumps(messages)


@given(inputs=conversations(), data=st.data())
def test_r10_equal_bytes_go_up_for_all_three_ways_to_send_a_conversation(
    inputs: list[list[dict]], data: st.DataObject
) -> None:
    items = [one | {"id": f"item_{i}"} for i, one in enumerate(inputs[-1])]
    held = data.draw(st.integers(0, len(items) - 1))
    common = {"model": "claude-opus-5-5", "tools": TOOLS}

    whole = sent({**common, "input": items})
    continued = sent(
        {**common, "input": items[held:], "previous_response_id": "resp_1"},
        known=earlier(items[:held]),
    )
    referred = sent(
        {**common, "input": [
            {"type": "item_reference", "id": one["id"]} if i < held else one
            for i, one in enumerate(items)
        ]},
        known=earlier(**{one["id"]: one for one in items}),
    )  # fmt: skip

    assert json.dumps(continued) == json.dumps(whole)
    assert json.dumps(referred) == json.dumps(whole)


def test_r10_append_only_exempts_a_late_output_of_a_call_that_was_left_out() -> None:
    cut = {"type": "function_call", "call_id": "c1", "name": "get", "arguments": "{",
           "status": "incomplete"}  # fmt: skip
    late = {"type": "function_call_output", "call_id": "c1", "output": "ok"}

    _, shorter = prefix_of([user(), cut, user("More")], MODELS[0])
    _, longer = prefix_of([user(), cut, user("More"), late], MODELS[0])

    assert [m["role"] for m in shorter] == ["user", "user"]
    assert [m["role"] for m in longer] == ["user", "assistant", "user", "user"]
