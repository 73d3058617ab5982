"""proxy.capabilities: what each model accepts, against the stand-in's own table."""

from datetime import UTC, datetime

import pytest
from msgspec import structs

from proxy import capabilities
from standin import models as standin_models


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
