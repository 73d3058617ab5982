"""What the real API server takes as a ClaudeCredential, and what it refuses."""

import json
import re

import pytest

from tests.cluster.operator.house import ROOT

FULL = re.MULTILINE | re.DOTALL


def apply(house, spec):
    body = {
        "apiVersion": "claude-proxy.internal/v1alpha1",
        "kind": "ClaudeCredential",
        "metadata": {"name": "claude"},
        "spec": spec,
    }
    done = house.kubectl.run(
        "apply", "--validate=strict", "-f", "-", data=json.dumps(body)
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"schedule": "17 */4 * * *"},
        {"schedule": "17 */4 * * *", "timeZone": "Europe/Berlin"},
        {"suspend": True},
        {"publish": {}},
        {"publish": {"secretName": "claude-access-token"}},
        {"publish": {"secretName": "a.b-c", "annotatePods": True}},
        {"publish": {"annotatePods": False}},
    ],
)
def test_a_good_spec_is_taken(house, spec):
    assert "created" in apply(house, spec)


def test_the_documents_example_is_taken(house):
    document = (ROOT / "docs/refresher.md").read_text()
    [example] = re.findall(
        r"^apiVersion: claude-proxy.internal.*?(?=^```)", document, FULL
    )

    assert "created" in house.kubectl.run("apply", "-f", "-", data=example).stdout


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"schedule": 5}, "must be of type string"),
        ({"schedule": "hourly"}, "five fields"),
        ({"schedule": "0 * * * * *"}, "five fields"),
        ({"schedule": "TZ=UTC 0 * * *"}, "timeZone"),
        ({"timeZone": "Europe/Berlin"}, "timeZone is for a schedule"),
        ({"suspend": "yes"}, "boolean"),
        ({"publish": {"annotatePods": True}}, "secretName is needed"),
        ({"publish": {"secretName": "UPPER"}}, "secretName"),
        ({"publish": {"secret": "x"}}, "unknown field"),
        ({"renewBefore": "1h"}, "unknown field"),
    ],
)
def test_a_bad_spec_is_refused_in_words(house, spec, told):
    said = apply(house, spec)

    assert told in said
    assert house.get("ccred", "claude") is None
