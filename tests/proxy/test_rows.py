"""Every row of the contract has a case, every model of the table a test."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs

from proxy import capabilities
from rows import COMPLAINTS, ROWS
from standin import models as standin_models

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


@pytest.mark.parametrize("model", capabilities.MODELS, ids=lambda model: model.id)
def test_a_model_is_described_as_the_stand_in_describes_it(
    model: capabilities.Model,
) -> None:
    """Two tables, written apart from the same sources: a difference is a mistake.

    Haiku 5.5 takes sampling fields at their defaults alone (the stand-in's "default"),
    so there is nothing for the proxy to send.
    """
    other = standin_models.find(model.id)
    assert other is not None
    released = datetime.fromisoformat(other.created).replace(tzinfo=UTC)

    assert structs.asdict(model) == {
        "id": other.alias or other.id,
        "known": True,
        "sampling": other.sampling == "one",
        "prefill": other.prefill,
        "forced_tools": other.forced_tools,
        "mid_system": other.mid_system,
        "thinking": set(other.thinking),
        "thinking_default": other.thinking_default,
        "effort": set(other.efforts),
        "structured_outputs": other.structured_outputs,
        "max_tokens": other.max_tokens,
        "max_input_tokens": other.max_input_tokens,
        "created": released.timestamp(),
    }


def test_both_tables_know_the_same_models() -> None:
    names = [model.alias or model.id for model in standin_models.MODELS]

    assert sorted(names) == sorted(model.id for model in capabilities.MODELS)
