"""Requests as recorded from a real agent and a real .NET client, translated.

Each ``<case>.openai.json`` stands beside the ``<case>.anthropic.json`` that is sent for
it. The same requests go through a real proxy in ``e2e/test_rockbot.py``. ``pytest --update-golden`` rewrites the latter; read the diff.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from falcon import testing

from request_translation import golden_text
from standin import server

GOLDEN = Path(__file__).parents[1] / "golden"
RECORDED = sorted(GOLDEN.glob("rockbot/*.openai.json"))
SAME = {
    "tool-loop-streamed-1": "tool-loop-1",
    "tool-loop-streamed-2": "tool-loop-2",
}
"""Requests that differ in ``stream`` alone: upstream always streams."""


def name_of(path: Path) -> str:
    return path.name.removesuffix(".openai.json")


@pytest.mark.parametrize("path", RECORDED, ids=name_of)
def test_a_request_is_translated_as_its_golden_file_says(
    path: Path, check_golden: Callable[[Path, str], None]
) -> None:
    name = SAME.get(name_of(path), name_of(path))
    expected = path.with_name(f"{name}.anthropic.json")

    check_golden(expected, golden_text(path.read_bytes()))


@pytest.mark.parametrize(
    "model",
    ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-sonnet-5",
     "claude-opus-4-8", "claude-haiku-4-5", "claude-some-day-9"],
)  # fmt: skip
@pytest.mark.parametrize("path", RECORDED, ids=name_of)
def test_a_recorded_request_is_accepted_by_every_generation_of_models(
    path: Path, model: str, client: testing.TestClient, standin: server.StandIn
) -> None:
    given = {**json.loads(path.read_text()), "model": model, "stream": True}

    answer = client.simulate_post("/v1/chat/completions", json=given)

    received = [one for one in standin.requests if one.path == "/v1/messages"]
    known = model != "claude-some-day-9"
    assert answer.status_code == (200 if known else 404)
    assert {one.rule for one in received} == ({None} if known else {"model.unknown"})
