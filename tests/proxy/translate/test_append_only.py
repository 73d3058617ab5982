"""What was sent for earlier turns never changes when turns are added.

Preserved thinking is bound to its exact prefix, and so is the prompt cache. Exempt
(they answer for the end of a request): a request of system messages alone, a history
that ends with an assistant turn, and an assistant reply that was blank.
"""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from request_translation import sent

MODELS = ["claude-opus-5-5", "claude-sonnet-4-6", "claude-haiku-4-5", "claude-sonnet-5"]
WORDS = st.sampled_from(["Hi", "And then?", " ok ", "Grüße \u2028"])
THINKING = st.sampled_from(
    [{"type": "thinking", "thinking": "T", "signature": name} for name in "st"]
)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "f.x",
            "parameters": {"type": "object", "properties": {"$top": {}}},
        },
    }
]
BLANK = st.sampled_from(["", "  ", "\n"])


def message(role: str, content: object, **more: object) -> dict:
    return {"role": role, "content": content, **more}


SPOKEN = WORDS | BLANK
SOME_SPOKEN = st.lists(SPOKEN, max_size=2)
SOME_WORDS = st.lists(WORDS, max_size=2)
SOME_THINKING = st.lists(THINKING, max_size=2)
IDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3)
TEXT = st.none() | SPOKEN


@st.composite
def user_turns(draw: st.DrawFn) -> list[dict]:
    """What stands between two assistant replies: users, blanks, late system messages."""
    spoken = draw(SOME_SPOKEN)
    turns = [message("user", text) for text in spoken]
    turns.append(message("user", draw(WORDS)))
    for text in draw(SOME_SPOKEN):
        where = draw(st.integers(0, len(turns)))
        turns.insert(where, message("system", text))
    return turns


@st.composite
def tool_rounds(draw: st.DrawFn) -> list[dict]:
    """A round of a tool loop, with system messages in odd places; ends with results."""
    ids = draw(IDS)
    calls = [
        {
            "id": i,
            "type": "function",
            "function": {"name": "f.x", "arguments": '{"$top": 1}'},
        }
        for i in ids
    ]
    text = draw(TEXT)
    results = [
        message("tool", draw(SPOKEN), tool_call_id=i, is_error=draw(st.booleans()))
        for i in draw(st.permutations(ids))
    ]
    for one in draw(SOME_WORDS):
        results.insert(draw(st.integers(0, len(results))), message("system", one))
    thinking = draw(SOME_THINKING)
    reply = message("assistant", text, tool_calls=calls, thinking_blocks=thinking)
    return [reply, *results]


REPLY = WORDS.map(lambda text: [message("assistant", text)])


USER_TURNS, TOOL_ROUNDS = user_turns(), tool_rounds()


@st.composite
def conversations(draw: st.DrawFn) -> list[list[dict]]:
    """Successive requests of one conversation; each ends in a user or tool turn."""
    history = [message("system", text) for text in draw(SOME_WORDS)]
    requests = []
    for _ in range(draw(st.integers(2, 4))):
        history = [*history, *draw(USER_TURNS)]
        requests.append(history)
        for _ in range(draw(st.integers(0, 2))):
            history = [*history, *draw(TOOL_ROUNDS)]
            requests.append(history)
        history = [*history, *draw(REPLY)]
    return requests


def prefix_of(messages: list[dict], model: str) -> tuple[list, list]:
    """System and messages without cache marks, which may move freely."""
    body = sent(
        {"model": model, "messages": messages, "tools": TOOLS}, prompt_caching="off"
    )
    return body.get("system", []), body["messages"]


@given(requests=conversations(), model=st.sampled_from(MODELS))
def test_appending_turns_never_changes_what_was_sent_for_the_earlier_ones(
    requests: list[list[dict]], model: str
) -> None:
    for earlier, later in itertools.pairwise(requests):
        system, messages = prefix_of(earlier, model)
        system_later, messages_later = prefix_of(later, model)

        assert system_later == system
        assert json.dumps(messages_later[: len(messages)]) == json.dumps(messages)
