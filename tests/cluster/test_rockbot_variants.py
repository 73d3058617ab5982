"""RockBot attached to beyond the plain case: what drops the sidecar, no Helm, a login."""

import contextlib
import os

import pytest

from installation import Installation
from kustomizations import ROOT, kustomization, sidecar_environ
from node import until
from oauth_standin import Standin
from rockbot_agent import (
    AGENT,
    ANSWERED,
    CHART,
    OVERLAY,
    agent,
    answers,
    attached,
    made_by_helm,
    memory,
    ready,
)
from shell import Shell, pasted

SHOWS = pasted("kubectl get deployment rockbot-agent ")
FORGET = pasted("kubectl annotate deployment rockbot-agent ")
BOTH = "claude-proxy http://127.0.0.1:8089/v1"


@pytest.fixture
def shell(namespace, tmp_path):
    return Shell(namespace, tmp_path)


def shown(shell):
    """The documented command's output: the init containers, and the agent's endpoint."""
    return shell.run(SHOWS).split("init-agent-data")[-1].strip()


def test_a_forced_replacement_drops_the_sidecar_and_the_documented_command_shows_it(
    namespace, helm, install, overlay, shell
):
    install("false")
    attached(namespace, overlay)
    assert shown(shell) == BOTH

    with contextlib.suppress(AssertionError):  # Helm cannot replace a bound claim
        helm("upgrade", "rockbot", CHART, "--force-replace", "--server-side=false")

    assert shown(shell) == ""
    attached(namespace, overlay)
    assert shown(shell) == BOTH


def test_a_chart_that_drops_its_own_variables_drops_ours_and_the_command_shows_it(
    namespace, helm, install, overlay, shell
):
    install("false", '--set-json=env=[{"name": "ITS_OWN", "value": "1"}]')
    attached(namespace, overlay)
    assert shown(shell) == BOTH

    helm("upgrade", "rockbot", CHART, "--reset-values", "--server-side=false")

    assert shown(shell) == "claude-proxy"
    attached(namespace, overlay)
    assert shown(shell) == BOTH


@pytest.fixture
def apply_chart(namespace, helm):
    """Apply the rendered chart client-side, as Argo CD does by default."""

    def run(*values):
        namespace.apply(helm("template", "rockbot", CHART, *values))

    return run


def without_the_record(objects):
    """The objects without kubectl's record of what it applied."""
    for one in objects.values():
        one["metadata"].get("annotations", {}).pop(RECORD, None)
    return objects


RECORD = "kubectl.kubernetes.io/last-applied-configuration"


def test_it_attaches_stays_and_detaches_where_rockbot_is_applied_client_side(
    namespace, apply_chart, overlay, shell
):
    apply_chart("--set=memory=160Mi")
    agent(namespace)
    before = without_the_record(made_by_helm(namespace))
    apply_chart()

    shell.run(FORGET)
    attached(namespace, overlay)
    apply_chart("--set=memory=160Mi")
    pod = agent(namespace)
    assert (memory(pod), ready(pod)) == ("160Mi", "2/2")
    assert answers(namespace, pod) == ANSWERED

    shell.run(FORGET)
    attached(namespace, overlay)
    assert shown(shell) == BOTH

    shell.run(FORGET)
    done = overlay.detach()

    assert done.returncode == 0, done.stderr
    assert ready(agent(namespace)) == "1/1"
    assert without_the_record(made_by_helm(namespace)) == before


def test_with_kubectls_record_a_second_attach_fails_until_rockbot_is_applied_anew(
    namespace, apply_chart, overlay, shell
):
    apply_chart()
    overlay.attach()
    assert "spec.selector: Required value" in overlay.attach().stderr

    namespace("delete", AGENT)
    apply_chart()
    shell.run(FORGET)
    attached(namespace, overlay)

    assert shown(shell) == BOTH
    shell.run(FORGET)
    assert overlay.detach().returncode == 0


def test_rendered_for_gitops_the_agent_has_the_sidecar_from_the_start(
    namespace, helm, overlay, anthropic, shell, tmp_path
):
    chart = tmp_path / "gitops/rockbot"
    chart.mkdir(parents=True)
    (chart / "rockbot.yaml").write_text(helm("template", "rockbot", CHART))
    (chart / "kustomization.yaml").write_text('{"resources": ["rockbot.yaml"]}')
    components = ("rockbot", "sidecar", "api-key")
    patch = sidecar_environ(
        "Deployment", "rockbot-agent", ANTHROPIC_API_BASE=anthropic.base_url
    )
    patch["metadata"]["namespace"] = namespace.namespace  # which the chart writes
    folder = kustomization(
        tmp_path / "gitops/over",
        os.path.relpath(chart.resolve(), ROOT),
        components=[f"kustomize/components/{name}" for name in components],
        patches=[patch],
    )

    namespace("apply", "--kustomize", folder)

    pod = agent(namespace)
    assert ready(pod) == "2/2"
    assert answers(namespace, pod) == ANSWERED
    again = namespace("apply", "--kustomize", folder)
    assert "deployment.apps/rockbot-agent unchanged" in again


def test_two_parts_of_one_field_manager_are_refused_as_the_documents_say(
    namespace, helm
):
    """Argo CD applies every Application as the same manager."""
    apply = ("apply", "--server-side", "--field-manager=argocd-controller")
    chart = helm("template", "rockbot", CHART)
    namespace(*apply, "--filename=-", data=chart)

    done = namespace.run(*apply, "--kustomize", str(ROOT / OVERLAY))

    assert done.returncode != 0
    assert "spec.selector: Required value" in done.stderr


@pytest.fixture
def login(namespace, outside, tmp_path):
    """overlays/max-secret in RockBot's namespace, with a login."""
    with Standin(tmp_path, outside) as standin:
        installation = Installation(namespace, standin, tmp_path)
        installation.apply("kustomize/overlays/max-secret")
        installation.started()
        installation.log_in()
        yield installation


def test_the_agent_uses_a_login_from_the_published_secret(namespace, install, login):
    install()

    login.apply(
        f"{OVERLAY}/agent",
        components=["kustomize/components/token-from-secret"],
        how=("--server-side", "--field-manager=claude-proxy"),
    )

    pod = agent(namespace)
    assert ready(pod) == "2/2"
    token = login.newest()
    until(lambda: token in {used for _, used in login.calls("rockbot-agent")})
    proxy = {one["name"]: one for one in pod["spec"]["initContainers"]}["claude-proxy"]
    volumes = {mount["name"] for mount in proxy["volumeMounts"]}
    assert "claude-access-token" in volumes
    assert "claude-credentials" not in volumes
