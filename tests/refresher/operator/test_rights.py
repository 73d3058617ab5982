"""What the doctor hears from the API server."""

import pytest

from logins import make_settings
from refresher import doctor
from refresher.operator import resource, rights
from tests.refresher.operator.api_server import Response, credential, failure

SETTINGS = make_settings(pod_namespace="here")


@pytest.fixture
def examine(_kubeconfig):
    """Examine the cluster of the scripted API server."""
    return lambda: rights.examine(SETTINGS)


def condition(status, reason):
    when = "2026-11-29T12:00:00Z"
    return {
        "type": "Ready", "status": status, "reason": reason, "message": "words",
        "lastTransitionTime": when,
    }  # fmt: skip


def test_a_credential_and_its_condition_are_found(server, examine):
    server.credential = credential()
    server.credential["status"] = {"conditions": [condition("False", "TokenRejected")]}

    found = examine()

    assert found.name == "claude"
    assert found.ready == ("False", "TokenRejected", "words")
    assert (found.missing, found.unknown, found.trouble) == ((), "", "")


def test_one_that_nobody_has_looked_at_has_no_condition(server, examine):
    server.credential = credential(suspend=True)
    assert examine().ready is None
    assert examine().suspended
    server.credential["status"] = {"conditions": [condition("Unknown", "Pending")]}
    assert examine().ready is None


def test_a_missing_credential_and_a_missing_definition_are_told(server, examine):
    assert "there is no ClaudeCredential claude" in examine().absent
    server.has_crd = False
    assert "is not installed" in examine().absent


def test_what_may_not_be_done_is_named(server, examine):
    server.credential = credential(publish={"secretName": "token"})
    server.denied = {("patch", "secrets"), ("create", "events")}

    assert examine().missing == ("create events", "patch secrets token")


def test_what_is_asked_about_follows_from_the_spec():
    def asked(**publish):
        return [
            str(each) for each in rights.needed("claude", resource.Publish(**publish))
        ]

    always = [
        "list claudecredentials claude",
        "watch claudecredentials claude",
        "patch claudecredentials/status claude",
        "create events",
    ]
    assert asked() == always
    assert asked(secret_name="t") == [*always, "create secrets t", "patch secrets t"]
    merged = asked(secret_name="t", creation_policy="Merge")
    assert merged == [*always, "patch secrets t"]
    assert asked(annotate_pods=True) == [*always, "list pods", "patch pods"]


@pytest.mark.parametrize(
    "answer", [failure(403, "no reviews for you"), Response(200, b"{}"), Response(0)]
)
def test_rights_that_cannot_be_asked_about_are_not_known(server, examine, answer):
    server.credential = credential()
    server.script = lambda _, path: answer if "selfsubject" in path else None

    found = examine()

    assert found.unknown.startswith("cannot ask what this user may do")
    assert found.name == "claude"


def test_an_api_server_that_cannot_be_asked_is_trouble(server, examine):
    server.script = lambda *_: failure(500)

    assert examine().trouble.startswith("cannot list claudecredentials")


def test_the_doctor_asks_only_where_there_is_a_namespace(server, examine, monkeypatch):
    monkeypatch.setattr(doctor.reach, "HOSTS", ())
    server.credential = credential()

    assert doctor.gather({"HOME": "/nonexistent"}).cluster is None
    assert server.requests == []
    found = doctor.gather({"HOME": "/nonexistent", "POD_NAMESPACE": "here"}).cluster
    assert found.name == "claude"
