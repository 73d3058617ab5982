"""The components find the pods they are for: kustomize is silent if they find none."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rendered import OURS, ROOT, Pod, Render, Rendered

COMPONENTS = "kustomize/components"
PLAIN_KINDS = ["Deployment", "StatefulSet", "DaemonSet"]
JOB_KINDS = ["Job", "CronJob", "ScaledJob"]
CREDENTIALS = ["api-key", "token-from-pvc", "token-from-secret", "workload-identity"]
INJECT = "claude-proxy.internal/inject"
CONSUMER = "claude-proxy.internal/consumer"

Build = Callable[[list[dict[str, Any]], list[str]], Rendered]


@pytest.fixture
def build(render: Render, tmp_path: Path) -> Build:
    """Render a user's own workloads with these components."""

    def build(workloads: list[dict[str, Any]], components: list[str]) -> Rendered:
        folder = Path(tempfile.mkdtemp(dir=tmp_path)).resolve()
        (folder / "workloads.yaml").write_text(yaml.safe_dump_all(workloads))
        ours = os.path.relpath(ROOT / COMPONENTS, folder)
        kustomization = {
            "resources": ["workloads.yaml"],
            "components": [f"{ours}/{name}" for name in components],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return render(folder)

    return build


def workload(kind: str, *, labelled: bool = True, **pod: Any) -> dict[str, Any]:
    """A user's workload with one container, which is not ours."""
    spec = {"containers": [{"name": "app", "image": "app"}], **pod}
    template: dict[str, Any] = {"metadata": {"labels": {"app": "app"}}, "spec": spec}
    match kind:
        case "CronJob":
            spec = {"jobTemplate": {"spec": {"template": template}}}
        case "ScaledJob":
            spec = {"jobTargetRef": {"template": template}}
        case _:
            spec = {"template": template}
    group = {"CronJob": "batch/v1", "Job": "batch/v1", "ScaledJob": "keda.sh/v1alpha1"}
    labels = {"labels": {INJECT: "true"}} if labelled else {}
    return {
        "apiVersion": group.get(kind, "apps/v1"),
        "kind": kind,
        "metadata": {"name": "app", **labels},
        "spec": spec,
    }


def sidecar_for(kind: str) -> str:
    return "sidecar" if kind in PLAIN_KINDS else "sidecar-job"


def sidecar(pod: Pod) -> dict[str, Any]:
    return pod.container("claude-proxy")


def env(container: dict[str, Any]) -> dict[str, Any]:
    return {
        one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]
    }


@pytest.mark.parametrize("kind", PLAIN_KINDS + JOB_KINDS)
def test_a_labelled_workload_gets_a_native_sidecar(build: Build, kind: str) -> None:
    (pod,) = build([workload(kind)], [sidecar_for(kind), "api-key"]).pods()

    assert sidecar(pod) in pod.spec["initContainers"]
    assert sidecar(pod)["restartPolicy"] == "Always"
    assert env(sidecar(pod))["HOST"] == "127.0.0.1"
    assert pod.spec["containers"] == [{"name": "app", "image": "app"}]


@pytest.mark.parametrize("kind", PLAIN_KINDS + JOB_KINDS)
@pytest.mark.parametrize(
    ("component", "variable", "volume"),
    [
        ("api-key", "ANTHROPIC_API_KEY", None),
        ("inbound-key", "PROXY_API_KEY", None),
        ("token-from-pvc", "CLAUDE_CREDENTIALS_PATH", "persistentVolumeClaim"),
        ("token-from-secret", "CLAUDE_CREDENTIALS_PATH", "secret"),
        ("workload-identity", "ANTHROPIC_IDENTITY_TOKEN_FILE", "projected"),
    ],
)
def test_a_credential_reaches_the_sidecar_and_nothing_else(
    build: Build, kind: str, component: str, variable: str, volume: str | None
) -> None:
    (pod,) = build([workload(kind)], [sidecar_for(kind), component]).pods()

    assert variable in env(sidecar(pod))
    added = [one for one in pod.spec["volumes"] if "emptyDir" not in one]
    assert [set(one) for one in added] == ([{"name", volume}] if volume else [])
    for one in added:
        (mount,) = (m for m in sidecar(pod)["volumeMounts"] if m["name"] == one["name"])
        assert mount["readOnly"] is True
        path = env(sidecar(pod))[variable]
        assert Path(path).parent == Path(mount["mountPath"])
    assert pod.spec["containers"] == [{"name": "app", "image": "app"}]


@pytest.mark.parametrize("kind", PLAIN_KINDS + JOB_KINDS)
@pytest.mark.parametrize(
    "component",
    ["sidecar", "sidecar-job", *CREDENTIALS, "inbound-key"],
)
def test_a_workload_without_the_label_stays_as_it_is(
    build: Build, kind: str, component: str
) -> None:
    plain = workload(kind, labelled=False)

    assert build([plain], [component]) == [plain]


