"""What a completion's calls cost is counted as it comes, delivered or not."""

import pytest

from proxy import prices, trail, usage
from proxy.schema.messages_response import Iteration, Usage

MODEL = "claude-opus-5-5"


def test_what_is_reported_later_replaces_what_was_reported_before() -> None:
    way = trail.Trail()
    way.started(Usage(input_tokens=100, output_tokens=1))
    way.progressed(Usage(output_tokens=40))
    way.progressed(Usage(output_tokens=50))

    bill = way.bill(prices.BUILT_IN, MODEL, delivered=True)

    assert bill.total == usage.Spent(input=100, output=50)
    assert bill.cost == pytest.approx((100 * 4 + 50 * 20) / 1e6)
    assert bill.lost == usage.NOTHING


def test_a_response_that_was_asked_for_again_is_billed_and_lost() -> None:
    way = trail.Trail()
    way.started(Usage(input_tokens=100, output_tokens=1))
    way.started(Usage(input_tokens=100, output_tokens=1))
    way.progressed(Usage(output_tokens=50))

    bill = way.bill(prices.BUILT_IN, MODEL, delivered=True)

    assert bill.total == usage.Spent(input=200, output=51)
    assert bill.lost == usage.Spent(input=100, output=1)
    assert bill.lost_cost == pytest.approx((100 * 4 + 20) / 1e6)


def test_a_compaction_on_the_way_is_billed_beside_the_response() -> None:
    way = trail.Trail()
    way.started(Usage(input_tokens=100, output_tokens=1))
    steps = [
        Iteration("compaction", input_tokens=1000, output_tokens=200),
        Iteration("message", input_tokens=100, output_tokens=50),
    ]
    way.progressed(Usage(output_tokens=50, iterations=steps))

    bill = way.bill(prices.BUILT_IN, MODEL, delivered=True)

    assert bill.total == usage.Spent(input=1100, output=250)
    assert bill.cost == pytest.approx((1100 * 4 + 250 * 20) / 1e6)


def test_of_a_response_that_broke_off_all_is_lost() -> None:
    way = trail.Trail()
    way.started(Usage(input_tokens=100, output_tokens=1))

    bill = way.bill(prices.BUILT_IN, MODEL, delivered=False)

    assert bill.lost == bill.total
    assert bill.lost_cost == bill.cost


def test_tokens_without_a_price_are_counted_as_such() -> None:
    way = trail.Trail()
    way.started(Usage(input_tokens=100, output_tokens=1))

    bill = way.bill(prices.BUILT_IN, "claude-unheard-of", delivered=True)

    assert (bill.cost, bill.unpriced) == (0, 101)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, "invalid"),
        (401, "unauthorized"),
        (403, "unauthorized"),
        (413, "invalid"),
        (429, "rate_limited"),
        (500, "server_error"),
        (502, "server_error"),
        (503, "overloaded"),
        (529, "overloaded"),
    ],
)
def test_a_status_is_an_outcome(status: int, outcome: str) -> None:
    assert trail.outcome_of(status) == outcome


def test_only_the_first_outcome_of_a_call_counts() -> None:
    way = trail.Trail(clock=iter([1.0, 2.0, 3.0]).__next__)
    way.call()
    way.end(trail.Outcome.CUT)
    way.end(trail.Outcome.CANCELLED)

    assert way.calls == [trail.Call(1.0, 2.0, trail.Outcome.CUT)]
