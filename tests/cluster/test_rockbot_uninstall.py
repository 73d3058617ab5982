"""`helm uninstall` of RockBot, whose chart makes its namespace: what becomes of a login.

The release is kept in one namespace and installs into another, as RockBot's README does.
"""

import json
import secrets
import shutil
from contextlib import contextmanager

import pytest

from installation import Installation
from node import PATIENCE, rolled_out, running, until
from oauth_standin import Standin
from rockbot_agent import AGENT, CHART, SELECTOR
from shell import KUBERNETES, yaml_blocks

REQUEST = "claude-proxy.internal/refresh-requested-at"
OVERLAY = "kustomize/overlays/max-secret"


@pytest.fixture
def rockbot(kubectl):
    """`kubectl` in the namespace that RockBot's chart makes, which goes at the end."""
    there = kubectl.within(f"rockbot-{secrets.token_hex(3)}")
    yield there
    kubectl(
        "delete", "namespace", there.namespace, "--ignore-not-found", "--wait=false"
    )


@pytest.fixture
def install_into(helm):
    """Install or upgrade the release `rockbot` so that it makes a namespace."""

    def run(kubectl, chart=CHART, **values):
        values = {"namespace": kubectl.namespace, **values}
        settings = [f"--set={name}={value}" for name, value in values.items()]
        helm("upgrade", "--install", "rockbot", str(chart), *settings)

    return run


@contextmanager
def login(kubectl, host, directory):
    """overlays/max-secret in a namespace, with a login."""
    with Standin(directory, host) as standin:
        installation = Installation(kubectl, standin, directory)
        installation.apply(OVERLAY)
        installation.started()
        installation.becomes_healthy()
        yield installation


def still_works(installation):
    """Have the access token refused, and wait until the same login has renewed it."""
    before = installation.newest()
    installation.standin.ledger.revoke(installation.standin.ledger.newest)
    installation.kubectl("annotate", "claudecredential", "claude", f"{REQUEST}=now")
    until(
        lambda: installation.status["tokenRevision"] != before,
        within=2 * PATIENCE,
        what=installation.diagnosis,
    )
    installation.becomes("Ready", "True", "TokenValid")


def documented():
    """The annotation that keeps the namespace."""
    [block] = [
        one for one in yaml_blocks(KUBERNETES, "metadata") if one.keys() == {"metadata"}
    ]
    return block["metadata"]["annotations"]


def is_gone(kubectl, namespace):
    return not kubectl.run("get", "namespace", namespace).stdout


def test_the_namespace_goes_with_all_that_is_in_it_even_if_it_is_annotated(
    kubectl, rockbot, helm, install_into
):
    install_into(rockbot)
    rockbot("create", "configmap", "not-of-rockbot")
    words = [f"{name}={value}" for name, value in documented().items()]
    kubectl("annotate", "namespace", rockbot.namespace, *words)

    helm("uninstall", "rockbot")

    until(lambda: is_gone(kubectl, rockbot.namespace), within=3 * PATIENCE)


def test_a_login_in_a_namespace_of_its_own_outlives_rockbot(
    namespace, kubectl, rockbot, helm, install_into, outside, tmp_path
):
    with login(namespace, outside, tmp_path) as installation:
        values = {
            "llm.endpoint": f"http://claude-code-proxy.{namespace.namespace}/v1",
            "llm.apiKey": "k",
        }
        install_into(rockbot, **values)
        rolled_out(rockbot, AGENT)
        until(lambda: "Balanced stop" in rockbot("logs", AGENT, "--container=agent"))

        helm("uninstall", "rockbot")
        until(lambda: is_gone(kubectl, rockbot.namespace), within=3 * PATIENCE)

        still_works(installation)


def test_a_namespace_that_the_chart_keeps_keeps_its_login(
    rockbot, helm, install_into, outside, tmp_path
):
    install_into(rockbot)
    with login(rockbot, outside, tmp_path) as installation:
        chart = tmp_path / "rockbot"
        shutil.copytree(CHART, chart)
        template = chart / "templates/namespace.yaml"
        annotated = f"metadata:\n  annotations: {json.dumps(documented())}\n"
        template.write_text(template.read_text().replace("metadata:\n", annotated))
        install_into(rockbot, chart)

        said = helm("uninstall", "rockbot")

        assert f"[Namespace] {rockbot.namespace}" in said
        until(lambda: not running(rockbot, SELECTOR))
        still_works(installation)
