"""Structured output, images, files and reasoning through the official client."""

import base64
import json

import openai
import pytest
from pydantic import BaseModel

from openai_client import NEWEST, OLDER, WEATHER, ask, chunks, sent, turn_of, user

streamed = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJ"
    "RU5ErkJggg=="
)
PDF = base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()


class Step(BaseModel):
    explanation: str
    done: bool


class Plan(BaseModel):
    title: str
    steps: list[Step]


@streamed
def test_a_pydantic_model_is_parsed(client, standin, streamed):
    request = {"model": NEWEST, "messages": [user("Plan a walk")]}
    if streamed:
        with client.chat.completions.stream(**request, response_format=Plan) as stream:
            answer = stream.get_final_completion()
    else:
        answer = client.chat.completions.parse(**request, response_format=Plan)
    assert isinstance(answer.choices[0].message.parsed, Plan)
    output = sent(standin)[0]["output_config"]["format"]
    assert output["type"] == "json_schema"
    assert output["schema"]["additionalProperties"] is False


def test_a_json_object_is_asked_for_in_words(client, standin):
    raw = client.chat.completions.with_raw_response.create(
        model=NEWEST,
        messages=[user("Hello")],
        response_format={"type": "json_object"},
    )
    assert raw.headers["x-proxy-warnings"] == "json_object_by_prompt"
    (body,) = sent(standin)
    assert "JSON object" in body["system"][-1]["text"]
    assert "output_config" not in body


def _image(url):
    return {"type": "image_url", "image_url": {"url": url, "detail": "high"}}


def _file(**file):
    return {"type": "file", "file": file}


PARTS = {
    "image inline": (
        _image(f"data:image/png;base64,{PIXEL}"),
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
        },
    ),
    "image at an address": (
        _image("https://example.com/a.png"),
        {
            "type": "image",
            "source": {"type": "url", "url": "https://example.com/a.png"},
        },
    ),
    "PDF as a data URL": (
        _file(filename="a.pdf", file_data=f"data:application/pdf;base64,{PDF}"),
        {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
        },
    ),
    "PDF in bare base64": (
        _file(filename="a.pdf", file_data=PDF),
        {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
        },
    ),
    "text file": (
        _file(filename="a.txt", file_data=base64.b64encode(b"words").decode()),
        {
            "type": "document",
            "title": "a.txt",
            "source": {"type": "text", "media_type": "text/plain", "data": "words"},
        },
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_images_and_files_reach_claude_as_its_own_blocks(client, standin, name):
    part, block = PARTS[name]
    ask(client, messages=[user([{"type": "text", "text": "Look"}, part])])
    content = sent(standin)[0]["messages"][0]["content"]
    assert content == [{"type": "text", "text": "Look"}, block]


@pytest.mark.parametrize(
    "part",
    [
        _image("http://example.com/a.png"),
        _image("data:image/tiff;base64,AAAA"),
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
    ],
    ids=["http", "tiff", "audio"],
)
def test_what_claude_cannot_take_is_refused_by_name_and_not_sent(client, standin, part):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, messages=[user([part])])
    assert caught.value.param.startswith("messages[0].content[0]")
    assert sent(standin) == []


@streamed
@pytest.mark.parametrize("model", [NEWEST, OLDER])
def test_reasoning_is_readable_when_effort_is_asked_for(
    client, standin, model, streamed
):
    answer = ask(client, streamed=streamed, model=model, reasoning_effort="high")
    message = answer.choices[0].message
    assert "stand-in's thinking" in message.reasoning_content
    (block,) = message.thinking_blocks
    assert block["thinking"] == message.reasoning_content
    (body,) = sent(standin)
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body["output_config"]["effort"] == "high"


def test_reasoning_is_streamed_before_the_text(client):
    told = [chunk.choices[0].delta for chunk in chunks(client, reasoning_effort="low")]
    kinds = [
        "reasoning" if getattr(delta, "reasoning_content", None) else "text"
        for delta in told
        if getattr(delta, "reasoning_content", None) or delta.content
    ]
    assert kinds == sorted(kinds)
    assert set(kinds) == {"reasoning", "text"}


@streamed
def test_thinking_blocks_go_back_as_they_came(client, standin, streamed):
    request = {"reasoning_effort": "high", "tools": [WEATHER], "streamed": streamed}
    messages = [user("The weather in Paris")]
    called = ask(client, messages=messages, **request).choices[0].message
    messages += [
        turn_of(called),
        {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "22"},
    ]
    answered = ask(client, messages=messages, **request)
    assert "22" in answered.choices[0].message.content
    second = sent(standin)[1]
    assert second["messages"][1]["content"][0] == called.thinking_blocks[0]
    assert second["thinking"]["block_binding"] == {
        "prefix_mismatch_behavior": "drop_block"
    }


def test_an_unknown_effort_is_refused_by_name(client, standin):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, reasoning_effort="enormous")
    assert caught.value.param == "reasoning_effort"
    assert sent(standin) == []


def test_parsed_output_is_the_json_of_the_schema(client):
    answer = ask(
        client,
        response_format={
            "type": "json_schema",
            "json_schema": {
                "name": "Plan",
                "schema": Plan.model_json_schema(),
            },
        },
    )
    assert Plan.model_validate(json.loads(answer.choices[0].message.content))
