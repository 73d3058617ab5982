"""The official OpenAI client's `responses`, in front of a real proxy."""

import itertools
import json
import threading

import httpx2
import openai
import pydantic
import pytest

import health_port
from openai_client import FLAT_WEATHER as WEATHER
from openai_client import KEY, NEWEST, OLDER, connect, sent, user
from upstream_events import message, text
from waiting import until

streamed = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
ENCRYPTED = {"store": False, "include": ["reasoning.encrypted_content"]}


_numbers = itertools.count()


def new(words):
    """Words that nobody has said before: equal requests have equal responses, ids too."""
    return f"{next(_numbers)}: {words}"


def ask(client, *, streamed=False, **request):
    """A response; a streamed one is what the client's own accumulator makes of it."""
    request = {"model": NEWEST, "input": "Hello"} | request
    if not streamed:
        return client.responses.create(**request)
    with client.responses.stream(**request) as stream:
        return stream.get_final_response()


def items(response):
    """The output as the next request's input has it."""
    return [one.to_dict(mode="json", exclude_unset=True) for one in response.output]


def outputs(response, said="sunny"):
    return [
        {"type": "function_call_output", "call_id": one.call_id, "output": said}
        for one in response.output
        if one.type == "function_call"
    ]


@streamed
def test_a_response_comes_back_with_its_text_and_usage(client, standin, streamed):
    words = new("Hello")
    response = ask(client, streamed=streamed, input=words)
    assert "stand-in, not Claude" in response.output_text
    assert (response.status, response.model) == ("completed", NEWEST)
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0
    assert usage.output_tokens_details.reasoning_tokens > 0
    kept = client.responses.retrieve(response.id)
    assert kept.output_text == response.output_text
    (body,) = sent(standin)
    assert body["messages"] == [user([{"type": "text", "text": words}])]


def test_every_event_of_a_stream_is_one_that_the_client_knows(proxy):
    with (
        connect(proxy) as client,
        client.responses.create(
            model=NEWEST, input="Hello, events", stream=True
        ) as stream,
    ):
        kinds = [event.type for event in stream]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert "response.output_text.delta" in kinds


class Plan(pydantic.BaseModel):
    title: str
    minutes: int


@pytest.mark.parametrize("model", [NEWEST, OLDER])
def test_a_structured_output_is_parsed(client, model):
    response = client.responses.parse(model=model, input="Plan", text_format=Plan)
    assert isinstance(response.output_parsed, Plan)
    with client.responses.stream(
        model=model, input="Plan!", text_format=Plan
    ) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Plan)


@streamed
@pytest.mark.parametrize("how", ["stateless", "by id", "by reference"])
def test_every_step_of_a_tool_loop_has_its_thinking(client, standin, streamed, how):
    request = {"streamed": streamed, "tools": [WEATHER], "model": NEWEST,
               "reasoning": {"effort": "high", "summary": "auto"}}  # fmt: skip
    if how == "stateless":
        request |= ENCRYPTED
    whole = [user(new("The weather in Paris?"))]
    given, previous = whole, {}
    for said in ("STAND_IN_CALL_AGAIN: weather", "22 and sunny"):
        response = ask(client, input=given, **previous, **request)
        assert response.store is (how != "stateless")
        (call,) = [one for one in response.output if one.type == "function_call"]
        assert json.loads(call.arguments).keys() == {"city"}
        results = outputs(response, said)
        match how:
            case "stateless":
                whole = [*whole, *items(response), *results]
                given = whole
            case "by id":
                given, previous = results, {"previous_response_id": response.id}
            case "by reference":
                named = [{"type": "item_reference", "id": one.id}
                         for one in response.output]  # fmt: skip
                whole = [*whole, *named, *results]
                given = whole
    answered = ask(client, input=given, **previous, **request)
    assert "22 and sunny" in answered.output_text
    thoughts = [
        [sum(block["type"] == "thinking" for block in turn["content"])
         for turn in body["messages"] if turn["role"] == "assistant"]
        for body in sent(standin)
    ]  # fmt: skip
    assert thoughts == [[], [1], [1, 1]]


