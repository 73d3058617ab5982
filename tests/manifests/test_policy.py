"""What holds for everything that is meant to be applied."""

import os
import re
from pathlib import Path

import pytest
import yaml
from anthropic.lib.credentials import _constants as sdk

from proxy import capabilities
from proxy.settings import Settings as ProxySettings
from refresher import limits
from refresher.settings import VARIABLES
from rendered import FOLDERS, ROOT, Render, Rendered, walk

RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
NAMESPACED = {
    "ClaudeCredential",
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Job",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "PodMonitor",
    "PrometheusRule",
    "Role",
    "RoleBinding",
    "ScaledJob",
    "Service",
    "ServiceAccount",
    "StatefulSet",
}
KUSTOMIZATIONS = sorted(
    path.relative_to(ROOT)
    for folder in ("manifests", "kustomize")
    for path in (ROOT / folder).rglob("kustomization.yaml")
)
FILES = sorted(
    path.relative_to(ROOT)
    for folder in ("manifests", "kustomize")
    for path in (ROOT / folder).rglob("*.yaml")
)


@pytest.fixture(params=FOLDERS)
def objects(request: pytest.FixtureRequest, render: Render) -> Rendered:
    return render(request.param)


def test_nothing_is_cluster_wide(objects: Rendered) -> None:
    assert {one["kind"] for one in objects} <= NAMESPACED


@pytest.mark.parametrize("path", FILES, ids=str)
def test_no_file_names_a_namespace(path: Path) -> None:
    assert not re.search(r"^\s*namespace:", (ROOT / path).read_text(), re.MULTILINE)


def test_every_mount_has_its_volume_and_every_volume_its_mount(
    objects: Rendered,
) -> None:
    for pod in objects.pods():
        if pod.owner == "Deployment/rockbot-agent":
            continue  # Helm owns the rest of it
        mounted = {
            mount["name"]
            for container in pod.containers()
            for mount in container.get("volumeMounts", [])
        }
        assert mounted == {one["name"] for one in pod.spec.get("volumes", [])}


def test_a_mount_is_a_directory_so_that_its_updates_arrive(objects: Rendered) -> None:
    assert "subPath" not in dict(walk(list(objects)))


def test_our_containers_carry_the_whole_restricted_profile(objects: Rendered) -> None:
    for pod in objects.pods():
        for container in pod.ours():
            assert container["securityContext"] == RESTRICTED


def test_selectors_find_the_pods_they_are_for(objects: Rendered) -> None:
    pods = objects.pods()
    for one in objects:
        if one["kind"] in {"Deployment", "StatefulSet"} and "selector" in one["spec"]:
            wanted = one["spec"]["selector"]["matchLabels"]
            pod = objects.pod(f"{one['kind']}/{one['metadata']['name']}")
            assert wanted.items() <= pod.labels.items()
    for service in objects.of("Service"):
        selector = service["spec"]["selector"].items()
        (pod,) = (pod for pod in pods if selector <= pod.labels.items())
        ports = [p["containerPort"] for c in pod.ours() for p in c["ports"]]
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= set(ports)
    for policy in objects.of("NetworkPolicy"):
        labels = policy["spec"]["podSelector"]["matchLabels"].items()
        assert any(labels <= pod.labels.items() for pod in pods)


