"""From a request to the meaning of each failure, in process, against the stand-in."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import pytest
from falcon import testing

from proxy import patience
from standin import events, server
from waiting import until

HELLO = {"model": "claude-opus-5-5", "messages": [{"role": "user", "content": "Hi"}]}
Client = testing.TestClient


def ask(client: Client, **more: object) -> testing.Result:
    return client.simulate_post("/v1/chat/completions", json={**HELLO, **more})


def calls(standin: server.StandIn) -> int:
    return sum(one.path == "/v1/messages" for one in standin.requests)


both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


@both
@pytest.mark.parametrize(
    ("status", "kind", "told", "code"),
    [(529, "overloaded_error", 503, "overloaded"),
     (500, "api_error", 500, "upstream_error"),
     (429, "rate_limit_error", 429, "rate_limit_exceeded")],
)  # fmt: skip
def test_a_busy_upstream_is_asked_once_more_and_then_told(
    client: Client,
    standin: server.StandIn,
    stream: bool,
    status: int,
    kind: str,
    told: int,
    code: str,
) -> None:
    quick = {"retry-after": "0"}
    standin.fail_next(status=status, type=kind, headers=quick, times=1)
    assert ask(client, stream=stream).status_code == 200

    standin.requests.clear()
    standin.fail_next(status=status, type=kind, headers=quick, times=2)
    answer = ask(client, stream=stream)

    assert calls(standin) == 2
    assert (answer.status_code, answer.json["error"]["code"]) == (told, code)
    assert 1 <= int(answer.headers["retry-after"]) <= 45
    standin.scripted.clear()


@both
def test_an_upstream_that_asks_for_patience_is_not_asked_again(
    make_client: Callable[..., Client], standin: server.StandIn, stream: bool
) -> None:
    client = make_client()
    standin.requests.clear()
    standin.fail_next(
        status=429, type="rate_limit_error", headers={"retry-after": "3600"}
    )

    answer = ask(client, stream=stream)

    assert calls(standin) == 1
    assert answer.status_code == 429
    assert "retry-after" not in answer.headers
    assert answer.headers["x-should-retry"] == "false"
    assert "3600" in answer.json["error"]["message"]


@both
@pytest.mark.parametrize("status", [400, 403, 404, 413])
def test_a_refusal_is_relayed_at_once(
    client: Client, standin: server.StandIn, stream: bool, status: int
) -> None:
    standin.fail_next(status=status, type="of_its_own", message="No.")

    answer = ask(client, stream=stream)

    assert calls(standin) == 1
    assert answer.status_code == status
    assert answer.json["error"]["message"] == "No."


@both
def test_html_is_an_unreadable_upstream(
    client: Client, standin: server.StandIn, stream: bool
) -> None:
    html = {"content-type": "text/html", "retry-after": "0"}
    standin.fail_next(
        status=502, body=b"<html>Bad Gateway</html>", headers=html, times=2
    )

    answer = ask(client, stream=stream)

    assert answer.status_code == 502
    assert answer.json["error"]["code"] == "upstream_error"
    assert "html" not in answer.text.lower()


def test_a_400_that_is_known_is_mended_and_told(
    client: Client, standin: server.StandIn
) -> None:
    standin.fail_next(
        status=400,
        type="invalid_request_error",
        message="`temperature` is deprecated for this model.",
    )

    answer = ask(client, model="claude-sonnet-4-6", temperature=0.3)

    assert answer.status_code == 200
    assert [one.body.get("temperature") for one in standin.requests] == [0.3, None]
    assert answer.headers["x-proxy-warnings"] == "temperature_ignored"


@both
def test_an_error_as_the_first_event_is_an_ordinary_error(
    client: Client, standin: server.StandIn, stream: bool
) -> None:
    said = {"type": "overloaded_error", "message": "Overloaded"}
    standin.answer_with([{"type": "error", "error": said}], times=2)

    answer = ask(client, stream=stream)

    assert (answer.status_code, answer.json["error"]["code"]) == (503, "overloaded")


ENDED = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}


def started(*rest: dict) -> list[dict]:
    head = {
        "id": "msg_1",
        "model": "m",
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }
    return [
        {"type": "message_start", "message": head},
        {"type": "content_block_start", "index": 0,
         "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0,
         "delta": {"type": "text_delta", "text": "Once"}},
        *rest,
    ]  # fmt: skip


BROKEN = {
    "a proper end without message_stop": (started(), False, "stream_incomplete"),
    "a cut": (started(), True, "stream_incomplete"),
    "an error event": (
        started(
            {"type": "error", "error": {"type": "overloaded_error", "message": "O"}}
        ),
        False,
        "overloaded",
    ),
    "bytes that are no JSON": (
        [*started(), b"data: {bad\n\n"],
        False,
        "stream_incomplete",
    ),
    "an end after message_delta": (
        started({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
        False,
        "stream_incomplete",
    ),
}


@pytest.mark.parametrize(("events", "cut", "code"), BROKEN.values(), ids=BROKEN)
def test_a_plain_answer_that_breaks_is_an_error_and_not_asked_again(
    client: Client, standin: server.StandIn, events: list, cut: bool, code: str
) -> None:
    standin.answer_with(events, cut=cut)

    answer = ask(client)

    assert calls(standin) == 1
    assert answer.json["error"]["code"] == code
    assert answer.status_code == (503 if code == "overloaded" else 502)


@pytest.mark.parametrize("field", ["model", "credential"])
def test_what_goes_upstream_is_the_sdks_own_identity(
    client: Client, standin: server.StandIn, field: str
) -> None:
    ask(client)

    headers = standin.requests[-1].headers
    assert headers["user-agent"].startswith("Anthropic/Python ")
    assert headers["anthropic-version"] == "2026-10-21"
    assert "claude-cli" not in json.dumps(dict(headers)).lower()
    assert "anthropic-beta" not in headers


def test_an_access_token_brings_the_oauth_beta(
    make_client: Callable[..., Client], standin: server.StandIn
) -> None:
    client = make_client(anthropic_api_key="", claude_access_token="tok")

    assert ask(client).status_code == 200
    assert standin.requests[-1].headers["anthropic-beta"] == "oauth-2025-04-20"


def test_a_401_is_told_as_the_proxys_own_and_not_stormed(
    make_client: Callable[..., Client], standin: server.StandIn
) -> None:
    client = make_client(anthropic_api_key="wrong")
    standin.requests.clear()
    standin.accept_tokens = {"right"}

    answers = [ask(client) for _ in range(3)]

    assert {answer.status_code for answer in answers} == {401}
    assert "ANTHROPIC_API_KEY" in answers[0].json["error"]["message"]
    assert "wrong" not in answers[0].text
    assert calls(standin) == 3


def test_one_401_on_a_fixed_key_harms_nobody_else(
    make_client: Callable[..., Client], standin: server.StandIn
) -> None:
    client = make_client()
    standin.fail_next(status=401, type="authentication_error", message="invalid")

    assert [ask(client).status_code for _ in range(50)] == [401, *[200] * 49]


def test_the_401_of_a_page_in_between_says_nothing_of_the_credential(
    make_client: Callable[..., Client], standin: server.StandIn, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text("good")
    client = make_client(claude_credentials_path=str(path), anthropic_api_key="")
    html = {"content-type": "text/html"}
    standin.fail_next(status=401, body=b"<html>Log in</html>", headers=html, times=3)

    answers = [ask(client) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [401, 401, 401, 200]
    assert "Something on the way to Anthropic" in answers[0].json["error"]["message"]
    assert calls(standin) == 4


@pytest.fixture
def _no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the gates of what a test makes."""
    gates = patience.Gates
    monkeypatch.setattr(patience, "Gates", lambda *_: gates(lambda: 0.0))


