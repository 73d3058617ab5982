"""The documented commands, in their order, from a namespace that does not exist yet."""

import secrets

import pytest

from callers import Caller
from installation import Installation
from kustomizations import ROOT
from node import Kubectl
from oauth_standin import Standin
from shell import KUBERNETES, Shell, commands, pasted

OVERLAY = "kustomize/overlays/max-pvc"
READS_THE_KEY = pasted("kubectl get secret claude-proxy-key ")


def patient(command):
    """The same command; one that waits does so for longer than half a minute."""
    waits = command.startswith("kubectl wait ")
    return f"{command} --timeout=5m" if waits else command


@pytest.fixture
def person(kubectl, tmp_path):
    """A person's shell at the repository's root; the namespace is the person's to create."""
    name = f"documented-{secrets.token_hex(3)}"
    shell = Shell(Kubectl("default"), tmp_path, here=ROOT)
    shell.namespace = name
    yield shell
    kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def test_from_an_empty_cluster_to_a_login_that_works(person, outside, tmp_path):
    with Standin(tmp_path, outside) as standin:
        for command in commands(KUBERNETES, "A namespace"):
            person.run(command.replace("agents", person.namespace))
        kubectl = Kubectl(person.namespace)
        installation = Installation(kubectl, standin, tmp_path, inbound_key=False)
        redirected = installation.folder(OVERLAY)
        for command in commands(KUBERNETES, "max-pvc or max-secret"):
            if "auth login" in command:
                code = standin.ledger.code()
                shown = person.answer(command, "Paste code here", code)
                assert "Login successful." in shown
            else:
                shown = person.run(patient(command.replace(OVERLAY, redirected)))

        assert "TokenValid" in shown  # the last command shows the ClaudeCredential
        assert Caller(kubectl).ask(key=person.run(READS_THE_KEY)).status == 200


def test_the_recommended_install_serves(person, anthropic, tmp_path):
    for command in commands(KUBERNETES, "A namespace"):
        person.run(command.replace("agents", person.namespace))
    for command in commands(KUBERNETES, "api-key"):
        person.run(command.replace("…", "of-a-test"))
    kubectl = Kubectl(person.namespace)
    upstream = f"ANTHROPIC_API_BASE={anthropic.base_url}"
    kubectl("set", "env", "deployment/claude-code-proxy", upstream)

    for command in commands(KUBERNETES, "See that it works"):
        shown = person.run(command)

    assert "Anthropic accepts the credential" in shown  # the last one is the doctor's
    assert Caller(kubectl).ask(key=person.run(READS_THE_KEY)).status == 200
