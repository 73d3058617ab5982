"""Whoever may create Secrets may get other ServiceAccounts' tokens. The refresher may not."""

import pytest
import yaml

from kustomizations import ROOT
from node import until

POLICY = "claude-refresher-only-opaque-secrets"
NAME = "claude-access-token"
OF_SOMEBODY_ELSE = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {
        "name": NAME,
        "annotations": {"kubernetes.io/service-account.name": "default"},
    },
    "type": "kubernetes.io/service-account-token",
}
PLAIN = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME}}


@pytest.fixture
def create(kubectl, namespace):
    """Create a Secret as the refresher does: the exit code and kubectl's words."""
    kubectl("apply", "-k", ROOT / "manifests/crd")
    namespace("apply", "-k", ROOT / "manifests/refresher/rights")
    user = f"--as=system:serviceaccount:{namespace.namespace}:claude-refresher"

    def run(secret, *words):
        words = ("apply", "--server-side", "--force-conflicts", *words, "-f", "-")
        done = namespace.run(user, *words, data=yaml.safe_dump(secret))
        return done.returncode, done.stderr

    # Neither new rights nor a new policy take effect at once.
    until(lambda: run(PLAIN, "--dry-run=server")[0] == 0)
    until(lambda: POLICY in run(OF_SOMEBODY_ELSE, "--dry-run=server")[1])
    return run


def test_a_stolen_refreshers_token_gets_no_other_accounts_token(create, namespace):
    code, said = create(OF_SOMEBODY_ELSE)

    assert (code, POLICY in said) == (1, True)
    assert namespace.run("get", "secret", NAME).returncode == 1


def test_the_refreshers_own_secret_is_created_and_stays_what_it_is(create):
    assert create(PLAIN)[0] == 0

    code, said = create(OF_SOMEBODY_ELSE)
    assert (code, "field is immutable" in said) == (1, True)


def test_everybody_else_creates_what_they_like(create, namespace):
    namespace("apply", "-f", "-", data=yaml.safe_dump(OF_SOMEBODY_ELSE))
