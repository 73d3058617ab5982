"""The rim: routes, envelopes, who may call."""

from collections.abc import Callable
from pathlib import Path

import pytest
from falcon import testing

from standin import server

Client = testing.TestClient
HELLO = {"messages": [{"role": "user", "content": "Hi"}]}
CHAT = "/v1/chat/completions"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize("accept", ["application/json", "text/xml", "text/html", "*/*"])
@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "not_found"),
        ("GET", "/v1", 404, "not_found"),
        ("GET", CHAT, 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("DELETE", "/health", 405, "method_not_allowed"),
    ],
)
def test_an_error_of_the_framework_wears_openais_envelope(
    client: Client, method: str, path: str, status: int, code: str, accept: str
) -> None:
    answer = client.simulate_request(method, path, headers={"accept": accept})

    assert answer.status_code == status
    assert answer.json["error"].keys() == {"message", "type", "param", "code"}
    assert answer.json["error"]["code"] == code
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_is_the_originals(client: Client, method: str) -> None:
    answer = client.simulate_request(method, "/health")

    assert answer.status_code == 200
    assert answer.text == ('{"status":"ok"}' if method == "GET" else "")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_type_is_a_415(client: Client, kind: str) -> None:
    answer = client.simulate_post(CHAT, body="{}", headers={"content-type": kind})

    assert answer.status_code == 415
    assert answer.json["error"]["code"] == "unsupported_media_type"


def test_a_compressed_body_is_a_415(client: Client) -> None:
    answer = client.simulate_post(CHAT, body="x", headers={"content-encoding": "gzip"})

    assert answer.json["error"]["code"] == "unsupported_encoding"


def test_a_fault_of_ours_is_opaque_and_its_place_is_logged(
    make_client: Callable[..., Client], log_lines: Callable[[], list[dict]]
) -> None:
    class Faulty:
        open_to_all = True

        def on_get(self, _req: object, _resp: object) -> None:
            raise ValueError("canary words")

    client = make_client()
    client.app.add_route("/faulty", Faulty())

    answer = client.simulate_get("/faulty")

    assert (answer.status_code, answer.json["error"]["code"]) == (500, "internal_error")
    assert "canary" not in answer.text
    (line,) = [one for one in log_lines() if one["level"] == "error"]
    assert line["exception"] == "ValueError"
    assert "test_app.py" in line["where"][-1]
    assert "canary" not in str(line)


# ------------------------------------------------------------------ who may call

SPELLINGS = [CHAT, "//v1/chat/completions", "/v1/%63hat/completions"]


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize(
    "headers",
    [{}, bearer(""), bearer("wrong"), bearer("sésame"), {"authorization": "Basic x"},
     {"authorization": "right"}, {"x-api-key": "right"}, {"cookie": "key=right"}],
)  # fmt: skip
def test_without_the_key_no_spelling_of_a_path_gets_in(
    make_client: Callable[..., Client],
    standin: server.StandIn,
    path: str,
    headers: dict[str, str],
) -> None:
    client = make_client(proxy_api_key="right")
    standin.requests.clear()

    answer = client.simulate_post(path, json=HELLO, headers=headers)

    assert answer.status_code in {401, 404}
    assert not standin.requests
    if answer.status_code == 401:
        assert answer.json["error"]["code"] == "invalid_api_key"


def test_with_the_key_everything_is_open_and_health_always_is(
    make_client: Callable[..., Client],
) -> None:
    client = make_client(proxy_api_key="right")

    assert (
        client.simulate_post(CHAT, json=HELLO, headers=bearer("right")).status_code
        == 200
    )
    assert client.simulate_get("/v1/models").status_code == 401
    assert client.simulate_get("/v1/models", headers=bearer("right")).status_code == 200
    assert client.simulate_get("/health").status_code == 200


def test_a_file_of_keys_is_read_again_when_it_changes(
    make_client: Callable[..., Client], tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("one\n\n two \n")
    client = make_client(proxy_api_keys_file=str(keys))

    def accepted() -> list[str]:
        return [
            key
            for key in ("one", "two", "three", "")
            if client.simulate_get("/v1/models", headers=bearer(key)).status_code == 200
        ]

    assert accepted() == ["one", "two"]
    keys.write_text("three\n")
    assert accepted() == ["three"]
    keys.unlink()
    assert accepted() == ["three"]


def test_a_web_page_needs_the_key_even_where_others_need_none(
    make_client: Callable[..., Client],
) -> None:
    page = {"origin": "https://evil.example"}

    refused = make_client().simulate_post(CHAT, json=HELLO, headers=page)
    allowed = make_client(proxy_api_key="right").simulate_post(
        CHAT, json=HELLO, headers={**page, **bearer("right")}
    )

    assert refused.status_code == 403
    assert refused.json["error"]["code"] == "origin_not_allowed"
    assert allowed.status_code == 200
