"""docs/clients.md names the versions that the suites run."""

import json
import re
from pathlib import Path

import pytest

from clients import dotnet_library, environments

ROOT = Path(__file__).parents[3]
ROWS = re.findall(
    r"^\| .*`([\w@/-]+)` \| ([\d.]+) \|",
    (ROOT / "docs/clients.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def locked():
    """Every package of the environments, with its versions in all of them."""
    texts = [
        *(path for name in environments.OF_PIP for path in environments.locks(name)),
        ROOT / "tests/requirements.lock",
    ]
    for path in texts:
        yield from re.findall(r"^([\w-]+)==([\w.]+)", path.read_text(), re.MULTILINE)
    yield "OpenAI", dotnet_library.VERSION  # the lock names the program around it
    for name in environments.OF_NPM:
        package, _ = environments.locks(name)
        yield from json.loads(package.read_text()).get("dependencies", {}).items()


@pytest.mark.parametrize(("package", "version"), ROWS)
def test_a_version_in_the_documents_is_one_that_runs(package, version):
    assert (package, version) in set(locked())


def test_every_row_names_a_package_and_its_version():
    assert len(ROWS) == 15
