"""The ClaudeCredential as a value, also where another version wrote it."""

import msgspec
import pytest

from refresher.operator import resource
from refresher.operator.resource import Absent, CredentialStatus, Publish, Spec

BODY = {
    "metadata": {
        "name": "claude",
        "namespace": "rockbot",
        "uid": "1-2-3",
        "generation": 4,
        "annotations": {"claude-proxy.internal/refresh-requested-at": "noon"},
    },
    "spec": {
        "renewBefore": "1h30m",
        "schedule": "17 */4 * * *",
        "timeZone": "Europe/Berlin",
        "suspend": True,
        "publish": {
            "secretName": "claude-access-token",
            "creationPolicy": "Merge",
            "annotatePods": True,
        },
    },
}


def test_a_credential_is_read_as_it_was_written():
    publish = Publish(
        secret_name="claude-access-token", creation_policy="Merge", annotate_pods=True
    )

    assert resource.parse(BODY) == resource.ClaudeCredential(
        name="claude",
        namespace="rockbot",
        uid="1-2-3",
        generation=4,
        spec=Spec(
            renew_before="1h30m",
            schedule="17 */4 * * *",
            time_zone="Europe/Berlin",
            suspend=True,
            publish=publish,
        ),
        request="noon",
    )


@pytest.mark.parametrize(
    "status",
    [{}, {"conditions": "many"}, {"expiresAt": "soon"}, {"newField": 1}, [], "gone"],
)
def test_a_status_that_is_not_ours_counts_as_none(status):
    assert resource.parse({**BODY, "status": status}).status == CredentialStatus()


@pytest.mark.parametrize(
    ("spec", "understood"),
    [
        ({"suspend": True, "schedule": ["daily"]}, Spec(suspend=True)),
        ({"publish": {"creationPolicy": "Orphan"}}, Spec()),
        (["a", "list"], Spec()),
    ],
)
def test_a_spec_of_a_newer_crd_is_reported_and_suspend_is_honoured(spec, understood):
    found = resource.parse({**BODY, "spec": spec})

    assert found.spec == understood
    assert "upgrade the refresher" in found.spec_problem


def test_a_new_field_of_a_newer_crd_is_no_problem():
    found = resource.parse({**BODY, "spec": {"suspend": True, "newField": 1}})

    assert (found.spec, found.spec_problem) == (Spec(suspend=True), None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metadata": None},
        {"metadata": []},
        {"metadata": {"name": "claude"}},
        {"metadata": {"name": 1, "namespace": "a", "uid": "b"}},
        {"metadata": {"name": "a", "namespace": "b", "uid": "c", "annotations": 7}},
    ],
)
def test_what_is_no_credential_is_refused(body):
    with pytest.raises(ValueError, match="not a ClaudeCredential"):
        resource.parse(body)


def test_what_is_asked_for_is_all_but_the_status():
    found = resource.parse(BODY)
    reported = msgspec.structs.replace(found, status=CredentialStatus(refreshes=1))

    assert reported != found
    assert resource.asked_for(reported) == found
    assert resource.asked_for(Absent("none")) == Absent("none")
