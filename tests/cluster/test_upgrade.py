"""From the original proxy to overlays/max-pvc, in place and without downtime."""

import json
import time

import pytest

import longhorn
import oauth_standin
from callers import Load
from kustomizations import (
    ROOT,
    kustomization,
    make_authority,
    make_inbound_key,
    proxy_environ,
    refresher_at,
)
from node import rolled_out, until

ORIGINAL = str(ROOT / "tests/cluster/original")
UPGRADE = "tests/manifests/users/upgrade"
DEPLOYMENT = "deployment/claude-code-proxy"
PVC = "pvc/claude-credentials"
SOON = 200.0
"""Seconds that a file says are left of a token's life: due for renewal."""


@pytest.fixture
def volume(namespace, tmp_path):
    """The directory of the node behind the original's volume."""
    directory = tmp_path / "volume"
    directory.mkdir(mode=0o755)
    longhorn.install_driver(namespace)
    *_, persistent = objects = longhorn.volume(namespace, directory)
    namespace.apply(*objects)
    yield directory
    names = ("storageclass/longhorn", f"pv/{persistent['metadata']['name']}")
    namespace("delete", *names, "--ignore-not-found", "--wait=false")


@pytest.fixture
def standin(tmp_path, outside):
    with oauth_standin.Standin(tmp_path, outside) as running:
        yield running


@pytest.fixture
def original(namespace, volume, standin):
    """The original, running, with a login as `kubectl cp` through busybox left it."""
    login = volume / ".credentials.json"
    login.write_text(json.dumps(standin.login(access_left=3600)))
    login.chmod(0o600)
    namespace("apply", "--kustomize", ORIGINAL)
    rolled_out(namespace, DEPLOYMENT)
    return login


@pytest.fixture
def upgrade(namespace, standin, tmp_path):
    """The documented kustomization, against the stand-in."""
    make_inbound_key(namespace)
    make_authority(namespace, standin.ca_file.read_text())
    return kustomization(
        tmp_path / "k",
        UPGRADE,
        patches=[
            proxy_environ(ANTHROPIC_API_BASE=standin.url),
            refresher_at(standin),
        ],
    )


def test_an_upgrade_in_place_keeps_everything_and_serves_throughout(
    namespace, original, upgrade, standin
):
    kept = [uid(namespace, name) for name in (PVC, "service/claude-code-proxy")]
    old = token(original)
    load = Load(namespace)
    load.goes_on()
    falls_due(original)

    namespace("apply", "--kustomize", upgrade)
    rolled_out(namespace, DEPLOYMENT)
    namespace.wait("claudecredential/claude", "jsonpath={.status.refreshes}=1")
    until(lambda: standin.calls[-1].get("access_token") == token(original))
    answers = load.goes_on()

    assert set(answers) == {"200"}
    names = (PVC, "service/claude-code-proxy")
    assert [uid(namespace, name) for name in names] == kept
    assert token(original) != old
    assert len(standin.token_calls()) == 1
    assert original.stat().st_uid == 10001


def test_nothing_of_the_originals_deployment_is_left(namespace, original, upgrade):
    ours = ("--kustomize", upgrade, "--selector=app=claude-code-proxy")
    namespace("apply", *ours)

    upgraded = namespace.json("get", DEPLOYMENT)["spec"]

    elsewhere = namespace.within("default")
    assert upgraded == elsewhere.json("apply", *ours, "--dry-run=server")["spec"]


def falls_due(login):
    """Let the file say that the token expires soon, however long the test took so far."""
    whole = json.loads(login.read_text())
    whole["claudeAiOauth"]["expiresAt"] = int((time.time() + SOON) * 1000)
    login.write_text(json.dumps(whole))


def uid(namespace, name):
    return namespace.json("get", name)["metadata"]["uid"]


def token(login):
    return json.loads(login.read_text())["claudeAiOauth"]["accessToken"]
