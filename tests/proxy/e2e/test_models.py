"""The models list through the official client."""

import openai
import pytest

from openai_client import NEWEST


def test_the_models_are_anthropics_own_list(client, standin):
    listed = list(client.models.list())
    assert NEWEST in {model.id for model in listed}
    assert {model.owned_by for model in listed} == {"anthropic"}
    assert all(model.created > 0 for model in listed)


@pytest.mark.parametrize("name", [NEWEST, "anthropic/claude-opus-5.5"])
def test_one_model_is_told_by_the_name_that_was_asked_for(client, name):
    assert client.models.retrieve(name).id == name


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-5")
    assert caught.value.code == "model_not_found"


def test_a_model_that_anthropic_lists_can_be_asked_by_its_full_name(client):
    answer = client.chat.completions.create(
        model="claude-haiku-4-5-20251001",
        messages=[{"role": "user", "content": "Hello"}],
    )
    assert answer.model == "claude-haiku-4-5-20251001"


def test_the_built_in_list_stands_in_where_anthropic_cannot_be_asked(start):
    running = start(ANTHROPIC_API_KEY="key", ANTHROPIC_API_BASE="http://127.0.0.1:9")
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key="unused") as client:
        assert NEWEST in {model.id for model in client.models.list()}
