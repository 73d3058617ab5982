"""From a request to the meaning of each failure, in process, against the stand-in."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from falcon import testing

from standin import server

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
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    standin.scripted.clear()


@both
def test_an_upstream_that_asks_for_patience_is_not_asked_again(
    client: Client, standin: server.StandIn, stream: bool
) -> None:
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
    assert calls(standin) == 1


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


@pytest.mark.parametrize("stream", [False, True])
def test_a_subscription_that_anthropic_refuses_here_is_told_in_words_for_good(
    make_client: Callable[..., Client],
    standin: server.StandIn,
    stream: bool,
) -> None:
    client = make_client(anthropic_api_key="", claude_access_token="tok")
    standin.fail_next(
        status=400,
        type="invalid_request_error",
        message="This credential is only authorized for use with Claude Code.",
    )
    standin.requests.clear()

    first, second = ask(client, stream=stream), ask(client, stream=stream)

    assert calls(standin) == 1
    for answer in (first, second):
        assert answer.status_code == 403
        assert answer.json["error"]["code"] == "credential_not_allowed"
        assert answer.headers["x-should-retry"] == "false"


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
