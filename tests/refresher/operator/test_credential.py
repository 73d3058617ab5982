"""The life of a ClaudeCredential: made, edited, deleted, made again, and its Secret."""

import itertools
import json

import pytest

from logins import age_last_attempt
from tests.refresher.operator.api_server import credential, failure

NAME = "claude-access-token"
SECRET = {"publish": {"secretName": NAME}}
PODS = {"publish": {"annotatePods": True}}
READY = ("True", "TokenValid")
PUBLISHED = ("True", "TokenPublished")
REQUEST = "claude-proxy.internal/refresh-requested-at"
REVISION = "claude-proxy.internal/token-revision"


def refreshed(server, count=1):
    return server.status.get("refreshes") == count


def test_the_secret_comes_before_all_that_is_written(
    server, start, fake, put, eventually
):
    put()
    server.put(credential(**SECRET))
    start(fake("ok"))
    eventually(lambda: server.condition("Published") == PUBLISHED)

    written = [path for method, path in server.requests if method in {"PATCH", "POST"}]
    assert all("/secrets/" in path for path in written[:2])


def test_without_a_credential_it_says_so_once_and_does_nothing(
    server, start, fake, put, eventually
):
    claude = fake("ok")
    put(200)
    operator = start(claude)
    eventually(lambda: "there is no ClaudeCredential claude" in operator.log)
    looks = server.count("GET", "claudecredentials?fieldSelector")
    eventually(
        lambda: server.count("GET", "claudecredentials?fieldSelector") > looks + 5
    )

    status, text = operator.ask("/readyz")
    assert status == 503
    assert text.startswith("NoClaudeCredential: there is no ClaudeCredential claude")
    assert operator.metric("claude_credential_managed") == 0
    assert operator.log.count("there is no ClaudeCredential claude") == 1
    assert claude.calls == []

    server.put(credential())
    eventually(lambda: refreshed(server))
    eventually(lambda: operator.ask("/readyz")[0] == 200)
    assert operator.metric("claude_credential_managed") == 1


def test_without_its_crd_it_says_so_and_begins_when_it_is_installed(
    server, start, fake, put, eventually
):
    server.has_crd = False
    put(200)
    operator = start(fake("ok"))
    eventually(lambda: "is not installed" in operator.log)
    assert operator.ask("/readyz")[0] == 503
    assert operator.log.count("is not installed") == 1

    server.has_crd = True
    server.put(credential())
    eventually(lambda: refreshed(server))
    server.put(credential(suspend=True))
    eventually(lambda: server.condition("Suspended") == ("True", "Suspended"))


def test_a_credential_that_is_deleted_and_made_again_is_another_one(
    server, start, fake, put, eventually
):
    claude = fake("ok")
    put()
    server.put(credential(uid="1", **SECRET))
    operator = start(claude)
    eventually(lambda: server.condition("Published") == PUBLISHED)

    server.put(None)
    eventually(lambda: operator.ask("/readyz")[0] == 503)
    put(200, access="access-2")
    eventually(
        lambda: operator.metric("claude_credential_expiration_timestamp_seconds")
    )
    assert claude.calls == []

    server.put(credential(uid="2", **SECRET))
    eventually(lambda: refreshed(server))
    [owner] = server.secrets[NAME]["metadata"]["ownerReferences"]
    assert owner["uid"] == "2"


def test_a_credential_that_is_replaced_in_one_breath_is_another_one(
    server, start, fake, put, eventually
):
    put()
    server.put(credential(uid="1", **SECRET))
    start(fake("ok"))
    eventually(lambda: server.condition("Published") == PUBLISHED)

    server.put(credential(uid="2", **SECRET))

    # What was on its way for the old one may arrive first.
    eventually(
        lambda: server.secrets[NAME]["metadata"]["ownerReferences"][0]["uid"] == "2"
    )
    eventually(lambda: server.condition("Published") == PUBLISHED)
    assert len(server.secrets[NAME]["metadata"]["ownerReferences"]) == 1


def test_a_status_names_the_generation_that_it_was_judged_by(
    server, start, fake, put, eventually
):
    put()
    server.put(credential())
    start(fake("ok"))
    eventually(lambda: server.status["observedGeneration"] == 1)

    for generation in range(2, 12):
        server.put(credential(suspend=generation % 2 == 0))
        eventually(
            lambda wanted=generation: server.status["observedGeneration"] == wanted
        )

    said = [
        (status["observedGeneration"], each["status"])
        for status in server.statuses
        for each in status.get("conditions", [])
        if each["type"] == "Suspended"
    ]
    assert {generation for generation, _ in said} == set(range(1, 12))
    assert all((word == "True") is (number % 2 == 0) for number, word in said)


