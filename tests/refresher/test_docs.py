"""The document's tables say what the code does.

`pytest tests/refresher/test_docs.py --update-golden` rewrites the tables of settings
and of outcomes from the code.
"""

import ast
import inspect
import itertools
import json
import re
from pathlib import Path

import msgspec
import pytest
import yaml

from refresher import outcome, settings
from refresher.operator import health, observation, resource, status

ROOT = Path(__file__).parents[2]
PATH = ROOT / "docs/refresher.md"
DOCUMENT = PATH.read_text(encoding="utf-8")


def table(heading, body):
    """The document with the rows of the first table under a heading replaced."""
    document = PATH.read_text(encoding="utf-8")  # an update may have changed it
    top = document.index("\n|---", document.index(f"\n## {heading}\n"))
    first = document.index("\n", top + 1) + 1
    last = document.index("\n\n", first) + 1
    return document[:first] + "".join(f"| {row} |\n" for row in body) + document[last:]


def settings_rows():
    tree = ast.parse(inspect.getsource(settings))
    [body] = [n.body for n in tree.body if getattr(n, "name", "") == "Settings"]
    shown = {
        field.target.id.upper(): text.value.value
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    fields = msgspec.structs.fields(settings.Settings)
    defaults = {field.name.upper(): str(field.default) for field in fields}
    return [
        f"`{name}` | {f'`{defaults[name]}`' if defaults[name] else 'none'} | {shown[name]}"
        for name in settings.VARIABLES
    ]


def outcome_rows():
    return [
        f"{kind} | {means.exit_code} | {means.meaning} | {means.advice}"
        for kind, means in outcome.MEANINGS.items()
    ]


@pytest.mark.parametrize(
    ("heading", "of_code"), [("Settings", settings_rows), ("Outcomes", outcome_rows)]
)
def test_the_tables_are_those_of_the_code(heading, of_code, check_golden):
    check_golden(PATH, table(heading, of_code()))


@pytest.mark.parametrize("name", [*settings.PASSED_TO_CLI, *settings.OTHER_CREDENTIALS])
def test_every_other_variable_is_named(name):
    assert f"`{name.upper()}`" in DOCUMENT


def test_the_tested_version_is_the_pinned_one_for_every_platform():
    pinned = json.loads((ROOT / "refresher" / "package.json").read_text())
    locked = json.loads((ROOT / "refresher" / "package-lock.json").read_text())
    versions = {
        *pinned["optionalDependencies"].values(),
        *(each["version"] for path, each in locked["packages"].items() if path),
        *re.findall(r"now (\d+\.\d+\.\d+),", DOCUMENT),
    }

    assert len(versions) == 1
    assert all("resolved" not in each for each in locked["packages"].values())


def reasons():
    """Every reason that a condition can have."""
    package = Path(inspect.getfile(observation)).parent
    code = "".join((package / f"{name}.py").read_text() for name in _SPEAKERS)
    found = re.findall(r'(?:Statement|_invalid)\(\s*(?:\w+, )?"([A-Z]\w+)"', code)
    constants = [status.PUBLISHED, status.PODS_ANNOTATED, status.PODS_NOT_ANNOTATED]
    shared = {meaning.condition for meaning in outcome.MEANINGS.values()}
    return {*found, *constants, *shared, observation.UNVERIFIED}


_SPEAKERS = ("observation", "status", "scheduler", "reporter")
_NOT_OF_A_CONDITION = {"Managed", "NoClaudeCredential", "WaitingForApiServer"}


def test_every_reason_of_a_condition_is_in_the_table():
    section = DOCUMENT.partition("## In a cluster")[2].partition("**Ready means")[0]
    documented = set(re.findall(r"`([A-Z][A-Za-z]+)`", section))

    assert reasons() - _NOT_OF_A_CONDITION <= documented
    assert documented - reasons() == {"ClaudeCredential", "Unknown", "Pending"}


def test_every_metric_of_the_operator_is_listed():
    shown = set(re.findall(r"`(claude_\w+)(?:\{result\})?`", DOCUMENT))
    kinds = health.Metrics().registry.collect()
    names = {f"{each.name}{'_total' * (each.type == 'counter')}" for each in kinds}

    assert shown == names


def test_the_credential_of_the_example_says_all_that_a_spec_can_say():
    [example] = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    body = yaml.safe_load(example)
    there = {"namespace": "any", "uid": "any"}
    spec = resource.parse({**body, "metadata": body["metadata"] | there}).spec

    assert body["apiVersion"] == f"{resource.GROUP}/{resource.VERSION}"
    fields = [field.encode_name for field in msgspec.structs.fields(resource.Spec)]
    assert list(body["spec"]) == fields
    assert len(body["spec"]["publish"]) == len(msgspec.structs.fields(spec.publish))
    plain = settings.Settings.from_environ({"HOME": "/h"})
    assert plain.renewing(spec.renew_before)
    assert plain.scheduled(spec.schedule, spec.time_zone)
