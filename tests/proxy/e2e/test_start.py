"""Starting and ending `claude-proxy`: refusals in words, the demo, the drain."""

import threading
from concurrent import futures

import pytest

import proxy_command
from openai_client import ask, chunks, connect, user
from upstream_events import message, text
from waiting import LONG, until


def test_a_wide_address_without_a_key_is_refused_in_words(tmp_path):
    said = proxy_command.refused_start(
        tmp_path, HOST="0.0.0.0", ANTHROPIC_API_KEY="secret"
    )
    assert "HOST" in said
    assert "PROXY_API_KEY" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "0"),
        ("DEFAULT_MAX_TOKENS", "-1"),
        ("PROMPT_CACHING", "perhaps"),
        ("DRAIN_TIMEOUT", "soon"),
        ("LOG_LEVEL", "loud"),
        ("STRICT_PARAMS", "canary"),
    ],
)
def test_a_bad_setting_is_named_and_not_repeated(tmp_path, name, value):
    said = proxy_command.refused_start(tmp_path, **{name: value})
    assert said.startswith(f"claude-proxy: {name}: ")
    assert said.count("\n") == 1
    assert value not in said.partition(": ")[2].split()


def test_what_kubernetes_puts_into_a_pod_is_no_setting(tmp_path, standin):
    """A Service called `health` sets `HEALTH_PORT`; the default port may be taken."""
    said = proxy_command.refused_start(
        tmp_path,
        PORT="tcp://10.0.0.1:80",
        HEALTH_PORT="tcp://10.0.0.1:90",
        LOG_LEVEL="loud",
    )
    assert said.startswith("claude-proxy: LOG_LEVEL")


def test_a_health_port_of_kubernetes_is_unset(start):
    running = start(ANTHROPIC_API_KEY="key", HEALTH_PORT="tcp://10.0.0.1:90")
    with connect(running) as client:
        assert ask(client).choices[0].finish_reason == "stop"


def test_the_demo_answers_without_a_credential_and_says_that_it_is_a_demo(start):
    running = start("demo", ANTHROPIC_API_BASE=None)
    with connect(running) as client:
        answer = ask(client, model="claude-sonnet-4-6", messages=[user("Hello")])
    assert "demo, not Claude" in answer.choices[0].message.content
    assert f"curl http://127.0.0.1:{running.port}/v1/chat/completions" in running.text


def test_the_demo_sends_nothing_to_an_upstream_that_is_set(start, standin):
    running = start("demo", ANTHROPIC_API_KEY="secret-of-the-user")
    with connect(running) as client:
        ask(client)
    assert not standin.requests


def test_the_end_waits_for_a_stream_that_runs(start, standin):
    running = start(ANTHROPIC_API_KEY="key-of-the-tests")
    go_on = threading.Event()
    answer = message(text("slow"))
    standin.answer_with([*answer[:2], go_on, *answer[2:]])
    with connect(running) as client, futures.ThreadPoolExecutor() as pool:
        told = pool.submit(chunks, client)
        try:
            until(lambda: not standin.scripted)
            running.process.terminate()
            until(lambda: "Handling signal: term" in running.text)
            assert running.process.poll() is None
        finally:
            go_on.set()
        deltas = [chunk.choices[0] for chunk in told.result(LONG)]
    assert "".join(one.delta.content or "" for one in deltas) == "slow"
    assert deltas[-1].finish_reason == "stop"
