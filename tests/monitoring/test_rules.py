"""The rules, run by Prometheus' own tool over made-up series: `.ci/monitoring` has it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from prometheus import PROMTOOL
from queries import ALERTS, SPEC

CASES = Path(__file__).with_name("rules_test.yaml")

pytestmark = pytest.mark.skipif(
    PROMTOOL is None, reason="needs promtool, which .ci/monitoring installs"
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with the rules as a file for Prometheus, and their cases."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(SPEC))
    shutil.copy(CASES, tmp_path)
    return tmp_path


def promtool(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROMTOOL, *words], cwd=directory, capture_output=True, text=True, check=False
    )


def test_the_rules_are_correct_and_named_as_prometheus_advises(directory: Path) -> None:
    done = promtool(
        directory, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_when_it_should_and_not_before(directory: Path) -> None:
    done = promtool(directory, "test", "rules", CASES.name)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(
    alert: str,
) -> None:
    cases = [
        case
        for test in yaml.safe_load(CASES.read_text("utf-8"))["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == alert
    ]

    assert any(case["exp_alerts"] for case in cases)
    # a login that is lost cannot be lost a little
    assert alert == "ClaudeLoginRequired" or not all(
        case["exp_alerts"] for case in cases
    )


def test_the_tool_refuses_a_wrong_rule(directory: Path) -> None:
    rules = directory / "rules.yaml"
    rules.write_text(re.sub(r"== 0", "== 2", rules.read_text()))

    assert promtool(directory, "test", "rules", CASES.name).returncode != 0
