"""Every query of the rules and the dashboard names only what the two programs report."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

import every_series
from proxy import limits, metrics, trail, usage
from queries import (
    ALERTS,
    DASHBOARD,
    EVERY,
    PANELS,
    RECORDS,
    ROOT,
    Query,
    of_panels,
    words_of,
)
from refresher.operator import check, health
from refresher.outcome import Kind

promql = pytest.importorskip(
    "promql_parser", reason="pip install -r tests/manifests/requirements.lock"
)

OF_A_TARGET = {"namespace", "pod", "container", "endpoint", "job", "instance"}
"""What a PodMonitor adds to every sample."""
OF_AN_ALERT = {"alertname", "alertstate", "severity", "window"}

VALUES = {
    "code": metrics.CODES | {""},
    "outcome": {str(outcome) for outcome in trail.Outcome},
    "window": set(limits.WINDOWS),
    "tool": {"web_search"},
    "alertstate": {"pending", "firing"},
    "result": {*Kind, *check.Verdict, "published", "failed"},
    "kind": set(usage.KINDS),
}
"""The values that a label can have, where they are of a closed set."""


def refreshers() -> Iterator[tuple[str, set[str]]]:
    made = health.Metrics()
    for family in made.registry.collect():
        for sample in family.samples:
            yield sample.name.removesuffix("_bucket"), sample.labels.keys() - {"le"}


SERIES: dict[str, set[str]] = every_series.labels() | dict(refreshers())


def known(name: str) -> set[str]:
    """The labels of a metric, of whichever of its series. Raises KeyError."""
    if name == "ALERTS":
        return OF_A_TARGET | OF_AN_ALERT
    if name in RECORDS:
        return {"namespace"}
    if name.endswith("_bucket"):
        return known(name.removesuffix("_bucket")) | {"le"} | OF_A_TARGET
    return SERIES[name] | OF_A_TARGET


def parts(node: Any) -> Iterator[Any]:
    """A query's expressions, from the outside in."""
    yield node
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        if hasattr(node, name):
            yield from parts(getattr(node, name))
    for argument in getattr(node, "args", ()):
        yield from parts(argument)


def selectors(query: str) -> list[Any]:
    found = parts(promql.parse(query))
    return [one for one in found if isinstance(one, promql.VectorSelector)]


@pytest.mark.parametrize("query", EVERY, ids=lambda query: query.place)
def test_every_metric_and_label_exists(query: Query) -> None:
    found = selectors(query.text)

    assert found
    for selector in found:
        named = {matcher.name for matcher in selector.matchers.matchers}
        assert named <= known(selector.name)


@pytest.mark.parametrize("query", EVERY, ids=lambda query: query.place)
def test_every_value_that_is_asked_for_can_occur(query: Query) -> None:
    for selector in selectors(query.text):
        for matcher in selector.matchers.matchers:
            if matcher.name in VALUES:
                assert set(matcher.value.split("|")) <= VALUES[matcher.name]


@pytest.mark.parametrize("query", EVERY, ids=lambda query: query.place)
def test_what_is_grouped_by_is_there(query: Query) -> None:
    """`sum by (x)` of series without x would silently be one sum.

    `cluster` alone is not ours: where several clusters report to one place, each adds it.
    """
    there = {"cluster"}.union(*(known(each.name) for each in selectors(query.text)))
    grouped = re.findall(r"\b(?:by|on|group_left) \(([^)]*)\)", query.text)

    assert {label for each in grouped for label in each.split(", ")} <= there


def test_the_check_refuses_what_does_not_exist() -> None:
    for wrong in ("claude_proxy_nothing", 'claude_proxy_ready{colour="red"}'):
        with pytest.raises((KeyError, AssertionError)):
            test_every_metric_and_label_exists(Query("wrong", wrong))
    with pytest.raises(AssertionError):
        test_every_value_that_is_asked_for_can_occur(
            Query("wrong", 'claude_proxy_errors_total{code="full"}')
        )


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_is_wrong_what_to_do_and_where_to_read_on(name: str) -> None:
    alert = ALERTS[name]
    notes = alert["annotations"]

    assert notes.keys() == {"summary", "description", "runbook"}
    assert alert["labels"].keys() == {"severity"}
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert re.fullmatch(r"\d+[mh]", alert["for"])
    document, _, anchor = notes["runbook"].partition("#")
    assert anchor == name.lower()
    assert f"\n### {name}\n" in (ROOT / document).read_text("utf-8")


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_names_only_labels_that_its_query_leaves(name: str) -> None:
    alert = ALERTS[name]
    groups = re.findall(r"\bby \(([^)]*)\)", alert["expr"])
    left = set(groups[0].split(", ")) if groups else OF_A_TARGET
    if any(record in alert["expr"] for record in RECORDS):
        left = {"namespace"}

    assert words_of(str(alert["annotations"])) <= left


def test_every_alert_is_explained_and_nothing_else_is() -> None:
    text = (ROOT / "docs/operations.md").read_text("utf-8")

    assert set(re.findall(r"^### (Claude\w+)$", text, re.MULTILINE)) == set(ALERTS)


def test_every_record_is_used() -> None:
    used = "\n".join(query.text for query in EVERY)

    assert all(used.count(name) > 1 for name in RECORDS)


@pytest.mark.parametrize("query", [*of_panels()], ids=lambda query: query.place)
def test_a_panel_shows_the_chosen_namespaces(query: Query) -> None:
    for selector in selectors(query.text):
        assert "namespace" in {one.name for one in selector.matchers.matchers}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_explains_itself_and_says_what_it_shows_when_it_is_empty(
    panel: dict[str, Any],
) -> None:
    assert panel["description"].endswith((".", "login"))
    assert panel["datasource"]["uid"] == "${datasource}"
    assert panel["type"] == "timeseries" or panel["fieldConfig"]["defaults"]["noValue"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_window_of_a_graph_holds_several_scrapes(panel: dict[str, Any]) -> None:
    """PodMonitors scrape every 30 seconds; Grafana's own least interval is shorter."""
    for target in panel["targets"]:
        window = re.findall(r"\[\$(\w+)\]", target["expr"])
        least = {"__interval": "2m", "__rate_interval": "30s", "__range": None}
        assert [target.get("interval")] * len(window) == [
            least[each] for each in window
        ]


def test_panels_have_numbers_and_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    taken: set[tuple[int, int]] = set()

    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells


def test_the_dashboard_answers_the_five_questions() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]

    assert rows[:5] == [
        "Is it working?",
        "Why is it slow?",
        "What does it cost?",
        "How much is left?",
        "When does the login end?",
    ]
