"""overlays/rockbot: the sidecar attached to an agent that Helm installed, and detached.

The chart in rockbot/ has the shape of RockBot's own; `helm` is the real one.
"""

import pytest

from rockbot_agent import (
    ANSWERED,
    CHART,
    agent,
    answers,
    attached,
    made_by_helm,
    memory,
    ready,
)

MODELS = {"claude-sonnet-4-6", "claude-haiku-4-5", "claude-opus-4-6"}

# Server-side apply is what Helm 4 does, client-side what Helm 3 did.
ways_of_helm = pytest.mark.parametrize("server_side", ["true", "false"])


@ways_of_helm
def test_it_attaches_and_stays_through_helms_upgrade_and_rollback(
    namespace, anthropic, helm, install, overlay, server_side
):
    install(server_side)
    attached(namespace, overlay)
    pod = agent(namespace)
    assert ready(pod) == "2/2"
    assert answers(namespace, pod) == ANSWERED

    upgraded = ("--reuse-values", "--set=memory=160Mi")
    how = f"--server-side={server_side}"
    helm("upgrade", "rockbot", CHART, *upgraded, how)

    pod = agent(namespace)
    assert memory(pod) == "160Mi"
    assert ready(pod) == "2/2"
    assert answers(namespace, pod) == ANSWERED

    helm("rollback", "rockbot", "1", how)

    pod = agent(namespace)
    assert memory(pod) == "128Mi"
    assert ready(pod) == "2/2"
    assert answers(namespace, pod) == ANSWERED
    asked = [one.body for one in anthropic.requests if one.path == "/v1/messages"]
    assert {body["model"] for body in asked} == MODELS


@ways_of_helm
def test_a_detach_leaves_what_helm_made_and_helm_removes_that(
    namespace, helm, install, overlay, server_side
):
    empty = made_by_helm(namespace)
    install(server_side)
    agent(namespace)
    before = made_by_helm(namespace)

    attached(namespace, overlay)
    assert made_by_helm(namespace) != before
    done = overlay.detach()

    assert done.returncode == 0, done.stderr
    assert ready(agent(namespace)) == "1/1"
    assert made_by_helm(namespace) == before

    helm("uninstall", "rockbot", "--wait")

    assert made_by_helm(namespace) == empty


def test_without_an_agent_it_is_refused_and_nothing_is_left(namespace, overlay):
    before = made_by_helm(namespace)

    done = overlay.attach()

    assert done.returncode != 0
    assert 'The Deployment "rockbot-agent" is invalid' in done.stderr
    assert made_by_helm(namespace) == before


def test_pod_security_warns_about_rockbots_containers_and_not_ours(
    namespace, install, overlay
):
    install()
    label = "pod-security.kubernetes.io/warn=restricted"
    namespace("label", "namespace", namespace.namespace, label)

    warnings = overlay.attach().stderr

    assert '"init-agent-data"' in warnings
    assert "claude-proxy" not in warnings
