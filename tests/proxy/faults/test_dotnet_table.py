"""What a .NET client's user sees of each fault, and what it costs.

The client's own rules, as measured, are in `dotnet_client`: it asks four times in all where
it thinks that may help, waits as it is told to, and takes a stream that ends properly for a
complete one. So a row says which words its user reads, and how many calls reach Anthropic
for that. The client does not sleep here: what it was told to wait is checked instead.
"""

from typing import NamedTuple

import httpx2
import pytest

import dotnet_client

MESSAGES = [{"role": "user", "content": "hi"}]
ANSWER = "word0 word1 word2 "
TRIES = dotnet_client.TRIES

# Faults before any content: the same for both ways of asking.
# scenario: the code that its user reads (None: the answer), calls, waits told
BEFORE = {
    "ok": (None, 1, 0),
    "fin0;times=1": (None, 2, 0),
    "rst0;times=1": (None, 2, 0),
    "silent;times=1": (None, 2, 0),
    "stall;at=-1;times=1": (None, 2, 0),
    "status;code=529;retry-after=0;times=1": (None, 2, 0),
    "status;code=500;retry-after=0;times=3": (None, 4, 1),
    "html;code=502;times=3": (None, 4, 1),
    "error;at=-0.5;times=3": (None, 4, 1),
    "fin0": ("upstream_unreachable", 2 * TRIES, 3),
    "cut-head": ("upstream_unreachable", 2 * TRIES, 3),
    "empty": ("stream_incomplete", 2 * TRIES, 3),
    "silent": ("upstream_timeout", 2, 0),
    "half-head": ("upstream_timeout", 2, 0),
    "stall;at=-1": ("upstream_timeout", 2, 0),
    "stall;at=-0.5": ("upstream_timeout", 2, 0),
    "pings;at=-1": ("upstream_timeout", 1, 0),
    "pings;at=-0.5": ("upstream_timeout", 1, 0),
    "html;code=404": ("model_not_found", 1, 0),
    "html;code=413": ("request_too_large", 1, 0),
    "html;code=504": ("upstream_timeout", 1, 0),
    "status;code=400": ("scripted", 1, 0),
    "status;code=402;type=billing_error": ("insufficient_quota", 1, 0),
    "status;code=403": ("permission_denied", 1, 0),
    "status;code=409;type=conflict_error": ("conflict", 1, 0),
    "status;code=504;type=timeout_error": ("upstream_timeout", 1, 0),
    "status;code=429;retry-after=30": ("rate_limit_exceeded", 1, 3),
    "status;code=429;retry-after=3600": ("rate_limit_exceeded", 1, 3),
    "status;code=529;retry-after=0": ("overloaded", 2 * TRIES, 3),
}

# Faults after it: a plain answer that never came whole may be asked for again by the
# client, a stall is never; a stream shows what there was and then raises.
AFTER = {  # scenario: code of the plain answer, its calls, text of the stream
    "fin;at=1": ("stream_incomplete", TRIES, "word0 "),
    "end;at=2": ("stream_incomplete", TRIES, "word0 word1 "),
    "error": ("overloaded", TRIES, "word0 "),
    "stall": ("upstream_timeout", 1, "word0 "),
}

BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


class Outcome(NamedTuple):
    """What its user has of it, what was raised, the calls, and the waits it was told."""

    answer: dotnet_client.Answer
    raised: Exception | None
    calls: int
    waits: list[int]


def asked(proxy, upstream, scenario, streamed):
    given = body(scenario, streamed=streamed)
    answer, raised = dotnet_client.Answer(), None
    with dotnet_client.Client(proxy.url) as client:
        try:
            if streamed:
                client.stream(given, answer)
            else:
                answer = client.ask(given)
        except (dotnet_client.ClientResultError, httpx2.RemoteProtocolError) as ex:
            raised = ex
        return Outcome(answer, raised, len(upstream.of(given["model"])), client.waits)


def is_late(scenario):
    """Whether a deadline has to pass in it."""
    return scenario.startswith(("silent", "half-head", "stall", "pings"))


@pytest.fixture(scope="module")
def _late(together):
    late = filter(is_late, [*BEFORE, *AFTER])
    return together(asked, [(one, how) for one in late for how in (True, False)])


@pytest.fixture
def ask(request):
    """What comes of a scenario: with the usual deadlines, unless one of them has to pass."""

    def told(scenario, *, streamed):
        if is_late(scenario):
            return request.getfixturevalue("_late")[scenario, streamed].result()
        fixtures = map(request.getfixturevalue, ("proxy", "upstream"))
        return asked(*fixtures, scenario, streamed)

    return told


def body(scenario, *, streamed):
    """`tag`: what is learned of a model is kept for a while."""
    return {"model": f"{scenario};tag=dotnet-{streamed}", "messages": MESSAGES}


def test_the_table_has_its_rows():
    assert 2 * len(BEFORE) + 2 * len(AFTER) >= 63


@BOTH
@pytest.mark.parametrize("scenario", BEFORE)
def test_a_fault_before_the_content_ends_in_words_and_costs_little(
    ask, scenario, streamed
):
    code, calls, waits = BEFORE[scenario]
    outcome = ask(scenario, streamed=streamed)
    if code is None:
        assert outcome.raised is None
        assert outcome.answer.text == ANSWER
    else:
        assert isinstance(outcome.raised, dotnet_client.ClientResultError)
        assert code in str(outcome.raised)
    assert outcome.calls == calls
    assert len(outcome.waits) == waits
    if "3600" not in scenario:
        assert all(1 <= wait <= 45 for wait in outcome.waits)


@pytest.mark.parametrize("scenario", AFTER)
def test_a_plain_answer_that_breaks_is_an_error_with_words(ask, scenario):
    code, calls, _ = AFTER[scenario]
    outcome = ask(scenario, streamed=False)
    assert isinstance(outcome.raised, dotnet_client.ClientResultError)
    assert code in str(outcome.raised)
    assert outcome.calls == calls


@pytest.mark.parametrize("scenario", AFTER)
def test_a_stream_that_breaks_raises_after_its_text(ask, scenario):
    outcome = ask(scenario, streamed=True)
    assert isinstance(outcome.raised, httpx2.RemoteProtocolError)
    assert outcome.answer.text == AFTER[scenario][2]
    assert outcome.answer.finish_reason is None
    assert outcome.calls == 1
