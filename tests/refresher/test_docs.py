"""The document's tables say what the code does."""

import json
import re
from pathlib import Path

import pytest
import yaml

from refresher import outcome, settings
from refresher.operator import health, resource

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/refresher.md").read_text()


def rows(heading):
    """The cells of the table under a heading, without their code marks."""
    text = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    cells = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    return [[cell.strip("`") for cell in row] for row in cells[1:]]


def test_every_setting_is_told_with_its_default():
    told = [(name, default) for name, default, *_ in rows("Settings")]

    assert told == [(each.name, each.default or "none") for each in settings.VARIABLES]


def test_every_outcome_is_told_with_its_exit_code():
    told = {name: int(code) for name, code, *_ in rows("Outcomes")}

    assert told == {kind.value: code for kind, code in outcome.EXIT_CODES.items()}


@pytest.mark.parametrize("name", [*settings.PASSED_TO_CLI, *settings.OTHER_CREDENTIALS])
def test_every_other_variable_is_told(name):
    assert f"`{name.upper()}`" in DOCUMENT


def test_the_checked_version_is_the_pinned_one_for_every_platform():
    pinned = json.loads((ROOT / "refresher" / "package.json").read_text())
    locked = json.loads((ROOT / "refresher" / "package-lock.json").read_text())
    versions = {
        *pinned["optionalDependencies"].values(),
        *(each["version"] for path, each in locked["packages"].items() if path),
        *re.findall(r"now (\d+\.\d+\.\d+),", DOCUMENT),
    }

    assert len(versions) == 1
    assert all("resolved" not in each for each in locked["packages"].values())


def test_every_metric_of_the_operator_is_told():
    told = set(re.findall(r"`(claude_\w+)(?:\{result\})?`", DOCUMENT))
    kinds = health.Metrics().registry.collect()
    names = {f"{each.name}{'_total' * (each.type == 'counter')}" for each in kinds}

    assert told == names


def test_the_credential_of_the_example_says_all_that_a_spec_can_say():
    [example] = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    body = yaml.safe_load(example)
    there = {"namespace": "any", "uid": "any"}
    spec = resource.parse({**body, "metadata": body["metadata"] | there}).spec

    assert body["apiVersion"] == f"{resource.GROUP}/{resource.VERSION}"
    assert body["spec"].keys() == {"schedule", "timeZone", "suspend", "publish"}
    assert spec.publish.secret_name == "claude-access-token"
    assert settings.Settings.from_environ({"HOME": "/h"}).scheduled(
        spec.schedule, spec.time_zone
    )
