"""One API call: whatever comes back is the object that was asked for, or an error."""

import pytest

from logins import LONG
from logins import credential as token
from refresher.operator import api
from refresher.operator.api import ClusterError
from refresher.operator.cluster import Cluster, ForeignSecretError
from refresher.operator.events import Event
from refresher.operator.resource import (
    Absent,
    ClaudeCredential,
    CredentialStatus,
    Publish,
)
from tests.refresher.operator.api_server import CORE, Response, credential, failure
from tests.refresher.operator.nonsense import NONSENSE

TOKEN = token(left=3600, access="sk-access", refresh="sk-refresh")
OWNER = ClaudeCredential(name="claude", namespace="here", uid="1", generation=1)
OURS = Publish(secret_name="claude-access-token")
THEIRS = Publish(secret_name="claude-access-token", creation_policy="Merge")
EVENT = Event("Normal", "Refreshed", "well")

CALLS = {
    "find": lambda cluster: cluster.find(),
    "status": lambda cluster: cluster.write_status({"refreshes": 1}),
    "publish": lambda cluster: cluster.publish(OURS, OWNER, TOKEN),
    "merge": lambda cluster: cluster.publish(THEIRS, OWNER, TOKEN),
    "pods": lambda cluster: cluster.annotate_pods("abc", 1.0),
    "event": lambda cluster: cluster.create_event(OWNER, EVENT, TOKEN.expires_at),
}


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(api, "_TIMEOUT", (0.2, 0.2))
    monkeypatch.setattr(api, "DEADLINE", 0.2)


@pytest.mark.parametrize("kind", NONSENSE)
@pytest.mark.parametrize("call", CALLS)
def test_nonsense_is_an_error_in_words_and_never_a_crash(
    server, cluster, impatient, call, kind
):
    server.script = lambda *_: NONSENSE[kind]

    with pytest.raises(ClusterError) as told:
        CALLS[call](cluster)

    assert str(told.value)
    assert len(str(told.value)) < 500
    assert "sk-" not in str(told.value)


def test_a_failed_call_is_made_once(server, cluster):
    server.script = lambda *_: Response(0)

    with pytest.raises(ClusterError, match=r"\((ProtocolError|RemoteDisconnected)\)$"):
        cluster.find()

    assert len(server.requests) == 1


def test_a_redirect_is_not_followed(server, cluster):
    server.script = lambda *_: Response(307, b"", {"location": f"{server.url}/other"})

    with pytest.raises(ClusterError, match="HTTP 307"):
        cluster.find()

    assert server.count("GET", "/other") == 0


def test_the_clis_proxy_is_not_the_way_to_the_api_server(server, monkeypatch, cluster):
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens

    assert isinstance(cluster.find(), Absent)


def test_an_error_says_what_the_api_server_says(server, cluster):
    server.script = lambda *_: failure(422, "data: field is\nimmutable")

    with pytest.raises(ClusterError, match="data: field is immutable"):
        cluster.publish(THEIRS, OWNER, TOKEN)


@pytest.mark.parametrize("secret", ["sk-access", "c2stYWNjZXNz"])
def test_an_error_that_repeats_the_token_is_not_passed_on(server, cluster, secret):
    server.script = lambda *_: failure(422, f"invalid value: {secret}")

    with pytest.raises(ClusterError) as told:
        cluster.publish(THEIRS, OWNER, TOKEN)

    assert str(told.value).endswith("HTTP 422")


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("soon", None), ("-1", None), ("1e9", None)]
)
def test_a_wait_that_is_asked_for_is_a_part_of_the_error(
    server, cluster, header, seconds
):
    server.script = lambda *_: failure(429, retry_after=header)

    with pytest.raises(ClusterError) as told:
        cluster.find()

    assert told.value.retry_after == seconds


def test_a_credential_is_found_by_its_name(server, cluster):
    server.put(credential(suspend=True))

    found = cluster.find()

    assert found.spec.suspend
    assert found.status == CredentialStatus()


def test_only_a_list_of_them_says_that_there_is_none(server, cluster):
    assert cluster.find() == Absent(
        "there is no ClaudeCredential claude in the namespace here"
    )


