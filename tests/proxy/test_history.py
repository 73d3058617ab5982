"""The last day in memory: what is kept, and for how long."""

from collections.abc import Callable

import pytest

from proxy import history, log, prices, trail
from proxy.schema.messages_response import Usage

NOW = 1_796_000_400.0  # on the minute
MODEL = "claude-opus-5-5"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def past(clock: Clock) -> history.History:
    return history.History(now=clock)


@pytest.fixture
def complete(past: history.History) -> Callable[..., None]:
    """Have a completion end, with these facts and outcomes of calls."""

    def end(*outcomes: trail.Outcome, **facts: object) -> None:
        facts = {"request_id": "r", "upstream_model": MODEL, "status": 200, **facts}
        record, way = log.Completion(**facts), trail.Trail()
        for outcome in outcomes or (trail.Outcome.COMPLETE,):
            way.call()
            way.end(outcome)
        way.started(
            Usage(input_tokens=100, output_tokens=50, cache_read_input_tokens=900)
        )
        past.completed(record, way, way.bill(prices.BUILT_IN, MODEL, delivered=True))

    return end


def test_a_completion_is_in_the_present_minute_of_its_model(
    past: history.History, complete: Callable[..., None]
) -> None:
    complete(first_event_ms=900.0)
    complete(client_gone=True, status=499)

    [before, now] = past.spans(60, 2)

    assert before == history.Span()
    assert (now.requests, now.errors, now.left) == (2, 0, 1)
    model = now.models[MODEL]
    assert (model.requests, model.prompt, model.cached, model.output) == (
        2, 2000, 1800, 100,
    )  # fmt: skip
    assert model.cost == pytest.approx(2 * (100 * 4 + 50 * 20 + 900 * 0.2) / 1e6)


def test_minutes_add_up_to_longer_times(
    past: history.History, complete: Callable[..., None], clock: Clock
) -> None:
    for minute in range(30):
        clock.now = NOW + 60 * minute
        complete()

    counts = [span.requests for span in past.spans(900, 4)]

    assert sum(counts) == 30
    assert max(counts) == 15


def test_a_day_is_kept_and_no_more(
    past: history.History, complete: Callable[..., None], clock: Clock
) -> None:
    complete()
    clock.now = NOW + 86400 - 60
    assert sum(span.requests for span in past.spans(60, history.MINUTES)) == 1

    clock.now = NOW + 86400
    assert sum(span.requests for span in past.spans(60, history.MINUTES)) == 0


def test_what_is_kept_is_bounded(
    past: history.History, complete: Callable[..., None], clock: Clock
) -> None:
    for minute in range(2 * history.MINUTES):
        clock.now = NOW + 60 * minute
        complete(upstream_model=f"a-client's-own-{minute}", code="overloaded")

    [all_of_it] = past.spans(10**7, 1)

    assert all_of_it.requests == history.MINUTES
    assert set(all_of_it.models) == {"other"}
    assert len(past.failures()) == history.ERRORS


def test_a_clock_that_is_set_back_loses_nothing(
    past: history.History, complete: Callable[..., None], clock: Clock
) -> None:
    complete()
    clock.now = NOW - 3600
    complete()
    clock.now = NOW

    assert past.spans(60, 1)[0].requests == 2


def test_errors_are_kept_with_their_request_the_newest_first(
    past: history.History, complete: Callable[..., None]
) -> None:
    complete(request_id="one", status=503, code="overloaded")
    complete(
        request_id="two", status=524, code="upstream_timeout", reason="idle_timeout"
    )
    complete(request_id="three", status=400, code="invented-by-anthropic")

    assert [(one.request_id, one.code, one.reason) for one in past.failures()] == [
        ("three", "other", ""),
        ("two", "upstream_timeout", "idle_timeout"),
        ("one", "overloaded", ""),
    ]


@pytest.mark.parametrize(
    ("outcome", "trouble"),
    [
        (trail.Outcome.RATE_LIMITED, "limited"),
        (trail.Outcome.OVERLOADED, "overloaded"),
        (trail.Outcome.TIMED_OUT, "stalled"),
        (trail.Outcome.CUT, "broken"),
        (trail.Outcome.UNREACHED, "broken"),
    ],
)
def test_what_slows_requests_down_is_counted_even_where_a_retry_helped(
    past: history.History,
    complete: Callable[..., None],
    outcome: trail.Outcome,
    trouble: str,
) -> None:
    complete(outcome, trail.Outcome.COMPLETE)

    [now] = past.spans(60, 1)

    assert (now.troubles, now.errors) == ({trouble: 1}, 0)


def test_a_proxy_that_is_full_is_a_trouble(
    past: history.History, complete: Callable[..., None]
) -> None:
    complete(status=503, code="at_capacity")

    assert past.spans(60, 1)[0].troubles == {"full": 1}


def test_quantiles_are_those_of_the_first_content(
    past: history.History, complete: Callable[..., None]
) -> None:
    for milliseconds in [500.0] * 90 + [20_000.0] * 9 + [9e9]:
        complete(first_event_ms=milliseconds)

    [now] = past.spans(60, 1)

    assert now.quantile(0.5) == pytest.approx(0.5, rel=0.25)
    assert now.quantile(0.95) == pytest.approx(20, rel=0.25)
    assert now.quantile(1.0) == history.BOUNDS[-1]
    assert history.Span().quantile(0.5) is None
