"""b1.web_search: Anthropic searches, and what it cites are annotations."""

import json
from collections.abc import Callable

import pytest
from falcon import testing

from proxy.schema import messages_response
from proxy.translate.chat import response
from proxy.translate.web_search import CITED
from standin import server

ASK = {
    "model": "claude-sonnet-4-6",
    "messages": [{"role": "user", "content": "Please search for the weather."}],
    "web_search_options": {},
}


def asked(client: testing.TestClient, *, stream: bool) -> dict:
    """The message that a client has in the end."""
    answer = client.simulate_post(
        "/v1/chat/completions", json={**ASK, "stream": stream}
    )
    if not stream:
        return answer.json["choices"][0]["message"]
    message: dict = {"content": ""}
    for line in answer.text.splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line.removeprefix("data: "))["choices"]:
                message["content"] += choice["delta"].get("content", "")
                if "annotations" in choice["delta"]:
                    assert "annotations" not in message  # clients merge no lists
                    message["annotations"] = choice["delta"]["annotations"]
                assert "tool_calls" not in choice["delta"]
    return message


@pytest.mark.parametrize("stream", [False, True])
def test_a_cited_span_is_an_annotation(
    client: testing.TestClient, standin: server.StandIn, stream: bool
) -> None:
    message = asked(client, stream=stream)

    [annotation] = message["annotations"]
    assert standin.requests[-1].rule is None
    assert annotation["type"] == "url_citation"
    cited = annotation["url_citation"]
    span = message["content"][cited.pop("start_index") : cited.pop("end_index")]
    assert span == "Grüße, it found one page"
    assert cited == {
        "title": "A page of the stand-in",
        "url": "https://example.com/found",
    }


@pytest.mark.parametrize("stream", [False, True])
def test_a_search_is_counted_in_the_log(
    client: testing.TestClient,
    log_lines: Callable[[], list[dict]],
    stream: bool,
) -> None:
    asked(client, stream=stream)

    [line] = [one for one in log_lines() if one["message"] == "completion"]
    assert (line["web_searches"], line["skipped_events"]) == (1, 0)


def test_citations_of_other_things_are_no_annotations() -> None:
    citations = [
        messages_response.Citation(type="char_location", cited_text="a"),
        messages_response.Citation(type=CITED, url=None),
    ]

    assert response.annotations(citations, 0, 1) == []


def test_a_page_without_a_title_is_called_by_its_address() -> None:
    [one] = response.annotations(
        [messages_response.Citation(type=CITED, url="https://a.b")], 0, 1
    )

    assert one.url_citation.title == "https://a.b"
