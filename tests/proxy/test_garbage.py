"""A completion that is over leaves nothing of its body for the garbage collector.

A body may be large, and nothing says when the collector comes.
"""

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from falcon import testing

from proxy import completion, serving
from proxy.relay import request
from proxy.responses import kept
from proxy.translate import assemble
from standin import server

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
    """No collection, and `gc.get_objects` knows only what the test makes."""
    gc.disable()
    gc.freeze()
    yield
    gc.unfreeze()
    gc.enable()


def what_is_left() -> list[object]:
    """What holds the body of a call, or a response, of all that the test made."""
    kinds = (
        assemble.Translation | request.Relayed | kept.Keeping
        | completion.Completion | serving.Stream
    )  # fmt: skip
    return [one for one in gc.get_objects() if isinstance(one, kinds)]


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
