"""Everything is rendered by kustomize as kubectl has it, which is all that a user has."""

import functools
import glob
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from rendered import ROOT, Render, Rendered


def _kubectl() -> str | None:
    """The one on PATH, else the test node's."""
    home = os.environ.get("CLUSTER_HOME") or "~/.cache/one-node-cluster"
    built = glob.glob(os.path.expanduser(f"{home}/bin-*/kubectl"))  # noqa: PTH111, PTH207
    return shutil.which("kubectl") or next(iter(sorted(built)), None)


@functools.cache
def _rendered(kubectl: str, folder: Path) -> Rendered:
    made = subprocess.run(
        [kubectl, "kustomize", folder],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise RuntimeError(made.stderr)
    # kustomize names what it will not take for long, and nothing else.
    assert made.stderr == ""
    return Rendered(list(yaml.safe_load_all(made.stdout)))


@pytest.fixture(scope="session")
def render() -> Render:
    """Render a folder, by its path from the project's root.

    Raises RuntimeError with kustomize's words where that fails.
    """
    kubectl = _kubectl()
    if kubectl is None:
        pytest.skip("no kubectl to render with, neither on PATH nor the test node's")
    return lambda folder: _rendered(kubectl, ROOT / folder)
