"""The stand-in as the official SDK sees it."""

import threading

import anthropic
import httpx2
import pydantic
import pytest

import waiting
from standin import server

MODEL = "claude-opus-5-5"
WEATHER = {
    "name": "get_weather",
    "description": "Says how the weather is.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.fixture
def standin():
    with server.serve() as running:
        yield running


@pytest.fixture
def client(standin):
    with anthropic.Anthropic(
        base_url=standin.base_url,
        api_key="key-of-a-test",
        max_retries=0,
        timeout=waiting.LONG,
    ) as opened:
        yield opened


def user(text):
    return {"role": "user", "content": text}


def create(client, **fields):
    request = {"model": MODEL, "max_tokens": 1000, "messages": [user("Hello")]}
    return client.messages.create(**request | fields)


def test_a_plain_answer_says_that_it_is_a_stand_in(client):
    message = create(client)
    assert "stand-in, not Claude" in message.content[-1].text
    assert message.stop_reason == "end_turn"


def test_a_stream_gives_the_same_message_as_a_plain_answer(client):
    plain = create(client)
    request = {"model": MODEL, "max_tokens": 1000, "messages": [user("Hello")]}
    with client.messages.stream(**request) as stream:
        streamed = stream.get_final_message()
    assert streamed.content[-1].text == plain.content[-1].text
    assert streamed.stop_reason == plain.stop_reason
    assert streamed.usage.output_tokens == plain.usage.output_tokens


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_loop_ends_in_a_text_that_quotes_the_result(client, streamed):
    def ask(messages):
        request = {"model": MODEL, "max_tokens": 1000, "messages": messages}
        request["tools"] = [WEATHER]
        if not streamed:
            return client.messages.create(**request)
        with client.messages.stream(**request) as stream:
            return stream.get_final_message()

    messages = [user("How is the weather in Paris?")]
    called = ask(messages)
    use = called.content[-1]
    assert called.stop_reason == "tool_use"
    assert (use.name, use.input) == ("get_weather", {"city": "Paris"})

    result = {"type": "tool_result", "tool_use_id": use.id, "content": "22 and sunny"}
    turn = [item.to_dict(exclude_unset=True) for item in called.content]
    turn = [{k: v for k, v in block.items() if k != "parsed_output"} for block in turn]
    messages += [{"role": "assistant", "content": turn}, user([result])]
    answered = ask(messages)
    assert "22 and sunny" in answered.content[-1].text


@pytest.mark.parametrize("streamed", [False, True])
def test_a_compaction_is_all_that_is_answered_and_stands_for_what_was_said(
    client, streamed
):
    request = {"model": MODEL, "max_tokens": 1000, "betas": ["compact-2026-09-04"]}
    messages = [user("Hello"), {"role": "assistant", "content": "Hi"}]

    def ask(messages, **more):
        if not streamed:
            return client.beta.messages.create(**request, messages=messages, **more)
        with client.beta.messages.stream(
            **request, messages=messages, **more
        ) as stream:
            return stream.get_final_message()

    compacted = ask(messages, compaction={"type": "summarize"})
    (block,) = compacted.content
    assert compacted.stop_reason == "compaction"
    assert block.content == "This is the stand-in's summary of 2 messages."

    summary = {"role": "assistant", "content": [block.to_dict()]}
    assert ask([summary, user("And then?")]).stop_reason == "end_turn"
    summary["content"][0]["content"] = "Another summary"
    with pytest.raises(anthropic.BadRequestError) as caught:
        ask([summary, user("And then?")])
    code = caught.value.body["error"]["details"]["error_code"]
    assert code == "compaction_content_mismatch"


def test_a_summary_without_room_has_failed(client):
    compacted = client.beta.messages.create(
        model=MODEL,
        max_tokens=1,
        messages=[user("Hello")],
        compaction={"type": "summarize"},
        betas=["compact-2026-09-04"],
    )
    assert compacted.content[0].content is None


def test_a_count_takes_what_a_prompt_has_and_nothing_else(client):
    request = {"model": MODEL, "messages": [user("Hello")], "tools": [WEATHER]}
    alone = client.messages.count_tokens(**request | {"tools": []})
    assert client.messages.count_tokens(**request).input_tokens > alone.input_tokens
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: Extra inputs"):
        client.messages.count_tokens(**request, extra_body={"max_tokens": 9})


def test_what_was_received_is_kept_without_the_credential(client, standin):
    create(client, messages=[user("Hello there")])
    received = standin.requests[-1]
    assert received.body["messages"] == [user("Hello there")]
    assert received.headers["anthropic-version"] == "2026-10-21"
    assert "key-of-a-test" not in repr(received)


def test_a_refused_request_is_kept_with_the_row_that_it_broke(client, standin):
    with pytest.raises(anthropic.BadRequestError, match="Extra inputs") as caught:
        create(client, extra_body={"temperature": 1})
    assert standin.requests[-1].rule == "sampling.removed"
    assert caught.value.request_id


def test_a_scripted_failure_is_answered_once(client, standin):
    standin.fail_next(
        status=429,
        type="rate_limit_error",
        error_code="enforced_spend_limit_reached",
        headers={"retry-after": "7"},
    )
    with pytest.raises(anthropic.RateLimitError) as caught:
        create(client)
    assert caught.value.response.headers["retry-after"] == "7"
    details = caught.value.body["error"]["details"]
    assert details == {"error_code": "enforced_spend_limit_reached"}
    assert caught.value.body["request_id"] == caught.value.request_id
    assert create(client).stop_reason == "end_turn"


def test_only_accepted_tokens_are_let_in(client, standin):
    standin.accept_tokens = {"another-key"}
    with pytest.raises(anthropic.AuthenticationError):
        create(client)
    standin.accept_tokens.add("key-of-a-test")
    assert create(client).stop_reason == "end_turn"


def open_stream(client):
    request = {"model": MODEL, "max_tokens": 1000, "messages": [user("Hello")]}
    return client.messages.with_streaming_response.create(**request, stream=True)


def test_a_scripted_stream_waits_for_its_event_and_may_be_cut(client, standin):
    go_on = threading.Event()
    standin.answer_with([{"type": "ping"}, go_on, {"type": "ping"}], cut=True)
    with open_stream(client) as response:
        lines = response.iter_lines()
        assert next(lines) == "event: ping"
        go_on.set()
        with pytest.raises(httpx2.RemoteProtocolError):
            list(lines)


def test_a_client_that_hangs_up_is_counted(client, standin):
    standin.answer_with([{"type": "ping"}, threading.Event()])
    with open_stream(client) as response:
        assert next(response.iter_lines()) == "event: ping"
    assert waiting.until(lambda: standin.hangups == 1)


def test_the_models_are_listed_page_by_page(client):
    ids = [model.id for model in client.models.list(limit=5)]
    assert len(ids) == len(set(ids)) > 10
    assert MODEL in ids
    assert client.models.retrieve(MODEL).max_tokens == 128_000
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-none")


def test_tokens_are_counted(client):
    counted = client.messages.count_tokens(model=MODEL, messages=[user("x" * 400)])
    assert 100 <= counted.input_tokens < 120


def test_thinking_goes_round_and_is_refused_in_another_conversation(client, standin):
    asked = {"model": MODEL, "max_tokens": 1000, "system": "Be brief."}
    messages = [user("Hello")]
    thought = client.messages.create(**asked, messages=messages)
    assert [block.type for block in thought.content] == ["thinking", "text"]
    messages += [{"role": "assistant", "content": thought.content}, user("And then?")]
    assert client.messages.create(**asked, messages=messages).content

    asked["system"] = "Be verbose."
    with pytest.raises(anthropic.BadRequestError, match="`system` prompt differs"):
        client.messages.create(**asked, messages=messages)
    assert standin.requests[-1].rule == "thinking.unbound"


def test_thinking_of_another_conversation_is_dropped_on_request(client):
    messages = [user("Hello")]
    thought = create(client, messages=messages, system="Be brief.")
    messages += [{"role": "assistant", "content": thought.content}, user("And then?")]
    binding = {"prefix_mismatch_behavior": "drop_block"}
    message = client.beta.messages.create(
        model=MODEL,
        max_tokens=1000,
        messages=messages,
        thinking={"type": "adaptive", "block_binding": binding},
        betas=["thinking-binding-controls-2026-08-01"],
    )
    (dropped,) = message.input_transformations
    assert (dropped.type, dropped.path) == ("thinking_dropped", "messages.1.content.0")


class Weather(pydantic.BaseModel):
    city: str
    degrees: int
    sunny: bool | None


def test_a_structured_output_is_parsed_by_the_sdk(client):
    message = client.messages.parse(
        model=MODEL,
        max_tokens=1000,
        messages=[user("How is it in Paris?")],
        output_format=Weather,
    )
    assert message.parsed_output == Weather(city="Paris", degrees=1, sunny=True)


def test_a_conversation_reads_its_beginning_from_the_cache(client, standin):
    mark = {"type": "ephemeral"}
    messages = [user("word " * 1000)]
    first = create(client, messages=messages, cache_control=mark)
    assert first.usage.cache_creation_input_tokens > 1000
    messages += [{"role": "assistant", "content": first.content}, user("And then?")]
    second = create(client, messages=messages, cache_control=mark)
    read = second.usage.cache_read_input_tokens
    assert read == first.usage.cache_creation_input_tokens
    assert standin.requests[-1].usage["cache_read_input_tokens"] == read


def test_a_stable_code_comes_in_the_details_of_an_error(client):
    with pytest.raises(anthropic.BadRequestError) as caught:
        create(client, tools=[WEATHER, WEATHER])
    assert caught.value.body["error"]["details"] == {"error_code": "tool_name_conflict"}


def test_every_answer_says_its_id_and_the_rate_limits(client):
    raw = client.messages.with_raw_response.create(
        model=MODEL, max_tokens=1000, messages=[user("Hello")]
    )
    assert raw.headers["request-id"].startswith("req_")
    assert int(raw.headers["anthropic-ratelimit-requests-remaining"]) > 0


def test_a_failure_may_be_anything_but_json(client, standin):
    standin.fail_next(
        status=502, body=b"<html>", headers={"content-type": "text/html"}, times=2
    )
    for _ in range(2):
        with pytest.raises(anthropic.InternalServerError, match="<html>"):
            create(client)
    assert create(client).stop_reason == "end_turn"


def test_what_is_scripted_is_not_spent_on_a_refused_request(client, standin):
    standin.fail_next()
    with pytest.raises(anthropic.BadRequestError):
        create(client, max_tokens=-1)
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        create(client)
