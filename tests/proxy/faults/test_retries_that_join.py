"""A client that gives up and asks again: its retry joins the call that still runs."""

import json
import signal
import ssl
import time
from concurrent import futures

import httpx2
import openai
import pytest
import trustme

import dotnet_client
from gunicorn_process import read_until
from loopback import PLAIN
from proxy.held_calls import SOONEST
from quick_proxy import CHAT, MESSAGES, head
from scripted_upstream import ScriptedUpstream
from waiting import LONG, until

RESPONSES = "/v1/responses"
LONGER = 600
"""Seconds of grace that no test waits for."""

APIS = pytest.mark.parametrize(
    ("path", "fields"),
    [
        pytest.param(CHAT, {}, id="chat"),
        pytest.param(RESPONSES, {"input": "hi"}, id="responses"),
        pytest.param(MESSAGES, {"max_tokens": 9}, id="messages"),
    ],
)
KEPT = 'claude_proxy_memory_entries{kind="answers"}'


def leave(proxy, upstream, model="hold", **request):
    """Ask, leave once Anthropic has been asked, and wait until that was noticed."""
    alone, calls = held(proxy), len(upstream.of(model))
    sock = proxy.raw(model, stream=False, **request)
    upstream.wait_for_calls(calls + 1, model)
    sock.close()
    until(lambda: held(proxy) == alone + 1, what="the call does not go on")


