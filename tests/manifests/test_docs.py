"""What the documents tell people to apply is there, and does what they say."""

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from rendered import OVERLAYS, ROOT, Render, Rendered, kubectl, walk

README = (ROOT / "README.md").read_text()
DOCUMENT = (ROOT / "docs/kubernetes.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
GITOPS = (ROOT / "docs/gitops.md").read_text()
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```", f"{README}\n{DOCUMENT}\n{GITOPS}", re.MULTILINE | re.DOTALL
)
YAML = [yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml"]
KUSTOMIZATIONS = [
    each for each in YAML if each.get("apiVersion") == "kustomize.config.k8s.io/v1beta1"
]
PATCHES = [each for each in YAML if each.keys() == {"patches"}]
FOLDERS = sorted(
    {
        folder
        for kind, text in BLOCKS
        if kind == "sh"
        for folder in re.findall(
            r"kubectl apply .*-k ((?:kustomize|manifests)\S*)", text
        )
    }
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_that_is_to_be_applied_renders(
    render: Render, folder: str
) -> None:
    assert render(folder)


def test_every_overlay_and_component_is_documented() -> None:
    components = [path.name for path in (ROOT / "kustomize/components").iterdir()]

    for name in [*OVERLAYS, *components]:
        assert f"`{name}`" in DOCUMENT, name
    for name in OVERLAYS:
        assert f"| `{name}` " in README, name


OVERLAY = re.compile(
    r"^kubectl apply .*-k (kustomize/overlays/(?!.*/)\S+)$", re.MULTILINE
)
INSTALLS = [
    pytest.param(text, folder[1], id=folder[1].rpartition("/")[2])
    for kind, text in BLOCKS
    if kind == "sh" and (folder := OVERLAY.search(text))
]


@pytest.mark.parametrize(("commands", "folder"), INSTALLS)
def test_an_install_creates_exactly_what_its_overlay_needs(
    render: Render, commands: str, folder: str
) -> None:
    """The ``kubectl create`` lines run, without a cluster, and fit the manifests."""
    created: dict[str, set[str]] = {}
    for line in re.findall(r"^kubectl create .*$", commands, re.MULTILINE):
        made = subprocess.run(
            [
                "bash",
                "-c",
                line.replace("kubectl", f"'{kubectl()}'", 1)
                + " --dry-run=client -o yaml",
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        one = yaml.safe_load(made.stdout)
        created[f"{one['kind']}/{one['metadata']['name']}"] = set(one["data"])

    assert created == needed(render(folder))


def needed(objects: Rendered) -> dict[str, set[str]]:
    """The keys of Secrets and ConfigMaps without which a container does not start."""
    found: dict[str, set[str]] = {}
    kinds = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}
    for key, value in walk(objects):
        if key in kinds and not value.get("optional"):
            name = f"{kinds[key]}/{value['name']}"
            found.setdefault(name, set()).add(value["key"])
    return found


@pytest.fixture
def rendered_as(tmp_path: Path) -> Any:
    """Render a kustomization in a folder beside a clone, as a user would have it."""
    clone = tmp_path / "claude-code-proxy"
    for part in ("kustomize", "manifests"):
        shutil.copytree(ROOT / part, clone / part)
    mine = tmp_path / "mine"
    shutil.copytree(ROOT / "tests/manifests/users/own-deployment", mine)
    chart = ROOT / "tests/manifests/users/rockbot-gitops/rockbot"
    shutil.copytree(chart, mine / "rockbot")
    program = kubectl()
    if program is None:
        pytest.skip("no kubectl to render with, neither on PATH nor the test node's")

    def render(kustomization: dict[str, Any]) -> Rendered:
        (mine / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        made = subprocess.run(
            [program, "kustomize", mine], check=True, capture_output=True, text=True
        )
        assert made.stderr == ""
        return Rendered(list(yaml.safe_load_all(made.stdout)))

    return render


@pytest.fixture
def patched(rendered_as: Any) -> Any:
    """Render resources with components and the one documented patch with a word in it."""

    def render(word: str, *resources: str, components: Sequence[str] = ()) -> Rendered:
        [patch] = [each for each in PATCHES if word in str(each)]
        folder = "../claude-code-proxy/kustomize"
        return rendered_as(
            {
                "resources": [
                    each if each.endswith(".yaml") else f"{folder}/overlays/{each}"
                    for each in resources
                ],
                "components": [f"{folder}/components/{each}" for each in components],
                **patch,
            }
        )

    return render


@pytest.mark.parametrize("kustomization", KUSTOMIZATIONS)
def test_every_kustomization_renders_and_leaves_no_image_or_sidecar_out(
    rendered_as: Any, kustomization: dict[str, Any]
) -> None:
    made = rendered_as(kustomization)

    images = {one["image"] for pod in made.pods() for one in pod.ours()}
    assert images
    if "images" in kustomization:
        assert images == {"registry.example/claude-code-proxy:1"}
    if "namespace" in kustomization:
        namespaces = {one["metadata"]["namespace"] for one in made}
        assert namespaces == {kustomization["namespace"]}
    if any(
        "$patch: delete" in each["patch"] for each in kustomization.get("patches", ())
    ):
        assert made.of("PersistentVolumeClaim") == []


def test_the_classic_sidecar_is_a_plain_container(patched: Any) -> None:
    made = patched("op: move", "plain.yaml", components=["sidecar", "api-key"])

    [pod] = made.pods()
    assert pod.spec["initContainers"] == []
    assert [one["name"] for one in pod.spec["containers"]] == ["agent", "claude-proxy"]
    assert "restartPolicy" not in pod.container("claude-proxy")


def test_a_storage_class_and_an_access_mode_can_be_chosen(patched: Any) -> None:
    made = patched("storageClassName", "max-secret")

    [claim] = made.of("PersistentVolumeClaim")
    assert claim["spec"]["storageClassName"] == "longhorn"
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_the_logins_volume_can_be_kept_from_gitops_tools(patched: Any) -> None:
    made = patched("prune: disabled", "max-secret")

    [claim] = made.of("PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
    }


def test_replicas_can_follow_a_metric_that_the_proxy_has(patched: Any) -> None:
    made = patched("HorizontalPodAutoscaler", "api-key", components=["scale"])

    [scaler] = made.of("HorizontalPodAutoscaler")
    by_cpu, by_requests = scaler["spec"]["metrics"]
    assert by_cpu["containerResource"]["name"] == "cpu"
    assert f"`{by_requests['pods']['metric']['name']}`" in OPERATIONS


def test_a_default_cpu_limit_satisfies_a_quota(render: Render) -> None:
    [limits] = [each for each in YAML if each.get("kind") == "LimitRange"]

    [limit] = limits["spec"]["limits"]
    assert limit["type"] == "Container"
    assert set(limit["default"]) == {"cpu"}  # the containers have memory limits


def test_every_gitops_resource_names_what_is_here() -> None:
    kinds = {each.get("kind") for each in YAML}

    assert {"Application", "Kustomization"} <= kinds
    assert (ROOT / "manifests/argocd/health.lua").is_file()
    assert "manifests/argocd/health.lua" in GITOPS


def test_the_label_that_the_network_policy_wants_is_documented(render: Render) -> None:
    policy = render("tests/manifests/users/everything").one(
        "NetworkPolicy/claude-code-proxy"
    )

    [[rule]] = [each["from"] for each in policy["spec"]["ingress"]]
    [(label, value)] = rule["podSelector"]["matchLabels"].items()
    assert f'`{label}: "{value}"`' in DOCUMENT


def test_the_pod_that_logs_in_takes_the_documented_pull_secret() -> None:
    [overrides] = re.findall(r"--overrides='(.*?)'", DOCUMENT, re.DOTALL)
    [fragment] = re.findall(r'`("imagePullSecrets": .*?,)`', DOCUMENT)

    spec = json.loads(overrides.replace('"containers"', f'{fragment} "containers"'))

    assert spec["spec"]["imagePullSecrets"] == [{"name": "claude-registry"}]


def test_the_pod_that_logs_in_goes_where_the_proxy_has_the_volume(
    render: Render,
) -> None:
    """A ReadWriteOnce volume is on one node; elsewhere the pod would never start."""
    [overrides] = re.findall(r"--overrides='(.*?)'", DOCUMENT, re.DOTALL)
    pod = render("kustomize/overlays/cronjob").pod("Deployment/claude-code-proxy")

    affinity = json.loads(overrides)["spec"]["affinity"]["podAffinity"]
    [term] = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    wanted = term["podAffinityTerm"]["labelSelector"]["matchLabels"]
    assert wanted.items() <= pod.labels.items()


def test_the_pod_that_logs_in_takes_as_much_as_the_refresher(render: Render) -> None:
    """A quota on memory refuses a pod that states none."""
    [overrides] = re.findall(r"--overrides='(.*?)'", DOCUMENT, re.DOTALL)
    refresher = render("kustomize/overlays/cronjob").pod("CronJob/claude-refresher")

    [container] = json.loads(overrides)["spec"]["containers"]
    assert container["resources"] == refresher.container("refresher")["resources"]


def test_a_pod_is_waited_for_only_once_it_exists() -> None:
    """`kubectl wait` fails at once for a pod that its StatefulSet has yet to create."""
    commands = [
        line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()
    ]
    before = [
        first
        for first, second in itertools.pairwise(commands)
        if re.match(r"kubectl wait .* pod/claude-refresher-0", second)
    ]

    assert len(before) == 2
    assert set(before) == {
        "kubectl wait --for=jsonpath='{.status.replicas}'=1 statefulset/claude-refresher"
    }


def test_a_pod_that_reads_the_volume_can_be_put_on_its_node(patched: Any) -> None:
    made = patched(
        "requiredDuring",
        "plain.yaml",
        "max-pvc",
        components=["inject-all", "sidecar", "token-from-pvc"],
    )

    near = "requiredDuringSchedulingIgnoredDuringExecution"
    placed = {
        pod.owner: pod.spec["affinity"]["podAffinity"].get(near) for pod in made.pods()
    }
    [[term]] = [terms for terms in placed.values() if terms]
    wanted = term["labelSelector"]["matchLabels"].items()
    assert wanted <= made.pod("StatefulSet/claude-refresher").labels.items()


def test_an_api_server_on_another_port_can_be_let_through(patched: Any) -> None:
    made = patched("8443", "max-secret", components=["network-policy"])

    for policy in made.of("NetworkPolicy"):
        [rule] = policy["spec"]["egress"]
        assert {"port": 8443, "protocol": "TCP"} in rule["ports"]


@pytest.mark.parametrize("overlay", ["api-key", "max-secret", "max-pvc"])
def test_user_ids_can_be_left_to_openshift(rendered_as: Any, overlay: str) -> None:
    [[users, groups]] = [
        each["patches"] for each in PATCHES if "runAsUser" in str(each)
    ]
    if overlay == "max-pvc":  # as the comment says
        groups = groups | {"target": users["target"]}
    made = rendered_as(
        {
            "resources": [f"../claude-code-proxy/kustomize/overlays/{overlay}"],
            "patches": [users, groups],
        }
    )

    for pod in made.pods():
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & dict(walk(pod.spec)).keys()
        assert all(one["securityContext"]["runAsNonRoot"] for one in pod.ours())


def test_a_namespace_of_clients_can_be_let_through(patched: Any) -> None:
    made = patched("ingress-nginx", "api-key", components=["network-policy"])

    [rule] = made.one("NetworkPolicy/claude-code-proxy")["spec"]["ingress"]
    assert [set(each) for each in rule["from"]] == [
        {"podSelector"},
        {"namespaceSelector"},
    ]


def test_answers_can_be_given_more_time_than_a_minute(patched: Any) -> None:
    made = patched("DRAIN_TIMEOUT", "api-key")

    pod = made.pod("Deployment/claude-code-proxy")
    proxy = pod.container("proxy")
    env = {one["name"]: one.get("value") for one in proxy["env"]}
    before = proxy["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = pod.spec["terminationGracePeriodSeconds"]
    assert grace >= before + int(env["DRAIN_TIMEOUT"]) + 10
    assert env["HOST"] == "::"  # the rest stays


def test_a_readiness_probe_can_be_added_that_asks_for_no_login(patched: Any) -> None:
    made = patched("readinessProbe", "max-secret")

    proxy = made.pod("Deployment/claude-code-proxy").container("proxy")
    asked = ("livenessProbe", "readinessProbe", "startupProbe")
    [page] = {tuple(proxy[probe]["httpGet"].items()) for probe in asked}
    assert page == (("path", "/healthz"), ("port", "health"))


def test_the_pods_on_a_volume_can_have_one_selinux_level(patched: Any) -> None:
    made = patched("seLinuxOptions", "max-pvc")

    contexts = [pod.spec["securityContext"] for pod in made.pods()]
    assert [one["seLinuxOptions"] for one in contexts] == [
        {"level": "s0:c417,c902"}  # baseline and restricted allow a level alone
    ] * 2
    assert all(one["fsGroup"] == 10001 for one in contexts)


def test_a_mesh_can_be_kept_out_of_the_cronjobs_pods(patched: Any) -> None:
    pod = patched("istio", "cronjob").pod("CronJob/claude-refresher")

    assert pod.labels["sidecar.istio.io/inject"] == "false"
    assert pod.labels["app.kubernetes.io/name"] == "claude-refresher"


def test_the_sidecar_can_be_moved_to_other_ports(patched: Any) -> None:
    made = patched(
        "8189", "plain.yaml", components=["inject-all", "sidecar", "api-key"]
    )

    [pod] = made.pods()
    [sidecar] = pod.ours()
    env = {one["name"]: one.get("value") for one in sidecar["env"]}
    assert sidecar["ports"] == [
        {"name": "claude-health", "containerPort": int(env["HEALTH_PORT"])}
    ]
    assert {"HOST", "PORT", "ANTHROPIC_API_KEY"} <= env.keys()
    assert not {"8089", "8090"} & set(env.values())
