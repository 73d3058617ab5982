"""What kustomize rendered, with the questions that tests ask of it."""

import glob
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]

OVERLAYS = [
    "api-key",
    "workload-identity",
    "max-pvc",
    "max-secret",
    "cronjob",
    "rockbot",
]
USERS = sorted(folder.name for folder in Path(__file__).parent.glob("users/*"))
FOLDERS = [
    *(f"kustomize/overlays/{name}" for name in OVERLAYS),
    *(f"tests/manifests/users/{name}" for name in USERS),
]
"""What is meant to be applied: the overlays, and the kustomizations users write."""

OURS = {"claude-proxy", "proxy", "refresher"}
"""The names of our containers."""

Object = dict[str, Any]


def kubectl() -> str | None:
    """The one on PATH, or else the test node's."""
    home = os.environ.get("CLUSTER_HOME") or "~/.cache/one-node-cluster"
    built = glob.glob(os.path.expanduser(f"{home}/bin-*/kubectl"))  # noqa: PTH111, PTH207
    return shutil.which("kubectl") or next(iter(sorted(built)), None)


class Pod(NamedTuple):
    """A pod template, its owner, and whether the whole pod is ours."""

    owner: str
    labels: dict[str, str]
    spec: dict[str, Any]
    is_ours: bool

    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    def ours(self) -> list[Object]:
        return [one for one in self.containers() if one["name"] in OURS]

    def container(self, name: str) -> Object:
        return next(one for one in self.containers() if one["name"] == name)

    def volume(self, name: str) -> Object:
        return next(one for one in self.spec["volumes"] if one["name"] == name)


class Rendered(list[Object]):
    """The objects of one kustomization."""

    def names(self) -> set[str]:
        return {f"{one['kind']}/{one['metadata']['name']}" for one in self}

    def of(self, kind: str) -> list[Object]:
        return [one for one in self if one["kind"] == kind]

    def one(self, name: str) -> Object:
        kind, _, name = name.partition("/")
        (found,) = (one for one in self.of(kind) if one["metadata"]["name"] == name)
        return found

    def pods(self) -> list[Pod]:
        found = ((one, _template(one)) for one in self)
        return [
            Pod(
                f"{one['kind']}/{one['metadata']['name']}",
                template.get("metadata", {}).get("labels", {}),
                template["spec"],
                one["metadata"]["name"] in {"claude-code-proxy", "claude-refresher"},
            )
            for one, template in found
            if template
        ]

    def pod(self, owner: str) -> Pod:
        return next(pod for pod in self.pods() if pod.owner == owner)


Render = Callable[[str | Path], Rendered]
"""Renders a folder: absolute, or by its path from the project's root."""


def _template(one: Object) -> Object | None:
    spec = one.get("spec", {})
    match one["kind"]:
        case "Deployment" | "StatefulSet" | "DaemonSet" | "Job":
            return spec["template"]
        case "CronJob":
            return spec["jobTemplate"]["spec"]["template"]
        case "ScaledJob":
            return spec["jobTargetRef"]["template"]
        case _:
            return None


def walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of a tree with its value."""
    if isinstance(value, dict):
        yield from value.items()
    children = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        yield from itertools.chain.from_iterable(map(walk, children))
