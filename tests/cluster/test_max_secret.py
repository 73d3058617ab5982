"""overlays/max-secret: pods get the access token as a Secret; the refresh token stays.

Beside the overlay run a stand-in for RockBot with the sidecar, and a reader that has
nothing but the Secret. The CLI is the real one.
"""

import base64
import json
from contextlib import contextmanager

import pytest

from installation import REFRESHER, SECRET, instant, revision
from node import PATIENCE, until
from oauth_standin import Behaviour
from shell import Shell, pasted

EVERYBODY = ("agent", "neighbour")
CONSUMERS = {"agent", "claude-code-proxy", "reader"}
OVERLAY = "kustomize/overlays/max-secret"
ANNOTATION = "claude-proxy.internal/token-revision"


@pytest.fixture(scope="module")
def installed(empty_installation):
    """The overlay, its consumers, and only then the login: any order works."""
    installation = empty_installation
    installation.apply(OVERLAY)
    installation.apply("tests/cluster/reader")
    installation.with_agents("token-from-secret")
    installation.started()
    installation.log_in()
    installation.rolled_out("claude-code-proxy", "reader", *EVERYBODY)
    return installation


@pytest.fixture
def installation(installed):
    """The same, with a healthy login that everybody uses."""
    installed.standin.behaviour = Behaviour()
    token = revision(installed.log_in()["accessToken"])
    reaches_everybody(installed, token)
    installed.answered(*EVERYBODY)
    return installed


@pytest.fixture
def fast_sync(installation):
    """The same with the component, which is removed afterwards."""
    installation.apply(OVERLAY, components=["kustomize/components/fast-sync"])
    until(lambda: installation.condition("Published") == ("True", "TokenPublished"))
    until(lambda: set(annotations(installation)) == CONSUMERS)
    yield installation
    installation.apply(OVERLAY)


def seen(installation, token):
    """The reader's log line about a token, or None."""
    lines = map(
        json.loads, installation.kubectl("logs", "deployment/reader").splitlines()
    )
    return next((line for line in lines if line["token"] == token), None)


def reaches_everybody(installation, token, within=2 * PATIENCE):
    """Wait for it; returns when the reader, the agent's sidecar and the proxy had it."""
    line = until(
        lambda: seen(installation, token), within=within, what=installation.diagnosis
    )
    return line["time"], *(
        installation.uses(app, token, within=within)
        for app in ("agent", "claude-code-proxy")
    )


def annotations(installation):
    """The token revisions annotated on pods, by app."""
    return {
        pod["metadata"]["labels"]["app"]: pod["metadata"]["annotations"][ANNOTATION]
        for pod in installation.kubectl.json("get", "pods")["items"]
        if ANNOTATION in pod["metadata"].get("annotations", {})
    }


def published(installation, audit):
    """When the operator last wrote the Secret."""
    user = f"system:serviceaccount:{installation.kubectl.namespace}:claude-refresher"
    times = [
        instant(entry["stageTimestamp"])
        for entry in audit.entries(user)
        if (entry["verb"], entry["objectRef"]["resource"]) == ("patch", "secrets")
    ]
    return times[-1]


@contextmanager
def no_restart(installation):
    before = installation.restarts()
    yield
    assert installation.restarts() == before


def renews_and_reaches_everybody(installation, audit):
    """Renew while requests run, and print the seconds from the Secret to each pod."""
    with no_restart(installation), installation.nobody_notices(*EVERYBODY):
        token, seconds = installation.renewed()
        until(lambda: installation.condition("Published") == ("True", "TokenPublished"))
        times = reaches_everybody(installation, token)
        installation.uses_only(token, "agent", "claude-code-proxy")
        installation.answered(*EVERYBODY)

    wrote = published(installation, audit)
    took = ", ".join(f"{when - wrote:.1f}" for when in times)
    print(  # noqa: T201 - pytest -rP
        f"renewed in {seconds:.1f} s; seconds from the Secret to a mounted volume, a "
        f"sidecar and the proxy: {took}"
    )
    return token


def test_a_renewal_reaches_running_pods_by_the_secret_alone(installation, audit):
    token = renews_and_reaches_everybody(installation, audit)

    line = seen(installation, token)
    assert line["expires_at"] == installation.status["expiresAt"]
    assert installation.standin.ledger.reused == 0


def test_fast_sync_annotates_running_pods_with_a_renewal(fast_sync, audit):
    token = renews_and_reaches_everybody(fast_sync, audit)

    assert annotations(fast_sync) == dict.fromkeys(CONSUMERS, token)
    assert fast_sync.condition("Published") == ("True", "TokenPublished")


def test_a_secret_edited_by_hand_is_mended_by_the_documented_command(installation):
    kubectl = installation.kubectl
    right = kubectl.json("get", "secret", SECRET)["data"]
    edited = json.dumps({"stringData": {"access-token": "edited"}})
    kubectl("patch", "secret", SECRET, f"--patch={edited}")
    assert kubectl.json("get", "secret", SECRET)["data"] != right

    Shell(kubectl, installation.directory).run(
        pasted("kubectl annotate --overwrite claudecredential ")
    )

    until(lambda: kubectl.json("get", "secret", SECRET)["data"] == right)
    reaches_everybody(installation, installation.newest())


def test_the_refresh_token_is_nowhere_but_on_the_volume(installation):
    before = installation.log_in()
    token, _ = installation.renewed()
    reaches_everybody(installation, token)
    file = installation.in_refresher("cat", "/var/lib/claude/.credentials.json")
    now = json.loads(file)["claudeAiOauth"]
    assert revision(now["accessToken"]) == token
    spent = [call["refresh_token"] for call in installation.standin.token_calls()]
    refresh_tokens = {before["refreshToken"], now["refreshToken"], *spent}

    secret = installation.kubectl.json("get", "secret", SECRET)["data"]
    assert {key: base64.b64decode(secret[key]).decode() for key in secret} == {
        "access-token": now["accessToken"],
        "expires-at": installation.status["expiresAt"],
    }
    everything = everything_visible(installation)
    assert len(everything) > 100_000
    for one in refresh_tokens:
        assert one not in everything
    assert everything.count(now["accessToken"]) == 1  # the Secret


def everything_visible(installation):
    """All objects of the namespace, with Secrets decoded, and all logs."""
    kinds = installation.kubectl(
        "api-resources", "--namespaced", "--verbs=list", "--output=name"
    ).split()
    objects = installation.kubectl.json("get", ",".join(kinds), "--show-managed-fields")
    texts = [json.dumps(objects)]
    for one in objects["items"]:
        if one["kind"] == "Secret":
            texts += [base64.b64decode(data).decode() for data in one["data"].values()]
        if one["kind"] == "Pod":
            name = one["metadata"]["name"]
            texts.append(installation.kubectl("logs", name, "--all-containers"))
    assert any(REFRESHER in text for text in texts)
    return "\n".join(texts)
