"""What the metrics say after completions of all kinds, in front of the stand-in."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from falcon import testing
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

from proxy import app, errors, metrics, settings, trail
from standin import server

MODEL = "claude-opus-5-5"
HELLO = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
Samples = dict[tuple[str, ...], float]


class House:
    """An application in front of the stand-in, and what its metrics say."""

    def __init__(self, proxy: app.Proxy) -> None:
        self.proxy = proxy
        self.client = testing.TestClient(proxy.wsgi, headers={"host": "localhost"})

    def ask(self, **more: object) -> testing.Result:
        headers = {"x-request-id": "req-of-the-test"}
        return self.client.simulate_post(
            "/v1/chat/completions", json={**HELLO, **more}, headers=headers
        )

    def samples(self) -> Samples:
        """Values by name and labels, the labels in the order of their names."""
        _, text = self.proxy.metrics.exposition()
        return {
            (sample.name.removeprefix("claude_proxy_"), *sample.labels.values()): (
                sample.value
            )
            for family in parser.text_string_to_metric_families(text.decode())
            for sample in family.samples
        }


@pytest.fixture
def make_house(standin: server.StandIn) -> Iterator[Callable[..., House]]:
    opened = []

    def make(**given: object) -> House:
        given = {"anthropic_api_key": "sk-ant-api03-test", **given}
        config = settings.Settings(anthropic_api_base=standin.base_url, **given)
        opened.append(app.create_app(config))
        opened[-1].catalogue.refresh()
        return House(opened[-1])

    yield make
    for proxy in opened:
        proxy.close()


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house()


def start(tokens: int = 100, **more: object) -> dict:
    counts = {"input_tokens": tokens, "output_tokens": 1, **more}
    head = {"id": "msg_1", "model": MODEL, "usage": counts}
    return {"type": "message_start", "message": head}


BEGIN = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "text", "text": ""},
}
WORD = {
    "type": "content_block_delta",
    "index": 0,
    "delta": {"type": "text_delta", "text": "word"},
}
END = [
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"},
     "usage": {"output_tokens": 50}},
    {"type": "message_stop"},
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_response_is_counted_by_api_model_status_kind_and_price(
    house: House, standin: server.StandIn, stream: bool
) -> None:
    usage = {
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 30,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20
        },
        "output_tokens_details": {"thinking_tokens": 0},
        "server_tool_use": {"web_search_requests": 2},
    }  # fmt: skip
    last = {"output_tokens": 50, "output_tokens_details": {"thinking_tokens": 15}}
    end = [END[0], {**END[1], "usage": last}, END[2]]
    standin.answer_with([start(**usage), BEGIN, WORD, *end])

    assert house.ask(stream=stream).status_code == 200
    now = house.samples()

    assert now["requests_total", "chat", "", MODEL, "200"] == 1
    assert {key[1]: n for key, n in now.items() if key[0] == "tokens_total"} == {
        "input": 100,
        "output": 35,
        "thinking": 15,
        "cache_read": 1000,
        "cache_write_5m": 10,
        "cache_write_1h": 20,
    }
    assert now["cost_usd_total", MODEL] == pytest.approx(
        (100 * 4 + 50 * 20 + 1000 * 0.2 + 10 * 5 + 20 * 8) / 1e6 + 0.02
    )
    assert now["server_tool_uses_total", MODEL, "web_search"] == 2
    assert now["upstream_calls_total", "complete"] == 1
    assert now["request_duration_seconds_count", MODEL] == 1
    assert now["first_event_seconds_count", MODEL] == 1
    assert now["own_seconds_count",] == 1
    assert not [key for key in now if key[0].startswith("undelivered")]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_what_a_broken_response_cost_is_counted_as_undelivered(
    house: House,
    standin: server.StandIn,
    log_lines: Callable[[], list[dict]],
    stream: bool,
) -> None:
    standin.answer_with([start(), BEGIN, WORD], cut=True)

    try:
        house.ask(stream=stream)
    except errors.StreamCut:
        assert stream
    now = house.samples()

    status = "200" if stream else "502"
    assert now["requests_total", "chat", "stream_incomplete", MODEL, status] == 1
    assert now["undelivered_tokens_total", "input", MODEL] == 100
    assert now["tokens_total", "input", MODEL] == 100
    assert now["undelivered_cost_usd_total", MODEL] == pytest.approx(420e-6)
    assert now["upstream_calls_total", "cut"] == 1
    [line] = [one for one in log_lines() if one["message"] == "completion"]
    assert (line["input_tokens"], line["undelivered_tokens"]) == (100, 101)
    assert line["calls"] == 1


def test_a_client_that_leaves_a_stream_has_paid_for_it(
    house: House, standin: server.StandIn
) -> None:
    standin.answer_with([start(), BEGIN, WORD, *END])
    environ = testing.create_environ(
        "/v1/chat/completions",
        method="POST",
        headers={"content-type": "application/json"},
        host="localhost",
        body=json.dumps({**HELLO, "stream": True}),
    )

    body = house.client.app(environ, lambda *_: None)
    assert house.samples()["streams_in_flight",] == 1
    body.close()
    now = house.samples()

    assert now["requests_total", "chat", "", MODEL, "499"] == 1
    assert now["undelivered_tokens_total", "input", MODEL] == 100
    assert now["upstream_calls_total", "cancelled"] == 1
    assert now["streams_in_flight",] == 0


def test_a_response_that_broke_before_its_content_is_billed_and_asked_for_again(
    house: House, standin: server.StandIn
) -> None:
    standin.answer_with([start()], cut=True)
    standin.answer_with([start(), BEGIN, WORD, *END])

    assert house.ask().status_code == 200
    now = house.samples()

    assert now["tokens_total", "input", MODEL] == 200
    assert now["undelivered_tokens_total", "input", MODEL] == 100
    assert now["upstream_calls_total", "cut"] == 1
    assert now["upstream_calls_total", "complete"] == 1
    assert now["upstream_retries_total", "retry"] == 1


def test_a_failure_is_counted_by_code_and_call(
    house: House, standin: server.StandIn
) -> None:
    standin.fail_next(status=529, headers={"retry-after": "0"}, times=2)

    assert house.ask().status_code == 503
    now = house.samples()

    assert now["requests_total", "chat", "overloaded", MODEL, "503"] == 1
    assert now["errors_total", "overloaded", ""] == 1
    assert now["upstream_calls_total", "overloaded"] == 2
    assert now["upstream_retries_total", "retry"] == 1


def test_what_is_turned_away_at_the_door_is_counted_by_its_code(
    make_house: Callable[..., House],
) -> None:
    closed, open_to_all = make_house(proxy_api_key="the-key"), make_house()

    assert closed.ask().status_code == 401
    page = {"origin": "https://example.com"}
    assert (
        open_to_all.client.simulate_get("/v1/models", headers=page).status_code == 403
    )
    other = {"host": "example.com"}
    assert open_to_all.client.simulate_get("/health", headers=other).status_code == 421

    assert closed.samples()["refused_total", "invalid_api_key"] == 1
    now = open_to_all.samples()
    assert now["refused_total", "origin_not_allowed"] == 1
    assert now["refused_total", "host_not_allowed"] == 1
    assert now["refused_total", "invalid_api_key"] == 0


def test_warnings_and_repairs_are_counted(
    house: House, standin: server.StandIn
) -> None:
    deprecated = "`temperature` is deprecated for this model."
    standin.fail_next(status=400, type="invalid_request_error", message=deprecated)

    house.ask(model="claude-sonnet-4-6", temperature=0.3, seed=7)
    now = house.samples()

    assert now["warnings_total", "seed_ignored"] == 1
    assert now["warnings_total", "temperature_ignored"] == 1
    assert now["upstream_retries_total", "repair"] == 1
    assert now["upstream_calls_total", "invalid"] == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (401, "authentication_error")],
)
def test_a_failure_that_is_not_tried_again_is_no_retry(
    house: House, standin: server.StandIn, status: int, kind: str
) -> None:
    """Nothing is known that would mend the request, and there is no other credential."""
    standin.fail_next(status=status, type=kind, message="No.")

    assert house.ask().status_code == status
    now = house.samples()

    assert [one.method for one in standin.requests].count("POST") == 1
    retries = {key: n for key, n in now.items() if key[0] == "upstream_retries_total"}
    assert sum(retries.values()) == 0


def test_a_name_that_a_client_chooses_is_no_label(
    house: House, standin: server.StandIn
) -> None:
    standin.fail_next(status=404, type="not_found_error", message="model: mine")

    house.ask(model="my-canary-model")
    exposed = house.proxy.metrics.exposition()[1]

    assert house.samples()["requests_total", "chat", "model_not_found", "other", "404"]
    assert b"canary" not in exposed


def test_a_dated_name_counts_as_its_model(
    house: House, standin: server.StandIn
) -> None:
    named = start()
    named["message"]["model"] = "claude-haiku-4-5-20251001"
    standin.answer_with([named, BEGIN, WORD, *END])

    house.ask(model="claude-haiku-4-5-20251001")

    assert house.samples()["cost_usd_total", "claude-haiku-4-5"] == (
        pytest.approx((100 + 50 * 5) / 1e6)
    )


def test_tokens_of_a_model_without_a_price_say_so(
    house: House, standin: server.StandIn, log_lines: Callable[[], list[dict]]
) -> None:
    named = start()
    named["message"]["model"] = "claude-brand-new"
    standin.answer_with([named, BEGIN, WORD, *END])

    house.ask()
    now = house.samples()

    assert now["unpriced_tokens_total", "other"] == 150
    assert ("cost_usd_total", "other") not in now
    [line] = [one for one in log_lines() if one["message"] == "completion"]
    assert line["cost_usd"] is None


def test_limits_are_those_of_the_latest_response_and_absent_before(
    house: House, standin: server.StandIn
) -> None:
    assert not [key for key in house.samples() if key[0].startswith("limit")]
    standin.fail_next(
        status=400,
        type="invalid_request_error",
        message="No.",
        headers={
            "anthropic-ratelimit-unified-status": "allowed_warning",
            "anthropic-ratelimit-unified-representative-claim": "seven_day",
            "anthropic-ratelimit-unified-7d-utilization": "0.91",
            "anthropic-ratelimit-unified-7d-reset": "4102444800",
        },
    )

    house.ask()
    now = house.samples()

    assert now["limit_utilization_ratio", "7d"] == 0.91
    assert now["limit_reset_timestamp_seconds", "7d"] == 4102444800
    assert now["limit_info", "seven_day", "", "allowed_warning"] == 1
    assert ("limit_utilization_ratio", "5h") not in now


def test_the_credential_is_named_by_kind_and_a_refusal_by_its_time(
    make_house: Callable[..., House], standin: server.StandIn
) -> None:
    house = make_house()
    before = house.samples()
    assert before["credential_info", "api_key"] == 1
    assert ("credential_refusal_timestamp_seconds",) not in before
    assert ("credential_expiration_timestamp_seconds",) not in before
    standin.fail_next(status=401, type="authentication_error", times=2)

    house.ask()

    assert house.samples()["credential_refusal_timestamp_seconds",] > 1.7e9


def test_the_build_and_the_capacity_are_there_from_the_start(
    make_house: Callable[..., House],
) -> None:
    now = make_house(max_requests=7).samples()

    assert now["slots",] == 7
    assert now["requests_in_flight",] == 0
    [build] = [key for key in now if key[0] == "build_info"]
    assert all(build)


def test_ready_is_whether_there_is_a_usable_credential(
    make_house: Callable[..., House], tmp_path: Path
) -> None:
    nowhere = str(tmp_path / "nowhere")

    assert make_house().samples()["ready",] == 1
    without = make_house(anthropic_api_key="", claude_credentials_path=nowhere)
    assert without.samples()["ready",] == 0


def test_errors_and_calls_begin_at_zero_so_that_the_first_one_is_an_increase(
    house: House,
) -> None:
    now = house.samples()

    errors_ = {key[1] for key in now if key[0] == "errors_total"}
    assert errors_ == metrics.CODES
    calls = {key[1] for key in now if key[0] == "upstream_calls_total"}
    assert calls == set(trail.Outcome)
    assert not any(
        now[key] for key in now if key[0] in {"errors_total", "upstream_calls_total"}
    )


def test_openmetrics_has_the_id_of_a_request_behind_a_number(house: House) -> None:
    house.ask()

    kind, text = house.proxy.metrics.exposition(as_openmetrics=True)

    assert kind.startswith("application/openmetrics-text")
    families = list(openmetrics.text_string_to_metric_families(text.decode()))
    exemplars = {
        sample.exemplar.labels["request_id"]
        for family in families
        for sample in family.samples
        if sample.exemplar
    }
    assert exemplars == {"req-of-the-test"}


@pytest.mark.parametrize("request_id", ["x" * 128, "sk-ant-api03-" + "A" * 90])
def test_a_long_request_id_is_no_exemplar(house: House, request_id: str) -> None:
    answer = house.client.simulate_post(
        "/v1/chat/completions", json=HELLO, headers={"x-request-id": request_id}
    )

    assert answer.status_code == 200
    _, text = house.proxy.metrics.exposition(as_openmetrics=True)
    assert request_id[:20] not in text.decode()


def test_what_the_process_remembers_is_counted_by_kind(house: House) -> None:
    house.proxy.store.turns.keep(b"", ["toolu_1"], b"turn")
    house.proxy.store.turns.find(b"", [["toolu_1"]])
    house.proxy.store.turns.find(b"", [["toolu_2"]])
    house.proxy.store.answers.keep(b"", "request", bytes(10_000))
    now = house.samples()

    assert now["memory_entries", "turns"] == 1
    assert now["memory_hits_total", "turns"] == 1
    assert now["memory_misses_total", "turns"] == 1
    assert now["memory_bytes", "answers"] > 10_000
    assert now["memory_bytes", "responses"] == 0
    assert now["memory_evictions_total", "turns"] == 0
