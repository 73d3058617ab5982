"""The stand-in counts reads from the prompt cache as the real API does."""

import pytest

from standin import caching, call
from standin_tests.requests import (
    HOUR,
    MARK,
    NEW,
    assistant,
    body,
    png,
    result,
    text,
    thought,
    tool,
    use,
    user,
)

LONG = "word " * 1000  # 1250 tokens
SYSTEM = [text(LONG, cache_control=MARK)]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ask(clock):
    """Send a request and get what it wrote to the cache, read from it and neither."""
    cache = caching.Cache(clock)

    def send(request):
        usage = cache.usage(call.Call(request, NEW))
        names = "cache_creation_input_tokens", "cache_read_input_tokens", "input_tokens"
        return tuple(usage[name] for name in names)

    return send


def size(request):
    return caching.prompt_tokens(call.Call(request, NEW))


def test_nothing_is_cached_without_a_mark(ask):
    request = body(system=LONG)
    assert ask(request) == ask(request) == (0, 0, size(request))


def test_a_marked_prefix_is_written_once_and_then_read(ask):
    first = body(system=SYSTEM, messages=[user("Hello")])
    written, read, rest = ask(first)
    assert written > 1250
    assert (read, written + rest) == (0, size(first))
    second = body(system=SYSTEM, messages=[user("Other words")])
    assert ask(second) == (0, written, size(second) - written)


def test_a_prefix_below_the_minimum_of_the_model_is_not_cached(ask):
    small = body(model="claude-opus-4-6", system=SYSTEM)
    assert ask(small)[0] == 0
    large = small | {"system": [text(LONG * 4, cache_control=MARK)]}
    assert ask(large)[0] > 4096
    assert (
        ask(
            body(
                model="claude-opus-5", system=[text("word " * 500, cache_control=MARK)]
            )
        )[0]
        > 512
    )


def test_the_mark_at_the_top_moves_with_the_conversation(ask):
    first = body(system=LONG, cache_control=MARK)
    written, _, rest = ask(first)
    assert (written, rest) == (size(first), 0)
    turns = [*first["messages"], assistant("Hi."), user("And then?")]
    second = first | {"messages": turns}
    assert ask(second) == (size(second) - written, written, 0)


def test_what_changes_before_a_mark_is_read_no_more(ask):
    tools = [tool(cache_control=MARK, description=LONG)]
    first = body(tools=tools, system=SYSTEM)
    written, _, _ = ask(first)
    _, read, _ = ask(first | {"system": [text(LONG + "!", cache_control=MARK)]})
    assert 1250 < read < written  # the tools stand before the system prompt
    changed = [tool(cache_control=MARK, description=LONG + "!")]
    assert ask(first | {"tools": changed})[1] == 0


def test_only_prefixes_that_were_marked_are_kept(ask):
    ask(body(system=LONG, messages=[user(text("a"), text("b", cache_control=MARK))]))
    other = body(system=LONG, messages=[user(text("a", cache_control=MARK))])
    assert ask(other)[1] == 0


@pytest.mark.parametrize(("between", "hit"), [(19, True), (20, False)])
def test_a_mark_looks_back_over_twenty_blocks(ask, between, hit):
    first = body(messages=[user(text(LONG, cache_control=MARK))])
    written, _, _ = ask(first)
    more = [text("more")] * (between - 1)
    last = text("last", cache_control=MARK)
    _, read, _ = ask(body(messages=[user(text(LONG), *more, last)]))
    assert read == (written if hit else 0)


def test_a_second_mark_makes_up_for_a_long_turn(ask):
    ask(body(system=SYSTEM, cache_control=MARK))
    long_turn = user(*[text("more")] * 30)
    assert ask(body(system=SYSTEM, messages=[long_turn], cache_control=MARK))[1] > 1250


def test_a_kept_prefix_ends_with_its_lifetime_unless_it_is_read(ask, clock):
    request = body(system=SYSTEM)
    ask(request)
    for _ in range(3):
        clock.now += 299
        assert ask(request)[1] > 0
    clock.now += 300
    assert ask(request)[1] == 0


def test_an_hour_is_an_hour_and_is_counted_apart(clock):
    cache = caching.Cache(clock)
    request = body(
        system=[text(LONG, cache_control=HOUR)],
        messages=[user(text(LONG, cache_control=MARK))],
    )
    split = cache.usage(call.Call(request, NEW))["cache_creation"]
    assert split["ephemeral_1h_input_tokens"] > 1250
    assert split["ephemeral_5m_input_tokens"] > 1250
    clock.now += 3599
    usage = cache.usage(call.Call(request, NEW))
    assert usage["cache_read_input_tokens"] == split["ephemeral_1h_input_tokens"]
    assert usage["cache_creation"]["ephemeral_1h_input_tokens"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"model": "claude-sonnet-5"},
        {"tool_choice": {"type": "none"}},
        {"thinking": {"type": "adaptive"}},
        {"messages": [user(png(), text(LONG))]},
    ],
    ids=["model", "tool_choice", "thinking", "an image"],
)
def test_some_settings_change_how_messages_are_read(ask, change):
    request = body(tools=[tool()], messages=[user(LONG)], cache_control=MARK)
    ask(request)
    assert ask(request | change)[1] == 0


def test_settings_of_the_messages_leave_the_system_prompt_alone(ask):
    request = body(tools=[tool()], system=SYSTEM)
    written, _, _ = ask(request)
    assert ask(request | {"tool_choice": {"type": "none"}})[1] == written


def test_moving_a_mark_changes_nothing_and_thinking_carries_none(ask):
    asked = body(thinking={"type": "adaptive"}, messages=[user(LONG)])
    written, _, _ = ask(asked | {"cache_control": MARK})
    turns = [*asked["messages"], thought(asked), user(text("b", cache_control=MARK))]
    assert ask(asked | {"messages": turns})[1] == written


def test_a_mark_inside_a_tool_result_counts_for_the_result(ask):
    nested = result(content=[text(LONG, cache_control=MARK)])
    request = body(tools=[tool()], messages=[user("a"), assistant(use()), user(nested)])
    written, _, rest = ask(request)
    assert (written, rest) == (size(request), 0)
