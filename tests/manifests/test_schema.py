"""Kubernetes' own schemas, strictly: no unknown field, no wrong type.

Checked against the oldest supported version and the test node's. What no schema can
refuse (a name that does not exist, a port out of range) is left to the node's API server.
"""

from typing import Any

import pytest
import yaml

from rendered import FOLDERS, ROOT, Render

VERSIONS = ["1.33", "1.36"]
UNKNOWN = {"ClaudeCredential", "PodMonitor", "PrometheusRule", "ScaledJob"}

needs_schemas = "pip install -r tests/manifests/requirements.lock"
kubernetes_validate = pytest.importorskip("kubernetes_validate", reason=needs_schemas)
jsonschema = pytest.importorskip("jsonschema", reason=needs_schemas)


def check(one: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", ["manifests/crd", *FOLDERS])
def test_objects_are_what_the_schema_of_this_version_says(
    render: Render, folder: str, version: str
) -> None:
    for one in render(folder):
        if one["kind"] not in UNKNOWN and one["metadata"]["name"] != "rockbot-agent":
            check(one, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schema_does_refuse(render: Render, version: str) -> None:
    (deployment,) = render("kustomize/overlays/api-key").of("Deployment")
    wrong = yaml.safe_load(yaml.safe_dump(deployment))
    wrong["spec"]["template"]["spec"]["containers"][0]["startUpProbe"] = {}

    with pytest.raises(kubernetes_validate.ValidationError):
        check(wrong, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_scaled_jobs_pods_are_pods(render: Render, version: str) -> None:
    (pod,) = (
        one
        for one in render("tests/manifests/users/jobs").pods()
        if one.owner.startswith("ScaledJob/")
    )

    check(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "one"},
            "spec": pod.spec,
        },
        version,
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "folder", ["kustomize/overlays/rockbot", "tests/manifests/users/rockbot-secret"]
)
def test_the_part_for_rockbot_makes_a_whole_of_what_helm_made(
    render: Render, folder: str, version: str
) -> None:
    """Server-side apply adds list items whose names differ from the existing ones."""
    (part,) = render(folder)
    whole = yaml.safe_load(yaml.safe_dump(part))
    spec = whole["spec"]["template"]["spec"]
    spec["containers"][0]["image"] = "rockbot-agent"
    whole["spec"]["selector"] = {"matchLabels": {"app": "rockbot-agent"}}

    check(whole, version)


def _closed(schema: Any) -> Any:
    """The schema with unknown fields refused, where a server would prune them."""
    match schema:
        case dict():
            made = {key: _closed(value) for key, value in schema.items()}
            if "properties" in schema and isinstance(schema["properties"], dict):
                made["additionalProperties"] = False
            return made
        case list():
            return [_closed(one) for one in schema]
        case _:
            return schema


@pytest.mark.parametrize("folder", FOLDERS)
def test_our_own_kind_is_what_its_definition_says(render: Render, folder: str) -> None:
    definition = yaml.safe_load(
        (ROOT / "manifests/crd/claudecredentials.yaml").read_text()
    )
    (version,) = definition["spec"]["versions"]
    schema = _closed(version["schema"]["openAPIV3Schema"])
    for one in render(folder).of("ClaudeCredential"):
        assert one["apiVersion"] == f"{definition['spec']['group']}/{version['name']}"
        jsonschema.validate({"spec": one["spec"]}, schema)
