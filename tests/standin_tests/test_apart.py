"""The stand-in and what it judges have nothing in common."""

import ast
import sys
from pathlib import Path

import pytest

import standin

PACKAGE = Path(standin.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(source):
    """The top-level names of everything that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name.partition(".")[0] for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_of_the_stand_in_imports_python_and_a_judge_of_schemas(path):
    names = set(imported(path.read_text(encoding="utf-8")))
    assert names <= {"standin", "jsonschema", *sys.stdlib_module_names}


def test_an_import_of_the_proxy_would_be_noticed():
    source = "def f():\n    from proxy.translate import tools\n    import proxy.errors"
    assert set(imported(source)) == {"proxy"}
