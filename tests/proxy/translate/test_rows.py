"""The contracts are documents: their rows and the tests' cases name each other."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parents[1] / "docs"
CONTRACTS = [DOCS / "translation.md", DOCS / "responses.md"]
ROW = r"[br]\d+\.[a-z_-]+"


def rows() -> list[str]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in CONTRACTS)
    return re.findall(rf"^\| `({ROW})` \| \S", text, re.MULTILINE)


def names_in_tests() -> set[str]:
    """What tests say they are about: rows in strings, and the names of functions.

    A case names its row as a string, "b1.temperature"; a test begins with it,
    ``test_b1_temperature_…``.
    """
    names: set[str] = set()
    for path in TESTS.glob("**/test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Constant(value=str(text)) if re.fullmatch(ROW, text):
                    names.add(text)
                case ast.FunctionDef(name=name) if re.match(r"test_[br]\d", name):
                    names.add(name)
    return names


def is_about(name: str, row: str) -> bool:
    prefix = f"test_{re.sub('[.-]', '_', row)}"
    return name in {row, prefix} or name.startswith(f"{prefix}_")


def test_no_row_of_the_contract_is_without_a_case() -> None:
    names = names_in_tests()

    assert len(rows()) > 50
    assert [
        row for row in rows() if not any(is_about(name, row) for name in names)
    ] == []


def test_no_case_names_a_row_that_the_contract_does_not_have() -> None:
    known = rows()

    assert [
        name
        for name in sorted(names_in_tests())
        if not any(is_about(name, row) for row in known)
    ] == []


def test_every_row_has_an_id_of_its_own() -> None:
    assert len(rows()) == len(set(rows()))
