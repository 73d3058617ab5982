"""What is written to the cluster, and that no refresh token is in it."""

import base64
import json
from datetime import timedelta

import pytest

from logins import NOW, credential
from refresher.operator import objects, resource
from refresher.operator.events import Event
from refresher.operator.resource import Publish, Spec, Status

FOUND = credential(left=3600, access="sk-access", refresh="sk-refresh")
BODY = {
    "metadata": {
        "name": "claude",
        "namespace": "rockbot",
        "uid": "1-2-3",
        "generation": 4,
        "annotations": {"claude-proxy.internal/refresh-requested-at": "noon"},
    },
    "spec": {
        "schedule": "17 */4 * * *",
        "timeZone": "Europe/Berlin",
        "suspend": True,
        "publish": {"secretName": "claude-access-token", "annotatePods": True},
    },
}
OWNER = resource.parse(BODY)


def test_a_credential_is_read_as_it_was_written():
    assert (
        resource.Resource(
            name="claude",
            namespace="rockbot",
            uid="1-2-3",
            generation=4,
            spec=Spec(
                schedule="17 */4 * * *",
                time_zone="Europe/Berlin",
                suspend=True,
                publish=Publish(secret_name="claude-access-token", annotate_pods=True),
            ),
            status=Status(),
            request="noon",
        )
        == OWNER
    )


@pytest.mark.parametrize(
    "status", [{}, {"conditions": "many"}, {"expiresAt": "soon"}, {"newField": 1}]
)
def test_a_status_that_is_not_ours_counts_as_none(status):
    assert resource.parse({**BODY, "status": status}).status == Status()


def test_the_secret_holds_the_access_token_its_end_and_nothing_else():
    secret = objects.secret("claude-access-token", OWNER, FOUND)

    assert {key: base64.b64decode(text) for key, text in secret["data"].items()} == {
        "access-token": b"sk-access",
        "expires-at": f"{NOW + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}".encode(),
    }
    assert secret["metadata"]["annotations"] == {
        "claude-proxy.internal/token-revision": FOUND.revision
    }


def test_the_secret_goes_with_its_owner_and_holds_up_nothing():
    [owner] = objects.secret("any", OWNER, FOUND)["metadata"]["ownerReferences"]

    assert owner == {
        "apiVersion": "claude-proxy.internal/v1alpha1",
        "kind": "ClaudeCredential",
        "name": "claude",
        "uid": "1-2-3",
        "blockOwnerDeletion": False,
    }


def test_an_event_is_never_longer_than_the_api_server_takes():
    event = objects.event(OWNER, Event("Warning", "LoginRequired", "x" * 5000), NOW)

    assert len(event["message"]) == 1024
    assert event["involvedObject"]["uid"] == "1-2-3"
    assert event["lastTimestamp"] == "2026-11-25T12:00:00Z"


def test_no_object_holds_the_refresh_token():
    written = json.dumps(
        [
            objects.secret("any", OWNER, FOUND),
            objects.annotation(FOUND.revision),
            objects.event(OWNER, Event("Normal", "Refreshed", "well"), NOW),
        ]
    )

    assert "sk-refresh" not in written
    assert base64.b64encode(b"sk-refresh").decode() not in written
