"""overlays/api-key: the proxy behind its Service, called from another pod.

The overlay is applied as it ships; the test's kustomization only redirects Anthropic.
"""

import itertools
import json
import threading

import pytest

from callers import Caller, stream
from kustomizations import (
    ROOT,
    kustomization,
    make_inbound_key,
    make_keys,
    proxy_environ,
    secret,
)
from node import rolled_out, why_it_waits
from standin import server

DEPLOYMENT = "deployment/claude-code-proxy"
SELECTOR = "app=claude-code-proxy"
OVERLAY = str(ROOT / "kustomize/overlays/api-key")


@pytest.fixture(scope="module")
def upstream(outside):
    """The stand-in for Anthropic's API, shared by the tests of a namespace."""
    with server.serve(outside) as standin:
        yield standin


@pytest.fixture(scope="module")
def caller(restricted, upstream, tmp_path_factory):
    """A client in the namespace where overlays/api-key is applied."""
    make_keys(restricted)
    folder = kustomization(
        tmp_path_factory.mktemp("api-key") / "k",
        "kustomize/overlays/api-key",
        patches=[proxy_environ(ANTHROPIC_API_BASE=upstream.base_url)],
    )
    restricted("apply", "--kustomize", folder)
    caller = Caller(restricted)
    rolled_out(restricted, DEPLOYMENT)
    return caller


@pytest.mark.parametrize("domain", ["", ".{}.svc.cluster.local"])
def test_clients_reach_the_proxy_by_the_name_of_its_service(caller, domain):
    domain = domain.format(caller.kubectl.namespace)

    answer = caller.ask(f"http://claude-code-proxy{domain}/v1")

    assert answer.status == 200, answer
    assert json.loads(answer.text)["choices"][0]["message"]["content"]


@pytest.mark.parametrize("key", ["", "another"])
def test_without_the_inbound_key_nobody_is_served(caller, key):
    answer = caller.ask(key=key)

    assert answer.status == 401, answer
    assert answer.error["code"] == "invalid_api_key"


def test_a_stream_through_the_service_arrives_as_it_is_produced(caller, upstream):
    rest_may_come = threading.Event()
    upstream.answer_with(stream("first", rest_may_come, "second"))

    with caller.streaming() as lines:
        before = list(itertools.takewhile(lambda line: "first" not in line, lines))
        rest_may_come.set()
        after = list(lines)

    assert before[0] == "200\n"
    assert "[DONE]" not in "".join(before)
    assert "second" in "".join(after)
    assert after[-2:] == ["data: [DONE]\n", "\n"]


def test_without_the_api_keys_secret_the_pod_waits_and_says_so(namespace):
    make_inbound_key(namespace)
    namespace("apply", "--kustomize", OVERLAY)

    why_it_waits(namespace, SELECTOR, 'secret "anthropic-api-key" not found')


def test_a_secret_with_the_wrong_key_is_reported_with_the_right_one(namespace):
    make_inbound_key(namespace)
    secret(namespace, "anthropic-api-key", key="sk-ant-api03-misplaced")
    namespace("apply", "--kustomize", OVERLAY)

    why_it_waits(namespace, SELECTOR, "couldn't find key api-key in Secret")


def test_without_the_inbound_keys_secret_the_pod_waits_and_says_so(namespace):
    secret(namespace, "anthropic-api-key", **{"api-key": "sk-ant-api03-any"})
    namespace("apply", "--kustomize", OVERLAY)

    why_it_waits(namespace, SELECTOR, 'secret "claude-proxy-key" not found')