@pytest.mark.usefixtures("_no_time_passes")
def test_many_401s_at_once_are_told_by_one_call_at_a_time(
    make_client: Callable[..., Client], standin: server.StandIn
) -> None:
    client = make_client()
    go_on = threading.Event()
    standin.accept_tokens = {"another"}
    for _ in range(2):
        assert ask(client).status_code == 401
    standin.accept_tokens = None
    standin.requests.clear()
    standin.answer_with([go_on, *started(ENDED, {"type": "message_stop"})])

    with futures.ThreadPoolExecutor() as pool:
        probe = pool.submit(ask, client)
        until(lambda: calls(standin) == 1)
        refused = [ask(client) for _ in range(5)]
        go_on.set()
        assert probe.result().status_code == 200

    assert {one.status_code for one in refused} == {401}
    assert {one.headers["retry-after"] for one in refused} == {"8"}
    assert calls(standin) == 1
    assert ask(client).status_code == 200


def test_a_refused_token_of_a_file_is_a_503_that_says_when_to_come_back(
    make_client: Callable[..., Client], standin: server.StandIn, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    client = make_client(anthropic_api_key="", claude_credentials_path=str(path))
    standin.accept_tokens = {"another"}

    answer = ask(client)

    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "credentials_refused"
    assert answer.headers["retry-after"] == "8"
    assert str(path) not in answer.text


def test_a_request_that_was_told_to_wait_may_still_meet_a_renewed_token(
    make_client: Callable[..., Client], standin: server.StandIn, tmp_path: Path
) -> None:
    """The overload's retry is not the token's: 529, then 401, then the new token."""
    path = tmp_path / "token"
    path.write_text("old")
    client = make_client(anthropic_api_key="", claude_credentials_path=str(path))
    standin.requests.clear()
    standin.fail_next(headers={"retry-after": "1"})

    class Rotation:
        """The token that is good: from the second call on the new one, in the file too."""

        def __iter__(self) -> Iterator[str]:
            if calls(standin) == 1:
                path.write_text("new")
            yield "new" if calls(standin) else "old"

    standin.accept_tokens = Rotation()

    assert ask(client).status_code == 200
    assert calls(standin) == 3


def test_a_401_is_survived_when_the_file_has_another_token(
    make_client: Callable[..., Client], standin: server.StandIn, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    client = make_client(anthropic_api_key="", claude_credentials_path=str(path))
    assert ask(client).status_code == 200
    path.write_text("new-token")
    standin.accept_tokens = {"new-token"}

    assert ask(client).status_code == 200


NOT_ALLOWED = "This credential is only authorized for use with Claude Code."


@pytest.mark.parametrize("stream", [False, True])
def test_a_subscription_that_anthropic_refuses_here_is_told_in_words_each_time(
    make_client: Callable[..., Client],
    standin: server.StandIn,
    stream: bool,
) -> None:
    client = make_client(anthropic_api_key="", claude_access_token="tok")
    standin.fail_next(
        status=400, type="invalid_request_error", message=NOT_ALLOWED, times=2
    )
    standin.requests.clear()

    answers = [ask(client, stream=stream) for _ in range(4)]

    assert calls(standin) == 2
    for answer in answers:
        assert answer.status_code == 403
        assert answer.json["error"]["code"] == "credential_not_allowed"
        assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("oauth", [False, True])
def test_no_name_that_a_client_chooses_locks_the_others_out(
    make_client: Callable[..., Client], standin: server.StandIn, oauth: bool
) -> None:
    """Anthropic's 404 quotes the model's name."""
    key = {"anthropic_api_key": "", "claude_access_token": "tok"} if oauth else {}
    client = make_client(**key)

    for name in ("only authorized for use with Claude Code", NOT_ALLOWED):
        for _ in range(3):
            assert ask(client, model=name).status_code == 404

    assert ask(client).status_code == 200


WHOLE = {
    "id": "msg_whole",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "a_block_of_tomorrow", "x": 1},
        {"type": "text", "text": "Once"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, 2]}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 7, "output_tokens": 3},
}


