"""Sums say what prometheus_client's own metrics say of the same numbers."""

import re
from collections.abc import Callable

import prometheus_client
import pytest
from prometheus_client.openmetrics import exposition as openmetrics

from proxy import sums

BOUNDS = (0.1, 1, 2.5)
AT = 1_796_000_400.0
EXAMPLE = sums.Example("req_1", AT)
EXEMPLAR = {"request_id": "req_1"}


@pytest.fixture(params=[prometheus_client.exposition, openmetrics])
def expose(
    request: pytest.FixtureRequest,
) -> Callable[[prometheus_client.CollectorRegistry], str]:
    """What a scraper gets, without the time of an exemplar, which is the machine's."""

    def text(registry: prometheus_client.CollectorRegistry) -> str:
        given = request.param.generate_latest(registry).decode()
        return re.sub(r"(# \{.*\} \S+) \d+\.\d+", r"\1", given)

    return text


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> prometheus_client.CollectorRegistry:
    monkeypatch.setattr(prometheus_client.metrics, "_use_created", False)
    return prometheus_client.CollectorRegistry()


@pytest.fixture
def ours() -> Callable[..., prometheus_client.CollectorRegistry]:
    def registry(*metrics: sums.Counter | sums.Histogram) -> object:
        collected = prometheus_client.CollectorRegistry()
        named = dict(enumerate(metrics))
        counters = {n: one for n, one in named.items() if isinstance(one, sums.Counter)}
        others = {n: one for n, one in named.items() if n not in counters}
        collected.register(sums.Sums(counters, others))
        return collected

    return registry


def test_a_counter_adds_up_by_its_labels(expose, theirs, ours) -> None:
    facts = "things", 'Things, "quoted".', ["kind", "place"]
    expected = prometheus_client.Counter(*facts, registry=theirs)
    found = sums.Counter(*facts)

    for kind, place, amount in (("a", "x", 0), ("b", 'a "y"', 1), ("a", "x", 2.5)):
        expected.labels(kind, place).inc(amount)
        found.add(kind, place, amount=amount)
    expected.labels("a", "z").inc(1, EXEMPLAR)
    found.add("a", "z", example=EXAMPLE)

    assert expose(ours(found)) == expose(theirs)


def test_a_histogram_counts_each_value_in_all_buckets_that_it_fits(
    expose, theirs, ours
) -> None:
    facts = "seconds", "Seconds.", ["model"]
    expected = prometheus_client.Histogram(*facts, buckets=BOUNDS, registry=theirs)
    found = sums.Histogram(*facts, BOUNDS)

    for model, value in (("a", 0.0), ("b", 2.6), ("a", 1), ("a", 1.0001), ("b", 0.1)):
        expected.labels(model).observe(value)
        found.observe(model, value=value)
    expected.labels("a").observe(2.0, EXEMPLAR)
    found.observe("a", value=2.0, example=EXAMPLE)

    assert expose(ours(found)) == expose(theirs)


def test_what_has_no_labels_is_there_from_the_start(expose, theirs, ours) -> None:
    prometheus_client.Counter("joins", "Joins.", registry=theirs)
    prometheus_client.Histogram("own", "Own.", buckets=BOUNDS, registry=theirs)

    found = ours(
        sums.Counter("joins", "Joins.", []), sums.Histogram("own", "Own.", [], BOUNDS)
    )

    assert expose(found) == expose(theirs)


def test_an_example_says_when_it_was(ours) -> None:
    counter = sums.Counter("joins", "Joins.", [])
    counter.add(example=EXAMPLE)

    [family] = ours(counter).collect()

    [sample] = family.samples
    assert sample.exemplar.labels == EXEMPLAR
    assert (sample.exemplar.value, sample.exemplar.timestamp) == (1, AT)
