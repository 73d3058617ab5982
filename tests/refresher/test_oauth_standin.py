"""The stand-in itself is strict: what it lets through, the real hosts would too."""

import gc
import http.client
import json
import select
import socket
import ssl
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import oauth_standin
from oauth_ledger import Behaviour
from oauth_standin import Standin


@pytest.fixture
def standin(tmp_path):
    with Standin(tmp_path) as running:
        yield running


def ask(standin, host, method, path, body=None, **headers):
    """One request through the tunnel; the status and the JSON of the answer."""
    port = int(standin.url.rpartition(":")[2])
    trust = ssl.create_default_context(cafile=str(standin.ca_file))
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trust)
    connection.set_tunnel(host)
    try:
        headers = {"content-type": "application/json"} | headers
        connection.request(method, path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def exchange(standin, token, **changes):
    body = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "c"}
    path = "/v1/oauth/token"
    return ask(standin, oauth_standin.OAUTH_HOST, "POST", path, body | changes)


def message(standin, token, beta="oauth-2025-04-20"):
    headers = {"authorization": f"Bearer {token}", "anthropic-beta": beta}
    path, body = "/v1/messages", {"model": "m", "messages": [], "max_tokens": 1}
    host = oauth_standin.API_HOST
    return ask(standin, host, "POST", path, body, **headers)[0]


def tokens(standin, access_left=3600):
    oauth = standin.login(access_left)["claudeAiOauth"]
    return oauth["accessToken"], oauth["refreshToken"]


def test_a_refresh_token_works_once(standin):
    _, refresh_token = tokens(standin)

    first = exchange(standin, refresh_token)
    second = exchange(standin, refresh_token)

    assert first[0] == 200
    assert second == (400, {"error": "invalid_grant"})
    assert exchange(standin, first[1]["refresh_token"])[0] == 200
    assert standin.ledger.reused == 1


def test_a_replaced_access_token_lives_to_its_own_end(standin):
    living, refresh_token = tokens(standin)
    expired, _ = tokens(standin, access_left=-1)
    _, refreshed = exchange(standin, refresh_token)

    assert message(standin, living) == 200
    assert message(standin, refreshed["access_token"]) == 200
    assert message(standin, expired) == 401
    assert message(standin, "made up") == 401
    assert message(standin, living, beta="another") == 401


@pytest.mark.parametrize(
    "changes", [{"grant_type": "password"}, {"client_id": ""}, {"refresh_token": "x"}]
)
def test_a_request_that_is_not_a_refresh_spends_nothing(standin, changes):
    _, refresh_token = tokens(standin)

    assert exchange(standin, refresh_token, **changes)[0] == 400
    assert exchange(standin, refresh_token)[0] == 200


def test_a_code_begins_one_login(standin):
    code = {
        "grant_type": "authorization_code",
        "client_id": "test",
        "code": standin.ledger.code().partition("#")[0],
        "code_verifier": "not looked at",
        "redirect_uri": "not looked at",
    }

    host, path = oauth_standin.OAUTH_HOST, "/v1/oauth/token"
    status, login = ask(standin, host, "POST", path, code)

    assert status == 200
    assert message(standin, login["access_token"]) == 200
    assert exchange(standin, login["refresh_token"])[0] == 200
    again = ask(standin, host, "POST", path, code)
    assert again == (400, {"error": "invalid_grant"})


def test_each_behaviour_shows(standin):
    _, token = tokens(standin)
    standin.behaviour = Behaviour(status=429, error="rate_limited")
    assert exchange(standin, token) == (429, {"error": "rate_limited"})

    standin.behaviour = Behaviour(scope=False, rotate=False, expires_in=60)
    status, answer = exchange(standin, token)
    assert status == 200
    assert answer.keys() == {"token_type", "access_token", "expires_in"}
    assert answer["expires_in"] == 60

    standin.behaviour = Behaviour(api_status=529)
    assert message(standin, answer["access_token"]) == 529


def test_no_other_host_is_reached(standin):
    with pytest.raises(OSError, match="502"):
        ask(standin, "example.com", "GET", "/")


def test_a_client_that_goes_before_the_handshake_leaves_nothing_open(standin):
    """The warning of an open socket would fail whichever test comes next."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        connection, _ = listener.accept()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()  # with a reset
        select.select([connection], [], [])

        with pytest.raises(OSError, match="reset"):
            standin.tls.wrap_socket(connection, server_side=True)

    gc.collect()


def test_it_runs_as_a_program_that_is_steered_over_http(tmp_path):
    program = [sys.executable, oauth_standin.__file__, "--directory", str(tmp_path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as process:
        try:
            where = json.loads(process.stdout.readline())
            login = _plain(where["url"], "POST", "/standin/login", {"access_left": 9})
            knobs = _plain(where["url"], "POST", "/standin/behaviour", {"status": 500})
            calls = _plain(where["url"], "GET", "/standin/calls")
        finally:
            process.terminate()

    assert login["claudeAiOauth"]["refreshToken"].startswith("sk-ant-ort01-made-up-")
    assert knobs["status"] == 500
    assert calls == []
    assert Path(where["ca"]).read_text().startswith("-----BEGIN CERTIFICATE")
    assert process.returncode == 0


def _plain(url, method, path, body=None):
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    try:
        connection.request(method, path, json.dumps(body))
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
