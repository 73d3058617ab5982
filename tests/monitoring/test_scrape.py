"""A real Prometheus scrapes a real proxy and a real refresher: `.ci/monitoring` has it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from prometheus import PROMETHEUS
from queries import ALERTS, RECORDS, of_panels
from story import Seen, Story

pytestmark = pytest.mark.skipif(
    PROMETHEUS is None, reason="needs Prometheus, which .ci/monitoring installs"
)

EMPTY = {
    "Credential last refused A": "nobody has refused the proxies' credentials",
}
"""Panels without data in the story, and why."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """What was seen in the course of the story."""
    with ExitStack() as stack:
        yield Story(tmp_path_factory.mktemp("monitoring"), stack).tell()


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_fires_when_what_it_is_about_happens(seen: Seen, alert: str) -> None:
    assert alert in seen.fired


def test_no_alert_fires_while_all_is_well(seen: Seen) -> None:
    assert seen.well == set()


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_has_data(seen: Seen, record: str) -> None:
    assert seen.samples[record]


@pytest.mark.parametrize("place", [query.place for query in of_panels()])
def test_a_panel_shows_data_or_is_empty_for_a_reason(seen: Seen, place: str) -> None:
    assert bool(seen.samples[place]) == (place not in EMPTY)
