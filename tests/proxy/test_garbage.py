"""A completion that is over leaves nothing of itself for the garbage collector.

A body or a response may be large, and nothing says when the collector comes.
"""

import contextlib
import gc
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from falcon import testing

from proxy import errors
from standin import server
from standin.handle import Item

ANSWERS = sorted(Path(__file__).parent.glob("golden/answers/*.anthropic.sse"))
FAILURE = {"type": "overloaded_error", "message": "Overloaded"}

HELLO = {
    "model": "claude-sonnet-4-6",
    "messages": [{"role": "user", "content": "Hello"}],
}
APIS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": HELLO,
    "/v1/messages": {**HELLO, "max_tokens": 100},
    "/v1/responses": {"model": "claude-sonnet-4-6", "input": "Hello"},
    "/v1/responses/compact": {"model": "claude-sonnet-4-6", "input": "Hello"},
    "/v1/responses/input_tokens": {"model": "claude-sonnet-4-6", "input": "Hello"},
}


@pytest.fixture
def _no_collector() -> Iterator[None]:
    """No collection, and the collector knows only what the test makes."""
    gc.disable()
    gc.freeze()
    yield
    gc.unfreeze()
    gc.enable()


def what_is_left() -> list[object]:
    """What only the collector can free: objects of the proxy's, and frames of its code."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    left = [one for one in gc.garbage if _is_ours(one)]
    gc.garbage.clear()
    return left


def _is_ours(one: object) -> bool:
    module: str = type(one).__module__
    if isinstance(one, types.FrameType):
        module = one.f_globals.get("__name__", "")
    return module.partition(".")[0] == "proxy"


def ignored(_data: bytes) -> None:
    """Where a server sends a sign of life."""


@pytest.mark.parametrize("path", APIS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "what", ["success", "refusal", "overload", "cut", "garbage", "misfit"]
)
@pytest.mark.usefixtures("_no_collector")
def test_nothing_is_left_after(
    what: str,
    stream: bool,
    path: str,
    client: testing.TestClient,
    standin: server.StandIn,
) -> None:
    given = {**APIS[path], "stream": stream}
    match what:
        case "refusal":
            standin.fail_next(status=400, type="invalid_request_error")
        case "overload":
            standin.fail_next(times=2)
        case "cut":
            standin.answer_with(cut=True, times=2)
        case "garbage":
            standin.answer_with(["event: message_start\ndata: {\n\n"], times=2)
        case "misfit":
            given["model"] = 2

    answer = client.simulate_post(path, json=given, extras={"proxy.write": ignored})

    assert answer.status_code == 200 or what != "success"
    assert what_is_left() == []


@pytest.mark.parametrize("path", list(APIS)[:3])
@pytest.mark.parametrize(
    "end", [{"type": "error", "error": FAILURE}, "event: ping\ndata: {\n\n", ""]
)
@pytest.mark.usefixtures("_no_collector")
def test_nothing_is_left_of_a_stream_that_breaks_midway(
    end: Item, path: str, client: testing.TestClient, standin: server.StandIn
) -> None:
    begun = ANSWERS[0].read_text().partition("event: message_delta")[0]
    standin.answer_with([begun, end], cut=True)

    with contextlib.suppress(errors.StreamCut):
        client.simulate_post(
            path, json={**APIS[path], "stream": True}, extras={"proxy.write": ignored}
        )

    assert what_is_left() == []


@pytest.mark.parametrize("path", list(APIS)[:3])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("recorded", ANSWERS, ids=lambda one: one.name.split(".")[0])
@pytest.mark.usefixtures("_no_collector")
def test_nothing_is_left_of_any_kind_of_answer(
    recorded: Path,
    stream: bool,
    path: str,
    client: testing.TestClient,
    standin: server.StandIn,
) -> None:
    standin.answer_with([recorded.read_bytes()])

    answer = client.simulate_post(
        path, json={**APIS[path], "stream": stream}, extras={"proxy.write": ignored}
    )

    assert answer.status_code == 200
    assert what_is_left() == []
