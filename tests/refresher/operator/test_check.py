"""When Anthropic is asked about a token, and what a response means."""

import asyncio
import json

import pytest

from refresher.operator import anthropic_api, check
from refresher.operator.anthropic_api import judge
from refresher.operator.check import Check, Response, Verdict

HOUR = 3600.0
MODELS = {"data": [], "has_more": False}


def error(kind):
    return {"type": "error", "error": {"type": kind, "message": "invalid bearer token"}}


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, json.dumps(MODELS), Verdict.ACCEPTED),
        (401, json.dumps(error("authentication_error")), Verdict.REJECTED),
        (200, "<html>log in to the hotel's network</html>", Verdict.UNKNOWN),
        (200, "{}", Verdict.UNKNOWN),
        pytest.param(200, "[" * 100_000, Verdict.UNKNOWN, id="deep"),
        (302, "", Verdict.UNKNOWN),
        (401, "<html>proxy authentication</html>", Verdict.UNKNOWN),
        (401, json.dumps({"error": "unauthorized"}), Verdict.UNKNOWN),
        (403, json.dumps(error("permission_error")), Verdict.UNKNOWN),
        (404, json.dumps(error("not_found_error")), Verdict.UNKNOWN),
        (429, json.dumps(error("rate_limit_error")), Verdict.UNKNOWN),
        (529, json.dumps(error("overloaded_error")), Verdict.UNKNOWN),
        (500, "null", Verdict.UNKNOWN),
    ],
)
def test_only_anthropics_own_refusal_says_that_a_token_is_rejected(
    status, body, verdict
):
    assert judge(status, body.encode()).verdict is verdict


def known(verdict, unanswered=0, request=None):
    return Check(
        revision="a", request=request, at=0.0, verdict=verdict, unanswered=unanswered
    )


@pytest.mark.parametrize(
    ("before", "revision", "asked", "seconds"),
    [
        (None, "a", None, 0),
        (known(Verdict.ACCEPTED), "b", None, 0),
        (known(Verdict.ACCEPTED), "a", "now", 0),
        (known(Verdict.ACCEPTED), "a", None, HOUR),
        (known(Verdict.REJECTED), "a", None, HOUR),
        (known(Verdict.ACCEPTED, request="now"), "a", "now", HOUR),
        (known(Verdict.UNKNOWN, 1), "a", None, 60),
        (known(Verdict.UNKNOWN, 3), "a", None, 240),
        (known(Verdict.UNKNOWN, 99), "a", None, HOUR),
        (known(Verdict.ACCEPTED, 2), "a", None, 120),
    ],
)
def test_a_token_is_checked_when_it_is_new_on_request_and_once_an_hour(
    before, revision, asked, seconds
):
    pause = check.pause(before, revision=revision, request=asked, now=0.0)

    assert pause == seconds


def record(before, verdict, revision="a"):
    return check.record(
        before, Response(verdict, "why"), revision=revision, request=None, at=1.0
    )


def test_a_check_that_learned_nothing_keeps_the_verdict_on_the_same_token():
    rejected = record(None, Verdict.REJECTED)
    unanswered = record(record(rejected, Verdict.UNKNOWN), Verdict.UNKNOWN)

    assert (unanswered.verdict, unanswered.unanswered) == (Verdict.REJECTED, 2)
    assert record(unanswered, Verdict.UNKNOWN, "b").verdict is Verdict.UNKNOWN
    assert record(unanswered, Verdict.ACCEPTED).unanswered == 0


def ask(monkeypatch, **environ):
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, str(value))
    return asyncio.run(anthropic_api.ask("access-1"))


def test_the_question_goes_the_clis_way_and_trusts_what_the_cli_trusts(
    anthropic, monkeypatch
):
    response = ask(monkeypatch, **anthropic.environ)

    assert response == Response(Verdict.ACCEPTED)
    [call] = anthropic.calls
    assert (call["host"], call["path"]) == ("api.anthropic.com", "/v1/models")


@pytest.mark.parametrize(
    "changes",
    [
        {"NODE_EXTRA_CA_CERTS": "/nowhere/ca.pem"},  # so the stand-in is not trusted
        {"HTTPS_PROXY": "http://user:secret@127.0.0.1:9"},
        {"HTTPS_PROXY": "socks5://127.0.0.1:9"},
        {"HTTPS_PROXY": "nonsense"},
    ],
)
def test_a_way_that_does_not_work_says_nothing_about_the_token(
    anthropic, monkeypatch, changes
):
    response = ask(monkeypatch, **{**anthropic.environ, **changes})

    assert response.verdict is Verdict.UNKNOWN
    assert response.detail.startswith("no response from Anthropic (")
    assert "secret" not in response.detail
    assert anthropic.calls == []
