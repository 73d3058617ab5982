"""What is installed: locks that are whole and hashed, programs that start."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = {
    "proxy/requirements.lock": PROJECT["dependencies"],
    "refresher/requirements.lock": [*PROJECT["dependencies"], *EXTRAS["refresher"]],
    "tests/requirements.lock": [  # the first of both extras is this project
        *PROJECT["dependencies"], *EXTRAS["otel"], *EXTRAS["test"][1:], *EXTRAS["dev"][1:],
    ],
    "tests/manifests/requirements.lock": ["kubernetes-validate", "promql-parser"],
    "tests/monitoring/schemas.lock": ["cloudcoil-models-prometheus-operator"],
}  # fmt: skip

every_lock = pytest.mark.parametrize("name", LOCKS)


def locked(name: str) -> dict[str, str]:
    """Each package of a lock with its whole entry: the pin, its marker, its hashes."""
    entries = re.split(
        r"\n(?=[a-z0-9])", (ROOT / name).read_text(), flags=re.IGNORECASE
    )
    return {re.split(r"[=\[ ]", one, maxsplit=1)[0].lower(): one for one in entries}


@every_lock
def test_a_lock_holds_every_dependency(name: str) -> None:
    wanted = {re.split(r"[<>=\[ ]", one, maxsplit=1)[0].lower() for one in LOCKS[name]}

    assert wanted <= locked(name).keys()


@every_lock
def test_every_line_of_a_lock_is_pinned_and_hashed(name: str) -> None:
    for package, entry in locked(name).items():
        assert re.match(r"\S+==\S+", entry), package
        assert "--hash=sha256:" in entry, package


@every_lock
def test_a_lock_carries_no_addresses(name: str) -> None:
    assert not re.search(
        r"://|--(extra-)?index|--find-links", (ROOT / name).read_text()
    )


def test_the_proxys_closure_stays_small() -> None:
    assert len(locked("proxy/requirements.lock")) < 35


@pytest.mark.parametrize("command", ["claude-proxy", "claude-refresher"])
def test_a_command_is_installed_and_helps(command: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name(command), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {command}")


def test_a_locks_packages_run_no_code_when_python_starts() -> None:
    """A ``.pth`` file with an import is how poisoned releases have spread."""
    site = Path(pytest.__file__).parents[1]
    ours = {"distutils-precedence.pth", "_virtualenv.pth", "__editable__"}
    for path in site.glob("*.pth"):
        lines = path.read_text().splitlines()
        runs = [line for line in lines if line.startswith(("import ", "import\t"))]
        assert not runs or path.name.startswith(tuple(ours)), path


def test_the_coverage_gate_names_modules_that_exist() -> None:
    named = PYPROJECT["tool"]["coverage"]["run"]["source_pkgs"]

    assert [name for name in named if importlib.util.find_spec(name) is None] == []
