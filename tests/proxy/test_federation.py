"""Workload Identity Federation: the SDK exchanges, the proxy uses what it gives."""

import itertools
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from anthropic.lib import credentials as sdk
from falcon import testing

import proxy_command
from ports import free_port
from proxy import credentials, settings
from standin import server

HELLO = {"messages": [{"role": "user", "content": "Hi"}]}


class Exchange(ThreadingHTTPServer):
    """A token endpoint: each exchange gives another token. Notes what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ExchangeHandler)
        self.asked: list[dict] = []
        self.tokens = (f"wif-{n}" for n in itertools.count(1))


class ExchangeHandler(BaseHTTPRequestHandler):
    server: Exchange

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        self.server.asked.append(
            {"path": self.path, **json.loads(self.rfile.read(length))}
        )
        token = {"access_token": next(self.server.tokens), "expires_in": 3600}
        body = json.dumps({**token, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def federated(
    exchange: Exchange,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_client: Callable[..., testing.TestClient],
) -> Iterator[testing.TestClient]:
    """A proxy whose SDK settings name a federation rule and a projected token."""
    (tmp_path / "token").write_text("projected-jwt")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANTHROPIC_FEDERATION_RULE_ID", "fdrl_1")
    monkeypatch.setenv("ANTHROPIC_ORGANIZATION_ID", "org-1")
    monkeypatch.setenv("ANTHROPIC_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    result = sdk.default_credentials(
        base_url=f"http://127.0.0.1:{exchange.server_port}"
    )
    monkeypatch.setattr(sdk, "default_credentials", lambda **_: result)
    yield make_client(anthropic_api_key="")
    result.provider.close()


def test_a_projected_token_is_exchanged_once_and_used_with_its_beta(
    federated: testing.TestClient, exchange: Exchange, standin: server.StandIn
) -> None:
    standin.accept_tokens = {"wif-1"}

    answers = [
        federated.simulate_post("/v1/chat/completions", json=HELLO) for _ in "ab"
    ]

    assert {answer.status_code for answer in answers} == {200}
    (asked,) = exchange.asked
    assert asked["path"].startswith("/v1/oauth/token")
    assert asked["assertion"] == "projected-jwt"
    assert "oauth-2025-04-20" in standin.requests[-1].headers["anthropic-beta"]


def test_a_refused_federation_token_is_exchanged_anew(
    federated: testing.TestClient, exchange: Exchange, standin: server.StandIn
) -> None:
    standin.accept_tokens = {"wif-2"}

    answer = federated.simulate_post("/v1/chat/completions", json=HELLO)

    assert answer.status_code == 200
    assert len(exchange.asked) == 2


def test_a_newline_after_an_id_is_no_part_of_it(
    exchange: Exchange, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("projected-jwt")
    subprocess.run(
        [proxy_command.COMMAND, "doctor"],
        env=proxy_command.environment(
            tmp_path,
            {
                "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_1\n",
                "ANTHROPIC_ORGANIZATION_ID": " org-1\n",
                "ANTHROPIC_IDENTITY_TOKEN_FILE": f"{tmp_path / 'token'}\n",
                "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{exchange.server_port}\n",
                "PORT": free_port(),
            },
        ),
        stdout=subprocess.DEVNULL,
        check=False,
    )

    [asked] = exchange.asked
    assert (asked["federation_rule_id"], asked["organization_id"]) == (
        "fdrl_1", "org-1",
    )  # fmt: skip


def test_quotes_around_an_id_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_FEDERATION_RULE_ID", '"fdrl_1"')
    monkeypatch.setenv("ANTHROPIC_ORGANIZATION_ID", "org-1")

    with pytest.raises(settings.SettingsError, match=r"FEDERATION_RULE_ID: .* quotes"):
        credentials.source_for(settings.Settings())
