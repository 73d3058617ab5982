"""Whatever a request holds, it is refused in words or answered."""

import copy
import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from standin import answers, caching, call, events, rules, thinking
from standin_tests.requests import (
    MARK,
    NEW,
    OLD,
    assistant,
    body,
    document,
    formatted,
    loop,
    png,
    result,
    schema,
    text,
    thought,
    tool,
    use,
    user,
)

WORDS = st.sampled_from(
    ["", " ", "a", "text", "object", "tool", "any", "#", "#/$defs/a", "claude-opus-5-5"]
)
KEYS = st.sampled_from(
    [
        *("type", "text", "content", "role", "name", "id", "$ref", "anyOf", "allOf"),
        *("items", "enum", "required", "properties", "format", "minItems", "pattern"),
        *("cache_control", "ttl", "tool_use_id", "source", "thinking", "default"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5000) | st.floats(-2, 2) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=6,
)
SEEDS = [
    body(
        system=[text("a", cache_control=MARK)], stop_sequences=["b"], cache_control=MARK
    ),
    loop(
        use(), messages=[user("a"), assistant(use()), user(result(content=[text("b")]))]
    ),
    body(messages=[user(png(), document(type="url", url="https://a.b"))], metadata={}),
    formatted(schema(a={"anyOf": [{"$ref": "#/$defs/a"}]}) | {"$defs": {"a": {}}}),
    body(
        tools=[tool(strict=True), tool("b")], tool_choice={"type": "tool", "name": "b"}
    ),
    body(thinking={"type": "enabled", "budget_tokens": 1024}, messages=[user("tool")]),
    body(
        model="claude-opus-5-5",
        messages=[user("a"), thought(body(model="claude-opus-5-5")), user("b")],
    ),
    body(model="claude-haiku-4-5", messages=[user("a"), assistant("b")], temperature=1),
]


def places(value, path=()):
    """Give the path of every value inside a JSON value."""
    yield path
    pairs = value.items() if isinstance(value, dict) else ()
    pairs = enumerate(value) if isinstance(value, list) else pairs
    for step, inner in pairs:
        yield from places(inner, (*path, step))


@st.composite
def broken_requests(draw):
    request = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from([p for p in places(request) if p]))
        target = request
        for step in way:
            target = target[step]
        if isinstance(target, dict) and draw(st.booleans()):
            target[draw(KEYS)] = draw(JSON)
        else:
            target[last] = draw(JSON)
    return request


@pytest.mark.parametrize("headers", [NEW, OLD], ids=["new version", "old version"])
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(request_=broken_requests())
def test_a_changed_request_is_refused_or_answered(headers, request_):
    received = rules.parse(msgspec.json.encode(request_))
    asked = call.Call(received, headers)
    violations = list(rules.violations(asked))
    assert all(v.message and 400 <= v.status < 500 for v in violations)
    if not violations:
        shown, _ = thinking.without_unbound(asked)
        answer = answers.answer(shown)
        usage = caching.Cache().usage(shown)
        assert json.dumps(events.message(answer, {}, usage))
        assert b"".join(map(events.encode, events.stream(answer, {}, usage)))