def test_a_workload_keeps_what_is_its_own(render: Render) -> None:
    objects = render("tests/manifests/users/own-deployment")
    pod, other = objects.pod("Deployment/agent"), objects.pod("Deployment/other")

    names = [one["name"] for one in pod.spec["initContainers"]]
    assert sorted(names) == ["claude-proxy", "prepare"]
    assert pod.container("agent")["volumeMounts"] == [
        {"name": "data", "mountPath": "/data"}
    ]
    assert pod.volume("data")["emptyDir"] == {}
    assert pod.spec["securityContext"] == {"fsGroup": 2000}
    assert {one["name"] for one in other.containers()} == {"other"}


@pytest.mark.parametrize("component", ["token-from-pvc", "token-from-secret"])
def test_readers_of_the_refreshers_token_are_labelled_as_consumers(
    build: Build, component: str
) -> None:
    for kind in ["Deployment", "Job", "CronJob"]:
        (pod,) = build([workload(kind)], [sidecar_for(kind), component]).pods()

        assert pod.labels == {"app": "app", CONSUMER: "true"}


def test_the_sidecar_is_the_same_in_every_kind(build: Build) -> None:
    kinds = ["Deployment", *JOB_KINDS]
    sidecars, volumes = [], []
    for kind in kinds:
        (pod,) = build([workload(kind)], [sidecar_for(kind)]).pods()
        sidecars.append(sidecar(pod))
        volumes.append(pod.spec["volumes"])

    # In pods that never restart, a hook delays the work instead of a probe.
    gates = {"startupProbe", "lifecycle"}
    assert [set(one) & gates for one in sidecars] == [
        {"startupProbe"},
        *[{"lifecycle"}] * len(JOB_KINDS),
    ]
    assert [one.get("lifecycle") for one in sidecars[2:]] == [
        sidecars[1]["lifecycle"]
    ] * 2
    rest = [{k: v for k, v in one.items() if k not in gates} for one in sidecars]
    assert rest == [rest[0]] * len(kinds)
    assert volumes == [volumes[0]] * len(kinds)


@pytest.mark.parametrize(
    "own",
    [
        {"initContainers": [{"name": "prepare", "image": "app"}]},
        {"volumes": [{"name": "data", "emptyDir": {}}]},
    ],
    ids=["init containers", "volumes"],
)
def test_a_scaled_jobs_own_lists_are_refused_rather_than_lost(
    build: Build, own: dict[str, Any]
) -> None:
    with pytest.raises(RuntimeError, match=next(iter(own))):
        build([workload("ScaledJob", **own)], ["sidecar-job", "api-key"])


@pytest.mark.parametrize("first", ["sidecar", "token-from-pvc"])
def test_the_order_of_components_does_not_matter(build: Build, first: str) -> None:
    names = sorted(["sidecar", "token-from-pvc"], key=lambda name: name != first)
    (pod,) = build([workload("Deployment")], names).pods()

    assert sidecar(pod)["image"] == "claude-code-proxy"
    assert "CLAUDE_CREDENTIALS_PATH" in env(sidecar(pod))


def test_our_own_deployment_gets_a_credential_without_the_label(render: Render) -> None:
    for overlay in ("api-key", "workload-identity", "max-pvc", "max-secret"):
        pod = render(f"kustomize/overlays/{overlay}").pod(
            "Deployment/claude-code-proxy"
        )

        assert {one["name"] for one in pod.containers()} & OURS == {"proxy"}
        assert env(pod.container("proxy")).keys() & {
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_IDENTITY_TOKEN_FILE",
            "CLAUDE_CREDENTIALS_PATH",
        }


@pytest.mark.parametrize("kind", PLAIN_KINDS + JOB_KINDS)
def test_inject_all_injects_into_a_workload_without_the_label(
    build: Build, kind: str
) -> None:
    plain = workload(kind, labelled=False)
    components = ["inject-all", sidecar_for(kind), "api-key", "pull-secret"]

    (pod,) = build([plain], components).pods()

    assert "ANTHROPIC_API_KEY" in env(sidecar(pod))
    assert pod.spec["imagePullSecrets"] == [{"name": "claude-registry"}]


def test_inject_all_leaves_the_proxy_and_the_refresher_alone(build: Build) -> None:
    ours = [
        workload(kind, labelled=False) | {"metadata": {"name": name}}
        for kind, name in (
            ("Deployment", "claude-code-proxy"),
            ("StatefulSet", "claude-refresher"),
            ("CronJob", "claude-refresher"),
        )
    ]

    made = build(ours, ["inject-all", "sidecar", "sidecar-job"])

    assert [pod.ours() for pod in made.pods()] == [[], [], []]
    assert [one["metadata"].get("labels", {}) for one in made] == [{}, {}, {}]


