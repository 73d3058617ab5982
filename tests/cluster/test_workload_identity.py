"""overlays/workload-identity: the proxy has a projected token and nothing else."""

import base64
import json
import ssl

import pytest
import trustme

from callers import Caller
from kustomizations import (
    as_list,
    kustomization,
    make_authority,
    make_inbound_key,
    pod_patch,
)
from node import rolled_out, until, why_it_waits
from quiet_server import SelfClosing
from standin import server
from standin.handler import Handler

DEPLOYMENT = "deployment/claude-code-proxy"
SELECTOR = "app=claude-code-proxy"
AUDIENCE = "https://api.anthropic.com"
RULE, ORGANIZATION = "fdrl_test", "org-of-a-test"


class Federating(Handler):
    """The stand-in with TLS, and with a token endpoint that knows one rule.

    The SDK sends an identity token only over TLS.
    """

    asked: list[dict]
    tls: ssl.SSLContext

    def setup(self):
        self.request = self.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self):
        super().finish()
        self.request.close()  # the server knows only the socket under it

    def do_POST(self):  # noqa: N802 - http.server's own word
        if self.path.startswith("/v1/oauth/token"):
            self._exchange()
        else:
            super().do_POST()

    def _exchange(self):
        self._begin()
        asked = json.loads(self._read_body())
        self.asked.append(asked)
        if asked["federation_rule_id"] != RULE:
            self._send_json(400, {"error": "invalid_grant"})
            return
        token = {"access_token": "wif-1", "expires_in": 3600, "token_type": "Bearer"}
        self._send_json(200, token)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def anthropic(outside, authority, monkeypatch):
    """The stand-in, which accepts only an exchanged token."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(outside).configure_cert(tls)
    tls.sslsocket_class = SelfClosing
    monkeypatch.setattr(Federating, "asked", [], raising=False)
    monkeypatch.setattr(Federating, "tls", tls, raising=False)
    monkeypatch.setattr(server, "Handler", Federating)
    with server.serve(outside) as standin:
        standin.base_url = standin.base_url.replace("http:", "https:")
        standin.accept_tokens = {"wif-1"}
        yield standin


@pytest.fixture
def overlay(namespace, anthropic, authority, tmp_path):
    """Apply it; the ConfigMap is up to the test."""
    make_inbound_key(namespace)
    make_authority(namespace, authority.cert_pem.bytes().decode())
    where = {
        "ANTHROPIC_API_BASE": anthropic.base_url,
        "SSL_CERT_FILE": "/authority/ca.pem",
    }
    proxy = {
        "name": "proxy",
        "env": as_list(where),
        "volumeMounts": [{"name": "authority", "mountPath": "/authority"}],
    }
    volume = {"name": "authority", "configMap": {"name": "authority"}}
    patch = pod_patch(
        "Deployment", "claude-code-proxy", containers=[proxy], volumes=[volume]
    )
    folder = kustomization(
        tmp_path / "k", "kustomize/overlays/workload-identity", patches=[patch]
    )
    namespace("apply", "--kustomize", folder)


def ids(namespace, rule):
    namespace(
        "create", "configmap", "claude-workload-identity",
        f"--from-literal=federation-rule-id={rule}",
        f"--from-literal=organization-id={ORGANIZATION}",
    )  # fmt: skip


def test_the_pods_own_token_is_exchanged(namespace, overlay):
    ids(namespace, RULE)
    rolled_out(namespace, DEPLOYMENT)

    answer = Caller(namespace).ask()

    assert answer.status == 200, answer
    [asked] = Federating.asked
    assert asked["organization_id"] == ORGANIZATION
    claims = claims_of(asked["assertion"])
    assert claims["aud"] == [AUDIENCE]
    account = f"system:serviceaccount:{namespace.namespace}:claude-code-proxy"
    assert claims["sub"] == account


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_without_the_ids_the_pod_waits_says_so_and_then_starts(namespace, overlay):
    why_it_waits(namespace, SELECTOR, 'configmap "claude-workload-identity" not found')

    ids(namespace, RULE)

    rolled_out(namespace, DEPLOYMENT)


def test_unknown_ids_are_reported_to_the_client_and_in_the_log(namespace, overlay):
    ids(namespace, "fdrl_...")  # as it stands in the overlay
    rolled_out(namespace, DEPLOYMENT)

    answer = Caller(namespace).ask()

    assert answer.status == 503
    assert answer.error["code"] == "no_credentials"
    assert "check the federation rule" in answer.error["message"]
    until(lambda: "check the federation rule" in namespace("logs", DEPLOYMENT))
