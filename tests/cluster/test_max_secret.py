"""The access token goes to the pods as a Secret, the refresh token stays on the volume.

The overlay max-secret, and beside it a stand-in for RockBot with the sidecar, and a
reader that has nothing but the Secret. The CLI is the real one.
"""

import base64
import json
from contextlib import contextmanager

import pytest

from node import until
from oauth_standin import Behaviour
from stage import REFRESHER, SECRET, instant, revision

EVERYBODY = ("agent", "neighbour")
CONSUMERS = {"agent", "claude-code-proxy", "reader"}
OVERLAY = "kustomize/overlays/max-secret"
ANNOTATION = "claude-proxy.internal/token-revision"


@pytest.fixture(scope="module")
def day(empty_stage):
    """The overlay, who uses it, and then the login: nobody has to wait for another."""
    stage = empty_stage
    stage.apply(OVERLAY)
    stage.apply("tests/cluster/reader")
    stage.with_agents("token-from-secret")
    stage.started()
    stage.log_in()
    stage.rolled_out("claude-code-proxy", "reader", *EVERYBODY)
    return stage


@pytest.fixture
def stage(day):
    """The same with a login that is well and that everybody has."""
    day.standin.behaviour = Behaviour()
    token = revision(day.log_in()["accessToken"])
    reaches_everybody(day, token)
    day.answered(*EVERYBODY)
    return day


@pytest.fixture
def fast_sync(stage):
    """The same with the component, which is taken off again."""
    stage.apply(OVERLAY, components=["kustomize/components/fast-sync"])
    until(lambda: stage.condition("Published") == ("True", "TokenPublished"))
    until(lambda: set(annotations(stage)) == CONSUMERS)
    yield stage
    stage.apply(OVERLAY)


def seen(stage, token):
    """When the reader saw a token first, or None."""
    lines = map(json.loads, stage.kubectl("logs", "deployment/reader").splitlines())
    return next((line for line in lines if line["token"] == token), None)


def reaches_everybody(stage, token, within=150):
    """Wait for it; gives when the reader, the agent's sidecar and the proxy had it."""
    line = until(lambda: seen(stage, token), within=within, what=stage.told)
    return line["time"], *(
        stage.uses(app, token, within=within) for app in ("agent", "claude-code-proxy")
    )


def annotations(stage):
    """The tokens that pods were told of, by app."""
    return {
        pod["metadata"]["labels"]["app"]: pod["metadata"]["annotations"][ANNOTATION]
        for pod in stage.kubectl.json("get", "pods")["items"]
        if ANNOTATION in pod["metadata"].get("annotations", {})
    }


def published(stage, audit):
    """When the operator wrote the Secret last."""
    user = f"system:serviceaccount:{stage.kubectl.namespace}:claude-refresher"
    times = [
        instant(entry["stageTimestamp"])
        for entry in audit.entries(user)
        if (entry["verb"], entry["objectRef"]["resource"]) == ("patch", "secrets")
    ]
    return times[-1]


@contextmanager
def no_restart(stage):
    lives = stage.lives()
    yield
    assert stage.lives() == lives


def renews_and_reaches_everybody(stage, audit):
    """Renew while requests run; gives the seconds from the Secret to each."""
    with no_restart(stage), stage.nobody_notices(*EVERYBODY):
        token, seconds = stage.renewed()
        until(lambda: stage.condition("Published") == ("True", "TokenPublished"))
        times = reaches_everybody(stage, token)
        stage.uses_only(token, "agent", "claude-code-proxy")
        stage.answered(*EVERYBODY)

    wrote = published(stage, audit)
    took = ", ".join(f"{when - wrote:.1f}" for when in times)
    print(  # noqa: T201 - pytest -rP
        f"renewed in {seconds:.1f} s; seconds from the Secret to a mounted volume, a "
        f"sidecar and the proxy: {took}"
    )
    return token


def test_a_renewal_reaches_running_pods_by_the_secret_alone(stage, audit):
    token = renews_and_reaches_everybody(stage, audit)

    line = seen(stage, token)
    assert line["expires_at"] == stage.status["expiresAt"]
    assert stage.standin.ledger.reused == 0


def test_with_fast_sync_running_pods_are_told_of_a_renewal(fast_sync, audit):
    token = renews_and_reaches_everybody(fast_sync, audit)

    assert annotations(fast_sync) == dict.fromkeys(CONSUMERS, token)
    assert fast_sync.condition("Published") == ("True", "TokenPublished")


def test_the_refresh_token_is_nowhere_but_on_the_volume(stage):
    before = stage.log_in()
    token, _ = stage.renewed()
    reaches_everybody(stage, token)
    file = stage.in_refresher("cat", "/var/lib/claude/.credentials.json")
    now = json.loads(file)["claudeAiOauth"]
    assert revision(now["accessToken"]) == token
    spent = [call["refresh_token"] for call in stage.standin.token_calls()]
    refresh_tokens = {before["refreshToken"], now["refreshToken"], *spent}

    secret = stage.kubectl.json("get", "secret", SECRET)["data"]
    assert {key: base64.b64decode(secret[key]).decode() for key in secret} == {
        "access-token": now["accessToken"],
        "expires-at": stage.status["expiresAt"],
    }
    everything = everything_told(stage)
    assert len(everything) > 100_000  # it was not empty
    for one in refresh_tokens:
        assert one not in everything
    assert everything.count(now["accessToken"]) == 1  # the Secret


def everything_told(stage):
    """All objects of the namespace, the Secrets decoded, and all logs."""
    kinds = stage.kubectl(
        "api-resources", "--namespaced", "--verbs=list", "--output=name"
    ).split()
    objects = stage.kubectl.json("get", ",".join(kinds), "--show-managed-fields")
    texts = [json.dumps(objects)]
    for one in objects["items"]:
        if one["kind"] == "Secret":
            texts += [base64.b64decode(data).decode() for data in one["data"].values()]
        if one["kind"] == "Pod":
            name = one["metadata"]["name"]
            texts.append(stage.kubectl("logs", name, "--all-containers"))
    assert any(REFRESHER in text for text in texts)
    return "\n".join(texts)