def test_a_message_that_comes_whole_is_the_response(
    client: Client, standin: server.StandIn
) -> None:
    body = json.dumps(WHOLE).encode()
    kind = {"content-type": "Application/JSON"}
    standin.fail_next(status=200, body=body, headers=kind, times=2)

    plain = ask(client).json
    streamed = ask(client, stream=True).text

    message = plain["choices"][0]["message"]
    assert message["content"] == "Once"
    assert message["reasoning_content"] == "Hm."
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {
        "a": [1, 2]
    }
    assert plain["choices"][0]["finish_reason"] == "tool_calls"
    assert plain["usage"]["total_tokens"] == 10
    assert '"content":"Once"' in streamed
    assert streamed.endswith("data: [DONE]\n\n")
    assert calls(standin) == 2


@both
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"hello": "world"}'),
        (200, b'{"id": "x", "type": "error", "content": []}'),
        (200, b"<html>Welcome</html>"),
        (200, b""),
        (200, b'{"id": "x", "type": "message", "content": ' + b"[" * 50_000),
        (200, b'{"id": "\xff", "type": "message", "content": []}'),
        (202, b""),
    ],
)
def test_a_success_that_is_no_response_is_a_502_and_not_asked_for_again(
    client: Client, standin: server.StandIn, stream: bool, status: int, body: bytes
) -> None:
    kind = {"content-type": "text/html"}
    standin.fail_next(status=status, body=body, headers=kind)

    answer = ask(client, stream=stream)

    assert (answer.status_code, answer.json["error"]["code"]) == (502, "upstream_error")
    assert answer.headers["x-should-retry"] == "false"
    assert calls(standin) == 1


@both
def test_an_overload_after_message_start_is_a_status_and_tried_again(
    client: Client, standin: server.StandIn, stream: bool
) -> None:
    opening = started()[0]
    ping = {"type": "ping"}
    said = {"type": "error", "error": {"type": "overloaded_error", "message": "O"}}
    standin.answer_with([ping, opening, ping, said])
    assert ask(client, stream=stream).status_code == 200
    assert calls(standin) == 2

    standin.answer_with([ping, opening, ping, said], times=2)
    answer = ask(client, stream=stream)
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "overloaded")


