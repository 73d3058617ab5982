"""proxy.schema.allowed: an error about a closed set of values can name them."""

import json

import pytest

from proxy.schema import allowed, chat_request

MARKED = {
    "type": "text",
    "text": "Hi",
    "cache_control": {"type": "ephemeral", "ttl": "2h"},
}


def user(*parts: dict) -> dict:
    return {"messages": [{"role": "user", "content": list(parts)}]}


@pytest.mark.parametrize(
    ("path", "given", "values"),
    [
        ("thinking.type", {"thinking": {"type": "deep"}},
         ["enabled", "adaptive", "disabled", "between_tools"]),
        ("tools[1].type", {"tools": [{"type": "function"}, {"type": "retrieval"}]},
         ["function", "custom"]),
        ("messages[0].role", {"messages": [{"role": "wizard"}]},
         ["system", "developer", "user", "assistant", "tool", "function"]),
        ("messages[0].content[0].type", user({"type": "hologram"}),
         ["text", "image_url", "file", "input_audio"]),
        ("messages[0].content[0].type",
         {"messages": [{"role": "assistant", "content": [{"type": "hologram"}]}]},
         ["text", "refusal"]),
        ("messages[0].content[0].cache_control.ttl", user(MARKED), ["5m", "1h"]),
        ("model", {"model": 5}, []),
    ],
)  # fmt: skip
def test_a_field_of_a_closed_set_has_its_values_and_another_none(
    path: str, given: dict, values: list[str]
) -> None:
    data = json.dumps(given).encode()

    assert allowed.allowed_values(chat_request.ChatRequest, path, data) == values
