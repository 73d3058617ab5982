"""The proxy's own credential: a file that appears, rotates, is refused, expires."""

import itertools
import json
import threading
import time
from pathlib import Path

import openai
import pytest

import health_port
import proxy_command
from openai_client import ask, connect, sent
from waiting import LONG, until

HOUR = 3_600_000  # milliseconds
tokens = (f"canary-token-{number}" for number in itertools.count())


def written(token, *, expires_in=HOUR):
    """The CLI's file. The refresh token in it must go nowhere."""
    oauth = {
        "accessToken": token,
        "refreshToken": "canary-refresh",
        "expiresAt": int(time.time() * 1000) + expires_in,
        "scopes": ["user:inference"],
    }
    return json.dumps({"claudeAiOauth": oauth})


def truncate_and_write(path, text):
    path.write_text(text)


def rename_over(path, text):
    fresh = path.with_name("fresh")
    fresh.write_text(text)
    fresh.rename(path)


def swap_symlink(path, text):
    """As the kubelet does: the file is a link into `..data`, itself a link."""
    version = path.with_name(f"..{time.monotonic_ns()}")
    version.mkdir()
    (version / path.name).write_text(text)
    fresh = path.with_name("..data_tmp")
    fresh.symlink_to(version.name)
    fresh.rename(path.with_name("..data"))
    if not path.is_symlink():
        path.unlink(missing_ok=True)
        path.symlink_to(Path("..data", path.name))


STYLES = [truncate_and_write, rename_over, swap_symlink]


@pytest.fixture(scope="module")
def _fed(_standin, tmp_path_factory):
    """A proxy whose credential comes from a file, which is not there at first."""
    directory = tmp_path_factory.mktemp("fed")
    path = directory / "volume" / "credentials"
    path.parent.mkdir()
    with proxy_command.running(
        directory,
        ANTHROPIC_API_BASE=_standin.base_url,
        CLAUDE_CREDENTIALS_PATH=path,
        before=f"from proxy import files; files.PATIENCE = {LONG}\n",
    ) as running:
        yield running, path
    assert "canary-" not in running.text


@pytest.fixture
def fed(_fed, standin):
    return _fed[0]


@pytest.fixture
def path(_fed):
    """Where that proxy looks for its credential. Each test brings tokens of its own."""
    yield _fed[1]
    _fed[1].with_name("expires-at").unlink(missing_ok=True)


@pytest.fixture
def rotate(path, standin):
    """Write the next token there, the only one that is accepted from now on."""

    def rotated(write=rename_over):
        token = next(tokens)
        standin.accept_tokens = {token}  # before anybody can read it
        write(path, written(token))
        return token

    return rotated


def ready(running):
    """What `/readyz` says, up to a tenth of a second ago: its page is used again."""
    answer = health_port.get(f"{running.health_url}/readyz")
    return answer.status_code, answer.json()["status"]


def test_without_a_credential_the_proxy_is_up_and_says_what_is_missing(start, tmp_path):
    missing = tmp_path / ".claude" / ".credentials.json"
    running = start(HOME=tmp_path)
    status, words = ready(running)
    assert status == 503
    assert str(missing) in words
    assert "claude auth login" in words
    assert health_port.get(f"{running.health_url}/healthz").is_success
    with connect(running, max_retries=2) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            ask(client)
        assert client.models.list().data
    assert (caught.value.status_code, caught.value.code) == (503, "no_credentials")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert "retry-after" not in caught.value.response.headers
    assert "the credentials file does not exist" in caught.value.message
    assert str(missing) not in caught.value.message
    until(lambda: running.completions)
    assert len(running.completions) == 1  # the client believed it: no second try

    missing.parent.mkdir()
    missing.write_text(written(next(tokens)))
    until(lambda: ready(running) == (200, "ready"))
    with connect(running) as client:
        assert ask(client).choices[0].finish_reason == "stop"


@pytest.mark.parametrize("write", STYLES)
def test_a_file_that_rotates_is_followed_without_a_failed_request(
    fed, standin, rotate, write
):
    with connect(fed) as client:
        for _ in range(5):
            rotate(write)
            assert ask(client).choices[0].finish_reason == "stop"
            until(lambda: ready(fed) == (200, "ready"))
    assert len(sent(standin)) == 5  # and none of them met a 401
    betas = [one.headers["anthropic-beta"] for one in standin.requests]
    assert all("oauth-2025-04-20" in beta for beta in betas)
    assert "canary-refresh" not in str([one.headers for one in standin.requests])


def test_the_last_good_token_serves_while_the_file_is_not_whole(fed, rotate, path):
    rotate()
    with connect(fed) as client:
        assert ask(client)
        for broken in ("", "{", "{}", '{"claudeAiOauth": {}}'):
            path.write_text(broken)
            assert ask(client)
        path.unlink()
        assert ask(client)


