"""What is written to the cluster, and that no refresh token is in it."""

import base64
import json
from datetime import timedelta

from logins import NOW, credential
from refresher.operator import objects, resource
from refresher.operator.events import Event

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


def test_the_secret_holds_the_access_token_its_end_and_nothing_else():
    secret = objects.secret("claude-access-token", OWNER, FOUND, None)

    assert {key: base64.b64decode(text) for key, text in secret["data"].items()} == {
        "access-token": b"sk-access",
        "expires-at": f"{NOW + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}".encode(),
    }
    assert secret["metadata"]["annotations"] == {
        "claude-proxy.internal/token-revision": FOUND.revision
    }


def test_the_secret_goes_with_its_owner_and_holds_up_nothing():
    [owner] = objects.secret("any", OWNER, FOUND, "uid")["metadata"]["ownerReferences"]

    assert owner == {
        "apiVersion": "claude-proxy.internal/v1alpha1",
        "kind": "ClaudeCredential",
        "name": "claude",
        "uid": "1-2-3",
        "blockOwnerDeletion": False,
    }


def test_a_secret_with_a_uid_is_that_secret_and_no_other():
    named = objects.secret("any", OWNER, FOUND, "5-6-7")["metadata"]
    new = objects.secret("any", OWNER, FOUND, None)["metadata"]

    assert named["uid"] == "5-6-7"
    assert "uid" not in new


def test_a_persons_secret_gets_our_two_keys_and_no_owner():
    patch = objects.merge(FOUND)

    assert patch["data"].keys() == {"access-token", "expires-at"}
    assert patch["metadata"].keys() == {"annotations"}


def test_an_event_is_never_longer_than_the_api_server_accepts():
    event = objects.event(OWNER, Event("Warning", "LoginRequired", "x" * 5000), NOW)

    assert len(event["message"]) == 1024
    assert event["involvedObject"]["uid"] == "1-2-3"
    assert event["lastTimestamp"] == "2026-11-25T12:00:00Z"


def test_no_object_holds_the_refresh_token():
    written = json.dumps(
        [
            objects.secret("any", OWNER, FOUND, "uid"),
            objects.merge(FOUND),
            objects.annotation(FOUND.revision),
            objects.event(OWNER, Event("Normal", "Refreshed", "well"), NOW),
        ]
    )

    assert "sk-refresh" not in written
    assert base64.b64encode(b"sk-refresh").decode() not in written


def test_the_token_is_recognised_in_either_form():
    assert objects.tokens(FOUND) == ("sk-access", "c2stYWNjZXNz")