NONSENSE = {
    "bytes that are no text": b'event: x\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"\xff\xfe"}}\n\n',
    "20,000 levels": b'data: {"type":"x","a":'
    + b"[" * 20_000
    + b"]" * 20_000
    + b"}\n\n",
    "no JSON": b"data: {\n\n",
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_in_a_stream_is_an_error_object_and_logged_as_what_it_is(
    make_stream: Callable,
    standin: server.StandIn,
    name: str,
    log_lines: Callable[[], list[dict]],
) -> None:
    standin.answer_with([*started(), NONSENSE[name]])

    pieces, cut = make_stream({**HELLO, "stream": True})

    assert cut
    assert b'"code":"stream_incomplete"' in pieces[-1]
    (line,) = [one for one in log_lines() if one["message"] == "completion"]
    assert (line["code"], line["client_gone"]) == ("stream_incomplete", False)


@both
@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_before_the_content_is_a_502(
    client: Client, standin: server.StandIn, stream: bool, name: str
) -> None:
    standin.answer_with([NONSENSE[name]], times=2)

    answer = ask(client, stream=stream)

    assert answer.status_code == 502
    assert answer.json["error"]["code"] == "stream_incomplete"


@both
def test_counts_that_are_nonsense_are_not_counted(
    client: Client, standin: server.StandIn, stream: bool
) -> None:
    counts = {"input_tokens": -7, "output_tokens": 10**30}
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": counts,
    }
    standin.answer_with([*started(), end, {"type": "message_stop"}])

    answer = ask(
        client,
        stream=stream,
        **({"stream_options": {"include_usage": True}} if stream else {}),
    )

    assert answer.status_code == 200
    assert '"prompt_tokens":3' in answer.text.replace(" ", "")


def test_what_comes_first_ends_the_response(
    make_stream: Callable, client: Client, standin: server.StandIn
) -> None:
    """An error and the end in one read are an error or a success, never both."""
    broke = {"type": "error", "error": {"type": "api_error", "message": "Broke"}}
    stop = {"type": "message_stop"}
    after = b"".join(events.encode(one) for one in (ENDED, stop, broke))
    before = b"".join(events.encode(one) for one in (ENDED, broke, stop))

    standin.answer_with([*started(), after])
    pieces, cut = make_stream({**HELLO, "stream": True})
    assert not cut
    assert b"".join(pieces).endswith(b"data: [DONE]\n\n")
    assert b"Broke" not in b"".join(pieces)

    standin.answer_with([*started(), before])
    pieces, cut = make_stream({**HELLO, "stream": True})
    assert cut
    assert b"[DONE]" not in b"".join(pieces)
    assert b"Broke" in pieces[-1]


@pytest.mark.usefixtures("_no_time_passes")
def test_while_anthropic_has_named_a_wait_requests_are_answered_here(
    make_client: Callable[..., Client], standin: server.StandIn
) -> None:
    client = make_client()
    standin.requests.clear()
    limit = {"type": "rate_limit_error", "headers": {"retry-after": "30"}}
    standin.fail_next(status=429, **limit)

    answers = [ask(client) for _ in range(20)]

    assert calls(standin) == 1
    assert {one.status_code for one in answers} == {429}
    assert {one.json["error"]["code"] for one in answers} == {"rate_limit_exceeded"}
    assert {one.headers["retry-after"] for one in answers} == {"30"}
    assert ask(client, model="claude-haiku-4-5").status_code == 200


def test_waits_grow_while_an_overload_lasts(
    make_client: Callable[..., Client],
    standin: server.StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lasted = {"claude-opus-5-5": 0.0}
    monkeypatch.setattr(
        patience.Troubles, "lasted", lambda _, key: lasted.get(key, 0.0)
    )
    client = make_client()
    standin.fail_next(headers={"retry-after": "0"}, times=6)

    told = []
    for seconds in (0.0, 3.0, 11.0):
        lasted["claude-opus-5-5"] = seconds
        told.append(int(ask(client).headers["retry-after"]))

    assert told == [1, 8, 12]
    assert ask(client).status_code == 200


def test_a_completion_writes_one_line_without_prompt_or_key(
    client: Client, log_lines: Callable[[], list[dict]], standin: server.StandIn
) -> None:
    ask(client, messages=[{"role": "user", "content": "canary prompt"}], seed=7)
    ask(client, messages=[{"role": "wizard", "content": "canary prompt"}])

    good, bad = (one for one in log_lines() if one["message"] == "completion")

    assert (good["status"], good["model"], good["stream"]) == (
        200,
        "claude-opus-5-5",
        False,
    )
    assert good["warnings"] == ["seed_ignored"]
    assert good["input_tokens"] > 0
    assert good["calls"] == 1
    assert (bad["status"], bad["code"], bad["calls"]) == (400, "invalid_value", 0)
    assert "canary" not in json.dumps([good, bad])
    assert "sk-ant" not in json.dumps([good, bad])
