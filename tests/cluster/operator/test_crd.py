"""What the real API server takes as a ClaudeCredential, and what it refuses."""

import json
import re
import subprocess

import pytest

from operator_process import ROOT

FULL = re.MULTILINE | re.DOTALL


def apply(installed, spec):
    body = {
        "apiVersion": "claude-proxy.internal/v1alpha1",
        "kind": "ClaudeCredential",
        "metadata": {"name": "claude"},
        "spec": spec,
    }
    done = installed.kubectl.run(
        "apply", "--validate=strict", "-f", "-", data=json.dumps(body)
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"schedule": "17 */4 * * *"},
        {"schedule": "17 */4 * * *", "timeZone": "Europe/Berlin"},
        {"renewBefore": "4m"},
        {"renewBefore": "1h30m0s", "schedule": "0 3 * * *"},
        {"suspend": True},
        {"publish": {}},
        {"publish": {"secretName": "claude-access-token"}},
        {"publish": {"secretName": "a.b-c", "annotatePods": True}},
        {"publish": {"annotatePods": True}},
        {"publish": {"secretName": "mine", "creationPolicy": "Merge"}},
    ],
)
def test_a_good_spec_is_taken(installed, spec):
    assert "created" in apply(installed, spec)


def test_the_documents_example_is_taken(installed):
    document = (ROOT / "docs/refresher.md").read_text()
    [example] = re.findall(
        r"^apiVersion: claude-proxy.internal.*?(?=^```)", document, FULL
    )

    assert "created" in installed.kubectl.run("apply", "-f", "-", data=example).stdout


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"schedule": 5}, "must be of type string"),
        ({"schedule": "hourly"}, "five cron fields"),
        ({"schedule": "0 * * * * *"}, "five cron fields"),
        ({"schedule": "TZ=UTC 0 * * *"}, "timeZone"),
        ({"timeZone": "Europe/Berlin"}, "timeZone needs a schedule"),
        ({"suspend": "yes"}, "boolean"),
        ({"publish": {"creationPolicy": "Merge"}}, "creationPolicy needs a secretName"),
        (
            {"publish": {"secretName": "x", "creationPolicy": "Orphan"}},
            '"Owner", "Merge"',
        ),
        ({"publish": {"secretName": "UPPER"}}, "secretName"),
        ({"publish": {"secret": "x"}}, "unknown field"),
        ({"renewBefore": "soon"}, "must be a duration such as 4m or 1h30m"),
        ({"renewBefore": ""}, "must be a duration such as 4m or 1h30m"),
        ({"renewBefore": "8h"}, "must be from 1m to 7h"),
        ({"renewBefore": "59s"}, "must be from 1m to 7h"),
        ({"refreshBefore": "1h"}, "unknown field"),
    ],
)
def test_a_bad_spec_is_refused_in_words(installed, spec, told):
    said = apply(installed, spec)

    assert told in said
    assert installed.kubectl.read("claudecredentials/claude") is None


def test_a_credential_that_no_refresher_keeps_does_not_look_well(installed):
    apply(installed, {})

    head, row = installed.kubectl("get", "claudecredentials").splitlines()
    assert head.split() == [
        "NAME", "READY", "REASON", "LOGIN", "EXPIRES", "NEXT", "LAST", "AGE",
    ]  # fmt: skip
    assert row.split()[:3] == ["claude", "Unknown", "Pending"]
    assert installed.status["observedGeneration"] == -1
    done = installed.kubectl.run(
        "wait", "--for=condition=Ready", "ccred/claude", "--timeout=1s"
    )
    assert done.returncode != 0


CHART = """\
apiVersion: v2
name: one-credential
version: 1.0.0
"""


def test_helm_which_judges_by_kstatus_waits_for_what_is_not_well(installed, tmp_path):
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(CHART)
    body = {
        "apiVersion": "claude-proxy.internal/v1alpha1",
        "kind": "ClaudeCredential",
        "metadata": {"name": "claude"},
        "spec": {},
    }
    (chart / "templates/claude.json").write_text(json.dumps(body))

    def installs(timeout):
        words = ["helm", "upgrade", "--install", "one", str(chart), "--wait=watcher"]
        words += ["--namespace", installed.namespace, f"--timeout={timeout}"]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    unkept = installs("15s")
    assert unkept.returncode != 0
    assert "claude" in unkept.stderr

    installed.login()
    installed.start("/bin/true")
    kept = installs("120s")
    assert kept.returncode == 0, kept.stderr

    (installed.volume / ".credentials.json").unlink()
    installed.becomes("Stalled", "True", "NoCredentials")
    lost = installs("10s")
    assert lost.returncode != 0
