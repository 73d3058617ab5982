"""Any JSON-shaped request: an answer or an OpenAI-shaped 4xx, never a 5xx.

What goes upstream is accepted by the strict stand-in, but for what only the client can
get right: see ``CLIENTS_OWN``.
"""

import json

import pytest
from falcon import testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from request_strategies import ANY, FIELDS, GOOD, MESSAGES, merged
from standin import server

CLIENTS_OWN = {
    "model.unknown",  # the upstream says which models exist
    "thinking.foreign",  # a signature that nobody gave: stripped, and tried again
    "thinking.unbound",
}


@settings(suppress_health_check=list(HealthCheck))
@given(body=GOOD, stream=st.booleans())
def test_a_well_formed_request_is_answered_and_accepted_upstream(
    body: dict, stream: bool, client: testing.TestClient, standin: server.StandIn
) -> None:
    standin.requests.clear()

    answer = client.simulate_post(
        "/v1/chat/completions", json={**body, "stream": stream}
    )

    broken = {one.rule for one in standin.requests if one.path == "/v1/messages"}
    assert broken <= {None, *CLIENTS_OWN}
    if None in broken:
        assert answer.status_code == 200
    else:
        check_error(answer.json)
        assert broken


@settings(suppress_health_check=list(HealthCheck))
@given(body=merged(st.fixed_dictionaries({"messages": MESSAGES}), FIELDS),
       stream=st.booleans())  # fmt: skip
def test_any_request_is_answered_or_refused_in_openais_words(
    body: dict, stream: bool, client: testing.TestClient, standin: server.StandIn
) -> None:
    standin.requests.clear()
    text = json.dumps({**body, "stream": stream})

    answer = client.simulate_post("/v1/chat/completions", body=text)

    assert answer.status_code in range(200, 500), answer.text
    if answer.status_code != 200:
        check_error(answer.json)
    elif stream:
        assert answer.text.endswith("data: [DONE]\n\n")
    else:
        assert answer.json["object"] == "chat.completion"
    broken = {one.rule for one in standin.requests if one.path == "/v1/messages"}
    assert broken <= {None, *CLIENTS_OWN}


def check_error(said: dict) -> None:
    error = said["error"]
    assert said.keys() == {"error"}
    assert error.keys() == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    for nullable in ("param", "code"):
        assert error[nullable] is None or isinstance(error[nullable], str)


@pytest.mark.parametrize("stream", [False, True])
@settings(suppress_health_check=list(HealthCheck))
@given(body=ANY)
def test_any_json_at_all_is_refused_in_openais_words(
    stream: bool, body: object, client: testing.TestClient
) -> None:
    if isinstance(body, dict):
        body = {**body, "stream": stream}

    answer = client.simulate_post("/v1/chat/completions", body=json.dumps(body))

    assert answer.status_code == 400
    check_error(answer.json)
