"""Who may ask: the inbound key, keys in a file, and no web pages."""

import httpx2
import openai
import pytest

import proxy_command
from loopback import PLAIN
from openai_client import KEY, ask, connect, sent, user
from waiting import LONG, until

REQUEST = {"messages": [user("Hello")]}
PAGE = {"origin": "https://evil.example"}


@pytest.fixture(scope="module")
def _keyed(_standin, tmp_path_factory):
    directory = tmp_path_factory.mktemp("keyed")
    keys = directory / "keys"
    keys.write_text("first-key\nsecond-key\nschlüssel\n", encoding="utf-8")
    with proxy_command.running(
        directory,
        HOST="0.0.0.0",
        ANTHROPIC_API_BASE=_standin.base_url,
        ANTHROPIC_API_KEY=KEY,
        PROXY_API_KEY="own-key-of-the-tests",
        PROXY_API_KEYS_FILE=keys,
    ) as running:
        running.keys = keys
        yield running


@pytest.fixture
def keyed(_keyed, standin):
    """A proxy for others than this machine, with keys of its own and from a file."""
    return _keyed


def get(url):
    return httpx2.get(url, trust_env=False, timeout=LONG, verify=PLAIN)


def completion(running, **headers):
    return httpx2.post(
        f"{running.url}/v1/chat/completions",
        json=REQUEST,
        headers=headers,
        trust_env=False,
        timeout=LONG,
        verify=PLAIN,
    )


@pytest.mark.parametrize("key", ["wrong", "own-key-of-the-test", "ключ"])
def test_without_its_key_the_proxy_answers_401_and_asks_nobody(keyed, standin, key):
    answer = completion(keyed, authorization=f"Bearer {key}".encode())
    assert answer.status_code == 401
    error = answer.json()["error"]
    assert error["code"] == "invalid_api_key"
    assert error["message"].endswith("send it as your client's API key")
    assert sent(standin) == []


def test_the_official_client_sees_an_authentication_error(keyed):
    with (
        connect(keyed, api_key="wrong") as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        ask(client)
    assert caught.value.code == "invalid_api_key"
    assert caught.value.response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("key", ["own-key-of-the-tests", "first-key", "second-key"])
def test_each_key_lets_in(keyed, standin, key):
    with connect(keyed, api_key=key) as client:
        assert ask(client).choices[0].finish_reason == "stop"
        assert client.models.list().data
    assert len(sent(standin)) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_key_beyond_ascii_lets_in_as_any_client_encodes_it(keyed, encoding):
    header = "Bearer schlüssel".encode(encoding)
    assert completion(keyed, authorization=header).is_success


def test_the_keys_file_is_read_again_when_it_changes(keyed):
    keyed.keys.write_text("third-key\nsecond-key\n")
    until(lambda: completion(keyed, authorization="Bearer third-key").is_success)
    assert completion(keyed, authorization="Bearer second-key").is_success
    assert completion(keyed, authorization="Bearer first-key").status_code == 401
    keyed.keys.write_text("first-key\nsecond-key\nschlüssel\n", encoding="utf-8")
    until(lambda: completion(keyed, authorization="Bearer first-key").is_success)


@pytest.mark.parametrize("path", ["/v1/models", "//v1/models", "/v1/%6dodels"])
def test_no_spelling_of_a_path_goes_around_the_key(keyed, path):
    answer = get(f"{keyed.url}{path}")
    assert answer.status_code in {401, 404}
    assert "data" not in answer.json()


def test_health_needs_no_key(keyed):
    assert get(f"{keyed.url}/health").json() == {"status": "ok"}


def test_a_web_page_without_the_key_is_refused(proxy, keyed, standin):
    for running in (proxy, keyed):
        answer = completion(running, **PAGE)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "origin_not_allowed"
    assert sent(standin) == []


def test_a_web_page_with_the_key_is_answered(keyed):
    answer = completion(keyed, authorization="Bearer own-key-of-the-tests", **PAGE)
    assert answer.status_code == 200
