"""Everything is rendered with the kustomize in kubectl, which is what users have."""

import functools
import subprocess
from pathlib import Path

import pytest
import yaml

from rendered import ROOT, Render, Rendered, kubectl


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
    # kustomize prints deprecations here, and nothing else.
    assert made.stderr == ""
    return Rendered(list(yaml.safe_load_all(made.stdout)))


@pytest.fixture(scope="session")
def render() -> Render:
    """Render a folder, by its path from the project's root.

    Raises RuntimeError with kustomize's message if that fails.
    """
    program = kubectl()
    if program is None:
        pytest.skip("no kubectl to render with, neither on PATH nor the test node's")
    return lambda folder: _rendered(program, ROOT / folder)