def test_the_other_shapes_of_the_file_serve_too(fed, standin, path):
    with connect(fed) as client:
        for shape in ('{{"access_token": "{}"}}', '{{"token": "{}"}}', "{}\n"):
            token = next(tokens)
            rename_over(path, shape.format(token))
            standin.accept_tokens = {token}
            assert ask(client).choices[0].finish_reason == "stop"


def test_a_refused_token_waits_for_the_next_one_and_no_request_fails(
    start, standin, rotate, path
):
    rotate()
    standin.accept_tokens = set()
    running = start(
        CLAUDE_CREDENTIALS_PATH=path,
        before=f"from proxy import lease; lease.REFRESH_WAIT = {LONG}\n",
    )

    def rules():
        asked = [one for one in standin.requests if one.path == "/v1/messages"]
        return [one.rule for one in asked]

    def renew():
        until(lambda: rules() == ["auth.wrong"])
        rotate()

    renewal = threading.Thread(target=renew)
    renewal.start()
    with connect(running) as client:
        assert ask(client).choices[0].finish_reason == "stop"
    renewal.join()
    assert rules() == ["auth.wrong", None]


def test_a_refused_token_without_a_next_one_is_told_as_the_proxys_own(
    fed, standin, rotate, path
):
    rotate()
    standin.accept_tokens = set()
    with connect(fed) as client, pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert (caught.value.status_code, caught.value.code) == (503, "credentials_refused")
    assert caught.value.response.headers["retry-after"] == "8"
    assert "the proxy's own credential (the credentials file)" in caught.value.message
    assert str(path) not in caught.value.message
    until(lambda: "refused" in ready(fed)[1])
    assert ready(fed)[0] == 503


def test_an_expired_token_is_not_sent_and_the_words_say_when_it_ended(
    fed, standin, rotate, path
):
    rename_over(path, written(next(tokens), expires_in=-HOUR))
    with connect(fed) as client, pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert (caught.value.status_code, caught.value.code) == (503, "credentials_expired")
    assert caught.value.response.headers["retry-after"] == "8"
    until(lambda: "expired at 20" in ready(fed)[1])
    assert ready(fed)[0] == 503
    assert sent(standin) == []
    rotate()
    until(lambda: ready(fed) == (200, "ready"))


def test_the_expiry_beside_a_bare_token_counts(fed, path):
    rename_over(path, next(tokens))
    path.with_name("expires-at").write_text("2020-01-01T00:00:00Z\n")
    until(lambda: "2020-01-01T00:00:00Z" in ready(fed)[1])
    path.with_name("expires-at").write_text("2099-01-01T00:00:00Z\n")
    until(lambda: ready(fed) == (200, "ready"))


ASKED = (({}, None), ({"seed": 1}, "seed_ignored"), ({}, None))
"""Requests and their warnings, which must not show up in each other's answers."""


def test_a_credential_that_is_not_allowed_is_final_until_it_changes(
    fed, standin, rotate
):
    rotate()
    standin.fail_next(
        status=400,
        type="invalid_request_error",
        message="This credential is only authorized for use with Claude Code.",
        times=2,
    )
    with connect(fed, max_retries=2) as client:
        for field, warning in ASKED:
            with pytest.raises(openai.PermissionDeniedError) as caught:
                ask(client, **field)
            assert caught.value.code == "credential_not_allowed"
            assert "ANTHROPIC_API_KEY" in caught.value.message
            headers = caught.value.response.headers
            assert headers["x-should-retry"] == "false"
            assert headers.get("x-proxy-warnings") == warning
        assert len(sent(standin)) == 2
        until(lambda: "ANTHROPIC_API_KEY" in ready(fed)[1])
        rotate()
        until(lambda: ready(fed) == (200, "ready"))
        assert ask(client)


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "CLAUDE_ACCESS_TOKEN"])
def test_a_credential_of_the_environment_comes_before_the_file(
    start, standin, rotate, path, name
):
    rotate()
    token = next(tokens)
    standin.accept_tokens = {token}
    running = start(CLAUDE_CREDENTIALS_PATH=path, **{name: token})
    with connect(running) as client:
        assert ask(client).choices[0].finish_reason == "stop"
    wanted = f"credential: {name}"
    until(lambda: wanted in [line["message"] for line in running.log])
    completion = [one for one in standin.requests if one.path == "/v1/messages"]
    beta = completion[-1].headers.get("anthropic-beta", "")
    assert ("oauth-2025-04-20" in beta) is (name == "CLAUDE_ACCESS_TOKEN")


def test_a_file_that_cannot_be_read_is_named_with_the_reason(start, tmp_path):
    running = start(CLAUDE_CREDENTIALS_PATH=tmp_path)
    status, words = ready(running)
    assert status == 503
    assert f"{tmp_path} is not a regular file" in words
