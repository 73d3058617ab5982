"""Text, plain and streamed, through the official client."""

import asyncio
import json

import openai
import pytest

from openai_client import NEWEST, OLDER, ask, chunks, sent, user

streamed = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


@streamed
def test_an_answer_carries_text_usage_and_the_model_that_was_asked_for(
    client, streamed
):
    options = {"stream_options": {"include_usage": True}} if streamed else {}
    answer = ask(
        client, streamed=streamed, model="anthropic/claude-opus-5.5", **options
    )
    assert "stand-in, not Claude" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "anthropic/claude-opus-5.5"
    usage = answer.usage
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_a_stream_tells_the_same_answer_as_a_plain_one(client):
    plain, told = ask(client), ask(client, streamed=True)
    assert told.choices[0].message.content == plain.choices[0].message.content
    assert told.id == plain.id


def test_chunks_share_one_id_and_only_the_last_has_a_finish_reason(client):
    told = chunks(client)
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in told}) == 1
    reasons = [chunk.choices[0].finish_reason for chunk in told]
    assert reasons == [None] * (len(told) - 1) + ["stop"]
    assert told[0].choices[0].delta.role == "assistant"
    assert all(chunk.usage is None for chunk in told)


def test_usage_comes_in_a_last_chunk_without_choices_when_asked_for(client):
    told = chunks(client, stream_options={"include_usage": True})
    assert [bool(chunk.choices) for chunk in told] == [True] * (len(told) - 1) + [False]
    assert told[-1].usage == ask(client).usage
    assert all(chunk.usage is None for chunk in told[:-1])


def test_the_stream_helper_accumulates_a_message(client):
    with client.chat.completions.stream(
        model=NEWEST, messages=[user("Hello")]
    ) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == final.choices[0].message.content
    assert final.choices[0].finish_reason == "stop"


@streamed
def test_a_stop_sequence_ends_the_answer(client, streamed):
    answer = ask(client, streamed=streamed, stop=["stand-in"])
    assert answer.choices[0].message.content == "This is the "
    assert answer.choices[0].finish_reason == "stop"


@streamed
@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_ends_the_answer_with_length(client, standin, streamed, limit):
    answer = ask(client, streamed=streamed, model=OLDER, **{limit: 3})
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content == "This is the "
    assert sent(standin)[0]["max_tokens"] == 3


@streamed
def test_a_refusal_is_told_in_words(client, streamed):
    magic = "ANTHROPIC_MAGIC_STRING_TRIGGER_REFUSAL"
    answer = ask(client, streamed=streamed, messages=[user(magic)])
    assert answer.choices[0].finish_reason == "content_filter"
    message = answer.choices[0].message
    assert "refuse" in message.refusal
    assert message.content == message.refusal  # for clients that show nothing else


@streamed
def test_a_refusal_can_be_sent_back(client, standin, streamed):
    magic = "ANTHROPIC_MAGIC_STRING_TRIGGER_REFUSAL"
    first = ask(client, streamed=streamed, messages=[user(magic)]).choices[0].message
    back = {"role": "assistant", "content": first.content, "refusal": first.refusal}
    ask(client, messages=[user(magic), back, user("Hello")])
    [block] = sent(standin)[-1]["messages"][1]["content"]
    assert block["text"] == first.refusal


def test_leading_system_and_developer_messages_become_the_system_prompt(
    client, standin
):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        user("Hello"),
    ]
    ask(client, messages=messages)
    (body,) = sent(standin)
    assert [block["text"] for block in body["system"]] == ["Be brief.", "Be kind."]
    assert [message["role"] for message in body["messages"]] == ["user"]


@pytest.mark.parametrize(
    ("model", "roles"), [(NEWEST, ["user", "system"]), (OLDER, ["user", "user"])]
)
def test_a_late_system_message_keeps_its_place(client, standin, model, roles):
    late = {"role": "system", "content": "It is late."}
    ask(client, model=model, messages=[user("Hello"), late])
    (body,) = sent(standin)
    assert "system" not in body
    flat = [
        (message["role"], block["text"])
        for message in body["messages"]
        for block in message["content"]
    ]
    assert [role for role, _ in flat] == roles
    assert flat[1][1].endswith("It is late.")


def test_another_turn_is_answered_with_the_history(client, standin):
    first = ask(client)
    history = [user("Hello"), first.choices[0].message.to_dict(), user("And now?")]
    second = ask(client, messages=history)
    assert "Messages sent: 3" in second.choices[0].message.content
    assert len(sent(standin)[1]["messages"]) == 3


def test_sampling_is_left_out_with_a_warning_where_the_model_has_none(client, standin):
    raw = client.chat.completions.with_raw_response.create(
        model=NEWEST, messages=[user("Hello")], temperature=0.2, seed=7
    )
    warnings = set(raw.headers["x-proxy-warnings"].split(", "))
    assert warnings == {"temperature_ignored", "seed_ignored"}
    assert "temperature" not in sent(standin)[0]


def test_sampling_is_honoured_where_the_model_has_it(client, standin):
    ask(client, model=OLDER, temperature=0.2)
    assert sent(standin)[0]["temperature"] == 0.2
    assert standin.requests[-1].headers["anthropic-version"] == "2023-06-01"


async def _ask_together(base_url, count):
    async with openai.AsyncOpenAI(base_url=base_url, api_key="unused") as client:
        asked = [
            client.chat.completions.create(model=NEWEST, messages=[user(f"Hello {i}")])
            for i in range(count)
        ]
        return await asyncio.gather(*asked)


def test_many_answers_at_once_each_go_to_their_own_question(proxy):
    answers = asyncio.run(_ask_together(f"{proxy.url}/v1", 20))
    assert len({answer.id for answer in answers}) == 20


@streamed
def test_what_a_search_of_the_web_found_is_cited(client, standin, streamed):
    asked = [user("Please search for the weather.")]
    answer = ask(client, streamed=streamed, messages=asked, web_search_options={})
    message = answer.choices[0].message
    [annotation] = json.loads(message.model_dump_json())["annotations"]
    cited = annotation["url_citation"]
    assert cited["url"] == "https://example.com/found"
    span = message.content[cited["start_index"] : cited["end_index"]]
    assert span == "Grüße, it found one page"
    assert sent(standin)[-1]["tools"][-1]["name"] == "web_search"