def test_only_the_list_of_all_api_groups_says_that_there_is_no_crd(server, cluster):
    server.has_crd = False
    assert cluster.find() == Absent(
        "the CRD claudecredentials.claude-proxy.internal is not installed; a cluster "
        "admin applies manifests/crd",
        has_crd=False,
    )

    server.has_crd = True
    server.script = lambda _, path: Response(404) if "claudecred" in path else None
    with pytest.raises(ClusterError):
        cluster.find()


def test_the_fields_that_a_crd_drops_are_named(server, cluster):
    server.put(credential())
    server.known_status = {"expiresAt"}

    dropped = cluster.write_status({"expiresAt": "now", "refreshes": 1, "next": None})

    assert dropped == ["refreshes"]


def test_a_secret_is_created_where_there_is_none_and_kept_up_to_date(server, cluster):
    cluster.publish(OURS, OWNER, TOKEN)
    first = server.secrets["claude-access-token"]["metadata"]
    assert first["ownerReferences"]

    other = token(left=7200, access="sk-other")
    cluster.publish(OURS, OWNER, other)

    [force] = [path for _, path in server.requests if "force=true" in path]
    assert "/secrets/claude-access-token" in force
    assert (
        server.secrets["claude-access-token"]["metadata"]["annotations"][
            "claude-proxy.internal/token-revision"
        ]
        == other.revision
    )


def test_a_secret_that_someone_else_made_is_not_touched(server, cluster):
    theirs = {
        "metadata": {"name": "claude-access-token", "uid": "u"},
        "data": {"a": ""},
    }
    server.secrets["claude-access-token"] = theirs

    with pytest.raises(ForeignSecretError, match="creationPolicy to Merge"):
        cluster.publish(OURS, OWNER, TOKEN)
    assert theirs["data"] == {"a": ""}

    cluster.publish(THEIRS, OWNER, TOKEN)
    assert theirs["data"].keys() == {"a", "access-token", "expires-at"}
    assert "ownerReferences" not in theirs["metadata"]


def pods(server, count, **metadata):
    for number in range(count):
        name = f"agent-{number}"
        server.pods[name] = {"metadata": {"name": name, **metadata}}


def revision(server, name):
    annotations = server.pods[name]["metadata"].get("annotations", {})
    return annotations.get("claude-proxy.internal/token-revision")


def test_a_pod_that_is_refused_does_not_keep_the_others_from_their_annotation(
    server, cluster
):
    pods(server, 3)
    server.script = lambda _, path: (
        failure(403, "not that one") if "agent-0" in path else None
    )

    done = cluster.annotate_pods("abc", LONG)

    assert (done.new, done.more, len(done.refused)) == (2, False, 1)
    assert [revision(server, f"agent-{n}") for n in range(3)] == [None, "abc", "abc"]


def test_where_there_are_no_pods_there_is_nothing_to_do(server, cluster):
    """A real API server writes an empty list of metadata as null."""
    assert server.respond("GET", f"{CORE}/pods", None, {"limit": "1"}).body == (
        b'{"kind": "PodList", "metadata": {}, "items": null}'
    )
    assert cluster.annotate_pods("abc", 5.0) == (0, False, [])


def test_a_pod_that_ends_meanwhile_is_no_error(server, cluster):
    pods(server, 1, deletionTimestamp="now")
    server.pods["gone"] = {"metadata": {"name": "gone"}}
    server.script = lambda _, path: failure(404) if "gone" in path else None

    assert cluster.annotate_pods("abc", LONG).refused == []


def test_ten_thousand_pods_are_annotated_a_few_seconds_at_a_time(server, cluster):
    pods(server, 10_000)

    done = cluster.annotate_pods("abc", 0.3)
    assert done.more
    assert 0 < done.new < 10_000

    for pod in server.pods.values():
        pod["metadata"]["annotations"] = {"claude-proxy.internal/token-revision": "abc"}
    before = server.count("GET", "/pods?")
    assert cluster.annotate_pods("abc", LONG) == (0, False, [])
    assert server.count("GET", "/pods?") - before == 20  # pages


def test_nothing_is_asked_for_but_names_and_annotations(server, cluster):
    assert isinstance(cluster, Cluster)
    cluster.publish(OURS, OWNER, TOKEN)
    pods(server, 1)
    cluster.annotate_pods("abc", LONG)

    accepted = {kind for path, kind in server.accepted if "/api/v1/" in path}
    assert all("as=PartialObjectMetadata" in kind for kind in accepted)
