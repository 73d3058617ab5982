"""Requests as recorded from real clients, translated (``golden/responses/README.md``)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy import errors
from proxy.translate.responses import items
from responses_requests import as_data, assistant, broken, called, earlier, read, user

GOLDEN = Path(__file__).parents[2] / "golden/responses"


def name_of(path: Path) -> str:
    return path.name.removesuffix(".request.json")


def body_of(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))["body"]


RECORDED = [path for path in sorted(GOLDEN.glob("*.request.json")) if body_of(path)]


def calls(*names: str) -> list[dict[str, Any]]:
    return [user("Weather?"), *(called(name, name="get_weather") for name in names)]


KNOWN: dict[str, items.Earlier] = {
    "agent-framework-2": earlier(
        calls("call_xMAwR3jr3KUZ7H2v0pKKWlD2", "call_icRWyjx08Bx8tx6DUhaNawed")
    ),
    "openai-python-previous-id-2": earlier(calls("call_VEydn4RJ2VTkHk1wENexokKV")),
    "codex-ws-3": earlier(calls("call_gx8CDCL50Or5aVQ6PJQqjCqH")),
    "ai-sdk-tools-2-item-reference": earlier(
        rs_d8ae430c4a80788cf7fbf7eeb8225541f0f331552fc6daf2={
            "type": "reasoning",
            "summary": [],
        },
        msg_209644edd16ff14c3ecc5110565b07d9a3efa644cdece877=assistant("I will look."),
    ),
}
"""What a memory of earlier responses would hold for the clients that count on one."""

REFUSED = {
    "agents-py-hosted-tools": "tools[1]",
    "ai-sdk-provider-tools": "tools[1]",
    "openai-python-conversation": "conversation",
}
"""What no translation can satisfy: OpenAI's hosted tools, conversations and prompts."""


def translated(path: Path, **more: Any) -> dict[str, Any]:
    known = KNOWN.get(name_of(path), items.NOTHING)
    try:
        one, way_back = read({**body_of(path), **more}, known=known)
    except errors.ProxyError as ex:
        names = ("status", "type", "code", "param", "message")
        return {"refused": {name: getattr(ex, name) for name in names}}
    told = {
        "warnings": list(one.warnings),
        "betas": list(one.betas),
        "removed": [one.id for one in way_back.removed],
        "body": as_data(one),
    }
    return {name: value for name, value in told.items() if value}


@pytest.mark.parametrize("path", RECORDED, ids=name_of)
def test_a_request_is_translated_as_its_golden_file_says(
    path: Path, check_golden: Callable[[Path, str], None]
) -> None:
    expected = path.with_name(f"{name_of(path)}.anthropic.json")

    text = json.dumps(translated(path), indent=1, ensure_ascii=False) + "\n"

    check_golden(expected, text)


@pytest.mark.parametrize("path", RECORDED, ids=name_of)
def test_only_what_cannot_be_had_is_refused(path: Path) -> None:
    refused = translated(path).get("refused", {})

    assert refused.get("param") == REFUSED.get(name_of(path))


@pytest.mark.parametrize(
    "model",
    ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-sonnet-5",
     "claude-opus-4-8", "claude-sonnet-4-6", "claude-opus-4-5", "claude-haiku-4-5"],
)  # fmt: skip
@pytest.mark.parametrize(
    "path", [path for path in RECORDED if name_of(path) not in REFUSED], ids=name_of
)
def test_a_recorded_request_is_accepted_by_every_generation_of_models(
    path: Path, model: str
) -> None:
    known = KNOWN.get(name_of(path), items.NOTHING)

    one, _ = read({**body_of(path), "model": model}, known=known)

    assert broken(one) == set()
