"""What clients refer to instead of sending it: kept in memory, and honest about it."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from falcon import testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from responses_client import (
    ASK,
    WEATHER,
    Stream,
    created,
    events,
    get,
    outputs,
    post,
)
from standin import server
from upstream_events import message, text
from waiting import until

MakeClient = Callable[..., testing.TestClient]

streamed = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


@pytest.fixture
def client(make_client: MakeClient) -> testing.TestClient:
    """With a memory of its own: equal requests have equal responses, ids included."""
    return make_client()


def raw(standin: server.StandIn) -> bytes:
    """The last body that reached Anthropic, which had nothing against it."""
    received = standin.requests[-1]
    assert (received.path, received.rule) == ("/v1/messages", None)
    return received.raw


def not_found(answer: testing.Result) -> bool:
    error = answer.json["error"]
    return (answer.status_code, error["param"], error["code"]) == (
        400, "previous_response_id", "previous_response_not_found",
    )  # fmt: skip


# ------------------------------------------------------------------ equal bytes

SEARCH = {"type": "web_search"}
TRIGGERS = [
    "STAND_IN_INTERLEAVED_THINKING",
    "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING",
    "search for 'this'",
]


def reference(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "item_reference", "id": item["id"]}


@settings(
    max_examples=30, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(data=st.data())
def test_r10_equal_all_ways_to_send_a_conversation_give_the_same_bytes(
    data: st.DataObject, make_client: MakeClient, standin: server.StandIn
) -> None:
    draw = data.draw
    keeping, forgetful = make_client(), make_client(memory_bytes=0)
    model = draw(st.sampled_from(["claude-opus-5-5", "claude-sonnet-4-6"]))
    request: dict[str, Any] = {
        "model": model,
        "instructions": "Be brief.",
        "tools": [WEATHER, SEARCH],
        "reasoning": {"effort": "high", "summary": "auto"},
    }
    words = " ".join(draw(st.sets(st.sampled_from(TRIGGERS))))
    new: list[dict[str, Any]] = [{"role": "user", "content": f"{words} {ASK}"}]
    whole: list[dict[str, Any]] = []
    named: list[dict[str, Any]] = []
    previous = None

    for turn in range(draw(st.integers(1, 4))):
        whole, named = [*whole, *new], [*named, *new]
        stream = draw(st.booleans())
        response = created(
            keeping, input=new, previous_response_id=previous, stream=stream, **request
        )
        by_id = raw(standin)
        assert response["store"] is True
        created(forgetful, input=whole, store=False, **request)
        assert raw(standin) == by_id
        if turn:
            created(keeping, input=named, store=False, **request)
            assert raw(standin) == by_id
        previous = response["id"]
        whole += response["output"]
        bare = [{"type": "reasoning", "id": one["id"], "summary": []}
                if one["type"] == "reasoning" and draw(st.booleans()) else reference(one)
                for one in response["output"]]  # fmt: skip
        named += bare
        said = draw(st.sampled_from(["Sunny.", "STAND_IN_CALL_AGAIN: weather"]))
        new = outputs(response, said) or [
            {"role": "user", "content": f"And in {draw(st.sampled_from('AB'))}?"}
        ]


def test_r6_previous_brings_no_instructions_and_no_tools(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    first = created(client, input="Hello", instructions="Be brief.", tools=[WEATHER])
    created(client, input="And now?", previous_response_id=first["id"])

    sent = standin.requests[-1].body
    assert "tools" not in sent
    assert "system" not in sent
    assert [one["role"] for one in sent["messages"]] == ["user", "assistant", "user"]


def test_r6_reference_finds_an_item_of_an_input_by_the_id_it_was_listed_with(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    first = created(client, input="The secret word is plum.")
    [item] = get(client, f"{first['id']}/input_items").json["data"]
    created(client, input=[reference(item), {"role": "user", "content": "Which?"}])

    said = json.dumps(standin.requests[-1].body["messages"])
    assert said.index("plum") < said.index("Which?")


def test_r6_reference_that_is_not_found_is_a_404(client: testing.TestClient) -> None:
    answer = post(client, input=[{"type": "item_reference", "id": "msg_gone"}, *HI])

    error = answer.json["error"]
    assert (answer.status_code, error["param"]) == (404, "input")
    assert error["message"].startswith("Item with id 'msg_gone' not found.")


def test_reasoning_whose_content_is_gone_is_left_out_and_reported(
    client: testing.TestClient,
) -> None:
    gone = {"type": "reasoning", "id": "rs_gone", "summary": []}
    response = created(client, input=[*HI, gone, *HI])

    assert response["input_transformations"] == [
        {"type": "reasoning", "id": "rs_gone", "action": "removed",
         "reason": "model_mismatch"},
    ]  # fmt: skip


HI = [{"role": "user", "content": "Hi"}]


# ------------------------------------------------------------------ what is kept


@streamed
def test_r6_store_keeps_what_the_client_received(
    client: testing.TestClient, stream: bool
) -> None:
    request = {"tools": [WEATHER], "metadata": {"a": "b"}, "instructions": "Be brief."}
    response = created(client, input=ASK, stream=stream, **request)

    assert response["store"] is True
    kept = get(client, response["id"])
    assert kept.json == response
    assert list(kept.json) == list(response)


@streamed
def test_r6_store_keeps_an_incomplete_response(
    client: testing.TestClient, stream: bool
) -> None:
    response = created(client, input=ASK, max_output_tokens=5, stream=stream)

    assert (response["status"], response["store"]) == ("incomplete", True)
    assert get(client, response["id"]).json == response


@streamed
def test_r6_store_false_keeps_nothing(client: testing.TestClient, stream: bool) -> None:
    response = created(client, input=ASK, store=False, stream=stream)

    assert response["store"] is False
    assert get(client, response["id"]).status_code == 404
    assert not_found(post(client, input="Hi", previous_response_id=response["id"]))


def test_r6_not_found_is_said_of_a_response_that_was_not_kept(
    make_client: MakeClient,
) -> None:
    client = make_client(memory_bytes=0)
    response = created(client, input=ASK)

    assert response["store"] is False
    assert get(client, response["id"]).status_code == 404
    answer = post(client, input="Hi", previous_response_id=response["id"])
    assert not_found(answer)
    words = answer.json["error"]["message"]
    assert words.startswith(f"Previous response with id '{response['id']}' not found. ")
    assert "memory only" in words
    assert words.endswith("Send the whole input instead.")


@streamed
@pytest.mark.parametrize("what", ["cut", "error", "never"])
def test_r6_store_never_keeps_a_response_that_failed(
    client: testing.TestClient, standin: server.StandIn, what: str, stream: bool
) -> None:
    begun = message(text("Once"))[:-2]
    error = {"type": "error", "error": {"type": "api_error", "message": "No"}}
    if what == "never":
        standin.fail_next(status=400, type="invalid_request_error")
    else:
        standin.answer_with([*begun, *([error] if what == "error" else [])], cut=True)

    if stream and what != "never":
        streaming = Stream(client, input="Hi")
        response = streaming.begin()
        *_, failed = streaming.rest()
        assert failed["response"]["status"] == "failed"
        assert failed["response"]["store"] is False
        assert streaming.cut
    else:
        assert post(client, input="Hi", stream=stream).status_code >= 400
        response = {"id": "resp_1"}
    assert get(client, response["id"]).status_code == 404


def test_r6_store_never_keeps_a_response_whose_client_left(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    held = threading.Event()
    standin.answer_with([*message(text("Once"))[:-1], held])
    streaming = Stream(client, input="Hi")
    response = streaming.begin()
    streaming.leave()
    held.set()

    assert get(client, response["id"]).status_code == 404


def test_a_response_to_a_previous_one_that_has_gone_meanwhile_is_not_kept(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    first = created(client, input="Hello")
    held = threading.Event()
    whole = message(text("Once"))
    standin.answer_with([*whole[:3], held, *whole[3:]])
    streaming = Stream(client, input="Hi", previous_response_id=first["id"])
    assert streaming.begin()["store"] is True
    client.simulate_delete(f"/v1/responses/{first['id']}")
    held.set()

    *_, last = streaming.rest()
    assert (last["type"], last["response"]["store"]) == ("response.completed", False)


def test_what_was_not_used_for_longest_is_forgotten_first(
    make_client: MakeClient,
) -> None:
    client = make_client(memory_bytes=80_000)
    ids = []
    for n in range(12):
        ids.append(created(client, input=f"{n} " + "x" * 500)["id"])
        assert get(client, ids[0]).status_code == 200  # which uses it

    assert not_found(post(client, input="Hi", previous_response_id=ids[1]))
    assert get(client, ids[1]).status_code == 404
    for kept in (ids[0], ids[-1]):
        assert created(client, input="Hi", previous_response_id=kept)["store"]


def test_a_response_that_is_too_large_to_be_kept_says_so(
    make_client: MakeClient,
) -> None:
    client = make_client(memory_bytes=80_000)
    response = created(client, input="x" * 10_000)

    assert response["store"] is False
    assert get(client, response["id"]).status_code == 404


@pytest.fixture
def two_keys(make_client: MakeClient, tmp_path: Path) -> testing.TestClient:
    keys = tmp_path / "keys"
    keys.write_text("first-key\nsecond-key\n")
    return make_client(proxy_api_keys_file=str(keys))


def test_r6_owner_another_key_finds_nothing(two_keys: testing.TestClient) -> None:
    response = created(two_keys, key="first-key", input=ASK)
    [item] = response["output"][-1:]
    one = response["id"]

    theirs = {"key": "second-key"}
    assert get(two_keys, one, **theirs).status_code == 404
    assert get(two_keys, f"{one}/input_items", **theirs).status_code == 404
    assert post(two_keys, f"/v1/responses/{one}/cancel", **theirs).status_code == 404
    deleted = two_keys.simulate_delete(
        f"/v1/responses/{one}", headers={"authorization": "Bearer second-key"}
    )
    assert deleted.status_code == 404
    assert not_found(post(two_keys, input="Hi", previous_response_id=one, **theirs))
    answer = post(two_keys, input=[reference(item), *HI], **theirs)
    assert answer.status_code == 404
    assert get(two_keys, one, key="first-key").status_code == 200


def test_r6_owner_all_clients_with_one_key_share_what_is_kept(
    two_keys: testing.TestClient,
) -> None:
    other = testing.TestClient(two_keys.app, headers={"host": "localhost"})
    response = created(two_keys, key="first-key", input=ASK)

    said = {"key": "first-key", "previous_response_id": response["id"]}
    assert created(other, input="And in Rome?", **said)["store"] is True


# ------------------------------------------------------------------ deleted, listed


def test_r6_delete_forgets_a_response_but_not_what_is_built_on_it(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    first = created(client, input="Hello")
    second = created(client, input="Go on", previous_response_id=first["id"])
    deleted = client.simulate_delete(f"/v1/responses/{first['id']}")

    assert deleted.json == {"id": first["id"], "object": "response", "deleted": True}
    assert get(client, first["id"]).status_code == 404
    assert client.simulate_delete(f"/v1/responses/{first['id']}").status_code == 404
    assert not_found(post(client, input="Hi", previous_response_id=first["id"]))
    created(client, input="And on", previous_response_id=second["id"])
    assert "Hello" in json.dumps(standin.requests[-1].body["messages"])


def test_r6_items_are_all_that_the_model_was_shown_each_with_an_id(
    client: testing.TestClient,
) -> None:
    first = created(client, input=ASK, tools=[WEATHER])
    second = created(
        client, input=outputs(first), previous_response_id=first["id"], tools=[WEATHER]
    )
    path = f"{second['id']}/input_items"
    page = get(client, path, order="asc").json

    ids = [one["id"] for one in page["data"]]
    assert page == {
        "object": "list",
        "data": page["data"],
        "first_id": ids[0],
        "last_id": ids[-1],
        "has_more": False,
    }
    question, *said, result = page["data"]
    assert question == {
        "id": ids[0],
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": ASK}],
    }
    assert said == first["output"]
    assert result == {**outputs(first)[0], "id": ids[-1]}
    assert len(set(ids)) == len(ids)
    assert get(client, path).json["data"] == page["data"][::-1]


def test_r6_items_come_in_pages(client: testing.TestClient) -> None:
    turns = [{"role": "user", "content": f"{n}", "id": f"msg_{n}"} for n in range(25)]
    one = created(client, input=turns)["id"]
    path = f"{one}/input_items"

    page = get(client, path).json
    assert (len(page["data"]), page["has_more"]) == (20, True)
    rest = get(client, path, after=page["last_id"]).json
    assert [i["id"] for i in rest["data"]] == [f"msg_{n}" for n in range(4, -1, -1)]
    assert rest["has_more"] is False
    some = get(client, path, order="asc", limit=2, after="msg_3").json
    assert [i["id"] for i in some["data"]] == ["msg_4", "msg_5"]
    empty = get(client, path, after="msg_0").json
    assert empty == {
        "object": "list", "data": [], "first_id": None, "last_id": None,
        "has_more": False,
    }  # fmt: skip


def test_an_item_that_is_twice_in_an_input_is_listed_once(
    client: testing.TestClient,
) -> None:
    twice = {"role": "user", "content": "Hi", "id": "msg_twice"}
    between = {"role": "user", "content": "Well?", "id": "msg_between"}
    one = created(client, input=[twice, between, twice])["id"]
    path, ids, after = f"{one}/input_items", [], None
    for _ in range(2):
        page = get(
            client, path, limit=1, order="asc", **({"after": after} if after else {})
        )
        ids.append(after := page.json["last_id"])

    assert ids == ["msg_twice", "msg_between"]
    assert page.json["has_more"] is False


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("limit", "0"), ("limit", "101"), ("limit", "-1"), ("limit", "x"),
        ("limit", "9" * 5000), ("limit", "٣"), ("order", "up"), ("after", "msg_none"),
    ],
)  # fmt: skip
def test_r6_items_are_not_listed_by_parameters_that_make_no_sense(
    client: testing.TestClient, param: str, value: str
) -> None:
    one = created(client, input="Hi")["id"]
    answer = get(client, f"{one}/input_items", **{param: value})

    error = answer.json["error"]
    assert (answer.status_code, error["param"]) == (400, param)


@streamed
def test_r6_not_found_asks_for_the_whole_input(
    client: testing.TestClient, standin: server.StandIn, stream: bool
) -> None:
    before = len(standin.requests)

    answer = post(client, input="Hi", previous_response_id="resp_none", stream=stream)

    assert not_found(answer)
    words = answer.json["error"]["message"]
    assert words.startswith("Previous response with id 'resp_none' not found.")
    assert words.endswith("Send the whole input instead.")
    assert len(standin.requests) == before


def test_r6_get_finds_nothing_under_an_unknown_id(client: testing.TestClient) -> None:
    for path in ("resp_none", "resp_none/input_items"):
        answer = get(client, path)
        assert answer.status_code == 404
        assert answer.json["error"]["message"] == (
            "Response with id 'resp_none' not found."
        )


def test_r6_get_streams_nothing(client: testing.TestClient) -> None:
    one = created(client, input="Hi")["id"]
    answer = get(client, one, stream="true")

    assert (answer.status_code, answer.json["error"]["param"]) == (400, "stream")
    assert get(client, one, stream="false").status_code == 200


def test_r6_cancel_has_nothing_to_cancel(client: testing.TestClient) -> None:
    one = created(client, input="Hi")["id"]

    answer = client.simulate_post(f"/v1/responses/{one}/cancel")
    assert answer.status_code == 400
    words = answer.json["error"]["message"]
    assert words == "Cannot cancel a synchronous response."
    assert client.simulate_post("/v1/responses/resp_none/cancel").status_code == 404


# ------------------------------------------------------------------ room

ROOM = 160_000
"""A memory of which one owner may have 40,000 bytes for inputs on their way ..."""
LARGE = "x" * 14_000
"""... which is room for two of these, each of which is small enough to be kept."""


def held_back(standin: server.StandIn, n: int) -> threading.Event:
    """Script a response that waits before its end."""
    whole = message(text("Once"))
    whole[0]["message"]["id"] = f"msg_held_{n}"
    held = threading.Event()
    standin.answer_with([*whole[:3], held, *whole[3:]])
    return held


def test_inputs_on_their_way_have_bounded_room_and_give_it_back(
    make_client: MakeClient, standin: server.StandIn
) -> None:
    client = make_client(memory_bytes=ROOM)
    held: list[threading.Event] = []
    streams: list[Stream] = []
    for n in range(3):
        held.append(held_back(standin, n))
        streams.append(Stream(client, input=LARGE))
    stored = [stream.begin()["store"] for stream in streams]
    for event in held:
        event.set()
    ends = [stream.rest()[-1]["response"]["store"] for stream in streams]
    streams.clear()

    assert stored == ends == [True, True, False]
    assert created(client, input=f"{LARGE}!")["store"] is True


@streamed
@pytest.mark.parametrize("what", ["refusal", "overload", "cut", "garbage", "left"])
def test_room_is_given_back_however_a_response_ends(
    make_client: MakeClient, standin: server.StandIn, what: str, stream: bool
) -> None:
    client = make_client(memory_bytes=ROOM)
    for n in range(3):
        match what:
            case "refusal":
                standin.fail_next(status=400, type="invalid_request_error")
            case "overload":
                standin.fail_next(times=2, headers={"retry-after": "0"})
            case "cut":
                standin.answer_with(message(text("Once"))[:3], cut=True)
            case "garbage":
                standin.answer_with(["event: message_start\ndata: {\n\n"], times=2)
            case "left":
                held_back(standin, n)
        if what == "left":
            streaming = Stream(client, input=LARGE)
            streaming.begin()
            streaming.leave()
            del streaming
        elif stream and what == "cut":
            Stream(client, input=LARGE).rest()
        else:
            assert post(client, input=LARGE, stream=stream).status_code >= 400

    assert created(client, input=f"{LARGE}!")["store"] is True


def test_one_owner_leaves_room_for_the_responses_of_others(
    make_client: MakeClient, standin: server.StandIn, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("first-key\nsecond-key\n")
    client = make_client(memory_bytes=ROOM, proxy_api_keys_file=str(keys))
    held = [held_back(standin, n) for n in range(2)]
    streams = [Stream(client, key="first-key", input=LARGE) for _ in held]
    began = [stream.begin()["store"] for stream in streams]

    assert began == [True, True]
    assert created(client, key="second-key", input=LARGE)["store"] is True
    for event in held:
        event.set()
    for stream in streams:
        stream.rest()


def test_a_conversation_that_is_referred_to_is_bounded_like_a_body(
    make_client: MakeClient,
) -> None:
    client = make_client(max_body_bytes=4000)
    response = created(client, input="x" * 3000)
    answer = post(client, input="y" * 2000, previous_response_id=response["id"])
    assert answer.status_code == 200
    answer = post(client, input="Hi", previous_response_id=answer.json["id"])

    assert answer.status_code == 413
    assert answer.json["error"]["code"] == "request_too_large"


def test_an_item_that_is_named_many_times_is_counted_as_often(
    make_client: MakeClient, standin: server.StandIn
) -> None:
    client = make_client(max_body_bytes=100_000)
    item = {"role": "user", "content": "x" * 10_000, "id": "msg_large"}
    created(client, input=[item])
    standin.requests.clear()
    answer = post(client, input=[reference(item)] * 1000)

    assert answer.status_code == 413
    assert not standin.requests


def test_what_is_referred_to_takes_part_of_the_room_for_bodies(
    make_client: MakeClient, standin: server.StandIn
) -> None:
    client = make_client(max_body_bytes=60_000)
    many = [{"role": "user", "content": [{"type": "input_text", "text": "x"}] * 300}]
    response = created(client, input=many)
    again = {"input": "Hi", "previous_response_id": response["id"]}
    held = threading.Event()
    standin.answer_with([held, *message(text("Once"))])
    standin.requests.clear()
    waiting = threading.Thread(target=created, args=(client,), kwargs=again)
    waiting.start()
    until(lambda: standin.requests)

    answer = post(client, **again)
    held.set()
    waiting.join()
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "at_capacity")
    assert post(client, **again).status_code == 200


def test_events_of_a_kept_response_have_it_stored_from_the_first_to_the_last(
    client: testing.TestClient,
) -> None:
    told = events(post(client, input="Hi", stream=True).text)
    stored = [one["response"]["store"] for one in told if "response" in one]
    assert stored == [True, True, True]
