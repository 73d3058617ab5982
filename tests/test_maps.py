"""The maps are true: a package's docstring lists its modules, all of them and no other."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(
    str(path.parent.relative_to(ROOT))
    for program in ("proxy", "refresher")
    for path in ROOT.glob(f"{program}/**/__init__.py")
)

LISTED = re.compile(r"^ {4,6}(\w+(?:(?:, | \| )\w+)*)(?: {2,}\S|$)", re.MULTILINE)
"""The left column of a map: ``    models, health    the other resources``."""
BESIDE = re.compile(r"\b((?:\w+, )*\w+):\s")
"""More modules in its right column: ``history: the last day in memory``."""
IN_PROSE = re.compile(r"`(\w+)`")
"""The modules of a package too small for a map."""

every_package = pytest.mark.parametrize("package", PACKAGES)


def the_map(package: str) -> str:
    source = (ROOT / package / "__init__.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source), clean=False) or ""


def modules(package: str) -> set[str]:
    folder = ROOT / package
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return files | {path.parent.name for path in folder.glob("*/__init__.py")}


def names(found: list[str]) -> set[str]:
    return {name for names in found for name in re.split(r", | \| ", names)}


@every_package
def test_every_module_is_on_the_map_of_its_package(package: str) -> None:
    text = the_map(package)
    listed = [*LISTED.findall(text), *BESIDE.findall(text), *IN_PROSE.findall(text)]

    assert modules(package) - names(listed) == set()


@every_package
def test_a_map_shows_no_module_that_is_not_there(package: str) -> None:
    assert names(LISTED.findall(the_map(package))) - modules(package) == set()
