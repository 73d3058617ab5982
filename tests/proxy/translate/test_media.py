"""b4.12, b4.13: what is inline is what its bytes say, wherever it stands."""

import base64

import pytest
from falcon import testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy import errors
from proxy.translate import json_text
from request_translation import sent
from standin import server

BEGINNINGS = {
    "image/jpeg": b"\xff\xd8\xff\xe0",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/gif": b"GIF89a",
    "image/webp": b"RIFF\x24\x00\x00\x00WEBP",
    "application/pdf": b"%PDF-1.7",
}
LABELS = st.sampled_from([*BEGINNINGS, "image/jpg", "image/x-png", "text/plain", ""])
KINDS = st.sampled_from([*BEGINNINGS])


def inline(label: str, data: bytes) -> str:
    return f"data:{label};base64,{base64.b64encode(data).decode()}"


def by_image_url(url: str) -> dict:
    return {"type": "image_url", "image_url": {"url": url}}


def by_file(url: str) -> dict:
    return {"type": "file", "file": {"file_data": url, "filename": "notes.txt"}}


def in_a_result(part: dict) -> list[dict]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": [part]},
    ]


def from_a_user(part: dict) -> list[dict]:
    return [{"role": "user", "content": [part]}]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=KINDS, label=LABELS, rest=st.binary(max_size=40))
@pytest.mark.parametrize("part", [by_image_url, by_file])
@pytest.mark.parametrize("place", [from_a_user, in_a_result])
def test_the_label_is_never_believed_and_the_upstream_agrees(
    kind: str,
    label: str,
    rest: bytes,
    part: object,
    place: object,
    client: testing.TestClient,
    standin: server.StandIn,
) -> None:
    url = inline(label, BEGINNINGS[kind] + rest)

    answer = client.simulate_post(
        "/v1/chat/completions", json={"messages": place(part(url))}
    )

    assert answer.status_code == 200
    assert standin.requests[-1].rule is None
    block = standin.requests[-1].body["messages"][-1]["content"][0]
    block = block["content"][0] if block["type"] == "tool_result" else block
    assert block["type"] == ("document" if kind == "application/pdf" else "image")
    assert block["source"]["media_type"] == kind


def test_a_pdf_may_begin_a_little_later() -> None:
    url = inline("application/pdf", b"\n" * 900 + b"%PDF-1.4")

    [block] = sent({"messages": from_a_user(by_file(url))})["messages"][0]["content"]

    assert block["source"]["media_type"] == "application/pdf"


def test_a_text_file_stays_a_text() -> None:
    url = inline("text/plain", b"A PDF begins with a percent sign")

    [block] = sent({"messages": from_a_user(by_file(url))})["messages"][0]["content"]

    assert block["source"]["type"] == "text"


def test_a_file_without_content_is_refused_as_that() -> None:
    for part in (by_file(inline("text/plain", b"")), by_image_url("data:;base64, ")):
        with pytest.raises(errors.InvalidRequestError, match="must not be empty"):
            sent({"messages": from_a_user(part)})


def test_a_text_file_beyond_ascii_has_a_limit() -> None:
    url = inline("text/plain", "é".encode() * (json_text.MAX_WIDE // 2 + 1))

    with pytest.raises(errors.InvalidRequestError, match="bytes of text"):
        sent({"messages": from_a_user(by_file(url))})