def test_a_dead_token_that_is_tried_again_and_again_is_reported_once(
    server, start, fake, put, volume, eventually
):
    put(-86400)
    server.put(credential())
    start(fake("unchanged"))
    for attempt in range(1, 6):
        eventually(lambda count=attempt: server.status.get("failedAttempts") == count)
        if attempt < 5:
            age_last_attempt(volume, 3600)

    ready = [
        (each["status"], each["reason"])
        for status in server.statuses
        for each in status.get("conditions", [])
        if each["type"] == "Ready"
    ]
    changes = [new for old, new in itertools.pairwise(ready) if old != new]
    assert changes in ([], [("False", "RefreshFailing")])
    assert server.reasons.count("TokenExpired") <= 1
    # the first, second and fourth; an event follows the status that it belongs to
    eventually(lambda: server.reasons.count("RefreshFailed") == 3)


def test_a_new_token_is_checked_with_anthropic_before_it_counts_as_valid(
    server, start, fake, put, anthropic, eventually
):
    put(access="access-1")
    anthropic.ledger.revoke("access-1")
    server.put(credential(**SECRET))
    operator = start(fake("ok"))

    eventually(lambda: server.condition("Ready") == ("False", "TokenRejected"))
    assert server.condition("Stalled") == ("True", "TokenRejected")
    eventually(lambda: "TokenRejected" in server.reasons)  # an event follows the status
    assert operator.ask("/readyz")[0] == 503
    assert operator.metric("claude_credential_ready") == 0
    assert operator.metric('claude_token_check_total{result="rejected"}') == 1
    assert server.reasons.count("TokenRejected") == 1


def test_a_request_finds_a_revoked_token_and_refreshes_it_early(
    server, start, fake, put, anthropic, eventually
):
    claude = fake("ok")
    put(access="access-1")
    server.put(credential(**SECRET))
    operator = start(claude)
    eventually(lambda: server.condition("Ready") == READY)
    anthropic.ledger.revoke("access-1")
    assert claude.calls == []

    server.put(credential(annotations={REQUEST: "noon"}, **SECRET))

    eventually(lambda: server.status.get("handledRefreshRequest") == "noon")
    eventually(lambda: refreshed(server))
    eventually(lambda: server.condition("Ready") == READY)
    assert len(claude.calls) == 1
    assert "access-1" not in operator.log


def test_a_request_for_a_token_that_is_accepted_starts_nothing(
    server, start, fake, put, anthropic, eventually
):
    claude = fake("ok")
    put(access="access-1")
    server.put(credential(**SECRET))
    start(claude)
    eventually(lambda: server.condition("Ready") == READY)
    checks = len(anthropic.calls)

    server.put(credential(annotations={REQUEST: "noon"}, **SECRET))

    eventually(lambda: server.status.get("handledRefreshRequest") == "noon")
    assert len(anthropic.calls) == checks + 1
    assert claude.calls == []


def test_a_token_that_cannot_be_checked_is_believed_until_it_expires(
    server, start, fake, put, eventually
):
    put()
    server.put(credential(annotations={REQUEST: "noon"}))
    start(fake("ok"), HTTPS_PROXY="http://127.0.0.1:9")

    eventually(lambda: server.condition("Ready") == ("True", "TokenUnverified"))
    eventually(lambda: server.status.get("handledRefreshRequest") == "noon")


def test_another_credential_in_the_environment_asks_anthropic_nothing(
    server, start, fake, put, anthropic, eventually
):
    put()
    server.put(credential(annotations={REQUEST: "noon"}))
    start(fake("ok"), ANTHROPIC_API_KEY="sk-ant-api-1")

    eventually(lambda: server.status.get("handledRefreshRequest") == "noon")

    assert server.condition("Suspended") == ("True", "OtherCredential")
    assert anthropic.calls == []


def test_pods_are_annotated_without_a_secret(server, start, fake, put, eventually):
    server.pods["agent"] = {"metadata": {"name": "agent"}}
    put()
    server.put(credential(**PODS))
    start(fake("ok"))

    eventually(lambda: server.condition("Published") == ("True", "PodsAnnotated"))
    eventually(lambda: server.status.get("tokenRevision"))
    annotations = server.pods["agent"]["metadata"]["annotations"]
    assert annotations[REVISION] == server.status["tokenRevision"]
    assert server.secrets == {}


def test_a_pod_that_is_refused_is_a_condition_and_no_obstacle(
    server, start, fake, put, eventually
):
    for name in ("agent-1", "agent-2"):
        server.pods[name] = {"metadata": {"name": name}}
    server.script = lambda _, path: failure(403, "no") if "agent-1" in path else None
    put()
    server.put(credential(publish={"secretName": NAME, "annotatePods": True}))
    start(fake("ok"))

    eventually(lambda: server.condition("Published") == ("False", "PodsNotAnnotated"))
    assert server.condition("Ready") == ("False", "PodsNotAnnotated")
    assert "agent-1" in server.message("Ready")
    eventually(lambda: "annotations" in server.pods["agent-2"]["metadata"])
    assert server.secrets[NAME]["data"]


