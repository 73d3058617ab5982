"""The component `monitoring` finds the pods that the other files make."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from rendered import ROOT, Pod, Render, Rendered

PROMETHEUS = {
    "namespaceSelector": {},
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
}


@pytest.fixture
def monitored(render: Render) -> Rendered:
    return render("tests/manifests/users/monitored")


def scraped(monitored: Rendered, pod: Pod) -> set[int]:
    """The ports of a pod at which the monitors of this kustomization ask."""
    found = set()
    for monitor in monitored.of("PodMonitor"):
        labels = monitor["spec"]["selector"].get("matchLabels", {})
        if labels.items() <= pod.labels.items():
            names = {each["port"] for each in monitor["spec"]["podMetricsEndpoints"]}
            found |= {
                port["containerPort"]
                for container in pod.containers()
                for port in container.get("ports", [])
                if port["name"] in names
            }
    return found


def health_port(container: dict[str, Any]) -> int:
    [value] = [one["value"] for one in container["env"] if one["name"] == "HEALTH_PORT"]
    return int(value)


@pytest.mark.parametrize(
    "folder",
    [
        "kustomize/overlays/api-key",
        "kustomize/overlays/max-pvc",
        "tests/manifests/users/own-deployment",
        "tests/manifests/users/inject-all",
        "tests/manifests/users/rockbot-gitops",
    ],
)
def test_every_proxy_and_every_operator_is_scraped_at_its_health_port(
    render: Render, monitored: Rendered, folder: str
) -> None:
    pods = [pod for pod in render(folder).pods() if pod.ours()]

    assert pods
    for pod in pods:
        [ours] = pod.ours()
        assert scraped(monitored, pod) == {health_port(ours)}


def test_a_pod_without_either_program_is_not_scraped(
    render: Render, monitored: Rendered
) -> None:
    pods = render("tests/manifests/users/own-deployment").pods()
    [others] = [[pod for pod in pods if not pod.ours()]]

    assert others
    assert all(scraped(monitored, pod) == set() for pod in others)


def test_prometheus_is_let_through_or_the_build_stops(
    render: Render, tmp_path: Path
) -> None:
    """After `monitoring`, a network policy would silently lack Prometheus' rules."""
    folder = tmp_path.resolve() / "k"
    folder.mkdir()
    ours = os.path.relpath(ROOT / "kustomize", folder)
    kustomization = {
        "resources": [f"{ours}/overlays/api-key"],
        "components": [
            f"{ours}/components/{name}" for name in ("monitoring", "network-policy")
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))

    with pytest.raises(RuntimeError, match="testing value /spec/selector failed"):
        render(folder)


def test_flux_leaves_the_dashboards_own_variables_alone(monitored: Rendered) -> None:
    [configmap] = monitored.of("ConfigMap")

    assert "${datasource}" in str(configmap["data"])
    assert configmap["metadata"]["annotations"] == {
        "kustomize.toolkit.fluxcd.io/substitute": "disabled"
    }


def test_the_dashboard_is_labelled_for_grafanas_sidecar(monitored: Rendered) -> None:
    [configmap] = monitored.of("ConfigMap")

    assert configmap["metadata"]["labels"]["grafana_dashboard"] == "1"
    [text] = configmap["data"].values()
    assert json.loads(text)["title"] == "Claude proxy and refresher"


def test_closed_networks_let_prometheus_in_and_nobody_else(
    render: Render, monitored: Rendered
) -> None:
    without = render("tests/manifests/users/everything")
    for name, port in (("claude-code-proxy", 8090), ("claude-refresher", 8080)):
        before = without.one(f"NetworkPolicy/{name}")["spec"]
        after = monitored.one(f"NetworkPolicy/{name}")["spec"]
        ports = [{"port": port, "protocol": "TCP"}]
        assert after == {
            **before,
            "ingress": [
                *before.get("ingress", []),
                {"from": [PROMETHEUS], "ports": ports},
            ],
        }


def test_without_network_policies_it_makes_none(render: Render, tmp_path: Path) -> None:
    def here(path: str) -> str:
        return os.path.relpath(ROOT / path, tmp_path.resolve())

    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [here("kustomize/overlays/api-key")],
        "components": [here("kustomize/components/monitoring")],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))

    made = render(tmp_path)

    assert made.of("NetworkPolicy") == []
    assert len(made.of("PodMonitor")) == 3
