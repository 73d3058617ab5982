"""The rules and the dashboard as values: every query with the place where it stands."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
COMPONENT = ROOT / "kustomize/components/monitoring"

SPEC = yaml.safe_load((COMPONENT / "prometheusrule.yaml").read_text("utf-8"))["spec"]
"""What a rule file of Prometheus holds, too."""
RULES: list[dict[str, Any]] = [
    rule for group in SPEC["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDS = {rule["record"]: rule for rule in RULES if "record" in rule}

DASHBOARD = json.loads((COMPONENT / "claude-code-proxy.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = [
    panel for panel in DASHBOARD["panels"] if panel["type"] not in {"row", "text"}
]

VARIABLES = {
    "$namespace": ".*",
    "$__rate_interval": "2m",
    "$__interval": "2m",
    "$__range": "1h",
}
"""What Grafana puts in the place of its variables."""


class Query(NamedTuple):
    """One query. `text` has no variables of Grafana's any more."""

    place: str
    text: str


def filled_in(text: str) -> str:
    """A query of a panel as Grafana sends it."""
    for name, value in VARIABLES.items():
        text = text.replace(name, value)
    assert "$" not in text
    return text


def of_panels() -> Iterator[Query]:
    for panel in PANELS:
        for target in panel["targets"]:
            place = f"{panel['title']} {target['refId']}"
            yield Query(place, filled_in(target["expr"]))


def of_rules() -> Iterator[Query]:
    for name, rule in {**RECORDS, **ALERTS}.items():
        yield Query(name, rule["expr"])


EVERY = [*of_rules(), *of_panels()]


def words_of(text: str) -> set[str]:
    """The Prometheus templates in an annotation: `{{ $labels.pod }}` names `pod`."""
    return set(re.findall(r"\$labels\.(\w+)", text))
