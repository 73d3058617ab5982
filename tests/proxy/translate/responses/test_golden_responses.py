"""Responses: an upstream stream, and what plain and streaming clients get for it.

``<case>.anthropic.sse`` gives ``<case>.response.json`` and ``<case>.events.sse``.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx2
import openai
import pydantic
import pytest
from openai.types.responses import Response, ResponseStreamEvent

from proxy import errors
from proxy.translate import accumulator
from proxy.translate.responses import context, envelope, response
from responses_translation import (
    CREATED,
    ENDED,
    encoder,
    last,
    read,
    recorded,
    types,
    with_compact_arguments,
)
from upstream_blocks import as_data

CASES = sorted(Path(__file__).parents[2].glob("golden/answers/*.anthropic.sse"))
ASKED = context.Context(model="claude-sonnet-4-6", sources=True)
EVENT = pydantic.TypeAdapter(ResponseStreamEvent)

every_case = pytest.mark.parametrize(
    "path", CASES, ids=lambda path: path.name.removesuffix(".anthropic.sse")
)


def stream_of(path: Path) -> bytes:
    """What a client reads; everything comes from Anthropic at once."""
    return encoder(ASKED).feed(recorded(path))


def response_of(path: Path) -> dict:
    whole = accumulator.MessageAccumulator()
    for event in recorded(path):
        whole.feed(event)
    answer = response.to_response(
        whole.message, ASKED, created=CREATED, now=lambda: ENDED
    )
    return as_data(answer)


def legible(text: str) -> str:
    """The same with what is in the envelopes: other builds of zlib pack otherwise."""
    return re.sub(
        r"ccp1\.[\w-]+",
        lambda found: f"ccp1.<{', '.join(kinds(found.group()))}>",
        text,
    )


def kinds(sealed: str) -> list[str]:
    return [block.type for block in envelope.opened(sealed).blocks]


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name.replace("anthropic.sse", suffix))


@every_case
def test_a_plain_response_is_as_its_golden_file_says(
    path: Path, check_golden: Callable[[Path, str], None]
) -> None:
    text = json.dumps(response_of(path), indent=1, ensure_ascii=False) + "\n"

    check_golden(beside(path, "response.json"), legible(text))


@every_case
def test_a_streamed_response_is_as_its_golden_file_says(
    path: Path, check_golden: Callable[[Path, str], None]
) -> None:
    check_golden(beside(path, "events.sse"), legible(stream_of(path).decode()))


@every_case
def test_every_read_of_one_event_gives_the_same_bytes(path: Path) -> None:
    encoding = encoder(ASKED)

    one_by_one = [encoding.feed([event]) for event in recorded(path)]

    assert b"".join(one_by_one) == stream_of(path)


@every_case
def test_the_last_event_has_the_plain_response(path: Path) -> None:
    streamed = last(read(stream_of(path)))
    output = [with_compact_arguments(item) for item in streamed["output"]]

    assert {**streamed, "output": output} == response_of(path)


@every_case
def test_everything_passes_openais_own_validation(path: Path) -> None:
    assert Response.model_validate(response_of(path), strict=True)
    for event in read(stream_of(path)):
        if event != "[DONE]" and event["type"] != "keepalive":
            assert EVENT.validate_python(event, strict=True)


# ------------------------------------------------------------------ a real reader


def client_that_reads(wire: bytes) -> openai.OpenAI:
    def respond(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            200, headers={"content-type": "text/event-stream"}, content=wire
        )

    transport = httpx2.MockTransport(respond)
    return openai.OpenAI(
        api_key="unused", max_retries=0, http_client=httpx2.Client(transport=transport)
    )


def without_parsed(item: dict) -> dict:
    """An item without what the client itself adds to it."""
    item.pop("parsed_arguments", None)
    for part in item.get("content") or ():
        part.pop("parsed", None)
    return item


COMPLETED = [path for path in CASES if response_of(path)["status"] == "completed"]


@pytest.mark.parametrize("path", COMPLETED, ids=lambda path: path.name.split(".")[0])
def test_openais_own_accumulator_has_the_same_response(path: Path) -> None:
    wire = stream_of(path)

    with client_that_reads(wire).responses.stream(model="m", input="Hi") as reading:
        seen = [event.type for event in reading]
        final = reading.get_final_response()

    assert seen[0] == "response.created"
    had = [without_parsed(item.to_dict(mode="json")) for item in final.output]
    assert had == last(read(wire))["output"]
    assert final.usage is not None
    said = [part["text"] for item in last(read(wire))["output"]
            if item["type"] == "message" for part in item["content"]]  # fmt: skip
    assert final.output_text == "".join(said)


@every_case
def test_openais_own_client_raises_where_a_response_breaks_off(path: Path) -> None:
    encoding = encoder(ASKED)
    begun = encoding.feed(recorded(path)[:-1])
    wire = begun + encoding.broken(errors.internal())

    with (
        pytest.raises(openai.APIError),
        client_that_reads(wire).responses.create(
            model="m", input="Hi", stream=True
        ) as reading,
    ):
        list(reading)

    assert types(read(wire))[-2:] == ["error", "response.failed"]