@streamed
def test_a_response_is_retrieved_listed_and_deleted(client, streamed):
    first = ask(client, streamed=streamed, input=new("One"))
    second = ask(client, streamed=streamed, input="Two", previous_response_id=first.id)
    assert client.responses.retrieve(second.id).output_text == second.output_text
    listed = client.responses.input_items.list(second.id, order="asc", limit=1)
    ids = [item.id for item in listed]  # which turns the pages
    assert len(ids) == len(set(ids)) == 2 + len(first.output)
    backwards = client.responses.input_items.list(second.id, limit=2)
    assert [item.id for item in backwards] == ids[::-1]
    rest = client.responses.input_items.list(second.id, order="asc", after=ids[1])
    assert [item.id for item in rest] == ids[2:]

    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    assert ask(client, input="Three", previous_response_id=second.id).store
    with pytest.raises(openai.BadRequestError, match="Cannot cancel"):
        client.responses.cancel(second.id)


def test_tokens_are_counted(client):
    counted = client.responses.input_tokens.count(model=OLDER, input="Hello, count")
    response = ask(client, model=OLDER, input="Hello, count")
    assert counted.input_tokens == response.usage.input_tokens


def test_a_conversation_is_compacted_and_goes_on(client, standin):
    first = ask(client, input="A long story")
    compacted = client.responses.compact(model=NEWEST, previous_response_id=first.id)
    (item,) = compacted.output
    assert item.type == "compaction"
    goes_on = [item.to_dict(mode="json"), user("And then?")]
    assert ask(client, input=goes_on).status == "completed"
    *_, asked, _ = sent(standin)
    assert asked["compaction"] == {"type": "summarize"}


@streamed
def test_a_trigger_compacts_in_place(client, streamed):
    given = [user("A long story"), {"type": "compaction_trigger"}]
    response = ask(client, streamed=streamed, input=given, store=False)
    assert [one.type for one in response.output] == ["compaction"]


# ------------------------------------------------------------------ errors

REFUSED = {
    "no input": ({"input": []}, openai.BadRequestError, "input",
                 "missing_required_parameter"),
    "an unknown model": ({"model": "claude-none"}, openai.NotFoundError, "model",
                         "model_not_found"),
    "a lost response": ({"previous_response_id": "resp_none"},
                        openai.BadRequestError, "previous_response_id",
                        "previous_response_not_found"),
    "a lost item": ({"input": [{"type": "item_reference", "id": "msg_none"}]},
                    openai.NotFoundError, "input", None),
    "an open call": ({"input": [{"type": "function_call", "call_id": "call_1",
                                 "name": "f", "arguments": "{}"}, user("Hi")]},
                     openai.BadRequestError, "input", None),
    "a conversation": ({"conversation": "conv_1"}, openai.BadRequestError,
                       "conversation", "unsupported_value"),
    "a template": ({"prompt": {"id": "pmpt_1"}}, openai.BadRequestError, "prompt",
                   "unsupported_value"),
    "the background": ({"background": True}, openai.BadRequestError, "background",
                       "unsupported_value"),
    "a nameless tool": ({"tools": [{"type": "function"}]}, openai.BadRequestError,
                        "tools[0].name", "missing_required_parameter"),
}  # fmt: skip


@streamed
@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_does_not_fit_raises_the_clients_class_for_it(
    client, streamed, name
):
    request, raises, param, code = REFUSED[name]
    with pytest.raises(raises) as caught:
        ask(client, streamed=streamed, **request)
    assert (caught.value.param, caught.value.code) == (param, code)


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "ended too early"])
@streamed
def test_a_response_that_breaks_is_never_complete(proxy, standin, streamed, cut):
    standin.answer_with(message(text("Once upon"))[:3], cut=cut)
    with connect(proxy) as client, pytest.raises(openai.APIError) as caught:
        ask(client, streamed=streamed)
    assert caught.value.code == "stream_incomplete"


