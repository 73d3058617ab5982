"""Every row of the contract has a case, every model of the table a test."""

import re
from pathlib import Path

from proxy import capabilities
from proxy.demo import models as standin_models
from rows import COMPLAINTS, ROWS

HERE = Path(__file__).parent


def words_of_the_tests() -> str:
    files = [*HERE.glob("test_*.py"), *HERE.glob("e2e/*.py")]
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


def test_the_model_table_agrees_with_the_stand_ins_own() -> None:
    """Two tables, written apart from the same sources: a difference is a mistake."""
    for model in capabilities.MODELS:
        other = standin_models.find(model.id)
        assert other is not None, model.id
        assert model.effort == set(other.efforts), model.id
        assert model.thinking == set(other.thinking), model.id
        assert model.forced_tools == other.forced_tools, model.id
        assert model.prefill == other.prefill, model.id
        assert model.mid_system == other.mid_system, model.id
        assert (model.max_tokens, model.max_input_tokens) == (
            other.max_tokens,
            other.max_input_tokens,
        )
