"""What the operator's tests share."""

import json
from datetime import timedelta

import pytest

from logins import login
from oauth_ledger import Behaviour
from oauth_standin import Standin
from operator_process import OperatorProcess
from refresher import credentials, files, refresh
from refresher.operator import api
from refresher.operator.cluster import Cluster
from refresher.settings import Settings
from tests.refresher.operator.api_server import ApiServer


@pytest.fixture
def server():
    with ApiServer() as running:
        yield running


@pytest.fixture
def anthropic(tmp_path):
    """Anthropic's hosts, which accept any token that was not revoked."""
    directory = tmp_path / "anthropic"
    directory.mkdir()
    with Standin(directory) as standin:
        standin.behaviour = Behaviour(unknown_tokens=True)
        yield standin


@pytest.fixture
def start(tmp_path, volume, server, anthropic, eventually):
    """Start operators over the volume and the scripted API server."""
    started = []

    def begin(claude, *, impatient=False, **environ):
        made = OperatorProcess(
            tmp_path,
            volume,
            claude.path,
            server.kubeconfig(),
            "here",
            compressed=True,
            impatient=impatient,
            **{**anthropic.environ, **environ},
        )
        started.append(made)
        eventually(lambda: made.ask("/healthz")[0] == 200 or not made.runs)
        return made

    yield begin
    for each in started:
        if each.runs:
            each.kill()


@pytest.fixture
def put(volume):
    """Put a login in the volume whose access token has `left` seconds."""

    def write(left=28800, **words):
        expires_at = refresh.utc_now() + timedelta(seconds=left)
        data = login(expires_at=expires_at, **words)
        files.replace(volume / credentials.FILE_NAME, data)

    return write


@pytest.fixture
def _kubeconfig(tmp_path, monkeypatch, server):
    """This process's way to the scripted API server."""
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(server.kubeconfig()))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path)
    )


@pytest.fixture
def cluster(_kubeconfig):
    """The calls, to the scripted API server."""
    settings = Settings.from_environ({"HOME": "/", "POD_NAMESPACE": "here"})
    return Cluster(settings, api.ApiServer())