def test_a_stream_that_breaks_is_cut_without_its_last_chunk(http, standin):
    standin.answer_with(message(text("Once upon"))[:3])
    body = {"model": OLDER, "input": "Hi", "stream": True}
    parts = []
    with (
        http.stream("POST", "/v1/responses", json=body) as response,
        pytest.raises(httpx2.RemoteProtocolError),
    ):
        parts.extend(response.iter_raw())
    *_, error, failed = b"".join(parts).decode().removesuffix("\n\n").split("\n\n")
    assert error.startswith("event: error\n")
    assert failed.startswith("event: response.failed\n")
    ended = json.loads(failed.partition("data: ")[2])["response"]
    assert http.get(f"/v1/responses/{ended['id']}").status_code == 404


def test_a_client_that_leaves_ends_the_call_and_nothing_is_kept(proxy, standin):
    held = threading.Event()
    standin.answer_with([*message(text("Once upon"))[:3], held])
    before = standin.hangups
    with connect(proxy) as client:
        with client.responses.create(model=OLDER, input="Hi", stream=True) as stream:
            response = next(iter(stream)).response
        until(lambda: standin.hangups == before + 1, what="the call went on")
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(response.id)
    held.set()


# ------------------------------------------------------------------ keys, restarts, drain


def test_what_one_key_asked_for_does_not_exist_for_another(start, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("first-key\nsecond-key\n")
    proxy = start(PROXY_API_KEYS_FILE=keys, ANTHROPIC_API_KEY=KEY)
    with (
        connect(proxy, api_key="first-key") as first,
        connect(proxy, api_key="first-key") as same,
        connect(proxy, api_key="second-key") as other,
    ):
        response = ask(first)
        assert same.responses.retrieve(response.id).id == response.id
        with pytest.raises(openai.NotFoundError):
            other.responses.retrieve(response.id)
        with pytest.raises(openai.BadRequestError) as caught:
            ask(other, previous_response_id=response.id)
        assert caught.value.code == "previous_response_not_found"


@pytest.mark.parametrize("what", ["no memory", "a restart"])
def test_a_response_that_is_not_there_is_never_made_up_for(start, standin, what):
    memory = 0 if what == "no memory" else 64 << 20
    proxy = start(MEMORY_BYTES=memory, ANTHROPIC_API_KEY=KEY)
    with connect(proxy) as client:
        response = ask(client)
    assert response.store is (what == "a restart")
    if what == "a restart":
        proxy.stop()
        proxy = start(ANTHROPIC_API_KEY=KEY)
    standin.requests.clear()
    with connect(proxy) as client:
        with pytest.raises(openai.BadRequestError, match="in memory only"):
            ask(client, previous_response_id=response.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(response.id)
    assert sent(standin) == []


def test_a_drain_lets_a_response_finish_and_refuses_new_ones(start, standin):
    proxy = start(ANTHROPIC_API_KEY=KEY, DRAIN_TIMEOUT=300)
    whole = message(text("Once upon"))
    held = threading.Event()
    standin.answer_with([*whole[:3], held, *whole[3:]])

    def is_draining():
        try:
            ask(client)
        except openai.APIStatusError as ex:
            return ex.code == "shutting_down"
        return False

    with (
        connect(proxy) as client,
        client.responses.create(model=OLDER, input="Hi", stream=True) as stream,
    ):
        events = iter(stream)
        next(events)
        proxy.process.terminate()
        until(is_draining, what="new responses are still made")
        held.set()
        assert [event.type for event in events][-1] == "response.completed"


def test_the_log_line_names_the_api_and_nothing_that_was_said(proxy):
    with connect(proxy) as client:
        ask(
            client,
            input=new("PROMPT-CANARY"),
            extra_headers={"x-request-id": "resp-log"},
        )
        (line,) = proxy.lines_of("resp-log")
        assert (line["api"], line["stored"]) == ("responses", True)
    url = f"{proxy.health_url}/metrics"  # the line is written first
    counted = 'claude_proxy_requests_total{api="responses"'
    metrics = until(lambda: counted in (text := health_port.get(url).text) and text)
    kept = 'claude_proxy_memory_entries{kind="responses"}'
    [count] = [one for one in metrics.splitlines() if one.startswith(kept)]
    assert float(count.split()[1]) > 0
    assert "PROMPT-CANARY" not in proxy.text + metrics
