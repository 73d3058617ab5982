"""What the log, the metrics and Anthropic count is the same, whatever goes wrong."""

from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

import health_port
from waiting import until

COMPLETE = ["ok", "ok;close", "unknown", "hold;at=99"]
FAILING = [
    "fin0;times=1",
    "rst0;times=1",
    "status;code=529;retry-after=0;times=1",
    "status;code=529;retry-after=0",
    "status;code=400",
    "html",
    "fin;at=-1;times=1",
    "fin;at=1",
    "rst;at=1",
    "error;at=0;times=1",
    "error;at=1",
    "garbage;at=1",
    "empty",
]


def counted(proxy):
    """Each of the proxy's counters, summed over its labels; calls by outcome as well."""
    text = health_port.get(f"http://127.0.0.1:{proxy.health_port}/metrics").text
    sums = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removeprefix("claude_proxy_").removesuffix("_total")
            sums[name] += sample.value
            if outcome := sample.labels.get("outcome"):
                sums[outcome] += sample.value
    return sums


def leave(proxy, upstream, model, *, stream):
    """Ask, and leave once Anthropic has been asked."""
    sock = proxy.raw(model, stream=stream)
    upstream.wait_for_calls(1, model)
    sock.close()


def test_calls_retries_tokens_and_completions_add_up(start, upstream):
    proxy = start(retry_grace=0.2)
    # the one with which it was warmed up; the line is written first
    until(lambda: proxy.lines("ok") and counted(proxy)["requests"] == 1)
    proxy.mark_log()
    before, asked, dead = counted(proxy), [], []
    for stream in (True, False):
        for scenario in [*COMPLETE, *FAILING]:
            asked.append(f"{scenario};tag={stream}")
            proxy.ask(asked[-1], stream=stream)
        for scenario in ("silent", "stall"):
            asked.append(f"{scenario};tag={stream}")
            leave(proxy, upstream, asked[-1], stream=stream)
        upstream.wait_until_idle()
        upstream.drop_idle_connections()
        dead.append(f"ok;tag=over-a-dead-connection-{stream}")
        proxy.ask(dead[-1], stream=stream)

    asked += dead
    after_close = [f"{COMPLETE[2]};tag={stream}" for stream in (True, False)]
    lines = [proxy.line(model) for model in asked]
    until(lambda: proxy.metric("claude_proxy_requests_in_flight") == 0)
    until(lambda: (counted(proxy) - before)["requests"] >= len(asked))
    now = counted(proxy) - before
    assert now["requests"] == len(asked)
    assert sum(line["unclaimed"] for line in lines) == now["unclaimed_calls"] == 2
    calls = [line["calls"] for line in lines]
    assert sum(calls) == now["upstream_calls"]
    for model, number in zip(asked, calls, strict=True):
        unseen = number - len(upstream.of(model))
        # a call is one even on a connection that Anthropic has just closed
        assert unseen == 0 or (unseen == 1 and model in [*dead, *after_close])
    assert sum(calls) - len(asked) == now["upstream_retries"] > 0
    tokens = sum(line["input_tokens"] + line["output_tokens"] for line in lines)
    assert tokens == now["tokens"] > 0
    lost = sum(line["undelivered_tokens"] for line in lines)
    assert lost == now["undelivered_tokens"] > 0
