"""The objects are what Prometheus Operator's own schemas say: `.ci/monitoring` has them."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from queries import COMPONENT

SCHEMAS = os.environ.get("MONITORING_SCHEMAS")
OBJECTS = [
    one
    for path in sorted(COMPONENT.glob("*.yaml"))
    if isinstance(one := yaml.safe_load(path.read_text("utf-8")), dict)
    and one["kind"] != "Component"
]

pytestmark = pytest.mark.skipif(
    SCHEMAS is None, reason="needs the schemas that .ci/monitoring makes"
)


def closed(schema: Any) -> Any:
    """The schema with unknown fields refused, where a server would prune them."""
    match schema:
        case dict():
            made = {key: closed(value) for key, value in schema.items()}
            if isinstance(schema.get("properties"), dict):
                made["additionalProperties"] = False
            return made
        case list():
            return [closed(one) for one in schema]
        case _:
            return schema


def check(one: dict[str, Any]) -> None:
    schema = json.loads(Path(SCHEMAS, f"{one['kind']}.json").read_text("utf-8"))
    jsonschema.validate(one, closed(schema))


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: one["kind"])
def test_an_object_is_what_its_schema_says(one: dict[str, Any]) -> None:
    assert one["apiVersion"] == "monitoring.coreos.com/v1"
    check(one)


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: one["kind"])
def test_the_schema_does_refuse(one: dict[str, Any]) -> None:
    wrong = copy.deepcopy(one)
    spec = wrong["spec"]
    parts = spec.get("podMetricsEndpoints") or spec["groups"][0]["rules"]
    parts[0]["unknown"] = "30s"

    with pytest.raises(jsonschema.ValidationError):
        check(wrong)