def test_probes_ask_a_port_that_the_container_has(objects: Rendered) -> None:
    for pod in objects.pods():
        for container in pod.ours():
            ports = {one["name"]: one for one in container.get("ports", [])}
            env = {one["name"]: one.get("value") for one in container["env"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                if probe in container:
                    port = ports[container[probe]["httpGet"]["port"]]["containerPort"]
                    assert env["HEALTH_PORT"] == str(port)


def test_the_proxys_probes_ask_whether_it_serves_and_not_for_a_login(
    objects: Rendered,
) -> None:
    for pod in objects.pods():
        for container in pod.ours():
            if container["name"] != "refresher":
                asked = {
                    container[probe]["httpGet"]["path"]
                    for probe in container
                    if probe.endswith("Probe")
                }
                assert asked == {"/healthz"}


def test_images_are_ours_by_name_and_of_no_registry(objects: Rendered) -> None:
    for pod in objects.pods():
        for container in pod.ours():
            name = container["image"].removeprefix("images.example/").split(":")[0]
            assert name == (
                "claude-code-proxy-refresher"
                if container["name"] == "refresher"
                else "claude-code-proxy"
            )
            assert container["imagePullPolicy"] == "IfNotPresent"


def test_variables_are_settings_that_exist(objects: Rendered) -> None:
    proxy = {name.upper() for name in ProxySettings.__struct_fields__}
    proxy |= {name for name in vars(sdk).values() if isinstance(name, str)}
    refresher = {*VARIABLES, "HOME"}
    for pod in objects.pods():
        for container in pod.ours():
            known = refresher if container["name"] == "refresher" else proxy
            assert {one["name"] for one in container["env"]} <= known


def test_the_proxy_starts_with_the_values_that_are_given(objects: Rendered) -> None:
    for pod in objects.pods():
        for container in pod.ours():
            if container["name"] != "refresher":
                env = {one["name"]: one.get("value", "x") for one in container["env"]}
                settings = ProxySettings.from_environ(env)
                settings.check_exposure()
                assert settings.is_loopback == (container["name"] == "claude-proxy")


def test_every_secret_that_is_read_is_one_of_three(objects: Rendered) -> None:
    """The login itself, with its refresh token, is never one."""
    read = {
        value.get("secretName") or value.get("name")
        for key, value in walk([pod.spec for pod in objects.pods()])
        if key in {"secret", "secretKeyRef", "secretRef"}
    }
    assert read <= {"anthropic-api-key", "claude-proxy-key", "claude-access-token"}


def test_only_the_refresher_can_write_the_login(objects: Rendered) -> None:
    for pod in objects.pods():
        for container in pod.containers():
            for mount in container.get("volumeMounts", []):
                if mount["name"] == "claude-credentials":
                    writes = container["name"] == "refresher"
                    assert mount.get("readOnly", False) is not writes


def test_the_logins_volume_belongs_to_our_group_whichever_pod_is_first(
    objects: Rendered,
) -> None:
    for pod in objects.pods():
        for volume in pod.spec.get("volumes", []):
            if volume["name"] != "claude-credentials":
                continue
            if pod.is_ours:
                assert pod.spec["securityContext"] == {
                    "fsGroup": 10001,
                    "fsGroupChangePolicy": "OnRootMismatch",
                }
            else:  # a read-only claim keeps its group whatever the pod's fsGroup
                assert volume["persistentVolumeClaim"]["readOnly"] is True


def test_the_token_secret_may_be_missing_and_is_readable(objects: Rendered) -> None:
    for pod in objects.pods():
        for volume in pod.spec.get("volumes", []):
            if "secret" in volume:
                assert volume["secret"]["optional"] is True
                assert volume["secret"]["defaultMode"] == 0o444


def test_only_the_operator_has_a_service_account_token(objects: Rendered) -> None:
    for pod in objects.pods():
        if pod.is_ours:
            is_operator = pod.owner == "StatefulSet/claude-refresher"
            assert pod.spec["automountServiceAccountToken"] is is_operator
        else:  # the pod's own is hidden by an empty directory
            mounts = pod.container("claude-proxy")["volumeMounts"] if pod.ours() else []
            for mount in mounts:
                if mount["mountPath"] == SERVICE_ACCOUNT_TOKEN:
                    assert pod.volume(mount["name"])["emptyDir"]["medium"] == "Memory"
            hidden = {mount["mountPath"] for mount in mounts}
            assert not pod.ours() or SERVICE_ACCOUNT_TOKEN in hidden


def test_what_is_drained_is_given_the_time_for_it(objects: Rendered) -> None:
    drain = ProxySettings().drain_timeout
    for pod in objects.pods():
        grace = pod.spec.get("terminationGracePeriodSeconds")
        for container in pod.ours():
            if container["name"] == "proxy":
                pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
                assert grace > pause + drain + 5
            if container["name"] == "refresher":
                assert grace == limits.POD_GRACE.total_seconds()


def test_a_cronjobs_run_ends_before_its_deadline(render: Render) -> None:
    spec = render("kustomize/overlays/cronjob").one("CronJob/claude-refresher")["spec"]
    job = spec["jobTemplate"]["spec"]

    assert job["activeDeadlineSeconds"] == limits.JOB_DEADLINE.total_seconds()
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("*/3 * * * *", "Forbid")
    [container] = job["template"]["spec"]["containers"]
    environ = {each["name"]: each.get("value") for each in container["env"]}
    before, period = int(environ["REFRESH_BEFORE"]), 180
    assert before == limits.LATEST_START.total_seconds() > period + 60
    assert spec["startingDeadlineSeconds"] <= period
    assert job["backoffLimit"] == 0


def test_memory_is_limited_and_cpu_is_not(objects: Rendered) -> None:
    for pod in objects.pods():
        for container in pod.ours():
            assert set(container["resources"]["limits"]) == {"memory"}
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}


def test_no_volume_of_ours_keeps_an_autoscaler_from_emptying_a_node(
    objects: Rendered,
) -> None:
    """A cluster autoscaler takes a directory on the node's disk for data of the pod's."""
    for pod in objects.pods():
        if pod.owner == "CronJob/claude-refresher":
            continue  # it ends by itself, and should not be cut off
        template = objects.one(pod.owner)["spec"].get("template", {})
        annotations = template.get("metadata", {}).get("annotations", {})
        key = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
        mounted = {
            mount["name"] for one in pod.ours() for mount in one.get("volumeMounts", [])
        }
        disks = {
            one["name"]
            for one in pod.spec.get("volumes", [])
            if one["name"] in mounted
            and one.get("emptyDir", {"medium": "Memory"}).get("medium") != "Memory"
        }
        assert disks == set(annotations.get(key, "").split(",")) - {""}


def test_every_scratch_volume_of_ours_is_limited(objects: Rendered) -> None:
    """Admission policies refuse those that are not."""
    for pod in objects.pods():
        mounted = {m["name"] for one in pod.ours() for m in one["volumeMounts"]}
        for volume in pod.spec.get("volumes", []):
            if volume["name"] in mounted and "emptyDir" in volume:
                assert volume["emptyDir"]["sizeLimit"], volume["name"]


def test_our_pods_are_for_linux_and_say_what_they_are(objects: Rendered) -> None:
    """A cluster may have Windows nodes; admission policies require the label."""
    for pod in objects.pods():
        if pod.is_ours:
            assert pod.spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
            assert pod.labels["app.kubernetes.io/name"] == pod.owner.split("/")[1]


def test_the_proxy_names_its_service_account_in_every_overlay(
    objects: Rendered,
) -> None:
    """Unnamed, kubectl keeps the former overlay's, which may be deleted by now."""
    accounts = {one["metadata"]["name"] for one in objects.of("ServiceAccount")}
    for pod in objects.pods():
        if pod.owner == "Deployment/claude-code-proxy":
            expected = {"claude-code-proxy"} & accounts or {"default"}
            assert {pod.spec["serviceAccountName"]} == expected


def test_a_reference_to_a_field_is_complete(objects: Rendered) -> None:
    """The API server completes it, and then server-side apply finds a conflict."""
    for key, value in walk(list(objects)):
        if key == "fieldRef":
            assert set(value) == {"apiVersion", "fieldPath"}


def test_services_of_the_namespace_are_no_variables_of_our_pods(
    objects: Rendered,
) -> None:
    for pod in objects.pods():
        assert pod.spec.get("enableServiceLinks", True) is not pod.is_ours


def test_replicas_never_share_a_volume(objects: Rendered) -> None:
    scaled = {
        one["spec"]["scaleTargetRef"]["name"]
        for one in objects.of("HorizontalPodAutoscaler")
    }
    for one in objects.of("Deployment"):
        name, spec = one["metadata"]["name"], one["spec"]
        volumes = spec["template"]["spec"].get("volumes", [])
        if name in scaled or spec.get("replicas", 1) > 1:
            assert not [v for v in volumes if "persistentVolumeClaim" in v], (
                f"{name}: a ReadWriteOnce volume is on one node, so replicas on other "
                "nodes would never start; use token-from-secret"
            )


def test_nobody_has_to_be_where_somebody_else_is(objects: Rendered) -> None:
    """A required affinity would wait forever on the first install."""
    assert "requiredDuringSchedulingIgnoredDuringExecution" not in dict(
        walk([pod.spec for pod in objects.pods()])
    )


def test_rockbots_sidecar_gives_up_before_rockbots_user_does(render: Render) -> None:
    """RockBot's user waits three minutes for a reply."""
    (pod,) = render("kustomize/overlays/rockbot").pods()
    (sidecar,) = pod.spec["initContainers"]
    env = {one["name"]: one.get("value") for one in sidecar["env"]}

    assert float(env["PROGRESS_TIMEOUT"]) < 180


def test_rockbots_tiers_all_ask_the_sidecar_for_a_model_that_exists(
    render: Render,
) -> None:
    (pod,) = render("kustomize/overlays/rockbot").pods()
    env = {one["name"]: one["value"] for one in pod.container("agent")["env"]}
    proxy = {one["name"]: one.get("value") for one in pod.ours()[0]["env"]}
    models = {model.id for model in capabilities.MODELS}

    for tier in ("Balanced", "Low", "High"):
        assert (
            env.pop(f"LLM__{tier}__Endpoint") == f"http://127.0.0.1:{proxy['PORT']}/v1"
        )
        assert env.pop(f"LLM__{tier}__ApiKey")
        assert env.pop(f"LLM__{tier}__ModelId") in models
    assert env == {}


@pytest.mark.parametrize(
    "policy",
    ["claude-refresher-only-annotates", "claude-refresher-only-opaque-secrets"],
)
@pytest.mark.parametrize(
    "renamed", [{}, {"nameSuffix": "-b"}, {"namePrefix": "team"}], ids=str
)
def test_the_policies_know_a_refresher_by_any_name_kustomize_gives_it(
    render: Render, tmp_path: Path, renamed: dict[str, str], policy: str
) -> None:
    """Unknown to one, a stolen token could change pods' images, or get other tokens."""
    folder = tmp_path.resolve() / "k"
    folder.mkdir()
    everything = ROOT / "tests/manifests/users/everything"
    resources = {"resources": [os.path.relpath(everything, folder)]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(resources | renamed))
    [account] = render(folder).of("ServiceAccount")
    found = render("manifests/crd").one(f"ValidatingAdmissionPolicy/{policy}")
    binding = render("manifests/crd").one(f"ValidatingAdmissionPolicyBinding/{policy}")
    assert binding["spec"] == {"policyName": policy, "validationActions": ["Deny"]}
    assert found["spec"]["failurePolicy"] == "Fail"

    [condition] = found["spec"]["matchConditions"]
    [pattern] = re.findall(r"matches\('(.*)'\)", condition["expression"])
    name = account["metadata"]["name"]
    assert re.search(pattern, f"system:serviceaccount:agents:{name}")
    assert not re.search(pattern, "system:serviceaccount:claude-refresher:default")


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=str)
def test_a_kustomization_says_what_it_is_and_uses_no_deprecated_field(
    path: Path,
) -> None:
    text = (ROOT / path).read_text()

    assert text.startswith("# ")
    assert set(yaml.safe_load(text)) <= {
        "apiVersion",
        "kind",
        "resources",
        "components",
        "configMapGenerator",
        "patches",
    }


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_holds_one_resource_and_is_listed(path: Path) -> None:
    if path.name == "kustomization.yaml":
        return
    assert "\n---" not in (ROOT / path).read_text()
    listed = yaml.safe_load((ROOT / path.parent / "kustomization.yaml").read_text())
    files = listed.get("resources", []) + [
        patch["path"] for patch in listed.get("patches", [])
    ]
    assert path.name in files
