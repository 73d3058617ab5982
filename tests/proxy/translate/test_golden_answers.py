"""Answers: an upstream stream, and what plain and streaming clients get for it.

``<case>.anthropic.sse`` gives ``<case>.completion.json`` and ``<case>.chunks.sse``.
"""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from proxy import sse
from response_translation import as_data, chunks_of, completion_of, events_of

CASES = sorted(Path(__file__).parents[1].glob("golden/answers/*.anthropic.sse"))


def name_of(path: Path) -> str:
    return path.name.removesuffix(".anthropic.sse")


SAME = {"unknown-kinds": "empty-deltas"}
"""Streams for which a client gets the same: what it cannot use is left out."""


def expected_name(path: Path) -> str:
    return SAME.get(name_of(path), name_of(path))


every_case = pytest.mark.parametrize("path", CASES, ids=name_of)


@every_case
def test_a_plain_answer_is_as_its_golden_file_says(
    path: Path, check_golden: Callable[[Path, str], None]
) -> None:
    answer = completion_of(events_of([path.read_bytes()]))

    text = json.dumps(as_data(answer), indent=1, ensure_ascii=False) + "\n"
    check_golden(path.with_name(f"{expected_name(path)}.completion.json"), text)


@every_case
def test_a_streamed_answer_is_as_its_golden_file_says(
    path: Path, check_golden: Callable[[Path, str], None]
) -> None:
    chunks = chunks_of(events_of([path.read_bytes()]))

    text = b"".join(sse.encode(msgspec.json.encode(chunk)) for chunk in chunks).decode()
    check_golden(path.with_name(f"{expected_name(path)}.chunks.sse"), text)


@every_case
def test_every_answer_and_chunk_passes_openais_own_validation(path: Path) -> None:
    events = events_of([path.read_bytes()])

    answer = as_data(completion_of(events))
    chunks = [as_data(chunk) for chunk in chunks_of(events)]

    assert ChatCompletion.model_validate(answer, strict=True)
    assert all(ChatCompletionChunk.model_validate(one, strict=True) for one in chunks)
    assert {"logprobs", "finish_reason", "index", "message"} <= answer["choices"][
        0
    ].keys()
    assert "refusal" in answer["choices"][0]["message"]
    for chunk in chunks:
        assert all("finish_reason" in choice for choice in chunk["choices"])
        assert "usage" in chunk


@every_case
def test_the_chunks_add_up_to_the_plain_answer(path: Path) -> None:
    events = events_of([path.read_bytes()])
    whole = as_data(completion_of(events))

    message, reason, usage = added_up([as_data(one) for one in chunks_of(events)])

    said = whole["choices"][0]
    expected = {k: v for k, v in said["message"].items() if v is not None}
    assert message == with_parsed_arguments(expected)
    assert reason == said["finish_reason"]
    assert usage == whole["usage"]


@given(data=st.data())
def test_any_cut_of_the_bytes_gives_the_same_chunks(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(CASES)).read_bytes()
    ends = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]), label="line ends")
    wire = whole.replace(b"\n", ends)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=20)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]

    assert events_of(pieces) == events_of([whole])


def added_up(chunks: list[dict]) -> tuple[dict, str, dict]:
    """What a client that adds all deltas has in the end."""
    message: dict = {}
    calls: dict[int, dict] = {}
    reason, usage = None, None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            reason = choice["finish_reason"] or reason
            for key, value in choice["delta"].items():
                if key == "tool_calls":
                    for told in value:
                        add_call(calls, told)
                elif key in {"thinking_blocks", "annotations"}:
                    message[key] = message.get(key, []) + value
                elif key == "role":
                    message[key] = value
                else:
                    message[key] = message.get(key, "") + value
    if calls and not message["content"]:
        del message["content"]
    if calls:
        assert list(calls) == list(range(len(calls)))
        message["tool_calls"] = list(calls.values())
    return with_parsed_arguments(message), reason, usage


def add_call(calls: dict[int, dict], told: dict) -> None:
    if "id" in told:  # the first of a call: name, and no arguments yet
        assert told["function"]["arguments"] == ""
        call = {k: told[k] for k in ("id", "type")}
        calls[told["index"]] = {**call, "function": dict(told["function"])}
    else:
        assert told.keys() == {"index", "function"}
        function = calls[told["index"]]["function"]
        function["arguments"] += told["function"]["arguments"]


def with_parsed_arguments(message: dict) -> dict:
    """Arguments compared by value: a stream passes the model's own spacing on."""
    for call in message.get("tool_calls", []):
        text = call["function"]["arguments"]
        try:
            call["function"]["arguments"] = json.loads(text)
        except ValueError:
            call["function"]["arguments"] = text
    return message