def test_a_secret_that_someone_else_made_is_left_alone_and_that_is_said(
    server, start, fake, put, eventually
):
    theirs = {"metadata": {"name": NAME, "uid": "u"}, "data": {"mine": "eA=="}}
    server.secrets[NAME] = theirs
    put()
    server.put(credential(**SECRET))
    start(fake("ok"))

    eventually(lambda: server.condition("Ready") == ("False", "PublishForbidden"))
    assert server.condition("Stalled") == ("True", "PublishForbidden")
    assert "creationPolicy to Merge" in server.message("Published")
    assert theirs["data"] == {"mine": "eA=="}

    server.put(credential(publish={"secretName": NAME, "creationPolicy": "Merge"}))
    eventually(lambda: server.condition("Ready") == READY)
    assert theirs["data"].keys() == {"mine", "access-token", "expires-at"}


def test_a_secret_that_is_deleted_is_made_again(server, start, fake, put, eventually):
    put()
    server.put(credential(**SECRET))
    start(fake("ok"))
    eventually(lambda: server.condition("Published") == PUBLISHED)

    del server.secrets[NAME]

    eventually(lambda: NAME in server.secrets)


def test_a_secret_that_is_immutable_says_why_it_is_not_written(
    server, start, fake, put, eventually
):
    text = "data: Forbidden: field is immutable when `immutable` is set"
    server.script = lambda _, path: failure(422, text) if "force=" in path else None
    put()
    server.put(credential(**SECRET))
    start(fake("ok"))
    eventually(lambda: NAME in server.secrets)
    put(access="access-2")

    eventually(lambda: server.condition("Ready") == ("False", "PublishFailed"))
    assert f"{text}; delete it" in server.message("Ready")
    assert server.condition("Stalled") == ("True", "PublishFailed")


def test_two_troubles_are_both_logged(server, start, fake, put, eventually):
    def script(_, path):
        if "/secrets/" in path:
            return failure(403, "secrets are forbidden")
        return failure(422, "events are not wanted") if "/events" in path else None

    server.script = script
    put()
    server.put(credential(**SECRET))
    operator = start(fake("ok"))

    eventually(lambda: "secrets are forbidden" in operator.log)
    eventually(lambda: "events are not wanted" in operator.log)
    eventually(lambda: server.condition("Ready") == ("False", "PublishForbidden"))


def test_a_crd_that_is_older_makes_no_false_events_and_is_reported_once(
    server, start, fake, put, eventually
):
    server.known_status = {"conditions", "expiresAt", "lastRefreshTime"}
    put(200)
    server.put(credential(**SECRET))
    claude = fake("ok")
    operator = start(claude)
    eventually(lambda: server.condition("Published") == PUBLISHED)
    eventually(lambda: "Refreshed" in server.reasons)
    looks = server.count("GET", "claudecredentials?fieldSelector")
    eventually(
        lambda: server.count("GET", "claudecredentials?fieldSelector") > looks + 4
    )

    eventually(lambda: "OutdatedCRD" in server.reasons)
    assert server.reasons.count("Refreshed") == 1
    assert server.reasons.count("OutdatedCRD") == 1
    assert operator.log.count("older than this refresher") == 1
    assert operator.stop() == 0

    told = len(server.reasons)
    second = start(claude)
    eventually(lambda: "OutdatedCRD" in server.reasons[told:])
    assert server.reasons[told:] == ["OutdatedCRD"]
    assert second.runs


def test_a_spec_of_a_newer_crd_is_reported_and_the_login_is_kept_fresh(
    server, start, fake, put, eventually
):
    put(200)
    server.put(credential(publish={"secretName": NAME, "creationPolicy": "Adopt"}))
    start(fake("ok"))

    eventually(lambda: refreshed(server))
    eventually(lambda: server.condition("Ready") == ("False", "InvalidSpec"))
    assert server.secrets == {}


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"last": 7}', "\0" * 100])
def test_a_history_that_cannot_be_read_is_reported_once(
    server, start, fake, put, volume, eventually, text
):
    (volume / ".refresher-state.json").write_text(text)
    put()
    server.put(credential())
    operator = start(fake("ok"))
    eventually(lambda: server.condition("Ready") == READY)
    generation = 1
    for generation in range(2, 8):  # each makes a look at the volume
        server.put(credential(suspend=generation % 2 == 0))
        eventually(lambda now=generation: server.status["observedGeneration"] == now)

    assert operator.ask("/healthz")[0] == 200
    assert operator.log.count("cannot be read") == 1
    assert (volume / ".refresher-state.json.unreadable").exists()


def test_no_object_and_no_line_of_the_log_holds_a_token(
    server, start, fake, put, eventually
):
    put(200, access="secret-access", refresh="secret-refresh")
    server.put(credential(**SECRET))
    operator = start(fake("unchanged"), LOG_LEVEL="debug")
    eventually(lambda: "RefreshFailed" in server.reasons)

    written = json.dumps([server.status, server.events, server.pods])
    for text in (written, operator.log, operator.ask("/metrics")[1]):
        assert "secret-access" not in text
        assert "secret-refresh" not in text
    assert "secret-refresh" not in json.dumps(server.secrets)