def pass_time(seconds):
    """At least so many seconds."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end)


def held(proxy):
    return proxy.metric("claude_proxy_held_calls")


def joined(proxy):
    until(lambda: held(proxy) == 0, what="nobody has joined")


def until_slots_are_free(proxy):
    """A slot is given back a moment after its response."""
    until(lambda: proxy.metric("claude_proxy_requests_in_flight") == 0)


def is_answer(received):
    assert received.status == 200, received.body
    return "word0 word1 word2" in received.body.decode()


@pytest.fixture
def pool():
    with futures.ThreadPoolExecutor() as running:
        yield running


@pytest.fixture(params=["sockets", "httpcore"])
def over(request, upstream, start):
    """A proxy that calls over this transport, and its upstream."""
    proxied = {"http_proxy": upstream.url} if request.param == "httpcore" else {}
    return start(retry_grace=LONGER, **proxied)


@APIS
def test_a_retry_joins_and_gets_the_answer(over, upstream, pool, path, fields):
    check_a_retry_joins(over, upstream, pool, path, fields)


def test_a_retry_joins_over_tls(start, pool, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with ScriptedUpstream(context) as upstream:
        trusted = {"ssl_cert_file": tmp_path / "ca.pem"}
        proxy = start(
            retry_grace=LONGER, anthropic_api_base=upstream.url, warm=False, **trusted
        )
        check_a_retry_joins(proxy, upstream, pool)
        proxy.stop()


def check_a_retry_joins(proxy, upstream, pool, path=CHAT, fields=None):
    fields = fields or {}
    leave(proxy, upstream, path=path, **fields)
    retry = pool.submit(proxy.ask, "hold", stream=False, path=path, **fields)
    joined(proxy)
    upstream.release()
    received = retry.result(LONG)
    assert is_answer(received)
    assert "req_scripted" in received.headers.values()
    assert len(upstream.of("hold")) == 1
    proxy.check_nothing_is_left()


@APIS
def test_an_answer_that_came_in_between_is_picked_up_once(
    start, upstream, pool, path, fields
):
    proxy = start(retry_grace=LONGER)
    leave(proxy, upstream, path=path, **fields)
    upstream.release()
    until(lambda: proxy.metric(KEPT) == 1)
    until_slots_are_free(proxy)
    assert is_answer(proxy.ask("hold", stream=False, path=path, **fields))
    assert len(upstream.of("hold")) == 1
    again = pool.submit(proxy.ask, "hold", stream=False, path=path, **fields)
    upstream.wait_for_calls(2)
    upstream.release()
    assert is_answer(again.result(LONG))
    proxy.check_nothing_is_left()


def test_an_answer_that_comes_with_the_end_of_its_client_is_kept(start, upstream):
    """As a process finds them that was held up, by a CPU limit for example."""
    proxy = start(retry_grace=LONGER)
    for i in range(12):
        model = f"hold;tag={i}"
        sock = proxy.raw(model, stream=False)
        upstream.wait_for_calls(1, model)
        pass_time(2 * SOONEST)
        proxy.signal(signal.SIGSTOP, worker=True)
        sock.close()
        upstream.release(model)
        until(lambda asked=model: upstream.of(asked)[0].finished)
        proxy.signal(signal.SIGCONT, worker=True)
        until(lambda: proxy.metric(KEPT) == 1, what="the answer is lost")
        assert is_answer(proxy.ask(model, stream=False))
        assert len(upstream.of(model)) == 1
    proxy.check_nothing_is_left()


def test_the_openai_package_gets_on_its_second_try_what_takes_longer_than_its_timeout(
    start, upstream, pool
):
    proxy = start()
    sent = []

    def answer_who_joined():
        joined(proxy)
        upstream.release()

    def on_request(request):
        sent.append(request)
        if len(sent) == 2:
            until(lambda: held(proxy) == 1)
            pool.submit(answer_who_joined)

    http = openai.DefaultHttpxClient(
        event_hooks={"request": [on_request]}, trust_env=False
    )
    with openai.OpenAI(
        base_url=f"{proxy.url}/v1", api_key="none", timeout=5, http_client=http
    ) as client:
        answer = client.chat.completions.create(
            model="hold", messages=[{"role": "user", "content": "hi"}]
        )
    assert answer.choices[0].message.content == "word0 word1 word2 "
    assert len(sent) == 2
    assert sent[1].headers["x-stainless-retry-count"] == "1"
    assert len(upstream.of("hold")) == 1
    proxy.check_nothing_is_left()


def test_a_dotnet_client_that_asks_again_at_once_gets_it_with_one_call(
    start, upstream, pool
):
    """It is back before anybody has looked whether it left."""
    proxy, timeout = start(), 4
    body = proxy.request("hold", stream=False)
    with dotnet_client.Client(proxy.url, timeout=timeout) as client:
        answer = pool.submit(client.ask, body)
        upstream.wait_for_calls(1)
        pass_time(timeout + 1)  # in the second try, if not in a later one
        upstream.release()
        assert answer.result(LONG).text == "word0 word1 word2 "
    assert len(upstream.calls) == 1

    def statuses():
        return [one["status"] for one in proxy.lines("hold")]

    until(lambda: len(statuses()) > 1 and 200 in statuses())
    assert statuses().count(200) == 1
    proxy.check_nothing_is_left()


def test_clients_that_are_back_at_once_always_join(start, upstream):
    proxy = start(retry_grace=LONGER)
    for i in range(12):
        model = f"hold;tag={i}"
        body = json.dumps(proxy.request(model, stream=False)).encode()
        asked = head(len(body)) + body
        sock, retry = proxy.connect(asked), proxy.connect()
        upstream.wait_for_calls(1, model)
        pass_time(2 * SOONEST)
        sock.close()
        retry.sendall(asked)
        pass_time(2 * SOONEST)
        upstream.release(model)
        assert read_until(retry, b'"total_tokens"').startswith(b"HTTP/1.1 200 ")
        assert len(upstream.of(model)) == 1
        retry.close()
    proxy.check_nothing_is_left()


def test_it_is_waited_for_longer_than_the_grace(start, upstream, pool):
    """And the next one may join where the first retry has left in its turn."""
    grace = 8
    proxy = start(retry_grace=grace)
    leave(proxy, upstream)
    with proxy.raw("hold", stream=False):
        joined(proxy)
    until(lambda: held(proxy) == 1)
    retry = pool.submit(proxy.ask, "hold", stream=False)
    joined(proxy)
    pass_time(grace + 1)
    upstream.release()
    assert is_answer(retry.result(LONG))
    assert len(upstream.calls) == 1
    proxy.check_nothing_is_left()


def test_the_log_and_the_metrics_count_it_once(start, upstream, pool):
    proxy = start(retry_grace=LONGER)
    proxy.mark_log()
    leave(proxy, upstream)
    with proxy.raw("hold", stream=False):
        joined(proxy)
    until(lambda: held(proxy) == 1)
    retry = pool.submit(proxy.ask, "hold", stream=False)
    joined(proxy)
    upstream.release()
    retry.result(LONG)
    lines = until(lambda: len(found := proxy.lines("hold")) == 3 and found)
    (got,) = [one for one in lines if one["status"] == 200]
    left = [one for one in lines if one is not got]
    assert got["joined"]
    assert (got["calls"], got["finish_reason"]) == (1, "stop")
    assert got["output_tokens"] > 0
    assert got["upstream_request_id"] == "req_scripted"
    assert got["own_ms"] < got["duration_ms"]
    assert sorted(one["joined"] for one in left) == [False, True]
    for one in left:
        assert (one["status"], one["client_gone"]) == (499, True)
        assert not one["unclaimed"]
        assert (one["calls"], one["output_tokens"], one["undelivered_tokens"]) == (
            0,
        ) * 3
    until(lambda: proxy.metric("claude_proxy_joins_total") == 2)
    assert proxy.metric("claude_proxy_unclaimed_calls_total") == 0
    complete = 'claude_proxy_upstream_calls_total{outcome="complete"}'
    what = "not that one alone, and the first of this proxy"
    until(lambda: proxy.metric(complete) == 2, what=what)


def test_an_error_goes_to_the_one_who_waits_with_its_wait(start, upstream, pool):
    proxy, model = start(retry_grace=LONGER), "error;held"
    leave(proxy, upstream, model)
    retry = pool.submit(proxy.ask, model, stream=False)
    joined(proxy)
    upstream.release()
    received = retry.result(LONG)
    assert (received.status, received.error["code"]) == (503, "overloaded")
    assert int(received.headers["retry-after"]) >= 1
    assert len(upstream.calls) == 1
    lines = until(lambda: len(found := proxy.lines(model)) == 2 and found)
    assert {one["status"]: one["code"] for one in lines} == {
        499: None,
        503: "overloaded",
    }
    proxy.check_nothing_is_left()


def test_after_an_error_that_nobody_waited_for_a_retry_makes_a_call_of_its_own(
    start, upstream
):
    proxy, model = start(retry_grace=LONGER), "error;held;times=1"
    leave(proxy, upstream, model)
    upstream.release()
    until(lambda: held(proxy) == 0)
    assert is_answer(proxy.ask(model, stream=False))
    assert len(upstream.calls) == 2
    lines = until(lambda: len(found := proxy.lines(model)) == 2 and found)
    assert [one["unclaimed"] for one in lines] == [True, False]


def test_two_whose_clients_wait_stay_two_calls(start, upstream, pool):
    proxy = start(retry_grace=LONGER)
    both = [pool.submit(proxy.ask, "hold", stream=False) for _ in range(2)]
    upstream.wait_for_calls(2)
    upstream.release()
    assert all(is_answer(one.result(LONG)) for one in both)


def test_a_stream_is_cancelled_at_once(start, upstream):
    proxy = start(retry_grace=LONGER)
    proxy.raw("stall").close()
    line = proxy.line("stall")
    assert (line["status"], line["unclaimed"]) == (499, False)


def test_counting_tokens_is_cancelled_at_once(start, upstream):
    proxy = start(retry_grace=LONGER)
    sock = proxy.raw("silent", stream=False, path=MESSAGES + "/count_tokens")
    upstream.wait_for_calls(1)
    sock.close()
    upstream.wait_until_idle()


def test_without_a_grace_the_call_is_cancelled_at_once(start, upstream):
    proxy = start(retry_grace=0)
    sock = proxy.raw("silent", stream=False)
    upstream.wait_for_calls(1)
    sock.close()
    upstream.wait_until_idle()
    line = proxy.line("silent")
    assert (line["status"], line["unclaimed"]) == (499, False)


def test_a_hundred_that_leave_for_good_leave_no_call_longer_than_the_grace(
    start, upstream
):
    proxy = start(retry_grace=8)  # all have left before the first one's is over
    socks = [proxy.raw(f"silent;tag={i}", stream=False) for i in range(100)]
    upstream.wait_for_calls(100, "silent")
    for sock in socks:
        sock.close()
    upstream.wait_until_idle()
    lines = [proxy.line(f"silent;tag={i}") for i in range(100)]
    assert all(one["client_gone"] for one in lines)
    assert sum(one["unclaimed"] for one in lines) == 4
    until(lambda: proxy.metric("claude_proxy_unclaimed_calls_total") == 4)
    proxy.check_nothing_is_left()


@pytest.fixture
def keyed(start, tmp_path):
    """A proxy with twenty keys, and a function for the headers of each."""
    keys = tmp_path / "keys"
    keys.write_text("\n".join(f"inbound-key-{i}" for i in range(20)))
    return start(retry_grace=LONGER, proxy_api_keys_file=keys, warm=False)


def key(number):
    return {"Authorization": f"Bearer inbound-key-{number}"}


def ask_as(proxy, number, model):
    with httpx2.Client(trust_env=False, headers=key(number), verify=PLAIN) as client:
        request = proxy.request(model, stream=False)
        return client.post(proxy.url + CHAT, json=request, timeout=LONG)


def leave_as(proxy, upstream, number, model):
    """Ask, and leave once Anthropic has been asked."""
    body = json.dumps(proxy.request(model, stream=False)).encode()
    [(name, value)] = key(number).items()
    begin = head(len(body)).removesuffix(b"\r\n") + f"{name}: {value}\r\n\r\n".encode()
    with proxy.connect(begin + body):
        upstream.wait_for_calls(1, model)


def test_another_key_makes_a_call_of_its_own(keyed, upstream, pool):
    leave_as(keyed, upstream, 0, "hold")
    until(lambda: held(keyed) == 1)
    other = pool.submit(ask_as, keyed, 1, "hold")
    upstream.wait_for_calls(2)
    assert held(keyed) == 1
    own = pool.submit(ask_as, keyed, 0, "hold")
    joined(keyed)
    upstream.release()
    assert [one.result(LONG).status_code for one in (other, own)] == [200, 200]
    assert len(upstream.calls) == 2


def test_one_key_has_four_calls_without_a_client_and_all_have_sixteen(keyed, upstream):
    for number in range(5):
        for i in range(5):
            leave_as(keyed, upstream, number, f"silent;tag={number}-{i}")
    until(lambda: upstream.open_calls == 16)
    until(lambda: held(keyed) == 16)
    keyed.signal(signal.SIGTERM)
    assert keyed.wait()[0] == 0


def test_the_one_that_was_left_first_gives_way_when_no_slot_is_free(start, upstream):
    proxy = start(retry_grace=LONGER, max_requests=2)
    for tag in "ab":
        leave(proxy, upstream, f"silent;tag={tag}")
    assert is_answer(proxy.ask("ok", stream=False))
    (first,), (second,) = upstream.of("silent;tag=a"), upstream.of("silent;tag=b")
    until(lambda: not first.open)
    assert second.open
    until(lambda: proxy.metric("claude_proxy_requests_in_flight") == 1)
    assert proxy.line("silent;tag=a")["unclaimed"]
    assert is_answer(proxy.ask("ok", stream=False)), "there is a slot now"
    assert second.open


def test_a_retry_needs_no_slot(start, upstream, pool):
    proxy = start(retry_grace=LONGER, max_requests=1)
    leave(proxy, upstream)
    retry = pool.submit(proxy.ask, "hold", stream=False)
    joined(proxy)
    assert proxy.ask("ok", stream=False).error["code"] == "at_capacity"
    upstream.release()
    assert is_answer(retry.result(LONG))
    until_slots_are_free(proxy)
    leave(proxy, upstream)
    upstream.release()
    until(lambda: proxy.metric(KEPT) == 1)
    until_slots_are_free(proxy)
    with proxy.raw("stall"):
        upstream.wait_for_calls(1, "stall")
        assert is_answer(proxy.ask("hold", stream=False))


def test_without_memory_nothing_is_kept_and_a_retry_asks_again(start, upstream):
    proxy, model = start(retry_grace=LONGER, memory_bytes=0), "hold;held;times=1"
    leave(proxy, upstream, model)
    upstream.release()
    until(lambda: held(proxy) == 0)
    assert is_answer(proxy.ask(model, stream=False))
    assert len(upstream.calls) == 2


def test_a_drain_ends_what_nobody_waits_for(start, upstream, pool):
    proxy = start(retry_grace=LONGER, drain_timeout=300)
    leave(proxy, upstream, "hold;tag=kept")
    upstream.release()
    until(lambda: proxy.metric(KEPT) == 1)
    leave(proxy, upstream, "silent")
    leave(proxy, upstream, "hold;tag=joined")
    retry = pool.submit(proxy.ask, "hold;tag=joined", stream=False)
    until(lambda: held(proxy) == 2)
    proxy.signal(signal.SIGTERM)
    (silent,) = upstream.of("silent")
    until(lambda: not silent.open)
    assert not retry.done()
    upstream.release()
    assert is_answer(retry.result(LONG))
    assert proxy.wait()[0] == 0
    lines = {
        one["model"]: one
        for one in map(json.loads, proxy.log.splitlines())
        if "model" in one
    }
    assert lines["silent"]["unclaimed"]


def test_a_response_that_is_kept_by_its_id_is_kept_once(start, upstream):
    proxy = start(retry_grace=LONGER)
    request = {"path": RESPONSES, "input": "hi"}
    leave(proxy, upstream, **request)
    upstream.release()
    until(lambda: proxy.metric(KEPT) == 1)
    got = json.loads(proxy.ask("hold", stream=False, **request).body)
    url = f"{proxy.url}{RESPONSES}/{got['id']}"
    kept = httpx2.get(url, trust_env=False, timeout=LONG, verify=PLAIN)
    assert kept.json()["id"] == got["id"]
    entries = 'claude_proxy_memory_entries{kind="responses"}'
    until(lambda: proxy.metric(entries) == 1)