def test_a_label_of_the_same_kustomization_comes_too_late_and_of_a_base_does_not(
    render: Render, tmp_path: Path
) -> None:
    label = [{"pairs": {INJECT: "true"}}]
    ours = os.path.relpath(ROOT / COMPONENTS, tmp_path.resolve() / "same")
    components = {"components": [f"{ours}/sidecar", f"{ours}/api-key"]}
    plain = [workload("Deployment", labelled=False)]
    base = {"resources": ["workloads.yaml"], "labels": label}
    for folder, kustomization in {
        "same": base | components,
        "base": base,
        "over": {"resources": ["../base"]} | components,
    }.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "workloads.yaml").write_text(yaml.safe_dump_all(plain))
        text = yaml.safe_dump(kustomization)
        (tmp_path / folder / "kustomization.yaml").write_text(text)

    [same], [over] = (
        render(tmp_path.resolve() / folder).pods() for folder in ("same", "over")
    )
    assert same.ours() == []
    assert len(over.ours()) == 1


@pytest.mark.parametrize("kind", PLAIN_KINDS + JOB_KINDS)
def test_pull_secrets_reach_every_pod_with_the_sidecar(build: Build, kind: str) -> None:
    (pod,) = build([workload(kind)], [sidecar_for(kind), "pull-secret"]).pods()

    assert pod.spec["imagePullSecrets"] == [{"name": "claude-registry"}]


def test_a_pods_own_pull_secrets_stay(build: Build) -> None:
    own = workload("Deployment", imagePullSecrets=[{"name": "own"}])
    (pod,) = build([own], ["sidecar", "pull-secret"]).pods()

    names = {one["name"] for one in pod.spec["imagePullSecrets"]}
    assert names == {"own", "claude-registry"}


def test_pull_secrets_reach_the_proxy_and_the_refresher(
    render: Render, tmp_path: Path
) -> None:
    for overlay, owners in {
        "max-secret": {"Deployment/claude-code-proxy", "StatefulSet/claude-refresher"},
        "cronjob": {"Deployment/claude-code-proxy", "CronJob/claude-refresher"},
    }.items():
        pods = render(over(tmp_path, overlay, "pull-secret")).pods()

        assert {pod.owner for pod in pods} == owners
        for pod in pods:
            assert pod.spec["imagePullSecrets"] == [{"name": "claude-registry"}]


def over(directory: Path, overlay: str, *components: str) -> Path:
    """Write a user's kustomization of an overlay with components; returns its folder."""
    folder = Path(tempfile.mkdtemp(dir=directory)).resolve()
    ours = os.path.relpath(ROOT / "kustomize", folder)
    kustomization = {
        "resources": [f"{ours}/overlays/{overlay}"],
        "components": [f"{ours}/components/{name}" for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder


@pytest.mark.parametrize("overlay", ["api-key", "workload-identity", "max-secret"])
def test_scale_works_for_credentials_that_several_pods_can_use(
    render: Render, tmp_path: Path, overlay: str
) -> None:
    made = render(over(tmp_path, overlay, "scale"))

    deployment = made.one("Deployment/claude-code-proxy")["spec"]
    assert (
        "replicas" not in deployment
    )  # every apply would reset the autoscaler's number
    [spread] = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
    scaler = made.one("HorizontalPodAutoscaler/claude-code-proxy")["spec"]
    assert scaler["scaleTargetRef"]["name"] == "claude-code-proxy"
    assert scaler["minReplicas"] >= 2
    budget = made.one("PodDisruptionBudget/claude-code-proxy")["spec"]
    assert budget["selector"] == deployment["selector"]
    assert budget["maxUnavailable"] == 1
    service = made.one("Service/claude-code-proxy")["spec"]
    assert service["sessionAffinity"] == "ClientIP"


@pytest.mark.parametrize("overlay", ["max-pvc", "cronjob"])
def test_scale_refuses_a_login_on_a_volume_which_is_on_one_node(
    render: Render, tmp_path: Path, overlay: str
) -> None:
    with pytest.raises(RuntimeError, match="/spec/template/spec/affinity"):
        render(over(tmp_path, overlay, "scale"))


@pytest.mark.parametrize("turn", [1, -1], ids=["scale first", "scale last"])
def test_scale_and_a_login_on_a_volume_refuse_each_other_in_either_order(
    render: Render, tmp_path: Path, turn: int
) -> None:
    folder = over(tmp_path, "api-key", *["scale", "token-from-pvc"][::turn])

    with pytest.raises(
        RuntimeError, match=r"/spec/(replicas|template/spec/affinity) failed"
    ):
        render(folder)


def test_an_autoscaler_counts_the_proxys_cpu_and_no_other_containers(
    render: Render,
) -> None:
    """A mesh's sidecar without a CPU request would stop a metric of the whole pod."""
    made = render("tests/manifests/users/scaled")

    scaler = made.one("HorizontalPodAutoscaler/claude-code-proxy")["spec"]
    [metric] = [one["containerResource"] for one in scaler["metrics"]]
    pod = made.pod("Deployment/claude-code-proxy")
    assert metric["name"] in pod.container(metric["container"])["resources"]["requests"]


def test_a_disruption_budget_lets_pods_go_that_never_started(render: Render) -> None:
    budget = render("tests/manifests/users/scaled").one(
        "PodDisruptionBudget/claude-code-proxy"
    )

    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
