"""Every row of the contract has a case."""

import re
from pathlib import Path

from rows import COMPLAINTS, ROWS

TESTS = Path(__file__).parents[1]


def words_of_the_tests() -> str:
    files = sorted(TESTS.glob("**/test_*.py"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def test_no_row_is_without_a_case() -> None:
    """A case names its row as a word, "b1.temperature"; a test in its own name."""
    text = words_of_the_tests()

    def has_case(row: str) -> bool:
        name = row.replace(".", "_")
        return (
            f'"{row}"' in text or re.search(rf"def test_{name}(_|\()", text) is not None
        )

    assert [row for row in ROWS if not has_case(row)] == []


def test_no_complaint_is_without_a_row() -> None:
    assert list(COMPLAINTS) == list(range(1, 26))
    assert {row for rows in COMPLAINTS.values() for row in rows} <= ROWS.keys()
